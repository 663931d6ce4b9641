"""Command lines with one hostile value: every one is refused; valid ones of every recipe are not."""

import dataclasses
import typing
from pathlib import Path

from benchmarks.drills import tiny_runs, verdict
from benchmarks.drills.verdict import SECONDS, Verdict
from common.base.ranges import Range
from common.cli.apply import ApplyOptions
from common.cli.arithmetic import ArithmeticOptions
from common.cli.directions import DirectionsOptions
from common.cli.evaluate import EvaluateOptions
from common.cli.export import ExportOptions
from common.cli.features import FeaturesOptions
from common.cli.invert import InvertOptions
from common.cli.main import RunOptions
from common.cli.sample import SampleOptions
from common.cli.truncate import TruncateOptions
from common.cli.walk import WalkOptions
from recipes.mode_collapse import lesson
from recipes.pix2pix import measure
from tests.tiny_recipes import TINY

OUTPUTS = ("--out", "--run-folder")
NAMES = ("--extractor", "--policy", "--class", "--from", "--to", "--minus", "--plus", "--of", "--remove", "--along")
ACTIONS = {
    ("dcgan", "sample"): SampleOptions,
    ("dcgan", "evaluate"): EvaluateOptions,
    ("wgan", "sample"): SampleOptions,
    ("cgan", "sample"): SampleOptions,
    ("cgan", "walk"): WalkOptions,
    ("dcgan", "arithmetic"): ArithmeticOptions,
    ("dcgan", "directions"): DirectionsOptions,
    ("dcgan", "invert"): InvertOptions,
    ("dcgan", "truncate"): TruncateOptions,
    ("cgan", "export"): ExportOptions,
    ("dcgan", "features"): FeaturesOptions,
    ("mode_collapse", "evaluate"): lesson.EvaluateOptions,
    ("pix2pix", "apply"): ApplyOptions,
    ("pix2pix", "evaluate"): measure.EvaluateOptions,
}


def cases(count, rng):
    """Yields a `Verdict` per command line: some valid ones of every recipe, the rest hostile."""
    with verdict.scratch() as room:
        runs = tiny_runs.TinyRuns(room)
        lines = list(hostile_lines(runs))
        valid = list(valid_lines(runs))
        chosen = rng.permutation(len(valid))[: max(2, count // 30)]
        for name, arguments, check in (valid[number] for number in chosen):
            yield tried(runs, name, arguments, (0,), check)
        for number in rng.permutation(len(lines))[: count - len(chosen)]:
            yield tried(runs, *lines[number], (2,))


def tried(runs, name, arguments, wanted, check=lambda: None):
    arguments = [argument() if callable(argument) else argument for argument in arguments]  # a run, if one is needed
    answer = verdict.forked(verdict.recipe(name, *arguments, cwd=runs.room), SECONDS if wanted == (2,) else 3 * SECONDS)
    problem = verdict.problem_of(answer, wanted) or (check() if answer.code == 0 else None)
    return Verdict(f"{name} {' '.join(map(str, arguments))}", problem)


def valid_lines(runs):
    """Yields recipe, arguments and a function that checks the result, for trainings and actions that must succeed."""
    for name in sorted(set(TINY) - {"stacked_mnist"}):  # whose epoch is of 128,000 images, whatever the data
        for number, more in enumerate([(), ("--seed", 2**31 - 1), ("--policy", "mixed_bfloat16")]):
            folder = runs.room / f"valid-{name}-{number}"
            arguments = (*runs.options(name), *more, "--epochs", 1, "--run-folder", folder)
            yield name, arguments, lambda folder=folder: tiny_runs.result_problem(folder, 1)
    for name in ("dcgan", "cgan"):
        out = runs.room / f"valid-{name} ü ' $x;&.png"
        arguments = ("sample", "--count", 1, "--out", out, "--run-folder", lambda name=name: runs.run(name))
        yield name, arguments, lambda out=out: None if out.is_file() else "no picture"


def hostile_lines(runs):
    """Yields recipe and arguments with one hostile value, or one mistake, of every option of every recipe."""
    for name, tiny in TINY.items():
        base = (*runs.options(name), "--epochs", 1, "--run-folder", runs.room / "refused")
        for line in with_mistakes(base, [tiny.module.Config, RunOptions]):
            yield name, line
    for (name, action), options in ACTIONS.items():
        run = ("--run-folder", lambda name=name: runs.run(name))
        needed = {
            "apply": ("--input", runs.room / "data" / "photos", "--out", runs.room / "out"),
            "arithmetic": ("--from", "1", "--minus", "2", "--plus", "3"),
        }
        for line in with_mistakes((action, *needed.get(action, ()), *run), [options]):
            yield name, line


def with_mistakes(base, classes):
    flags = {flag: hint for part in classes for flag, hint in flags_of(part)}
    for flag, hint in flags.items():
        for value in hostile_values(flag, hint):
            yield (*without(base, flag), f"{flag}={value}") if hint is bool else (*without(base, flag), flag, value)
        yield (*without(base, flag), flag) if hint is not bool else (*base, f"{flag}s")
        yield (*base, f"{flag[:-1]}{'x' if flag[-1] != 'x' else 'y'}", "1")  # misspelt
    for mistake in ("--no-such-option", "–-epochs", "-", "sampel", "\x1b[31m--red", "--epochs\n", "-vvv", "x" * 5000):
        yield (*base, mistake)


def without(base, flag):
    """Returns arguments without a flag and its values."""
    if flag not in base:
        return base
    start = base.index(flag)
    end = next((i for i in range(start + 1, len(base)) if str(base[i]).startswith("--")), len(base))
    return base[:start] + base[end:]


def flags_of(part):
    """Yields the flag and the type of every option of a dataclass, nested ones included."""
    for field_name, hint in typing.get_type_hints(part, include_extras=True).items():
        if dataclasses.is_dataclass(hint):
            yield from flags_of(hint)
        else:
            names = [item.name for item in getattr(hint, "__metadata__", ()) if getattr(item, "name", None)]
            yield f"--{names[0] if names else field_name.replace('_', '-')}", hint


def hostile_values(flag, hint):
    """Returns values that must be refused for an option of a type; none of them is a matter of taste."""
    parts = leaves(hint)
    ranges = [part for part in parts if isinstance(part, Range)]
    if Path in parts and flag in OUTPUTS:
        return ["text.txt/inside", "/proc/nothing/here", "x" * 5000, ""]
    if Path in parts:
        return ["nowhere", "text.txt", "/dev/null", "/proc/self/mem", "text.txt/inside", "x" * 5000, ""]
    if bool in parts:
        return ["perhaps", "2", ""]
    if ranges:
        below = ranges[0].low - 1 if ranges[0].includes_low else ranges[0].low
        above = [ranges[0].high, 10 * ranges[0].high] if ranges[0].high < float("inf") else []
        return [below, *above, "nan", "inf", "-inf", "ten", "", "1,000", "0x10", "½", "1e", "--1"]
    if flag == "--size":
        return ["0", "-1", "64x", "x64", "1e3", "99999", "64x64x3", "١٢", "", "nan"]
    if any(isinstance(part, str) for part in parts) or flag in NAMES:
        return ["no-such-name", "", "\x1b[31mred", "../.."]
    if flag == "--classes":
        return ["no such class", "-1", "99", "", "\x1b[31m"]
    return []


def leaves(hint):
    """Returns all that a type consists of: `Annotated[int, Range(1)] | None` has int, Range(1) and NoneType."""
    inner = (*typing.get_args(hint), *getattr(hint, "__metadata__", ()))
    return [leaf for part in inner for leaf in leaves(part)] if inner else [hint]
