"""Runs with one damaged file: resuming, sampling and scoring either work, or refuse with one sentence."""

import json
import shutil

from benchmarks.drills import tiny_runs, verdict
from benchmarks.drills.verdict import Verdict

RUNS = {"dcgan": tiny_runs.SCORED, "cgan": (), "pix2pix": (), "mode_collapse": ()}
ACTIONS = {
    "dcgan": ("resume", "sample", "evaluate"),
    "cgan": ("resume", "sample", "walk"),
    "pix2pix": ("resume", "apply"),
    "mode_collapse": ("resume", "evaluate"),
}
STRAYS = ("samples/epoch_999.png", "samples/notes.txt", ".part-log.csv", "best/notes.txt", "unrelated.txt")


def cases(count, rng):
    """Yields a `Verdict` for each damaged run and action on it."""
    with verdict.scratch() as room:
        runs = tiny_runs.TinyRuns(room)
        names = list(RUNS) if count > 50 else ["dcgan"]
        for _ in range(count):
            name = str(rng.choice(names))
            action = str(rng.choice(ACTIONS[name]))
            whole = runs.run(name, *RUNS[name])
            folder = runs.copy(whole)
            damage = damaged(folder, rng, runs.run("vanilla") if count > 50 else whole)
            answer = verdict.forked(verdict.recipe(name, *arguments_of(runs, name, action, folder), cwd=room), 40)
            problem = verdict.problem_of(answer)
            if not problem and answer.code == 0 and action == "resume" and "log.csv has" not in answer.output:
                problem = tiny_runs.result_problem(folder, 3)
            yield Verdict(f"{name} {action}, {damage}", problem)


def arguments_of(runs, name, action, folder):
    if action == "resume":
        return (*runs.options(name), *RUNS[name], "--epochs", 3, "--run-folder", folder)
    if action == "apply":
        shutil.rmtree(runs.room / "out", ignore_errors=True)
        paths = ("--input", runs.room / "data" / "photos", "--out", runs.room / "out")
        return (action, *paths, "--run-folder", folder)
    more = {"sample": ("--count", 4), "evaluate": ("--samples", 64) if name == "dcgan" else ()}
    return (action, *more.get(action, ()), "--run-folder", folder)


def damaged(folder, rng, other):
    """Damages a random file of a run; returns what was done."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    path = paths[rng.integers(len(paths))]
    if rng.random() < 0.5:  # half of the damages are done to what matters
        path = folder / str(rng.choice(["checkpoint.npz", "generator.keras", "config.json", "log.csv"]))
    damage = DAMAGES[rng.integers(len(DAMAGES))]
    if path.suffix == ".json" and rng.random() < 0.7:
        damage = odd_value
    what = damage(path, rng, other)
    return f"{path.relative_to(folder)}: {what or damage.__name__}"


def missing(path, rng, other):
    path.unlink()


def empty(path, rng, other):
    path.write_bytes(b"")


def cut(path, rng, other):
    whole = path.read_bytes()
    path.write_bytes(whole[: rng.integers(len(whole))])


def flipped(path, rng, other):
    """Flips the highest bit of a byte, so that no other valid text results."""
    whole = bytearray(path.read_bytes())
    whole[rng.integers(len(whole))] ^= 128
    path.write_bytes(whole)


def zeroed(path, rng, other):
    whole = bytearray(path.read_bytes())
    start = rng.integers(len(whole))
    end = min(len(whole), start + 512)
    whole[start:end] = bytes(end - start)
    path.write_bytes(whole)


def shopping_list(path, rng, other):
    path.write_text("milk, bread, a pound of butter\n" * 20)


def folder_instead(path, rng, other):
    path.unlink()
    path.mkdir()


def of_another_recipe(path, rng, other):
    source = next((found for found in other.rglob(path.name)), None)
    if source:
        shutil.copyfile(source, path)
    return None if source else f"unchanged; {other.name} has no such file"


def link_to_nowhere(path, rng, other):
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def stray(path, rng, other):
    """Writes a file that does not belong to a run."""
    folder = next(parent for parent in path.parents if (parent / "samples").is_dir())
    name = str(rng.choice(STRAYS))
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("a shopping list")
    return f"stray {name}"


def odd_value(path, rng, other):
    """Replaces a value of a JSON file, or all of it."""
    content = json.loads(path.read_text())
    odd = ODD[rng.integers(len(ODD))]
    key = str(rng.choice([*content, ""])) if isinstance(content, dict) else ""
    path.write_text(json.dumps({**content, key: odd} if key else odd))
    return f"{key or 'all of it'} is {str(odd)[:20]!r}"


ODD = (None, [], {}, "x", "", -1, 0, 10**30, 1e308, float("nan"), True, [1, 2, 3], {"a": 1}, "\x1b[31m", "../../etc")
DAMAGES = (
    *(missing, empty, cut, flipped, zeroed, shopping_list),
    *(folder_instead, of_another_recipe, link_to_nowhere, stray),
)
