#!/usr/bin/env bash
# Entry point of the images: prints the device in one line, then runs the recipe by run_recipe.sh.
set -euo pipefail
"$GAN_COOKBOOK_VENV/bin/python" -P -m common.cli.health
exec /project/run_recipe.sh "$@"
