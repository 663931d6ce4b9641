#!/usr/bin/env bash
# What an image does when it starts: says in one line what computes, then runs the recipe as run_recipe.sh does.
set -euo pipefail
"$GAN_COOKBOOK_VENV/bin/python" -P -m common.health
exec /project/run_recipe.sh "$@"
