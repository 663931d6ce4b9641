#!/usr/bin/env bash
# Runs a recipe: ./run_recipe.sh RECIPE [ACTION] [OPTIONS]. Without a name: the table of recipes.
set -euo pipefail
script=$(readlink -f -- "${BASH_SOURCE[0]}") # not a link to it
root=$(dirname -- "$script")
# shellcheck source=common/launch/find_python.sh
. "$root/common/launch/find_python.sh"
PYTHONPATH=$root exec "$python" -P -m common.launch.launcher "$@"
