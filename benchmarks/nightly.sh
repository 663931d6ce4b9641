#!/usr/bin/env bash
# What takes too long for every change: the tests that learn for long, all drills, then every recipe at its defaults, whose
# scores must be within the bands of bands.toml. With names: these recipes alone.
#
#   benchmarks/nightly.sh [RECIPE ...]
#
# A line for cron: 0 1 * * * /path/to/project/benchmarks/nightly.sh >> /path/to/nightly.log 2>&1
set -euo pipefail
script=$(readlink -f -- "${BASH_SOURCE[0]}") # not a link to it
root=$(dirname -- "$(dirname -- "$script")")
cd "$root"
# shellcheck source=common/launch/find_python.sh
. "$root/common/launch/find_python.sh"
PYTHONPATH=$root "$python" -P -m common.launch.environment test imagenet tensorflow jax
venv_python=$(PYTHONPATH=$root "$python" -P -m common.launch.environment --python)
code=0
if [ $# = 0 ]; then
    TF_CPP_MIN_LOG_LEVEL=3 "$venv_python" -m pytest -m nightly || code=$?
    TF_CPP_MIN_LOG_LEVEL=3 "$venv_python" -m benchmarks.drills || code=$?
fi
"$venv_python" -m benchmarks.nightly "$@" || code=$?
exit "$code"
