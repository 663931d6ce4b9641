"""Makes docs/gallery.png, the picture at the top of the README, from the last sample grids of six recipes.

    .venv/bin/python -m benchmarks.gallery [--runs FOLDER]

FOLDER holds the run folders, each named like its recipe; by default runs/ in the project. A recipe without a run there
is shown by the grid on its page. Nothing is chosen by hand: what is shown is the upper left corner of each grid.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common.base import paths, pictures
from common.base.errors import InputError
from common.training.trained_run import grids_of

WIDTH, HEIGHT, CAPTION = 336, 252, 30  # pixels of a tile: 28-pixel images are shown three or two times enlarged
COLUMNS, GAP = 3, 12


class Part(NamedTuple):
    """Which cells of a recipe's grid are shown, and what is written below them."""

    grid: int  # columns of the whole grid
    columns: int  # of the part shown
    rows: int
    caption: str


PARTS = {
    "dcgan": Part(8, 4, 3, "dcgan"),
    "cgan": Part(10, 6, 4, "cgan: each row a class"),
    "stacked_mnist": Part(8, 4, 3, "stacked_mnist: three digits each"),
    "pix2pix": Part(12, 6, 4, "pix2pix: edges, output, target"),
    "style_transfer": Part(12, 6, 4, "style_transfer: A to B to A, B to A to B"),
    "simgan": Part(12, 6, 4, "simgan: simulated, refined, real"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, default=paths.runs())
    parser.add_argument("--out", type=Path, default=paths.PROJECT / "docs" / "gallery.png")
    options = parser.parse_args()
    try:
        sheet = gallery([tile(part, last_grid(options.runs, name)) for name, part in PARTS.items()])
        pictures.save_png(options.out, sheet)
    except (InputError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    print(f"{len(PARTS)} recipes in {paths.shown(options.out)}, {options.out.stat().st_size / 1000:.0f} KB")
    return 0


def last_grid(runs, name):
    """Returns the path of a recipe's last sample grid, of its run or of its page.

    Raises:
        InputError: if there is neither.
    """
    page = paths.PROJECT / "recipes" / name / "samples.png"
    grids = [*([page] if page.exists() else []), *grids_of(runs / name)]
    if not grids:
        raise InputError(f"There is no grid of {name} in {runs}; train it first: ./run_recipe.sh {name}")
    return grids[-1]


def tile(part, path):
    """Returns the upper left cells of a grid, enlarged, above a caption: a uint8 image in RGB."""
    grid = unenlarged(np.asarray(Image.open(path).convert("RGB")))
    cell = grid.shape[1] // part.grid
    cells = Image.fromarray(grid[: part.rows * cell, : part.columns * cell])
    factor = max(1, min(WIDTH // cells.width, HEIGHT // cells.height))
    cells = cells.resize((cells.width * factor, cells.height * factor), Image.Resampling.NEAREST)
    canvas = Image.new("RGB", (WIDTH, HEIGHT + CAPTION), "white")
    canvas.paste("black", (0, 0, WIDTH, HEIGHT))
    canvas.paste(cells, ((WIDTH - cells.width) // 2, (HEIGHT - cells.height) // 2))
    ImageDraw.Draw(canvas).text((2, HEIGHT + 6), part.caption, "black", ImageFont.load_default(18))
    return np.asarray(canvas)


def unenlarged(grid):
    """Returns a grid at the size of its images: `pictures.grid` enlarges small ones by a whole factor."""
    height, width = grid.shape[:2]
    for factor in range(min(height, width), 1, -1):
        if height % factor == width % factor == 0:
            small = grid[::factor, ::factor]
            if np.array_equal(small.repeat(factor, axis=0).repeat(factor, axis=1), grid):
                return small
    return grid


def gallery(tiles):
    """Returns tiles in rows of `COLUMNS`, on white."""
    rows = -(-len(tiles) // COLUMNS)
    height, width = tiles[0].shape[:2]
    sheet = np.full((rows * (height + GAP) - GAP, COLUMNS * (width + GAP) - GAP, 3), 255, np.uint8)
    for index, each in enumerate(tiles):
        top, left = index // COLUMNS * (height + GAP), index % COLUMNS * (width + GAP)
        sheet[top : top + height, left : left + width] = each
    return sheet


if __name__ == "__main__":
    sys.exit(main())
