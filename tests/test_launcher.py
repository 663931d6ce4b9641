"""What runs before a recipe: the table, new recipes, the environment."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.base import paths
from common.base.errors import InputError
from common.launch import container, environment, launcher
from tests.conftest import PROJECT, is_one_sentence, run_recipe
from tests.test_style import imports

pytestmark = pytest.mark.once


def test_the_table_needs_no_environment(tmp_path):
    answer = run_recipe(env={"GAN_COOKBOOK_VENV": str(tmp_path / "missing")})
    assert answer.returncode == 0
    for recipe in launcher.recipes():
        assert all(part in answer.stdout for part in recipe)
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("module", [launcher, environment, container, paths], ids=lambda module: module.__name__)
def test_modules_of_the_launcher_import_only_the_standard_library(module):
    own = {
        f"common.{name}"
        for name in ("base", "base.errors", "base.paths", "launch", "launch.container", "launch.environment")
    }
    found = set(imports(Path(module.__file__)))
    assert {name.split(".")[0] for name in found - own} <= sys.stdlib_module_names


@pytest.mark.parametrize("recipe", launcher.recipes(), ids=lambda recipe: recipe.name)
def test_every_recipe_has_a_sentence_a_paper_and_minutes(recipe):
    assert recipe.sentence.endswith(".")
    assert "https://" in recipe.paper
    assert float(recipe.minutes) > 0


def test_unknown_recipe():
    assert is_one_sentence(run_recipe("dcgna"), "There is no recipe 'dcgna'; did you mean dcgan?")


def test_unknown_backend():
    assert is_one_sentence(run_recipe("dcgan", "--backend", "mxnet"), "tensorflow, jax or torch, but is 'mxnet'")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["my_gan"], "Expected: ./run_recipe.sh new NAME --from RECIPE"),
        (["my_gan", "--from", "dcgam"], "did you mean dcgan?"),
        (["My-GAN", "--from", "dcgan"], "lower-case letters"),
        (["../evil", "--from", "dcgan"], "lower-case letters"),
        (["vanilla", "--from", "dcgan"], "recipes/vanilla exists already"),
    ],
)
def test_invalid_arguments_of_new(arguments, words):
    assert is_one_sentence(run_recipe("new", *arguments), words)


def test_python_too_old(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    answer = run_recipe("dcgan", env={"PYTHON": str(old)})
    assert is_one_sentence(answer, "Python 3.11, 3.12 or 3.13 is needed, found: Python 3.9.2")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"def build(:\n    pass\n", "line 1 of train.py: invalid syntax"),
        (b"x = 1\nif x:\n", "line 2 of train.py: expected an indented block"),
        (b'"""\xff\xfe"""', "train.py cannot be read"),
        (b"x = 1\0", "null bytes"),
    ],
)
def test_a_broken_recipe_stops_no_other(tmp_path, monkeypatch, source, words):
    shutil.copytree(PROJECT / "recipes" / "vanilla", tmp_path / "vanilla")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.py").write_bytes(source)
    monkeypatch.setattr(launcher, "RECIPES", tmp_path)
    monkeypatch.setattr(launcher, "PROJECT", tmp_path.parent)
    (line,) = (line for line in launcher.table().splitlines() if line.startswith("mine"))
    assert "broken: " in line
    assert words in line
    assert "Image generation with two fully connected networks" in launcher.table()
    with pytest.raises(InputError, match=f"The recipe mine cannot run: .*{words}"):
        launcher.launch(["mine"])
    launcher.new(["another", "--from", "vanilla"])


def test_link_to_the_script_and_another_folder(tmp_path):
    answer = subprocess.run([PROJECT / "run_recipe.sh"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "dcgan" in answer.stdout


@pytest.fixture
def small_environment(tmp_path, monkeypatch):
    """An environment in a path with spaces, which requires only one small package."""
    venv = tmp_path / "with spaces" / "venv"
    monkeypatch.setattr(environment, "VENV", venv)
    monkeypatch.setattr(environment, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(environment, "requirements", lambda group: ["six==1.17.0"])
    return venv


@pytest.mark.slow
def test_environment_is_created_reused_and_repaired(small_environment, capsys):
    environment.ensure([])
    assert "Making the environment" in capsys.readouterr().out
    environment.ensure([])
    assert capsys.readouterr().out == ""

    (module,) = small_environment.glob("lib/python*/site-packages/six.py")
    module.unlink()
    environment.ensure([])
    assert module.exists()

    (small_environment / "bin" / "python").unlink()
    environment.ensure([])
    assert "Repairing the environment" in capsys.readouterr().out
    assert module.exists()

    shutil.rmtree(next(small_environment.glob("lib/python*/site-packages/pip")))
    environment.ensure([])
    assert environment.is_installed("base")


@pytest.mark.slow
def test_package_that_cannot_be_installed(small_environment, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(environment, "requirements", lambda group: ["no-such-package==1.0"])
    with pytest.raises(InputError, match=r"Could not install base .*no-such-package.*check the network"):
        environment.ensure([])


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_files_in_the_place_of_the_environment_are_not_deleted(small_environment, kind):
    """Such as the folder of the user's sources."""
    if kind == "folder":
        (small_environment / ".git").mkdir(parents=True)
        (small_environment / "thesis.txt").write_text("mine")
    else:
        small_environment.parent.mkdir()
        small_environment.write_text("mine")
    with pytest.raises(InputError, match=r"what is there would be deleted.*pyvenv\.cfg.*GAN_COOKBOOK_VENV"):
        environment.ensure([])
    kept = small_environment / "thesis.txt" if kind == "folder" else small_environment
    assert kept.read_text() == "mine"
    assert kind == "file" or (small_environment / ".git").is_dir()


@pytest.mark.parametrize(
    ("variable", "code"),
    [
        ("GAN_COOKBOOK_VENV", "from common.launch.environment import VENV; print(VENV)"),
        ("GAN_COOKBOOK_RUNS", "from common.base.paths import runs; print(runs())"),
        ("GAN_COOKBOOK_DATA", "from common.base.paths import downloads; print(downloads())"),
    ],
)
def test_an_empty_variable_is_as_if_unset(variable, code, tmp_path):
    unset = {key: value for key, value in os.environ.items() if key != variable}
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**unset, "PYTHONPATH": str(PROJECT), **more},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for more in ({}, {variable: ""})
    ]
    assert found[0] == found[1]
    assert Path(found[0].strip()).is_absolute()


def test_python_without_venv(small_environment, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="no venv module; install it"):
        environment.ensure([])


def test_disk_too_small(small_environment, monkeypatch):
    monkeypatch.setattr(environment, "starts", lambda: True)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1e8}))
    with pytest.raises(InputError, match=r"0\.1 GB are free"):
        environment.ensure([])


def test_gpu_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(environment.sys, "platform", "linux")
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA Test Card'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert environment.gpu() == "NVIDIA Test Card"
    assert environment.group_of("tensorflow") == "tensorflow-gpu"
    tool.write_text("#!/bin/sh\nexit 9\n")  # a driver that does not respond
    assert environment.gpu() is None
    assert environment.group_of("tensorflow") == "tensorflow"


@pytest.mark.parametrize("arguments", [["--backend", "jax"], ["--backend=jax"]])
def test_backend_option_overrides_the_environment_variable(monkeypatch, arguments):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert launcher.chosen_backend(arguments) == "jax"
    assert launcher.chosen_backend([]) == "torch"
    monkeypatch.delenv("KERAS_BACKEND")
    assert launcher.chosen_backend([]) == "tensorflow"
