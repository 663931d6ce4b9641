"""--docker: what is built, mounted and run, recorded by a fake engine."""

import itertools
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from common.base.errors import InputError
from common.cli.apply import ApplyOptions
from common.cli.main import RunOptions
from common.cli.sample import SampleOptions
from common.launch import container
from common.launch.launcher import recipes
from tests.conftest import PROJECT, is_one_sentence, run_recipe

pytestmark = pytest.mark.once

ENGINE = """#!{python}
import json, os, pathlib, sys
notes = pathlib.Path({notes!r})
notes.open("a").write(json.dumps(sys.argv[1:]) + "\\n")
answers = json.loads({answers!r})
code, text = answers.get(sys.argv[1], [0, ""])
print(text, file=sys.stderr if code else sys.stdout)
sys.exit(code)
"""


@pytest.fixture
def engine(tmp_path):
    """Returns a function that installs a fake engine, and one that returns its recorded calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    notes = tmp_path / "notes"

    def install(name="docker", gpu=False, **answers):
        for tool, text in [(name, None), *([("nvidia-smi", "#!/bin/sh\necho 'NVIDIA H100'\n")] if gpu else [])]:
            path = folder / tool
            path.write_text(
                text or ENGINE.format(python="/usr/bin/env python3", notes=str(notes), answers=json.dumps(answers))
            )
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "GAN_COOKBOOK_RUNS": str(tmp_path / "runs"),
            "GAN_COOKBOOK_DATA": str(tmp_path / "cache"),
            "KERAS_BACKEND": "tensorflow",
        }

    def calls():
        return [json.loads(line) for line in notes.read_text().splitlines()]

    return install, calls


def volumes(call):
    return [value for option, value in itertools.pairwise(call) if option == "--volume"]


@pytest.mark.parametrize("spelling", [("--hosts", 2), ("--hosts=2",)])
def test_hosts_in_containers_use_the_host_network(engine, tmp_path, spelling):
    install, calls = engine
    hosts = ("--backend", "jax", *spelling, "--host", 0, "--coordinator", "10.0.0.1:8476")
    environment = install()
    assert run_recipe("dcgan", "--docker", *hosts, env=environment, cwd=tmp_path).returncode == 0
    assert run_recipe("dcgan", "--docker", "--backend", "jax", env=environment, cwd=tmp_path).returncode == 0
    several, one = (call for call in calls() if call[0] == "run")
    assert several[several.index("--network") + 1] == "host"
    assert "--network" not in one


def test_the_page_of_a_container_can_be_opened(engine, tmp_path):
    install, calls = engine
    assert run_recipe("dcgan", "play", "--docker", "--pretrained", env=install(), cwd=tmp_path).returncode == 0
    (call,) = (call for call in calls() if call[0] == "run")
    assert call[call.index("--network") + 1] == "host"


def test_a_recipe_runs_in_a_container_as_the_calling_user(engine, tmp_path):
    install, calls = engine
    (tmp_path / "pictures").mkdir()
    environment = install(image=[1, "no such image"])
    options = ("--docker", "--epochs", 1, "--data", "pictures", "--run-folder", "mine/a run", "--classes", "bag")
    answer = run_recipe("dcgan", *options, env=environment, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    info, inspect, build, run = calls()
    assert (info, inspect[:2]) == (["info"], ["image", "inspect"])
    assert build[:1] == ["build"]
    assert [build[build.index(option) + 1] for option in ("--target", "--build-arg")] == ["cpu", "BACKEND=tensorflow"]
    assert build[build.index("--tag") + 1] == inspect[2]
    assert re.fullmatch("gan-cookbook:cpu-tensorflow-[0-9a-f]{12}", inspect[2])
    assert run[:3] == ["run", "--rm", "--init"]
    assert run[3:7] == ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    assert "--tty" not in run  # there is no terminal here
    assert run[run.index("--user") + 1] == f"{os.getuid()}:{os.getgid()}"
    assert volumes(run) == [
        f"{tmp_path}/runs:/runs",
        f"{tmp_path}/cache:/data",
        f"{tmp_path}/pictures:{tmp_path}/pictures:ro",
        f"{tmp_path}/mine/a run:{tmp_path}/mine/a run",
    ]
    assert run[run.index(inspect[2]) + 1 :] == [
        *("dcgan", "--epochs", "1", "--data", f"{tmp_path}/pictures"),
        *("--run-folder", f"{tmp_path}/mine/a run", "--classes", "bag"),
    ]
    assert (tmp_path / "runs").stat().st_uid == (tmp_path / "mine").stat().st_uid == os.getuid()


def test_an_existing_image_is_not_rebuilt_and_the_exit_code_is_passed_on(engine):
    install, calls = engine
    answer = run_recipe("vanilla", "--docker", "--backend", "jax", env=install(run=[130, "Stopped."]))
    assert answer.returncode == 130
    assert [call[0] for call in calls()] == ["info", "image", "run"]
    assert "gan-cookbook:cpu-jax-" in calls()[1][2]
    assert calls()[2][-2:] == ["--backend", "jax"]


@pytest.mark.parametrize(("engine_name", "options"), [("docker", ["--gpus", "all"]), ("podman", None)])
def test_the_gpu_is_passed_on_if_the_engine_supports_it(engine, engine_name, options):
    install, calls = engine
    environment = install(engine_name, gpu=True, info=[0, "Runtimes: io.containerd.runc.v2 nvidia runc"])
    answer = run_recipe("vanilla", "--docker", engine_name, env=environment)
    assert answer.returncode == 0, answer.stderr
    run = calls()[-1]
    if options:
        assert run[7:9] == options
        assert "gan-cookbook:gpu-tensorflow" in calls()[1][2]
    else:  # no CDI description of the GPU here
        assert (
            "NVIDIA H100 stays unused: podman has no NVIDIA runtime. Install nvidia-container-toolkit" in answer.stdout
        )
        assert run[7:9] == ["--userns", "keep-id"]
        assert "gan-cookbook:cpu-tensorflow" in calls()[1][2]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (
            {"info": [1, "permission denied while trying to connect to the Docker daemon socket"]},
            "sudo usermod -aG docker",
        ),
        (
            {"info": [1, "Cannot connect to the Docker daemon. Is the docker daemon running?"]},
            "sudo systemctl start docker",
        ),
        ({"info": [1, "strange things"]}, "does not work here (strange things)"),
        ({"image": [1, ""], "build": [1, "no route to host"]}, "could not build the image"),
    ],
)
def test_problems_of_an_engine_are_reported_in_a_sentence(engine, answers, words):
    install, _ = engine
    answer = run_recipe("dcgan", "--docker", env=install(**answers))
    assert is_one_sentence(answer, words)


def test_missing_engine(tmp_path):
    for tool in ("bash", "dirname", "env", "readlink"):
        found = next(Path(folder, tool) for folder in os.environ["PATH"].split(":") if Path(folder, tool).exists())
        (tmp_path / tool).symlink_to(found)
    answer = run_recipe("dcgan", "--docker", env={"PATH": str(tmp_path), "PYTHON": sys.executable})
    assert is_one_sentence(answer, "--docker needs docker, which is not installed; install it")
    assert is_one_sentence(run_recipe("dcgna", "--docker"), "did you mean dcgan?")


def test_options_with_paths_are_known():
    """In all recipes and actions: the file that an option names must be mounted."""
    known = {*container.READ, *container.WRITTEN}
    found = set()
    for recipe in recipes():
        module = __import__(f"recipes.{recipe.name}.train", fromlist=["Config"])
        found |= path_options(module.Config)
    found |= path_options(RunOptions) | path_options(SampleOptions) | path_options(ApplyOptions)
    assert found <= known, found - known


def path_options(config):
    """Returns the options of a dataclass, and of the dataclasses in it, that are paths."""
    names = set()
    for name, hint in get_type_hints(config).items():
        if hasattr(hint, "__dataclass_fields__"):
            names |= path_options(hint)
        elif hint is Path or Path in get_args(hint):
            names.add(f"--{name.replace('_', '-')}")
    return names


def test_folders_to_evaluate_are_mounted(tmp_path):
    for name in ("real", "fake"):
        (tmp_path / name).mkdir()
    mounts, arguments = container.mounted(["evaluate", "real", "fake", "--extractor", "garments"], tmp_path)
    assert arguments == ["evaluate", f"{tmp_path}/real", f"{tmp_path}/fake", "--extractor", "garments"]
    assert mounts[-4:] == [
        *("--volume", f"{tmp_path}/real:{tmp_path}/real:ro"),
        *("--volume", f"{tmp_path}/fake:{tmp_path}/fake:ro"),
    ]


def test_the_health_check_prints_framework_and_device():
    answer = subprocess.run([sys.executable, "-m", "common.cli.health"], cwd=PROJECT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert re.fullmatch(r"(tensorflow|jax|torch) [\d.+a-z]+, Keras [\d.]+: computes on the .+\.\n", answer.stdout)


@pytest.mark.parametrize(
    "written", [["--out", "new/x"], ["--out=new/x"], ["--run_folder", "new/x"], ["--run-folder=new/x"]]
)
def test_output_folders_are_mounted_in_every_spelling(tmp_path, written):
    mounts, arguments = container.mounted(["dcgan", "sample", *written], tmp_path)
    assert mounts[-2:] == ["--volume", f"{tmp_path}/new/x:{tmp_path}/new/x"]
    assert arguments[2].replace("_", "-") in ("--out", "--run-folder")
    assert arguments[3:] == [f"{tmp_path}/new/x"]


@pytest.mark.parametrize(
    ("written", "folder"),
    [
        (["--out", "new/grid.png"], "new"),
        (["--out", "new/v1.0"], "new/v1.0"),
        (["--out", "made.before"], "made.before"),
        (["--run-folder", "new/x", "--restart"], "new"),  # the earlier run is moved to new/x.old1
    ],
)
def test_the_parent_of_an_output_is_mounted_only_where_it_is_written(tmp_path, written, folder):
    (tmp_path / "made.before").mkdir()
    mounts, _ = container.mounted(["dcgan", "sample", *written], tmp_path)
    assert mounts[-2:] == ["--volume", f"{tmp_path / folder}:{tmp_path / folder}"]


@pytest.mark.parametrize("option", ["--data", "--run-folder", "--out"])
@pytest.mark.parametrize("path", ["/", "/usr", "/etc", "/opt"])
def test_folders_that_would_hide_the_container_are_refused(tmp_path, option, path):
    with pytest.raises(InputError, match=f"cannot mount {path}, because it would hide /.* of the container"):
        container.mounted(["dcgan", option, path], tmp_path)


def test_what_an_engine_cannot_mount_is_refused(tmp_path, monkeypatch):
    (tmp_path / "10:30").mkdir()
    for option in ("--data", "--run-folder", "--out"):
        with pytest.raises(InputError, match=r"cannot mount .*10:30: .* without a colon in its path"):
            container.mounted(["dcgan", option, "10:30"], tmp_path)
    monkeypatch.setenv("GAN_COOKBOOK_RUNS", "/")
    with pytest.raises(InputError, match="cannot mount /: a folder below / is expected"):
        container.mounted(["dcgan"], tmp_path)


def test_services_have_no_capabilities():
    compose = (PROJECT / "docker" / "compose.yaml").read_text("utf-8")
    assert '  cap_drop: [ALL]\n  security_opt: ["no-new-privileges:true"]\n' in compose.partition("services:")[0]


def test_an_edited_recipe_changes_the_image(tmp_path, monkeypatch):
    for name in ("pyproject.toml", "constraints.txt", "run_recipe.sh"):
        (tmp_path / name).write_text("as it was")
    (tmp_path / "recipes" / "mine").mkdir(parents=True)
    train = tmp_path / "recipes" / "mine" / "train.py"
    train.write_text("1")
    monkeypatch.setattr(container, "PROJECT", tmp_path)
    before = container.digest()
    (tmp_path / "README.md").write_text("a word")
    assert container.digest() == before
    train.write_text("2")
    assert container.digest() != before


def test_files_of_an_image():
    """All tracked files that a run needs; no results, data, history or keys."""
    kept = (PROJECT / ".dockerignore").read_text("utf-8").split("\n")
    assert kept[1] == "*"
    folders = ("common", "data_prep", "locks", "recipes", "docker")
    for name in (*folders, "pyproject.toml", "constraints.txt", "run_recipe.sh"):
        assert f"!{name}" in kept
    assert not {"!runs", "!.git", "!.venv"} & set(kept)


def test_the_option_docker_selects_an_engine():
    assert container.engine_of(["dcgan", "--epochs", "2"]) == (None, ["dcgan", "--epochs", "2"])
    assert container.engine_of(["dcgan", "--docker", "podman", "--epochs", "2"]) == (
        "podman",
        ["dcgan", "--epochs", "2"],
    )
    assert container.engine_of(["dcgan", "--docker=podman"]) == ("podman", ["dcgan"])
    with pytest.raises(InputError, match="but is 'rocket'"):
        container.engine_of(["dcgan", "--docker=rocket"])
