#!/usr/bin/env bash
# Sets up what the tests need and runs them: ./run_tests.sh [--all-backends] [PYTEST OPTIONS]
# TensorFlow and JAX are installed and tested; PyTorch, whose wheel is several GB, where it is installed already, or
# with --all-backends.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=common/find_python.sh
. "$root/common/find_python.sh"

backends=(tensorflow jax)
if [ "${1:-}" = "--all-backends" ]; then
    shift
    backends+=(torch)
elif PYTHONPATH=$root "$python" -P -m common.environment --check torch; then
    backends+=(torch)
fi
PYTHONPATH=$root "$python" -P -m common.environment test "${backends[@]}"
venv_python=$(PYTHONPATH=$root "$python" -P -m common.environment --python)

cd "$root"
selection=() # everything with the first backend, then only what depends on the backend
for backend in "${backends[@]}"; do
    echo "== Tests on $backend"
    KERAS_BACKEND=$backend TF_CPP_MIN_LOG_LEVEL=3 "$venv_python" -m pytest "${selection[@]+"${selection[@]}"}" "$@"
    selection=(-m "not once")
done
echo "All tests passed on: ${backends[*]}"
