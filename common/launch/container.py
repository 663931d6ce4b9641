"""Runs a recipe in a container: `./run_recipe.sh RECIPE --docker [OPTIONS]`, or `--docker podman`.

The image is built if it is missing or the project has changed. The container runs as the calling user, who owns the
output files, and without any capability. Paths in the command are mounted at the same location: read-only, or writable
for `--run-folder` and `--out`. Imports only the standard library.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from common.base import paths
from common.base.errors import InputError
from common.base.paths import PROJECT
from common.launch import environment

ENGINES = ("docker", "podman")
# Options that name files.
READ = (
    *("--data", "--data-b", "--photos", "--paintings", "--real", "--simulated"),
    *("--images", "--input", "--to", "--extractor", "--from-run", "--csv", "--captions", "--texts"),
    *("--styled", "--source", "--reference"),
)
WRITTEN = ("--run-folder", "--out")
# What the container runs, and where it writes: a folder mounted at one of these, or above it, would hide it.
TAKEN = ("/bin", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr/bin", "/usr/lib", "/usr/local")
TAKEN = (*TAKEN, "/opt/gan-cookbook", "/project", "/runs", "/data")
CONFINED = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges")
INSTALL = {
    "docker": "install it (https://docs.docker.com/engine/install)",
    "podman": "install it (https://podman.io/docs/installation)",
}


def engine_of(arguments):
    """Returns the engine that `--docker` selects, or None, and the remaining arguments."""
    rest, engine = [], None
    index = 0
    while index < len(arguments):
        name, _, value = arguments[index].partition("=")
        if name != "--docker":
            rest.append(arguments[index])
        elif value or (index + 1 < len(arguments) and arguments[index + 1] in ENGINES):
            engine = value or arguments[index + 1]
            index += not value
        else:
            engine = "docker"
        index += 1
    if engine not in (None, *ENGINES):
        raise InputError(f"--docker must be docker or podman, but is {engine!r}; use --docker, or --docker podman.")
    return engine, rest


def launch(engine, arguments, backend):
    """Builds the image if necessary and replaces this process by a recipe in the container.

    Args:
        engine: "docker" or "podman".
        arguments: list of strings, the arguments of run_recipe.sh.
        backend: string, the framework to install in the image.

    Raises:
        InputError: if the engine is missing, not running or not permitted, or if the image cannot be built.
    """
    gpu = gpu_options(engine, information(engine))
    target = "gpu" if gpu else "cpu"
    image = f"gan-cookbook:{target}-{backend}-{digest()}"
    if subprocess.run([engine, "image", "inspect", image], capture_output=True, check=False).returncode:
        build(engine, image, target, backend)
    is_one_of_several = any(argument.partition("=")[0] == "--hosts" for argument in arguments)
    is_page = arguments[1:2] == ["play"]
    network = ["--network", "host"] if is_one_of_several or is_page else []  # reachable from outside the container
    command = [engine, "run", "--rm", "--init", *CONFINED, *gpu, *network, *user_options(engine), *terminal_options()]
    mounts, arguments = mounted(arguments, Path.cwd())
    sys.stdout.flush()
    os.execvp(engine, [*command, *mounts, image, *arguments])


def information(engine):
    """Returns the output of `docker info`.

    Raises:
        InputError: with the fix, if the engine cannot be used.
    """
    if not shutil.which(engine):
        raise InputError(
            f"--docker needs {engine}, which is not installed; {INSTALL[engine]}, or run without --docker."
        )
    answer = subprocess.run([engine, "info"], capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        return answer.stdout
    problem = answer.stderr.lower()
    if "permission denied" in problem:
        raise InputError(
            f"You may not use {engine} here; join its group (sudo usermod -aG {engine} $USER, then log in again), "
            "or use --docker podman, which needs no special rights."
        )
    if "cannot connect" in problem or "daemon" in problem:
        raise InputError(f"The daemon of {engine} is not running; start it (sudo systemctl start {engine}).")
    last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
    raise InputError(f"{engine} does not work here ({last}); repair it, or run without --docker.")


def gpu_options(engine, info):
    """Returns the options that pass the GPUs to the container; prints a note if a GPU stays unused."""
    gpu = environment.gpu()
    if not gpu:
        return []
    if engine == "docker" and "nvidia" in info:
        return ["--gpus", "all"]
    if engine == "podman" and any(Path(folder, "nvidia.yaml").exists() for folder in ("/etc/cdi", "/var/run/cdi")):
        return ["--device", "nvidia.com/gpu=all"]
    print(
        f"{gpu} stays unused: {engine} has no NVIDIA runtime. Install nvidia-container-toolkit "
        "(sudo nvidia-ctk runtime configure, and restart the engine)."
    )
    return []


def user_options(engine):
    """Returns the options that run the container as the calling user, also under sudo.

    Root without capabilities could not write to the folders of a user.
    """
    keep = ["--userns", "keep-id"] if engine == "podman" else []
    user, group = (os.environ.get(f"SUDO_{kind}") for kind in ("UID", "GID"))
    return [*keep, "--user", f"{user}:{group}" if user and group else f"{os.getuid()}:{os.getgid()}"]


def terminal_options():
    """Returns the options for a terminal, if there is one. Signals reach the recipe without them, too."""
    return ["--interactive", "--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []


def mounted(arguments, here):
    """Returns the options that mount the paths in the arguments, and the arguments with absolute paths.

    Args:
        arguments: list of strings.
        here: path, to which relative paths refer.

    Raises:
        InputError: if a path cannot be mounted.
    """
    mounts = [volume(made(paths.runs()), "/runs"), volume(made(paths.downloads()), "/data")]
    is_comparison = arguments[0] in ("evaluate", "compare")  # of two folders, which are positional arguments
    changed, option = [], ""
    for index, argument in enumerate(separated(arguments)):
        path = (here / Path(argument).expanduser()).resolve()
        if option in WRITTEN:
            folder = refuse_taken(written_folder(option, path, arguments))
            mounts.append(volume(made(folder), folder))
        elif (option in READ or (is_comparison and index in (1, 2))) and path.exists():  # an extractor may be a name
            mounts.append(volume(refuse_taken(path), path, ":ro"))
        else:
            path = argument
        changed.append(str(path))
        option = argument
    return [part for mount in dict.fromkeys(mounts) for part in ("--volume", mount)], changed


def written_folder(option, path, arguments):
    """Returns the folder to mount for an output: the path itself if it is a folder that stays in its place."""
    if option == "--out":
        is_file = any(letter.isalpha() for letter in path.suffix) and not path.is_dir()
        return path.parent if is_file else path
    return path.parent if "--restart" in arguments else path  # a restart moves the earlier run aside


def volume(source, target, mode=""):
    if ":" in str(source) or source == Path("/"):
        raise InputError(
            f"--docker cannot mount {source}: a folder below / is expected, without a colon in its path, which "
            "separates the parts of a mount; choose or rename it, or run without --docker."
        )
    return f"{source}:{target}{mode}"


def refuse_taken(path):
    """Returns a path, or raises an `InputError` if mounting it would hide files of the container."""
    hidden = next((place for place in TAKEN if Path(place).is_relative_to(path)), None)
    if hidden:
        raise InputError(
            f"--docker cannot mount {path}, because it would hide {hidden} of the container; "
            "name a folder further down, or run without --docker."
        )
    return path


def separated(arguments):
    """Yields the arguments; options that name a file are split from their value and spelled with hyphens."""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        name = name.replace("_", "-")
        if name in (*READ, *WRITTEN):
            yield name
            if equals:
                yield value
        else:
            yield argument


def made(folder):
    """Returns the absolute path of a folder, created if missing; the engine would create it as root."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build(engine, image, target, backend):
    print(f"Building {image} (minutes the first time, seconds after a change of a recipe) …", flush=True)
    command = [engine, "build", "--file", PROJECT / "docker" / "Dockerfile", "--target", target]
    command += ["--build-arg", f"BACKEND={backend}", "--tag", image, PROJECT]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if answer.returncode:
        last = (answer.stdout.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"{engine} could not build the image ({last}); check the network and run the command again.")


def digest():
    """Returns a hash of the files of an image, for its tag."""
    hasher = hashlib.sha256()
    for path in sorted(files()):
        hasher.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()[:12]


def files():
    """Yields the files of the project that go into an image and affect a run."""
    yield from (PROJECT / name for name in ("pyproject.toml", "constraints.txt", "run_recipe.sh"))
    for folder in ("common", "data_prep", "locks", "pretrained", "recipes", "docker"):
        for path in (PROJECT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".md", ".png"):
                yield path
