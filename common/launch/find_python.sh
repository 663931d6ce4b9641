# shellcheck shell=bash
# Sets $python to a Python of 3.11 to 3.13, for which TensorFlow has builds: $PYTHON if given, else the first one found.
# Refuses a project in $root for which Python could not be started.
case ${root:?} in
*:*)
    echo "Error: The project is in $root, but a colon in a path separates paths for Python; rename the folder, or move the project." >&2
    exit 2
    ;;
esac
if [ -x /bin/pwd ] && ! /bin/pwd >/dev/null 2>&1; then
    echo "Error: The current folder was removed, so no program can start in it; change to another one: cd" >&2
    exit 2
fi
unset PYTHONINSPECT # Python would wait for input when a command ends
python=
for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1; then
        python=$candidate
        break
    elif [ "$candidate" = "${PYTHON:-}" ]; then
        break # a Python that was asked for by name is not replaced in silence
    fi
done
if [ -z "$python" ]; then
    found=$("${PYTHON:-python3}" --version 2>&1 | tail -n 1) || found="none"
    echo "Error: Python 3.11, 3.12 or 3.13 is needed, found: ${found:-none}; install one, or name it: PYTHON=/path/to/python3.12 $0" >&2
    exit 2
fi
