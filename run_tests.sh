#!/usr/bin/env bash
# Sets up what the tests need and runs them: ./run_tests.sh [--all-backends] [PYTEST OPTIONS]
# TensorFlow and JAX are installed and tested; PyTorch, whose wheel is several GB, where it is installed already, or
# with --all-backends. Where SECONDS_FILE names a file, each step is added to it with its seconds.
set -euo pipefail
script=$(readlink -f -- "${BASH_SOURCE[0]}") # not a link to it
root=$(dirname -- "$script")
# shellcheck source=common/launch/find_python.sh
. "$root/common/launch/find_python.sh"

timed() { # timed NAME COMMAND …
    local name=$1 start=$SECONDS code=0
    shift
    "$@" || code=$?
    printf '%6d s  %s\n' "$((SECONDS - start))" "$name" >>"${SECONDS_FILE:-/dev/null}"
    return "$code"
}

backends=(tensorflow jax)
if [ "${1:-}" = "--all-backends" ]; then
    shift
    backends+=(torch)
elif PYTHONPATH=$root "$python" -P -m common.launch.environment --check torch; then
    backends+=(torch)
fi
PYTHONPATH=$root timed "the environment" "$python" -P -m common.launch.environment test imagenet meshes play text "${backends[@]}"
venv_python=$(PYTHONPATH=$root "$python" -P -m common.launch.environment --python)

cd "$root"
# A process a core with a thread each is faster than one process with all of them. What JAX compiles is kept between tests.
cache=$(mktemp -d)
trap 'rm -rf -- "$cache"' EXIT
export OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3
export JAX_COMPILATION_CACHE_DIR=$cache JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
selection="not nightly" # everything with the first backend, then only what depends on the backend
for backend in "${backends[@]}"; do
    echo "== Tests on $backend"
    if [ "$backend" = jax ]; then # tiny networks take longer to optimize than to run
        export XLA_FLAGS="${XLA_FLAGS:-} --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    fi
    KERAS_BACKEND=$backend timed "tests on $backend" \
        "$venv_python" -m pytest --numprocesses auto --dist loadgroup -m "$selection" "$@"
    selection="not nightly and not once"
done
echo "All tests passed on: ${backends[*]}"
