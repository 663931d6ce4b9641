"""The virtual environment of the project: created if missing, repaired if broken, extended on request.

    python -m common.launch.environment [GROUP ...]       installs groups of pyproject.toml, and what all recipes need
    python -m common.launch.environment --check GROUP     exit code 0 if the group is installed
    python -m common.launch.environment --python          prints the environment's Python

Imports only the standard library, because it runs before anything is installed.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from common.base.errors import InputError, exit_code
from common.base.paths import PROJECT, named_by

VENV = named_by("GAN_COOKBOOK_VENV", PROJECT / ".venv")
PYTHON = VENV / "bin" / "python"
BASE = "base"
LOCK = "lock"  # the group of what makes the locks
CONSTRAINTS = PROJECT / "constraints.txt"
LOCKS = PROJECT / "locks"
# Installed by version only: a machine may get a build from elsewhere, such as PyTorch's for the CPU, unknown to locks.
UNHASHED = ("torch",)
GIGABYTES = {
    **{BASE: 0.6, "imagenet": 0.04, "meshes": 0.1, "play": 0.3, "text": 0.2},
    **{"tensorflow": 1.6, "tensorflow-gpu": 7, "jax": 0.7, "jax-gpu": 5, "torch": 1.5, "torch-gpu": 8},
}


def groups():
    """Returns the requirements of each group in pyproject.toml, a dictionary of lists."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    return {BASE: project["dependencies"], **project["optional-dependencies"]}


def requirements(group):
    """Returns the pinned requirements of a group in pyproject.toml."""
    return groups()[group]


def lock_of(group):
    """Returns the path of the lock of a group: the versions and hashes of all that it needs."""
    return LOCKS / f"{group}.txt"


def digest_of_lock(group):
    return hashlib.sha256(lock_of(group).read_bytes()).hexdigest() if lock_of(group).exists() else None


def name_of(requirement):
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def unhashed(group):
    """Returns the requirements of a group that are installed by version only."""
    return [requirement for requirement in requirements(group) if name_of(requirement) in UNHASHED]


def gpu():
    """Returns the name of the first NVIDIA GPU, or None."""
    if sys.platform != "linux" or not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    names = answer.stdout.strip().splitlines()
    return names[0] if answer.returncode == 0 and names else None


def group_of(backend):
    """Returns the group that installs a backend: the smallest build that suits this machine."""
    return f"{backend}-gpu" if backend in ("tensorflow", "jax") and gpu() else backend


def ensure(groups):
    """Installs groups into the environment, if missing, and prints a line for every slow step.

    Raises:
        InputError: if Python cannot create environments, the disk is full, or pip fails.
    """
    VENV.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = (VENV.parent / f".{VENV.name}.lock").open("w")
    except OSError as error:
        raise InputError(
            f"{VENV.parent} cannot be written ({error.strerror}); "
            "choose another location: GAN_COOKBOOK_VENV=/path/to/venv"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second run waits until the first one has installed
        if not starts():
            create()
        for group in groups if groups == [LOCK] else [BASE, *groups]:
            if not is_installed(group):
                install(group)


def ensure_on_demand(group, purpose, *packages):
    """Installs a group that a running program turns out to need, into the environment that it runs in.

    Args:
        group: string.
        purpose: string, what needs it, such as "Files of 3D models": the start of the sentence of the error.
        *packages: strings, which of its packages are needed, by the names that are imported. They are looked for
            without running any of their code; if none is missing, nothing is done.

    Raises:
        InputError: if that is not the environment of the project, and as `ensure`.
    """
    if all(importlib.util.find_spec(name) for name in packages):
        return
    if Path(sys.prefix).resolve() != VENV.resolve():
        raise InputError(
            f"{purpose} need packages that are missing in {sys.prefix}, which is not the environment of the project; "
            f"install {' '.join(requirements(group))} there, or run the recipe with ./run_recipe.sh."
        )
    ensure([group])
    importlib.invalidate_caches()


def starts():
    """Returns whether the environment has a working Python, of the version that created it, with pip."""
    command = [PYTHON, "-c", "import pip, sys; print(sys.prefix)"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def create():
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise InputError(
            f"{sys.executable} has no venv module; install it (on Debian and Ubuntu: apt install python3-venv), "
            "or name another Python: PYTHON=/path/to/python3.12 ./run_recipe.sh"
        )
    if ":" in str(VENV):
        raise InputError(
            f"The environment would be made in {VENV}, but a colon in a path separates paths for Python; "
            "choose another location: GAN_COOKBOOK_VENV=/path/to/venv"
        )
    refuse_files_of_others()
    with step(f"{'Repairing' if VENV.exists() else 'Making'} the environment {VENV.name}"):
        run([sys.executable, "-m", "venv", "--clear", VENV], "make the environment")


def refuse_files_of_others():
    """Raises an `InputError` if there are files that belong to no environment, since making one deletes them."""
    is_free = not VENV.exists() or (VENV.is_dir() and not any(VENV.iterdir()))
    if not is_free and not (VENV / "pyvenv.cfg").is_file():
        raise InputError(
            f"The environment would be made in {VENV}, and what is there would be deleted, but it is no environment: "
            "it has no pyvenv.cfg. Choose an empty or a new folder: GAN_COOKBOOK_VENV=/path/to/venv"
        )


def stamp(group):
    return VENV / f"installed-{group}.json"


def is_installed(group):
    """Returns whether a group was installed with its current requirements and lock, and is still complete."""
    try:
        stored = json.loads(stamp(group).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    is_current = (stored["requirements"], stored.get("lock")) == (requirements(group), digest_of_lock(group))
    return is_current and all(is_whole(name) for name in stored["distributions"])


def site_packages():
    return next(VENV.glob("lib/python*/site-packages"), VENV)


def distributions():
    return sorted(path.name for path in site_packages().glob("*.dist-info"))


def is_whole(distribution):
    """Returns whether a distribution has its list of files and the first of its modules."""
    record = site_packages() / distribution / "RECORD"
    if not record.is_file():
        return False
    with record.open(encoding="utf-8") as file:
        modules = (line.split(",")[0] for line in file if line.split(",")[0].endswith(".py"))
        first = next((module for module in modules if not module.startswith("..")), None)
    return first is None or (site_packages() / first).is_file()


def install(group):
    needed = GIGABYTES.get(group, 0.1)
    free = shutil.disk_usage(VENV).free / 1e9
    if free < needed:
        raise InputError(
            f"{group} needs about {needed:g} GB in {VENV}, and {free:.1f} GB are free; "
            "make room, or choose another location: GAN_COOKBOOK_VENV=/path/to/venv"
        )
    broken = [name.split("-")[0] for name in distributions() if not is_whole(name)]
    for name in [*broken, *(["tensorflow_cpu"] if group == "tensorflow-gpu" else [])]:
        forget(name)
    with step(f"Installing {group} (about {needed:g} GB, minutes on a slow network)"):
        if group == LOCK:  # what makes the locks cannot depend on them
            pip_install(group, *requirements(group))
        else:
            refuse_outdated_lock(group)
            if os.environ.get("GAN_COOKBOOK_HASHES") == "no":  # of an index with builds of its own
                locked = locked_versions(group)
            else:  # only wheels, since what builds a package from its source is not in the lock
                locked = ["--require-hashes", "--only-binary", ":all:", "--requirement", lock_of(group)]
            pip_install(group, "--no-deps", *locked)  # the lock has all that is needed
            if unhashed(group):
                pip_install(group, *unhashed(group))  # their builds choose the versions of what they need besides
    stored = {"requirements": requirements(group), "lock": digest_of_lock(group), "distributions": distributions()}
    stamp(group).write_text(json.dumps(stored), encoding="utf-8")


def locked_versions(group):
    """Returns the requirements of the lock of a group without their hashes, such as "numpy==2.4.6"."""
    lines = lock_of(group).read_text("utf-8").splitlines()
    return [line.removesuffix("\\").strip() for line in lines if re.match(r"\w", line)]


def pip_install(group, *arguments):
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, *arguments], f"install {group}")


def refuse_outdated_lock(group):
    """Raises an `InputError` if a package of a group is missing in its lock, or is there in another version."""
    lock = lock_of(group).read_text("utf-8").lower() if lock_of(group).exists() else ""
    for requirement in requirements(group):
        name, _, version = re.sub(r"\[.*?\]", "", requirement).partition(";")[0].strip().lower().partition("==")
        if name not in UNHASHED and not re.search(rf"^{re.escape(name)}=={re.escape(version)}\s", lock, re.MULTILINE):
            raise InputError(
                f"pyproject.toml has {requirement}, but {lock_of(group).name} in {LOCKS} does not; "
                "make the locks anew, as CONTRIBUTING.md describes."
            )


def forget(name):
    """Removes the metadata of a distribution, so that pip installs it again."""
    for path in site_packages().glob(f"{name}-*.dist-info"):
        shutil.rmtree(path)


def run(command, purpose):
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        lines = [line for line in (answer.stderr + answer.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")] or lines or ["no message"]
        if "DO NOT MATCH THE HASHES" in errors[-1]:
            package = next((line.strip() for line in lines[lines.index(errors[-1]) + 1 :]), "a package")
            raise InputError(
                f"Could not {purpose}: {package.rstrip(':')} is not the file whose hash is in {LOCKS}; it was "
                "damaged on the way, or is another build, and is not installed: try again, or, if you trust an index "
                "with builds of its own, with GAN_COOKBOOK_HASHES=no, which checks versions alone."
            )
        raise InputError(f"Could not {purpose} ({errors[-1].strip()}); check the network and run the command again.")


class step:  # noqa: N801 (used like a function)
    """Prints what is being done, and then its duration."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        print(f"{self.what} …", end=" ", flush=True)
        self.start = time.monotonic()

    def __exit__(self, *error):
        print("failed" if error[0] else f"{time.monotonic() - self.start:.0f} s", flush=True)


def main(arguments):
    if arguments == ["--python"]:
        print(PYTHON)
    elif arguments[:1] == ["--check"]:
        return not is_installed(group_of(arguments[1]))
    else:
        ensure([group_of(name) for name in arguments])
        print(f"The environment {VENV} is ready: Python {platform.python_version()}, {', '.join(arguments) or BASE}.")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main, sys.argv[1:]))
