"""The actions walk, arithmetic, directions, invert and truncate on the command line, and --pretrained."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from common import backend
from common.base.pictures import unscale
from common.cli import arithmetic, walk
from common.scoring import extractors, inversion, linear_directions
from common.training import pretrained
from common.training.run import as_json
from common.training.trained_run import load_generator, open_space, store_networks
from data_prep.images import ImageOptions
from recipes.stacked_mnist.data import PlaneOptions
from tests.conftest import call_recipe, is_one_sentence
from tests.files import picture, write, write_bad_files
from tests.tiny_recipes import TINY, build

pytestmark = pytest.mark.once
GARMENTS = ("--extractor", "garments")
FEW = ("--samples", 100, *GARMENTS)
ARITHMETIC = ("arithmetic", "--from", 3, 8, "--minus", 5, "--plus", 21)
OF_LATENTS = ("walk", "arithmetic", "directions", "invert", "truncate")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of runs of some recipes on the same images, not trained, but of large weights: samples differ."""
    runs = tmp_path_factory.mktemp("latents")
    rng = np.random.default_rng(0)
    np.savez(runs / "images.npz", images=rng.integers(0, 256, (60, 16, 16, 1), "uint8"), labels=np.arange(60) % 3)
    for name in ("dcgan", "cgan", "stacked_mnist"):
        tiny = TINY[name]
        data = {"planes": PlaneOptions} if name == "stacked_mnist" else {"images": ImageOptions}
        config = {part: options(data=runs / "images.npz") for part, options in data.items()}
        (runs / name).mkdir()
        backend.set_random_seed(0)
        gan = build(name)
        for variable in gan.generator.trainable_variables:
            variable.assign(3 * variable)
        store_networks(runs / name, gan)
        (runs / name / "config.json").write_text(json.dumps(as_json(tiny.module.Config(**tiny.config, **config))))
    return runs


@pytest.fixture
def run(runs, tmp_path):
    """Returns a function that copies a run, to be changed."""

    def copy(name):
        return shutil.copytree(runs / name, tmp_path / name)

    return copy


def call(name, action, folder, *options):
    answer = call_recipe(name, action, *options, "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    return answer


def size_of(path):
    with Image.open(path) as image:
        return image.size, getattr(image, "n_frames", 1)


# walk -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dcgan", "cgan"])
def test_a_walk_is_a_sheet_and_an_animation(run, name):
    folder = run(name)
    answer = call(name, "walk", folder, "--steps", 3, "--places", 3, "--count", 2)
    assert "Walks: 2, images of each: 7, in" in answer.stdout
    (width, height), _ = size_of(folder / "walk.png")
    assert width / height == 7 / 2
    assert size_of(folder / "walk.gif")[1] == 7
    with Image.open(folder / "walk.gif") as animation:
        assert json.loads(animation.info["comment"])["generated"]
    (folder / "walk.gif").unlink()
    before = (folder / "walk.png").read_bytes()
    call(name, "walk", folder, "--steps", 3, "--places", 3, "--count", 2)  # replaces what it has written, by the same
    assert (folder / "walk.png").read_bytes() == before


def test_a_walk_passes_the_samples_of_its_seeds(runs, monkeypatch):
    found = {}
    monkeypatch.setattr(walk, "save", lambda out, walks, loop, mark: found.update(walks=walks, loop=loop))
    space = open_space("dcgan", runs / "dcgan")
    options = ("--seeds", 8, 3, "--steps", 4, "--count", 2)
    for more, count in (((), 5), (("--loop",), 8), (("--path", "straight"), 5)):
        call("dcgan", "walk", runs / "dcgan", *options, *more)
        assert (len(found["walks"]), found["loop"]) == (count, bool(more == ("--loop",)))
        for step, seed in ((0, 8), (4, 3)):
            assert found["walks"][step] == pytest.approx(space.images(space.vectors(2, seed)), abs=1e-5)


def test_a_walk_between_classes_keeps_the_latents(runs, monkeypatch):
    found = {}
    monkeypatch.setattr(walk, "save", lambda out, walks, loop, mark: found.update(walks=walks))
    space = open_space("cgan", runs / "cgan")
    call("cgan", "walk", runs / "cgan", "--from", 2, "--to", 0, "--steps", 4, "--count", 3)
    assert len(found["walks"]) == 5
    for step, label in ((0, 2), (4, 0)):
        expected = space.images(space.vectors(3, seed=0), np.full(3, label))
        assert found["walks"][step] == pytest.approx(expected, abs=1e-5)


def test_a_film(runs, tmp_path):
    out = tmp_path / "films" / "walk.mp4"  # in a new folder
    call("dcgan", "walk", runs / "dcgan", "--steps", 2, "--places", 3, "--loop", "--out", out)
    film = cv2.VideoCapture(str(out))
    frames = [frame for found, frame in iter(film.read, (False, None)) if found]
    assert len(frames) == 6
    assert min(frames[0].shape[:2]) > 100
    assert not any(np.array_equal(frames[0], frame) for frame in frames[1:])


# arithmetic -----------------------------------------------------------------------------------------------------------


def test_arithmetic_of_numbers(run):
    folder = run("dcgan")
    answer = call("dcgan", *ARITHMETIC[:1], folder, *ARITHMETIC[1:])
    assert answer.stdout.startswith("3 8 - 5 + 21: ")
    assert "sees" not in answer.stdout
    assert (folder / "arithmetic.png").exists()


def test_numbers_are_those_of_samples(runs, monkeypatch):
    found = []
    monkeypatch.setattr(arithmetic, "draw", lambda path, space, terms, operands, *_: found.extend(operands))
    call("dcgan", *ARITHMETIC[:1], runs / "dcgan", *ARITHMETIC[1:], "--seed", 7)
    vectors = open_space("dcgan", runs / "dcgan").vectors(30, seed=7)
    for operand, numbers in zip(found, ([3, 8], [5], [21]), strict=True):
        assert np.array_equal(operand, vectors[numbers])


@pytest.mark.slow
def test_arithmetic_of_classes(run):
    """The samples of the tiny generator are of few classes, of which one is taken from itself."""
    folder = run("dcgan")
    space, extractor = open_space("dcgan", folder), extractors.load("garments")
    _, labels = extractor(unscale(space.images(space.vectors(100, seed=0))))
    common = extractor.class_names[np.bincount(labels).argmax()]
    options = ("--from", common, "--minus", 5, "--plus", common, *FEW)
    answer = call("dcgan", "arithmetic", folder, *options)
    assert "Of 200 results, each of other operands, garments sees" in answer.stdout
    missing = next(name for number, name in enumerate(extractor.class_names) if number not in labels)
    answer = call_recipe("dcgan", "arithmetic", *options[:-5], missing, *FEW, "--run-folder", folder)
    assert is_one_sentence(answer, f"0 of 100 samples show {missing}, and 4 are needed; add --samples")
    answer = call_recipe("dcgan", "arithmetic", *options[:-5], "shiny", *FEW, "--run-folder", folder)
    assert is_one_sentence(answer, "There is no class 'shiny'")


# directions, invert ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_directions(runs, tmp_path_factory):
    """A run of dcgan with directions."""
    folder = shutil.copytree(runs / "dcgan", tmp_path_factory.mktemp("directions") / "dcgan")
    call("dcgan", "directions", folder, "--of", "brightness", "contrast", *FEW)
    return folder


def directions_in(folder):
    return linear_directions.load(folder, load_generator(folder / "generator.keras", "dcgan"), "dcgan")


def table(path, count=100, label=lambda number: number % 2, header="sample,label"):
    path.write_text("\n".join([header, *(f"{number},{label(number)}" for number in range(count))]) + "\n")
    return path


def test_directions_are_stored_and_drawn(with_directions):
    assert list(directions_in(with_directions)) == ["brightness", "contrast"]
    found = directions_in(with_directions)["brightness"]
    assert found.rank_correlation > 0.5
    assert found.attribute == "brightness"
    assert found.side_effect != "brightness"
    assert (with_directions / "directions.png").exists()


@pytest.mark.slow
def test_directions_of_all_kinds(run, monkeypatch):
    monkeypatch.setattr(linear_directions.Measurement.__init__, "__defaults__", (8, 1))  # count of samples, and seed
    for name, ways in (("dcgan", ("SeFa 2", "GANSpace 2")), ("cgan", ("SeFa 2",))):
        folder = run(name)
        answer = call(name, "directions", folder, "--unsupervised", 2, *FEW)
        for words in ("| brightness | probe |", "rank correlation", "Stored in", *ways):
            assert words in answer.stdout, words
        assert ("GANSpace 2" in answer.stdout) == (name == "dcgan")
        stored = json.loads((folder / "directions.json").read_text())["directions"]
        assert {"brightness", "width", *ways} <= {each["name"] for each in stored}
        assert not any(each["name"] in extractors.load("garments").class_names for each in stored if name == "cgan")


def test_directions_of_own_labels(run, tmp_path):
    folder = run("dcgan")
    vectors = open_space("dcgan", folder).vectors(100, seed=0)
    path = table(tmp_path / "$_$ cosy.csv", label=lambda number: "cosy" if vectors[number, 0] < 0 else "plain")
    answer = call("dcgan", "directions", folder, "--csv", path, *FEW)
    assert "| $_$ cosy | probe | " in answer.stdout
    assert directions_in(folder)["$_$ cosy"].vector[0] > 0.8  # "plain" is the second one in the alphabet
    assert directions_in(folder)["$_$ cosy"].accuracy > 0.7


def test_a_direction_without_another(with_directions, tmp_path):
    folder = shutil.copytree(with_directions, tmp_path / "run")
    answer = call("dcgan", "directions", folder, "--orthogonal", "brightness", "contrast", *GARMENTS)  # the others stay
    assert answer.stdout.count("| brightness without contrast |") == 1
    stored = directions_in(folder)
    assert list(stored) == ["brightness", "contrast", "brightness without contrast"]
    found = stored["brightness without contrast"]
    assert found.vector @ stored["contrast"].vector == pytest.approx(0, abs=1e-4)
    assert found.attribute == "brightness"


def test_directions_of_another_generator(with_directions, tmp_path):
    folder = shutil.copytree(with_directions, tmp_path / "run")
    generator = load_generator(folder / "generator.keras", "dcgan")
    generator.weights[0].assign(1.01 * generator.weights[0])
    generator.save(folder / "generator.keras")
    answer = call_recipe(
        "dcgan", "directions", "--orthogonal", "brightness", "contrast", "--run-folder", folder, *GARMENTS
    )
    assert is_one_sentence(answer, "are those of another generator")
    answer = call_recipe("dcgan", "invert", "--along", "brightness", "--run-folder", folder)
    assert is_one_sentence(answer, "find them again: ./run_recipe.sh dcgan directions")
    answer = call("dcgan", "directions", folder, "--of", "width", *FEW)
    assert answer.stdout.startswith("Replaced: The directions in ")
    assert list(directions_in(folder)) == ["width"]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(inversion, "CANDIDATES", 20)
    return ("--steps", 2, "--starts", 2, "--count", 3)


@pytest.mark.parametrize("name", ["dcgan", "cgan"])
def test_held_out_images_are_inverted(run, name, quick):
    folder = run(name)
    answer = call(name, "invert", folder, *quick)
    for words in ("| inverted | 0.", "| nearest training image | 0.", "Images: 3, of which 3 are shown in"):
        assert words in answer.stdout, words
    assert "The data has no test part: the network was trained on these images." in answer.stdout
    assert (folder / "invert.png").exists()


def test_own_images_are_inverted_and_moved(with_directions, tmp_path, quick):
    for number in range(2):
        write(tmp_path / "in" / f"{number}.png", picture(20, 30, seed=number))
    write_bad_files(tmp_path / "in" / "bad")
    options = ("--input", tmp_path / "in", *quick[:-2], "--along", "contrast", "--shift", 2)
    (tmp_path / "new").mkdir()
    answer = call("dcgan", "invert", with_directions, *options, "--out", tmp_path / "new" / "out.png")
    assert "Images: 2, of which 2 are shown in" in answer.stdout
    assert "Skipped" in answer.stdout
    assert "zero.jpg: it has zero bytes" in answer.stdout
    assert "no test part" not in answer.stdout
    one = call("dcgan", "invert", with_directions, "--input", tmp_path / "in" / "0.png", *quick)
    assert "Images: 1, of which 1 are shown in" in one.stdout


@pytest.mark.slow
def test_an_encoder_is_one_of_the_answers(run, quick, monkeypatch):
    monkeypatch.setattr(inversion.encoder_of, "__defaults__", (3, 64))  # steps, and samples
    assert "| encoder alone | 0." in call("dcgan", "invert", run("dcgan"), "--encoder", *quick).stdout
    answer = call_recipe("cgan", "invert", "--encoder", *quick, "--run-folder", run("cgan"))
    assert is_one_sentence(answer, "An encoder can be trained for a generator that is fed latents alone")


# truncate -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dcgan", "cgan"])
def test_truncated_samples_are_drawn_and_scored(run, name):
    folder = run(name)
    answer = call(name, "truncate", folder, "--shares", 0, 0.5, 1, "--samples", 30, *GARMENTS)
    rows = [line.split("|")[1:-1] for line in answer.stdout.splitlines() if line.startswith("| ")][1:]
    assert [row[0].strip() for row in rows] == ["0", "0.5", "1"]
    distances = [float(row[1]) for row in rows]
    assert len(set(distances)) == 3
    assert np.isfinite(distances).all()
    assert (folder / "truncate.png").exists()
    assert (folder / "truncate_curve.png").exists()
    answer = call_recipe(name, "truncate", "--out", folder / "truncate.png", "--run-folder", folder)
    assert is_one_sentence(answer, "truncate.png exists already")
    (folder / "truncate.png").unlink()
    answer = call_recipe(name, "truncate", "--out", folder / "truncate.png", "--run-folder", folder)
    assert is_one_sentence(answer, "truncate_curve.png exists already")


# --pretrained ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def shipped(runs, tmp_path, monkeypatch):
    """A project that comes with the generator of dcgan; runs are elsewhere."""
    shutil.copytree(runs / "dcgan", tmp_path / "pretrained" / "dcgan")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "pretrained")
    monkeypatch.setenv("GAN_COOKBOOK_RUNS", str(tmp_path / "runs"))
    return tmp_path


def test_a_generator_of_the_project_is_used_like_a_run(shipped):
    answer = call_recipe("dcgan", "walk", "--steps", 1, "--pretrained")
    assert answer.returncode == 0, answer.stderr
    source, target = shipped / "pretrained" / "dcgan", shipped / "runs" / "dcgan_pretrained"
    assert not (source / "walk.png").exists()
    assert (target / "walk.png").exists()
    assert (target / "generator.keras").read_bytes() == (source / "generator.keras").read_bytes()
    before = (target / "generator.keras").stat().st_mtime_ns
    for folder, content in ((source, "those of the project"), (target, "those of a user")):
        (folder / "directions.json").write_text(content)
    assert call_recipe("dcgan", *ARITHMETIC, "--pretrained").returncode == 0
    assert (target / "generator.keras").stat().st_mtime_ns == before
    assert (target / "directions.json").read_text() == "those of a user"
    generator = load_generator(source / "generator.keras", "dcgan")
    generator.weights[0].assign(2 * generator.weights[0])
    generator.save(source / "generator.keras")  # as after an update of the project
    assert call_recipe("dcgan", "walk", "--steps", 1, "--pretrained").returncode == 0
    assert (target / "generator.keras").read_bytes() == (source / "generator.keras").read_bytes()


def test_a_run_of_the_user_is_not_overwritten(shipped):
    mine = shipped / "runs" / "dcgan_pretrained"
    mine.mkdir(parents=True)
    (mine / "checkpoint.npz").write_text("mine")
    (mine / "generator.keras").write_text("mine")
    assert is_one_sentence(call_recipe("dcgan", "walk", "--pretrained"), "where a run of yours was trained")
    assert (mine / "generator.keras").read_text() == "mine"


def test_what_belongs_to_an_earlier_generator_is_moved_aside(shipped):
    mine = shipped / "runs" / "dcgan_pretrained"
    mine.mkdir(parents=True)
    (mine / "generator.keras").write_text("that of an earlier version")
    (mine / "directions.json").write_text("my own")
    assert call_recipe("dcgan", "walk", "--steps", 1, "--pretrained").returncode == 0
    assert (mine.with_name("dcgan_pretrained.old1") / "directions.json").read_text() == "my own"


def test_what_it_needs_is_copied_before_the_generator(shipped, monkeypatch):
    """A copy that is interrupted is not taken for a run."""
    order, copyfile = [], shutil.copyfile

    def noted(source, target):
        order.append(source.name)
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", noted)
    pretrained.run_of("dcgan")
    assert {"config.json", "generator.json"} < set(order)
    assert order[-1] == "generator.keras"


def test_without_such_a_generator(shipped, runs):
    words = "No generator of cgan comes with the project, only of dcgan; train one first: ./run_recipe.sh cgan"
    for action in ("walk", "sample", "directions"):
        assert is_one_sentence(call_recipe("cgan", action, "--pretrained"), words)
    answer = call_recipe("dcgan", "walk", "--pretrained", "--run-folder", runs / "dcgan")
    assert is_one_sentence(answer, "--pretrained takes the place of --run-folder; give one of them")
    assert not (shipped / "runs").exists()


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("cgan walk --from 0", "A walk between classes needs both: --from CLASS --to CLASS"),
        ("cgan walk --to 0", "A walk between classes needs both"),
        ("cgan walk --from 0 --to 0", "--from and --to are both 0; choose two classes"),
        ("cgan walk --from 0 --to 9", "There is no class '9'"),
        ("cgan walk --from ² --to 0", "There is no class '²'"),
        ("cgan walk --from 0 --to 1 --path straight", "--path has no effect with --from and --to"),
        ("cgan walk --from 0 --to 1 --seeds 1 2", "--seeds has no effect with --from and --to"),
        ("dcgan walk --from 0 --to 1", "--from and --to need a class-conditional generator"),
        ("dcgan walk --seeds 3", "--seeds expects at least two seeds"),
        ("dcgan walk --seeds 3 -1", "--seeds"),
        ("dcgan walk --seeds 3 8 --places 5", "--places has no effect with --seeds"),
        ("dcgan walk --seeds 3 8 --seed 5", "--seed has no effect with --seeds"),
        ("dcgan walk --out walk.jpg", "--out expects a file .png or .gif or .mp4, but is walk.jpg"),
        ("dcgan arithmetic --out sum.gif --from 1 --minus 2 --plus 3", "--out expects a file .png, but is sum.gif"),
        ("dcgan arithmetic --from 1 --minus 2", "arithmetic needs three"),
        (
            "dcgan arithmetic --from 1 coat --minus 2 --plus 3 --extractor garments",
            "is one class, or numbers of samples, but here",
        ),
        (f"dcgan arithmetic --from {'9' * 5000} --minus 2 --plus 3", "The number of a sample has at most 6 digits"),
        (
            "dcgan arithmetic --from 1 --minus 2 --plus 3 --samples 9",
            "--samples has no effect with numbers",
        ),
        ("cgan arithmetic --from 1 --minus 2 --plus 3", "The class is an input of this generator"),
        ("dcgan directions --of depth --samples 100 --extractor garments", "There is no attribute 'depth'"),
        ("cgan directions --of coat --samples 100 --extractor garments", "No direction was found"),
        ("dcgan directions --csv nowhere.csv", "--csv expects a table, but nowhere.csv is no file"),
        ("dcgan directions --csv few.csv --extractor garments", "few.csv has 10 labels; a direction needs at least 20"),
        ("dcgan directions --csv three.csv --extractor garments", "three.csv has 3 different labels"),
        ("dcgan directions --csv columns.csv --extractor garments", "columns.csv has the columns"),
        ("dcgan directions --csv empty.csv --extractor garments", "Line 2 of empty.csv has no label"),
        ("dcgan directions --csv many.csv --samples 100 --extractor garments", "labels sample '100'"),
        ("dcgan directions --csv same.csv --extractor garments", "same.csv gives no direction: it is equal in all"),
        ("dcgan directions --csv few.csv --of width", "--of has no effect with --csv"),
        ("dcgan directions --of width --unsupervised 3", "--unsupervised has no effect with --csv or --of"),
        ("dcgan directions --orthogonal width", "--orthogonal expects two directions"),
        ("dcgan directions --orthogonal width height --extractor garments", "This run has no directions yet"),
        ("dcgan directions --orthogonal width height --of width", "--of has no effect with --orthogonal"),
        ("dcgan invert --along width", "This run has no directions yet; find some first"),
        ("dcgan invert --shift 3", "--shift has no effect without --along"),
        ("dcgan invert --input nowhere", "--input expects images, but nowhere does not exist"),
        ("dcgan invert --input few.csv", "few.csv has none that can be read"),
        ("dcgan truncate --shares 3", "--shares"),
        ("dcgan truncate --shares nan", "--shares"),
        ("dcgan truncate --extractor nothing", "There is no extractor 'nothing'"),
    ],
)
def test_what_is_refused_in_one_sentence(runs, tmp_path, command, words):
    table(tmp_path / "few.csv", 10)
    table(tmp_path / "three.csv", label=lambda number: "abc"[number % 3])
    table(tmp_path / "columns.csv", header="number,label")
    table(tmp_path / "empty.csv", label=lambda number: "")
    table(tmp_path / "many.csv", 101)
    table(tmp_path / "same.csv", label=lambda number: 1)
    name, *arguments = command.split()
    before = sorted(path.name for path in (runs / name).iterdir())
    answer = call_recipe(name, *arguments, "--run-folder", runs / name, cwd=tmp_path)
    assert is_one_sentence(answer, words)
    assert sorted(path.name for path in (runs / name).iterdir()) == before


def test_unknown_directions_are_refused(with_directions):
    for command in (("invert", "--along", "depth"), ("directions", "--orthogonal", "contrast", "depth", *GARMENTS)):
        answer = call_recipe("dcgan", *command, "--run-folder", with_directions)
        assert is_one_sentence(answer, "There is no direction 'depth'; there are brightness, contrast.")


@pytest.mark.parametrize("action", OF_LATENTS)
def test_a_picture_is_not_overwritten(runs, tmp_path, action):
    (tmp_path / "mine.png").write_text("mine")
    needed = ARITHMETIC[1:] if action == "arithmetic" else ()
    answer = call_recipe("dcgan", action, *needed, "--out", tmp_path / "mine.png", "--run-folder", runs / "dcgan")
    assert is_one_sentence(answer, "mine.png exists already; choose another --out, or add --overwrite")
    assert (tmp_path / "mine.png").read_text() == "mine"
    answer = call_recipe("dcgan", action, *needed, "--run-folder", tmp_path)
    assert is_one_sentence(answer, "generator.keras yet; train first: ./run_recipe.sh dcgan")


@pytest.mark.parametrize("name", ["pix2pix", "simgan", "style_transfer", "image_to_3d", "mode_collapse"])
def test_generators_without_images_of_latents_have_none_of_these_actions(name):
    for action in OF_LATENTS:
        answer = call_recipe(name, action)
        assert is_one_sentence(answer, f"There is no action '{action}' of {name}; there are ")
        offered = answer.stderr.partition("there are ")[2]
        assert not any(f"{each}," in offered for each in OF_LATENTS)


def test_stacked_images_are_not_compared_with_single_ones(runs):
    for action in ("invert", "truncate"):
        assert is_one_sentence(call_recipe("stacked_mnist", action), f"There is no action '{action}' of stacked_mnist")
    call("stacked_mnist", "walk", runs / "stacked_mnist", "--steps", 1)


def test_the_images_of_a_run_may_have_another_size_by_now(run, tmp_path):
    folder = run("dcgan")
    np.save(tmp_path / "larger.npy", np.random.default_rng(0).integers(0, 256, (20, 24, 16, 1), "uint8"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "data": str(tmp_path / "larger.npy")}))
    answer = call_recipe("dcgan", "invert", "--run-folder", folder)
    assert is_one_sentence(answer, "it makes (16, 16, 1), and the images are (24, 16, 1)")
