"""The model card of a run, `README.md`: how the model was made and for what, how good it is, and what may go wrong.

Hubs of models read the lines at its top. The card is the user's to complete: once it exists, only what is between its
marks is written anew.

Reference: Mitchell et al., 2019, https://arxiv.org/abs/1810.03993.
"""

import os
import shlex

from common import latents
from common.base import paths
from common.base.errors import printable
from common.base.files import whole
from common.base.paths import shown
from common.launch import launcher
from common.scoring.evaluator import PRINTED
from common.training.trained_run import grids_of, read_config
from data_prep import datasets

NAME = "README.md"
DETAILS = ("<!-- details, written anew when the training goes on -->", "<!-- end of details -->")
RESULTS = ("<!-- results, written anew by the action evaluate -->", "<!-- end of results -->")
LICENCES = {"MIT": "mit"}  # as hubs call them
ON_HUB = {
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "fashion_mnist_full": "zalando-datasets/fashion_mnist",
    "mnist": "ylecun/mnist",
    "cifar10": "uoft-cs/cifar10",
}
OF_CLASS = {  # scores of each class: their columns
    "confirmed": "samples of the class asked for",
    "real confirmed": "real images of it, found likewise",
    "frechet": "Fréchet distance",
    "kernel": "kernel distance",
}
CARD = """{head}
# Model card: {name}

{details}

## Intended use

To learn how such a model is trained, to compare recipes, and as the start of one's own.

**Out of scope:** pictures that are passed off as photographs or as somebody's work; likenesses of people who have not
agreed to it; decisions about people, and data for them; whatever the licence of the training data forbids.

## Training data

{data}

## Measured results

{results}

## Limits and ethical considerations

- The model knows nothing but its training data. What is rare there is drawn less often and worse; of which kinds, only
  a measurement by class or a look at many samples can tell.
- It may reproduce training images, the more so the fewer there are. Compare samples with them before you publish any.
- PNG files of its samples say in their metadata that a network made them, unless `--no-mark` was given; other programs
  may drop that.
- The chapter docs/ethics.md of the project has the commands that measure this, and the literature.
"""


def write(folder, name, facts, scores=None):
    """Writes the model card of a run; of one that exists, only the parts between its marks.

    Args:
        folder: path of the run.
        name: string, the recipe.
        facts: dictionary of texts, the rows of the table of details.
        scores: `Scores`, or None if the samples of these weights have not been scored.
    """
    details = details_of(folder, name, facts)
    results = results_of(folder, scores) if scores else no_results(folder, name)
    if (folder / NAME).exists():
        update(folder, {DETAILS: details, RESULTS: results})
        return
    known, data = read(folder / "config.json"), read(folder / "data.json")
    text = CARD.format(
        head=head(folder, name, known, data),
        name=name,
        details=marked(DETAILS, details),
        data=about_data(name, known, data),
        results=marked(RESULTS, results),
    )
    store(folder, decodable(text))


def update_results(folder, scores):
    """Writes `Scores` into the model card of a run, if it has one."""
    if (folder / NAME).exists():
        update(folder, {RESULTS: results_of(folder, scores)})


def update(folder, parts):
    """Writes parts of a model card anew; prints why, if one cannot be found.

    Args:
        folder: path of the run.
        parts: dictionary from pairs of marks to the texts between them.
    """
    # Whatever bytes a user has written stay as they are.
    text = (folder / NAME).read_bytes().decode("utf-8", "surrogateescape")
    for marks, part in parts.items():
        before, begin, rest = text.partition(marks[0])
        _, end, after = rest.partition(marks[1])
        if not (begin and end):
            print(f"{shown(folder / NAME)} stays as it is: it lacks {marks[0]} or, after it, {marks[1]}.")
            return
        text = before + decodable(marked(marks, part)) + after
    store(folder, text)


def store(folder, text):
    with whole(folder / NAME) as part:
        part.write_bytes(text.encode("utf-8", "surrogateescape"))


def marked(marks, text):
    return f"{marks[0]}\n{text}\n{marks[1]}"


def decodable(text):
    """Returns a text without the undecodable bytes that names of files in it, such as in the command, may have."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def read(path):
    return read_config(path) if path.exists() else {}


# Parts ----------------------------------------------------------------------------------------------------------------


def head(folder, name, known, data):
    """Returns the metadata that hubs of models read, in YAML."""
    dataset = "" if data else known.get("dataset", "")
    licence = LICENCES.get(datasets.table()[dataset].licence, "unknown") if dataset in ON_HUB else "unknown"
    has_discriminator = any(folder.glob("*discriminator*.keras"))
    lines = ["library_name: keras", f"license: {licence}  # yours to choose, within that of the training data"]
    lines += [f"pipeline_tag: {task}" for task in tasks_of(read(folder / "generator.json"))]
    lines += ["datasets:", f"- {ON_HUB[dataset]}"] if dataset in ON_HUB else []
    lines += ["tags:", *(["- gan"] if has_discriminator else []), "- generative-model", f"- {name}"]
    return "\n".join(["---", *lines, "---"])


def tasks_of(generator):
    """Returns what hubs call the task of a generator, a list of one string; empty if it makes no images."""
    if not generator.get("makes_images"):
        return []
    return [latents.from_stored(generator["latents"]).task if generator["latents"] else "image-to-image"]


def details_of(folder, name, facts):
    generator = read(folder / "generator.json")
    if "digest" in generator:
        weights = f"{generator['weights']} weights, SHA-256 {generator['digest']}…"
        facts = {**facts, "generator": f"{generator['parameters']:,} parameters, {weights}"}
    is_recipe = (launcher.RECIPES / name / "train.py").exists()
    *_, last_grid = grids_of(folder)
    lines = [f"![samples of the last epoch]({last_grid.relative_to(folder)})", "", "## Model details", ""]
    if is_recipe:
        recipe = launcher.describe(name)
        lines += [f"{recipe.sentence} Paper: {recipe.paper or 'none'}.", ""]
    lines += ["| | |", "|---|---|", *(f"| {key} | {text} |" for key, text in facts.items()), ""]
    lines += ["![training](training.gif) ![losses](losses.png)", ""]
    opened = '`keras.saving.load_model("generator.keras")` opens it without this project.'
    return "\n".join([*lines, f"The generator is `generator.keras`: {opened}"])


def about_data(name, known, data):
    """Returns what is known about the training data, and asks for the rest."""
    if data:
        counts = ", ".join(f"--{option.replace('_', '-')}: {of['files']:,} files" for option, of in data.items())
        return (
            f"Files of your own ({counts}). **State here** what they show, who made them and who can be recognized in "
            "them, whether these people agreed, and **the licence**. (The command above names their folder: look at it "
            "before you make this card public.)"
        )
    entry = datasets.table().get(known.get("dataset"))
    if entry is None:
        return (
            f"What the recipe loads or draws itself; its page, recipes/{name}/README.md, says what that is. The "
            "garments that come with the project are of Fashion-MNIST, under MIT."
        )
    classes = f" Of its classes only {', '.join(known['classes'])}." if known.get("classes") else ""
    return f"`{known['dataset']}`: {entry.what}.{classes} Licence: {entry.licence}. Source: {entry.citation}."


def no_results(folder, name):
    where = "" if folder == paths.run_folder(name) else f" --run-folder {shlex.quote(os.fspath(folder))}"
    return (
        "Not measured since the last training. This command scores the model; what it stores in scores.json it also "
        f"writes here:\n\n```bash\n./run_recipe.sh {name} evaluate{printable(where)}\n```"
    )


def results_of(folder, scores):
    """Returns scores as a table, those of each class in one of their own, and their protocol."""
    by_class = by_class_of(scores.values) if is_class_conditional(folder) else {}
    of_classes = {f"{kind} of {name}" for name, values in by_class.items() for kind in values}
    lines = ["| score | value | |", "|---|---|---|"]
    for key in (key for key in scores.values if key not in of_classes):
        label, better = PRINTED.get(key, (key, ""))
        lines.append(f"| {cell(label.strip())} | {scores.values[key]:.4g} | {better and f'{better} is better'} |")
    lines += ["", f"Protocol: {cell(', '.join(f'{key} {value}' for key, value in vars(scores.protocol).items()))}."]
    return "\n".join([*lines, *class_lines(by_class)])


def is_class_conditional(folder):
    stored = read(folder / "generator.json").get("latents") or {}
    return bool(stored.get("config", {}).get("class_count"))


def by_class_of(values):
    """Returns the scores of each class, a dictionary of dictionaries, the class that is drawn worst first.

    >>> by_class_of({"frechet": 3.0, "kernel of bag": 0.1, "kernel of coat": 0.2})
    {'coat': {'kernel': 0.2}, 'bag': {'kernel': 0.1}}
    """
    found = {}
    for key, value in values.items():
        kind, of, name = key.partition(" of ")
        if of and kind in OF_CLASS:
            found.setdefault(name, {})[kind] = value
    # By distances: what an extractor confirms depends on the class even where images are real.
    return dict(sorted(found.items(), key=lambda pair: -pair[1].get("frechet", pair[1].get("kernel", 0.0))))


def class_lines(by_class):
    if not by_class:
        return []
    kinds = [kind for kind in OF_CLASS if any(kind in values for values in by_class.values())]
    rows = [
        f"| {cell(name)} | {' | '.join(f'{values[kind]:.4g}' if kind in values else '' for kind in kinds)} |"
        for name, values in by_class.items()
    ]
    head_of_table = [f"| class | {' | '.join(OF_CLASS[kind] for kind in kinds)} |", "|---" * (len(kinds) + 1) + "|"]
    return ["", "By class, the one that is drawn worst first:", "", *head_of_table, *rows]


def cell(text):
    """Returns a text, which may have names of a user's files, such that it breaks neither a table nor the marks.

    >>> cell("a|b <!-- c")
    'a\\\\|b &lt;!-- c'
    """
    return printable(text).replace("|", "\\|").replace("<", "&lt;")
