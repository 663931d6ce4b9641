"""What runs before a recipe: the table, new recipes, the environment."""

import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
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


@pytest.fixture
def project(tmp_path):
    """A copy of what the scripts need before there is an environment."""
    folder = tmp_path / "project"
    shutil.copytree(PROJECT / "common", folder / "common")
    for name in ("run_recipe.sh", "run_tests.sh", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    shutil.copytree(PROJECT / "recipes" / "vanilla", folder / "recipes" / "vanilla")
    return folder


def call(*command, cwd, **variables):
    variables = {**os.environ, "PYTHON": sys.executable, **variables}
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)


SCRIPTS = {  # each with arguments with which it ends before it would install anything, and what it says then
    "run_recipe.sh": (["vanila"], "did you mean vanilla?"),
    "run_tests.sh": ([], "it has no pyvenv.cfg"),
}


def ends_as_it_should(script, name, cwd, **variables):
    """Tells whether a script that is called as given finds the project."""
    not_empty = cwd / "not an environment"
    (not_empty / "thesis").mkdir(parents=True, exist_ok=True)
    arguments, words = SCRIPTS[name]
    return is_one_sentence(call(script, *arguments, cwd=cwd, GAN_COOKBOOK_VENV=str(not_empty), **variables), words)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run_through_links_from_other_folders(project, tmp_path, name):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gan").symlink_to(project / name)
    (tmp_path / "relative").symlink_to("bin/gan")
    for script in (project / name, tmp_path / "bin" / "gan", tmp_path / "relative"):
        assert ends_as_it_should(script, name, tmp_path)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run_with_cdpath(project, tmp_path, name):
    (tmp_path / "elsewhere" / "project").mkdir(parents=True)
    for places in (tmp_path / "elsewhere", tmp_path):
        assert ends_as_it_should(f"project/{name}", name, tmp_path, CDPATH=str(places))


@pytest.mark.parametrize("name", SCRIPTS)
def test_python_does_not_wait_for_input_at_its_end(project, tmp_path, name):
    assert ends_as_it_should(project / name, name, tmp_path, PYTHONINSPECT="1")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_current_folder_that_was_removed(name, tmp_path):
    script = shlex.quote(str(PROJECT / name))
    gone = f"mkdir gone && cd gone && rmdir ../gone && exec {script} 2>&1 >/dev/null | grep -v shell-init"
    answer = subprocess.run(["bash", "-c", gone], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.stdout.startswith("Error: The current folder was removed")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_project_with_a_colon_in_its_path(project, tmp_path, name):
    moved = project.rename(tmp_path / "10:30")
    answer = call(moved / name, cwd=tmp_path)
    assert is_one_sentence(answer, "10:30, but a colon in a path separates paths for Python; rename the folder")


@pytest.fixture
def small_environment(tmp_path, monkeypatch):
    """An environment in a path with spaces, which requires only one small package."""
    venv = tmp_path / "with spaces" / "venv"
    monkeypatch.setattr(environment, "VENV", venv)
    monkeypatch.setattr(environment, "PYTHON", venv / "bin" / "python")
    require(monkeypatch, tmp_path, "six==1.17.0", "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274")
    return venv


def require(monkeypatch, folder, requirement, digest):
    """Lets the only group have a single package, with a lock in the folder."""
    monkeypatch.setattr(environment, "requirements", lambda group: [requirement])
    monkeypatch.setattr(environment, "LOCKS", folder)
    (folder / "base.txt").write_text(f"{requirement} \\\n    --hash=sha256:{digest}\n")


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
def test_package_that_cannot_be_installed(small_environment, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    require(monkeypatch, tmp_path, "no-such-package==1.0", "0" * 64)
    with pytest.raises(InputError, match=r"Could not install base .*no-such-package.*check the network"):
        environment.ensure([])


def wheel(folder, needs=""):
    """Writes a wheel of an empty package; returns its SHA-256."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny.py", "")
        file.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n" + needs)
        file.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def tiny_package(tmp_path, monkeypatch):
    """A group of one package, a wheel in a folder, that is installed into another one; returns the hash and both."""
    installed = tmp_path / "installed"
    installed.mkdir()
    for name, value in {
        "NO_INDEX": "1",
        "FIND_LINKS": tmp_path,
        "CONFIG_FILE": os.devnull,
        "TARGET": installed,
    }.items():
        monkeypatch.setenv(f"PIP_{name}", str(value))
    monkeypatch.setattr(environment, "VENV", tmp_path)
    monkeypatch.setattr(environment, "PYTHON", sys.executable)
    return wheel(tmp_path), tmp_path, installed


def test_a_package_with_another_hash_than_its_lock_is_refused(tiny_package, monkeypatch):
    digest, folder, installed = tiny_package
    require(monkeypatch, folder, "tiny==1.0", "0" * 64)
    with pytest.raises(
        InputError, match=r"Could not install base: tiny==1\.0 .* is not the file whose hash is in"
    ) as error:
        environment.install("base")
    assert "\n" not in str(error.value)
    assert not any(installed.iterdir())
    require(monkeypatch, folder, "tiny==1.0", digest)
    environment.install("base")
    assert (installed / "tiny.py").exists()


def test_hashes_can_be_left_out_for_builds_of_ones_own(tiny_package, monkeypatch):
    _, folder, installed = tiny_package
    require(monkeypatch, folder, "tiny==1.0", "0" * 64)
    monkeypatch.setenv("GAN_COOKBOOK_HASHES", "no")
    environment.install("base")
    assert (installed / "tiny.py").exists()


@pytest.mark.parametrize("hashes", ["yes", "no"])
def test_what_a_lock_leaves_out_is_not_installed(tiny_package, monkeypatch, hashes):
    """Such as PyTorch, which the package of a file of weights asks for."""
    _, folder, installed = tiny_package
    require(monkeypatch, folder, "tiny==1.0", wheel(folder, "Requires-Dist: missing\n"))
    monkeypatch.setenv("GAN_COOKBOOK_HASHES", hashes)
    environment.install("base")
    assert (installed / "tiny.py").exists()


def test_what_makes_the_locks_needs_none(tiny_package, monkeypatch):
    """Neither a lock of its own, nor the packages of the project, whose locks may be outdated."""
    _, folder, installed = tiny_package
    require(monkeypatch, folder, "tiny==1.0", "0" * 64)
    (folder / "base.txt").unlink()
    with pytest.raises(InputError, match=r"pyproject\.toml has tiny==1\.0, but base\.txt"):
        environment.install("base")
    monkeypatch.setattr(environment, "starts", lambda: True)
    environment.ensure([environment.LOCK])
    assert (installed / "tiny.py").exists()


def test_a_package_of_a_platform_is_pinned_by_version_only(tiny_package, monkeypatch):
    _, folder, installed = tiny_package
    require(monkeypatch, folder, "tiny==1.0", "0" * 64)
    (folder / "base.txt").write_text("# What it needs\n")
    monkeypatch.setattr(environment, "UNHASHED", ("tiny",))
    environment.install("base")
    assert (installed / "tiny.py").exists()


def test_a_group_is_installed_again_after_a_change_of_its_lock(tmp_path, monkeypatch):
    require(monkeypatch, tmp_path, "tiny==1.0", "0" * 64)
    monkeypatch.setattr(environment, "VENV", tmp_path)
    stored = {"requirements": ["tiny==1.0"], "lock": environment.digest_of_lock("base"), "distributions": []}
    environment.stamp("base").write_text(json.dumps(stored))
    assert environment.is_installed("base")
    require(monkeypatch, tmp_path, "tiny==1.0", "1" * 64)
    assert not environment.is_installed("base")


def test_a_lock_that_is_older_than_pyproject_is_refused(tmp_path, monkeypatch):
    require(monkeypatch, tmp_path, "tiny==1.0", "0" * 64)
    monkeypatch.setattr(environment, "requirements", lambda group: ["Tiny[more]==1.0.1; python_version > '3'"])
    with pytest.raises(InputError, match=r"pyproject\.toml has Tiny.*, but base\.txt .* does not; make the locks anew"):
        environment.refuse_outdated_lock("base")


@pytest.mark.parametrize("group", sorted(set(environment.groups()) - {environment.LOCK}))
def test_locks_have_hashes_and_the_versions_of_the_constraints(group):
    environment.refuse_outdated_lock(group)
    text = environment.lock_of(group).read_text("utf-8")
    assert "://" not in text
    packages = re.findall(r"^(\S+==[^ \n]+)(.*(?:\n    .*)*)", text, re.MULTILINE)
    assert len(packages) == len(re.findall(r"^[^\s#]", text, re.MULTILINE))
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", rest) for _, rest in packages)
    pinned = {line.split()[0] for line in environment.CONSTRAINTS.read_text("utf-8").splitlines()}
    assert {package for package, _ in packages} <= pinned


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


def test_an_environment_with_a_colon_in_its_path(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "VENV", tmp_path / "10:30" / "venv")
    with pytest.raises(InputError, match="a colon in a path separates paths for Python; choose another location"):
        environment.create()


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
    monkeypatch.setenv("KERAS_BACKEND", "")
    assert launcher.chosen_backend([]) == "tensorflow"
    monkeypatch.delenv("KERAS_BACKEND")
    assert launcher.chosen_backend([]) == "tensorflow"
