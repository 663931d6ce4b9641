"""Makes constraints.txt and locks/ anew: versions and hashes of all that the groups of pyproject.toml need.

    python -m common.launch.environment lock               installs uv, which resolves for all platforms at once
    .venv/bin/python -m common.launch.lock [--upgrade]

Versions stay as they are where pyproject.toml permits, unless `--upgrade` asks for the newest. The packages come from
the index that uv is configured for; no address of one is stored.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from common.base.errors import InputError, exit_code
from common.base.files import whole
from common.base.paths import PROJECT
from common.launch import environment

# Every platform and every Python from the first one on; some packages of the notebook refuse 3.11.0 to 3.11.4.
RESOLVE = ("pip", "compile", "--quiet", "--universal", "--python-version", "3.11.5", "--no-header", "--no-annotate")
HEADER = "# {what}. Made by 'python -m common.launch.lock' (CONTRIBUTING.md).\n"


def main(arguments):
    upgrade = [argument for argument in arguments if argument == "--upgrade"]
    if arguments != upgrade:
        raise InputError("Expected: python -m common.launch.lock [--upgrade]")
    constraints = constrained(upgrade)
    header = HEADER.format(what="The versions of what the packages of pyproject.toml need, the same for all groups")
    write(environment.CONSTRAINTS, header + constraints)
    for group in sorted(set(environment.groups()) - {environment.LOCK}):
        header = HEADER.format(what=f"What the group {group} of pyproject.toml needs")
        write(environment.lock_of(group), header + locked(group))
        print(f"Made {environment.lock_of(group).relative_to(PROJECT)}")


def constrained(upgrade):
    """Returns the versions of all packages of all groups, which agree with each other."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "constraints.txt")  # uv keeps the versions that it finds there
        output.write_bytes(environment.CONSTRAINTS.read_bytes())
        uv(*upgrade, "--all-extras", "--output-file", output, PROJECT / "pyproject.toml")
        return output.read_text("utf-8")


def locked(group):
    """Returns the packages that a group needs, with the hashes of all their wheels."""
    options = ("--generate-hashes", "--only-binary", ":all:", "--constraint", environment.CONSTRAINTS)
    lock = uv(*options, "-", given="\n".join(environment.requirements(group)))
    return without_cuda(lock) if environment.unhashed(group) else lock


def without_cuda(lock):
    """Returns the lock of PyTorch without itself, which is installed by its version, and without what CUDA needs.

    Its build for Linux in the index has CUDA, a build for the CPU does not: only the former needs packages of Linux.
    """
    packages = re.findall(r"^\S.*\n(?:    .*\n)*", lock, re.MULTILINE)
    kept = [package for package in packages if "sys_platform == 'linux'" not in package.splitlines()[0]]
    return "".join(package for package in kept if environment.name_of(package) not in environment.UNHASHED)


def uv(*arguments, given=None):
    command = [sys.executable, "-m", "uv", *RESOLVE, *map(str, arguments)]
    answer = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if answer.returncode:
        reason = " ".join(answer.stderr.split()) or "no message"
        raise InputError(f"uv could not resolve the packages ({reason}); install it: common.launch.environment lock")
    return answer.stdout


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(exit_code(main, sys.argv[1:]))
