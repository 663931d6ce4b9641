"""Odd machines: locales, homes, clocks, outputs and folders, each with a tiny training by run_recipe.sh."""

import functools
import os
import shlex
import subprocess
import sys
import time

from benchmarks.drills import tiny_runs, verdict
from benchmarks.drills.verdict import Answer, Verdict
from common.base.paths import PROJECT

EVIL = "raise SystemExit('code of the current folder ran')"
MACHINES = {
    "locale C": {"env": {"LC_ALL": "C", "LANG": "C"}},
    "locale that is not there": {"env": {"LC_ALL": "xx_XX.UTF-8"}},
    "output in ASCII": {"env": {"PYTHONIOENCODING": "ascii"}},
    "no home": {"env": {"HOME": ""}},
    "home that is not there": {"env": {"HOME": "/nonexistent/home"}},
    "home that is a file": {"env": {"HOME": "{room}/text.txt"}},
    "no temporary folder": {"env": {"TMPDIR": "/nonexistent"}},
    "no variables at all": {"shell": "env -i PATH=/usr/bin:/bin GAN_COOKBOOK_VENV={venv} {command}"},
    "keras.json with channels_first": {"keras": '{"image_data_format": "channels_first", "floatx": "float32"}'},
    "keras.json with float16": {"keras": '{"image_data_format": "channels_last", "floatx": "float16"}'},
    "keras.json that is damaged": {"keras": '{"image_data'},
    "keras.json with a type that is not there": {"keras": '{"floatx": "float8"}', "wanted": (2,)},
    "a backend that is not there": {"env": {"KERAS_BACKEND": "theano"}, "wanted": (2,)},
    "empty variables": {"env": {"GAN_COOKBOOK_RUNS": "", "GAN_COOKBOOK_DATA": "", "KERAS_BACKEND": ""}},
    "modules in the current folder": {"files": {"numpy.py": EVIL, "keras.py": EVIL, "cv2.py": EVIL, "common.py": EVIL}},
    "modules on PYTHONPATH": {"files": {"evil/numpy.py": EVIL}, "env": {"PYTHONPATH": "{room}/evil"}},
    "PYTHONSTARTUP and PYTHONINSPECT": {"env": {"PYTHONSTARTUP": "{room}/text.txt", "PYTHONINSPECT": "1"}},
    "CDPATH": {"env": {"CDPATH": "/tmp:/"}},
    "time zone and year": {"env": {"TZ": "Pacific/Kiritimati", "SOURCE_DATE_EPOCH": "0"}},
    "a terminal of one column": {"env": {"COLUMNS": "1", "LINES": "1", "TERM": "dumb"}},
    "few open files": {"shell": "ulimit -n 64; {command}"},
    "files without permissions for others": {"shell": "umask 077; {command}"},
    "no input": {"shell": "{command} <&-"},
    "no output": {"shell": "{command} >&-"},
    "no output for errors": {"shell": "{command} 2>&-"},
    "nothing open": {"shell": "{command} <&- >&- 2>&-"},
    "a full device as output": {"shell": "{command} >/dev/full", "wanted": (2,)},
    "a reader that stops": {"shell": "set -o pipefail; {command} | true", "wanted": (0, 141)},
    "a current folder that was removed": {
        "shell": "mkdir {room}/gone && cd {room}/gone && rmdir {room}/gone; {command}",
        "wanted": (2,),
    },
    "a link to run_recipe.sh": {"shell": "ln -sf {project}/run_recipe.sh {room}/gan && {room}/gan {options}"},
    "a project path with spaces and umlauts": {"project": "a b ü"},
    "a project path with a quote and a dollar": {"project": "it's $HOME"},
    "a project path with a colon": {"project": "a:b", "wanted": (2,)},
}
LIMIT = 120  # seconds, the loading of Keras included


def cases(count, rng):
    """Yields a `Verdict` for each machine; `count` of them in random order."""
    names = list(MACHINES)
    with verdict.scratch() as room:
        runs = tiny_runs.TinyRuns(room)
        for number in rng.permutation(len(names))[:count]:
            name = names[number]
            yield Verdict(name, problem_on(runs, room, number, **MACHINES[name]))


def problem_on(runs, room, number, shell="{command}", env=None, keras=None, files=None, wanted=(0,), project=None):
    """Returns what is wrong with a training on a machine, or None.

    Args:
        runs, room: `TinyRuns` and their folder.
        number: integer, of the case.
        shell: string, the command of Bash with `{command}` in it.
        env: dictionary, environment variables.
        keras: string, content of ~/.keras/keras.json.
        files: dictionary from names to contents, written to the current folder.
        wanted: exit codes that are right.
        project: string, name of a copy of the project to run, or None.
    """
    folder = room / f"run{number}"
    root = copied(room / project) if project else PROJECT
    options = shlex.join(map(str, ("vanilla", *runs.options("vanilla"), "--epochs", 1, "--run-folder", folder)))
    known = {"room": room, "venv": sys.prefix, "project": root, "options": options}
    fill = functools.partial(str.format, **known, command=f"{shlex.quote(str(root / 'run_recipe.sh'))} {options}")
    variables = {**os.environ, "GAN_COOKBOOK_VENV": sys.prefix, "TF_CPP_MIN_LOG_LEVEL": "3"}
    variables |= {key: value.replace("{room}", str(room)) for key, value in (env or {}).items()}
    if keras:
        variables["KERAS_HOME"] = str(room / f"keras{number}")
        (room / f"keras{number}").mkdir()
        (room / f"keras{number}" / "keras.json").write_text(keras)
    for path, content in (files or {}).items():
        (room / path).parent.mkdir(exist_ok=True)
        (room / path).write_text(content)
    answer = run(fill(shell), variables, room)
    for path in files or {}:
        (room / path).unlink()
    problem = verdict.problem_of(answer, wanted)
    return problem or (tiny_runs.result_problem(folder, 1) if answer.code == 0 else None)


def run(command, variables, room):
    start = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", command], cwd=room, env=variables, capture_output=True, timeout=LIMIT, check=False
    )
    texts = [text.decode("utf-8", "backslashreplace") for text in (done.stdout, done.stderr)]
    return Answer(done.returncode, *texts, time.monotonic() - start, 0)


def copied(place):
    """Copies the project, as Git sees it, to a folder; returns the folder."""
    place.mkdir()
    names = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes((PROJECT / name).read_bytes())
        (place / name).chmod((PROJECT / name).stat().st_mode)
    return place
