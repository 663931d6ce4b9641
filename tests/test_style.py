"""Rules of the project, each with a check."""

import ast
import re
import subprocess
import sys

import pytest

from common.launch.launcher import COMMANDS, describe, recipes
from tests.conftest import PROJECT

pytestmark = pytest.mark.once

FRAMEWORKS = {"tensorflow", "jax", "torch"}
SOURCES = sorted(path for folder in ("common", "data_prep", "recipes") for path in (PROJECT / folder).rglob("*.py"))
FINISHED = [recipe.name for recipe in recipes() if (PROJECT / "recipes" / recipe.name / "README.md").exists()]
PAGES = sorted(path for path in PROJECT.rglob("*.md") if not {".venv", "runs"} & set(path.parts))
HEADINGS = (
    *("What it is", "The idea", "Run it", "Measured result", "Departures from the paper"),
    *("What can go wrong", "Exercises", "References"),
)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_only_the_backend_module_imports_a_framework(path):
    if path != PROJECT / "common" / "backend.py":
        assert not FRAMEWORKS & {name.split(".")[0] for name in imports(path)}
        assert "keras.utils.set_random_seed" not in path.read_text("utf-8")  # it imports TensorFlow on every backend


@pytest.mark.parametrize("path", sorted((PROJECT / "recipes").glob("*/*.py")), ids=str)
def test_recipes_never_import_each_other(path):
    assert not [name for name in imports(path) if name.startswith("recipes")]


@pytest.mark.parametrize("name", FINISHED)
def test_train_fits_on_its_lines(name):
    source = (PROJECT / "recipes" / name / "train.py").read_text("utf-8")
    assert len(source.splitlines()) <= 150  # 120 is the aim
    order = [
        '"""',
        "import",
        "class Config",
        "# Networks ---",
        "# Training ---",
        "def build(",
        "def train(",
        "if __name__",
    ]
    places = [source.index(part) for part in order]
    assert places == sorted(places)
    config = re.search(r"class Config:\n((?: .*\n)+)", source).group(1)
    shared = re.compile(r"Options\(\)|Length\(")  # groups of options that recipes share
    assert len([line for line in config.splitlines() if not shared.search(line)]) <= 10
    assert all("  # " in line for line in config.splitlines())


def rows_of_the_table():
    text = (PROJECT / "README.md").read_text("utf-8")
    return re.findall(r"^\| \[(\w+)\]\((\S+)\) \| (.+?) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)


def test_the_table_in_the_readme_is_what_the_recipes_say():
    for name, page, *facts in rows_of_the_table():
        assert list(describe(name))[1:] == facts
        assert (PROJECT / page).is_file()
    listed = [name for name, *_ in rows_of_the_table()]
    assert listed == [recipe.name for recipe in recipes() if recipe.name in listed]
    assert set(listed) == set(FINISHED)


@pytest.mark.parametrize("name", FINISHED)
def test_recipe_pages_have_the_fixed_headings(name):
    text = (PROJECT / "recipes" / name / "README.md").read_text("utf-8")
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == HEADINGS
    assert re.search(r"!\[.+\]\(.+\.png\)", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_commands_and_links_of_a_page_exist(page):
    text = page.read_text("utf-8")
    names = {recipe.name for recipe in recipes()} | {"new", "my_gan", "RECIPE", *COMMANDS}
    for word in re.findall(r"\./run_recipe\.sh ([\w<]+)", text):
        assert word in names
    for module in re.findall(r"python -m ((?:benchmarks|common|data_prep)[\w.]*)", text):
        path = PROJECT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", prose):
        assert (page.parent / target.partition("#")[0]).exists(), target


def test_options_in_the_pages_exist():
    sources = "".join(path.read_text("utf-8") for path in SOURCES)
    known = set(re.findall(r"--[a-z][\w-]+", sources))
    # The fields of the dataclasses that become options.
    known |= {"--" + name.replace("_", "-") for name in re.findall(r"^    (\w+): ", sources, re.MULTILINE)}
    for page in PAGES:
        for line in re.findall(r"\./run_recipe\.sh .*", page.read_text("utf-8")):
            for option in re.findall(r"--[a-z][\w-]+", line):
                assert option in known | {"--help"}, (page, option)


def test_pictures_are_small():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.split()
    for name in tracked:
        if name.endswith((".png", ".gif")):
            assert (PROJECT / name).stat().st_size < 300_000, name


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_nothing_imports_tensorflow_on_another_backend(backend):
    pytest.importorskip(backend)
    code = (
        "import sys, recipes.dcgan.train as t, common.training.checkpoint, common.training.callbacks\n"
        "from data_prep.batches import Batches; import numpy as np\n"
        "from common.losses import NonSaturating; from common.gan import GAN; import keras\n"
        "from common import backend; backend.set_random_seed(0)\n"
        "from tests.conftest import SmallGenerator, SmallDiscriminator\n"
        "gan = GAN(SmallGenerator(4), SmallDiscriminator((2,)))\n"
        "gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam())\n"
        "gan.fit(Batches(np.zeros((8, 2), 'uint8'), 4), verbose=0)\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    environment = {"KERAS_BACKEND": backend, "PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin", "HOME": "/tmp"}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_shell_scripts_are_executable():
    for name in ("run_recipe.sh", "run_tests.sh", ".ci/run"):
        assert (PROJECT / name).stat().st_mode & 0o111
