#!/usr/bin/env bash
# Trains every recipe at its defaults and fails when a score has left its band: for a machine that has the night for it.
#
#   benchmarks/nightly.sh [RECIPE ...]
#
# A line for cron: 0 1 * * * /path/to/project/benchmarks/nightly.sh >> /path/to/nightly.log 2>&1
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=common/find_python.sh
. "$root/common/find_python.sh"
PYTHONPATH=$root "$python" -P -m common.environment tensorflow
exec "$(PYTHONPATH=$root "$python" -P -m common.environment --python)" -m benchmarks.nightly "$@"
