"""The action play: what the page shows, and the page itself in a browser."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from common.base.errors import InputError
from common.base.pictures import save_png, unscale
from common.cli.play import PORTS, refused, usable_port
from common.cli.playground import FRAMES, MOST_DIRECTIONS, Playground, cell_at, read_picture, translators_of
from common.saving import digest_of
from common.scoring import linear_directions
from common.scoring.linear_directions import Direction
from common.training.run import as_json
from common.training.trained_run import load_generator, store_networks
from data_prep import decode
from tests.conftest import PROJECT, call_recipe, heeding_ctrl_c, is_one_sentence
from tests.files import picture as drawn_picture
from tests.files import write
from tests.tiny_recipes import TINY, build

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of runs of some recipes, not trained; that of dcgan has directions, that of cgan three classes."""
    runs = tmp_path_factory.mktemp("runs")
    for name in ("dcgan", "cgan", "pix2pix", "style_transfer", "mode_collapse", "text_to_image"):
        (runs / name).mkdir()
        store_networks(runs / name, build(name))
        config = as_json(TINY[name].module.Config(**TINY[name].config))
        config.update({"classes": ["t-shirt", "trouser", "pullover"]} if name == "cgan" else {})
        (runs / name / "config.json").write_text(json.dumps(config))
    generator = load_generator(runs / "dcgan" / "generator.keras", "dcgan")
    axes = np.eye(4, dtype="float32")
    found = [Direction(f"axis {n}", "probe", axes[n % 4], "width", 0.9, n / 20, "height", 1, 1, 1) for n in range(20)]
    linear_directions.store(runs / "dcgan", generator, found)
    return runs


def with_config(folder, copy, **values):
    """Returns a copy of the folder of a run whose configuration has other values."""
    shutil.copytree(folder, copy)
    config = json.loads((folder / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, **values}))
    return copy


# Without the page -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dcgan", "cgan"])
def test_samples_are_those_of_the_action_sample(runs, tmp_path, name):
    playground = Playground(name, runs / name)
    answer = call_recipe(
        name, "sample", "--count", 7, "--seed", 5, "--out", tmp_path / "out", "--run-folder", runs / name
    )
    assert answer.returncode == 0, answer.stderr
    wanted = [np.asarray(Image.open(file)) for file in sorted((tmp_path / "out").iterdir())]
    drawn = unscale(playground.draw(playground.samples(5, 7)))[..., 0]
    assert np.abs(drawn.astype(int) - wanted).max() <= 1
    if name == "cgan":  # a sample is the same one among those of its class
        last = playground.samples(5, 7, playground.class_names[2])[6:]
        assert last[0].name == playground.samples(5, 7)[6].name == "seed 5, no. 6, pullover"
        assert np.array_equal(unscale(playground.draw(last))[0, ..., 0], drawn[6])


def test_samples_of_one_class_and_truncated_ones(runs):
    playground = Playground("cgan", runs / "cgan")
    name = playground.class_names[2]
    assert [each.label for each in playground.samples(0, 4, name)] == [2] * 4
    assert playground.samples(7, 4, name, 0.5)[3].name == f"seed 7, no. 3, {name}, truncation 0.5"
    full, none = playground.samples(0, 2), playground.samples(0, 2, truncation=0)
    assert np.abs(full[0].vector).max() > 0 and not np.abs(none[0].vector).max()


def test_a_walk_begins_and_ends_at_the_chosen_samples(runs):
    playground = Playground("dcgan", runs / "dcgan")
    chosen = playground.samples(0, 3)
    for position, row in ((0, 0), (0.5, 1), (1, 2)):
        assert np.allclose(playground.walk(chosen, position).vector, chosen[row].vector, atol=1e-5)


def test_a_walk_between_classes_mixes_them(runs):
    playground = Playground("cgan", runs / "cgan")
    (first,), (last,) = (playground.samples(0, 1, name) for name in playground.class_names[:2])
    begin, middle, end = (playground.walk([first, last], position) for position in (0, 0.5, 1))
    assert np.allclose(end.label, [0, 1, 0]) and np.allclose(middle.label, [0.5, 0.5, 0])
    ends, walked = playground.draw([first, last]), playground.draw([begin, middle, end])
    assert np.allclose(walked[[0, 2]], ends, atol=1e-5)
    assert min(np.abs(walked[1] - image).max() for image in ends) > 1e-4


@pytest.mark.parametrize("closed", [False, True])
def test_a_walk_between_classes_does_not_jump(runs, closed):
    playground = Playground("cgan", runs / "cgan")
    chosen = [playground.samples(0, 1, name)[0] for name in playground.class_names]
    steps = playground.between(chosen, 10, closed)
    images = playground.draw([*steps, steps[0]] if closed else steps)
    changes = np.abs(np.diff(images, axis=0)).mean(axis=(1, 2, 3))
    assert len(steps) == (30 if closed else 21) and changes.max() < 4 * changes.mean()


def test_pictures_of_samples_are_marked(runs, tmp_path):
    playground = Playground("dcgan", runs / "dcgan")
    chosen = [*playground.samples(3, 2), *playground.samples(4, 1)]
    for part, seed in ((chosen[:2], 3), (chosen, None), ([playground.walk(chosen[:2], 0.5)], 3)):
        texts = playground.picture(part).info
        assert json.loads(texts["Comment"])["seed"] == seed
        assert json.loads(texts["Comment"])["weights"] == digest_of(playground.space.generator)
    assert not Playground("dcgan", runs / "dcgan", marks=False).picture(chosen).info


def test_an_animation_goes_there_and_back(runs, tmp_path):
    playground = Playground("dcgan", runs / "dcgan")
    playground.animation(playground.samples(0, 2), tmp_path / "walk.gif")
    assert Image.open(tmp_path / "walk.gif").n_frames == 2 * FRAMES


def test_a_sample_moves_along_directions(runs):
    playground = Playground("dcgan", runs / "dcgan")
    assert list(playground.directions) == [f"axis {n}" for n in range(19, 19 - MOST_DIRECTIONS, -1)]  # the steadiest
    (chosen,) = playground.samples(0, 1)
    moved = playground.moved(chosen, {"axis 16": 2.0, "axis 17": -1.0})
    assert np.allclose(moved.vector - chosen.vector, [2, -1, 0, 0], atol=1e-6)
    assert np.array_equal(playground.moved(chosen, {"axis 16": 0.0}).vector, chosen.vector)


def test_directions_of_another_generator_are_not_used(runs, tmp_path):
    shutil.copytree(runs / "dcgan", tmp_path / "run")
    store_networks(tmp_path / "run", build("dcgan", seed=3, filters=3))
    playground = Playground("dcgan", tmp_path / "run", " --run-folder mine")
    assert not playground.directions
    assert any("another generator" in remark for remark in playground.remarks)
    assert all(remark.endswith("./run_recipe.sh dcgan directions --run-folder mine") for remark in playground.remarks)


def test_an_uploaded_image_becomes_a_sample(runs, tmp_path):
    playground = Playground("dcgan", runs / "dcgan")
    save_png(tmp_path / "image.png", unscale(playground.draw(playground.samples(9, 1)))[0])
    image, answer, found, said = playground.uploaded(tmp_path / "image.png")
    assert image.shape == answer.shape == (16, 16, 1)
    assert found.vector.shape == (4,) and "SSIM" in said
    others = unscale(playground.draw(playground.samples(1, 64)))
    errors = [np.mean((each.astype(float) - image) ** 2) for each in (answer, *others)]
    assert errors[0] < 0.5 * np.median(errors[1:])  # the images of weights that are not trained differ little


def test_an_uploaded_image_is_fitted_as_those_of_the_training(runs, tmp_path):
    write(tmp_path / "image.png", drawn_picture(20, 60))
    playground = Playground("dcgan", with_config(runs / "dcgan", tmp_path / "run", fit="pad"))
    image, *_ = playground.uploaded(tmp_path / "image.png")
    assert np.array_equal(image, decode.read(tmp_path / "image.png", (16, 16), "pad", channels=1))


@pytest.mark.parametrize("moved", [{"data": "/nowhere"}, {"classes": ["t-shirt", "trouser"]}])
def test_training_images_that_were_moved_or_changed(runs, tmp_path, moved):
    playground = Playground("cgan", with_config(runs / "cgan", tmp_path / "run", **moved))
    assert playground.class_names == ("0", "1", "2") and "classes have numbers" in playground.remarks[0]
    assert playground.samples(0, 1, "2")[0].label == 2


def test_an_uploaded_file_that_is_no_image(runs, tmp_path):
    (tmp_path / "image.png").write_text("no image")
    with pytest.raises(InputError, match=r"image\.png is not an image"):
        Playground("dcgan", runs / "dcgan").uploaded(tmp_path / "image.png")


@pytest.mark.parametrize(("name", "count"), [("pix2pix", 1), ("style_transfer", 2)])
def test_translators_translate_uploads(runs, tmp_path, name, count):
    playground = Playground(name, runs / name)
    assert len(playground.translators) == count and playground.space is None
    write(tmp_path / "image.png", drawn_picture(40, 30))
    for translator in playground.translators:
        image, answer, found, _ = playground.uploaded(tmp_path / "image.png", translator)
        assert image.shape[:2] == answer.shape[:2] and found is None


def test_phrases_are_drawn(runs):
    playground = Playground("text_to_image", runs / "text_to_image")
    assert not playground.remarks and not playground.space
    red, blue = (playground.of_phrase(phrase, 3, 4) for phrase in ("a red bag", "a blue coat"))
    assert red.info["Software"] and np.asarray(red).shape == np.asarray(blue).shape
    assert not np.array_equal(red, blue)
    assert np.array_equal(red, playground.of_phrase("a red bag", 3, 4))
    with pytest.raises(InputError, match="'!', which has no word"):
        playground.of_phrase("!", 3, 4)


def test_points_are_no_images(runs):
    playground = Playground("mode_collapse", runs / "mode_collapse")
    assert playground.space is None and not playground.translators and playground.remarks


def test_translators_of_a_generator_of_latents():
    assert translators_of(build("dcgan").generator) == {}


def test_a_training_that_has_no_generator_yet(tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "log.csv").write_text("epoch,d_loss,g_loss,seconds\n1,1.5,0.5,60\n2,1.4,0.6,60\n")
    save_png(tmp_path / "samples" / "epoch_001.png", np.zeros((8, 8, 1), np.uint8))
    playground = Playground("dcgan", tmp_path)
    assert playground.space is None and playground.has_training
    assert len(playground.epochs()) == 1
    assert playground.progress().startswith("2 epochs, 2.0 minutes; d_loss 1.4, g_loss 0.6")
    assert playground.losses() is None
    assert "`./run_recipe.sh dcgan evaluate`" in playground.progress()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("scores.json", "{", "scores.json holds no scores"),
        ("scores.json", '{"scores": {"frechet": "low"}}', "scores.json holds no scores"),
        ("log.csv", "epoch,seconds\n1,many\n", "log.csv is damaged"),
    ],
)
def test_damaged_files_of_a_training(tmp_path, name, content, words):
    (tmp_path / "log.csv").write_text("epoch,d_loss,g_loss,seconds\n1,1.5,0.5,60\n")
    (tmp_path / name).write_text(content)
    assert words in Playground("dcgan", tmp_path).progress()


def test_a_damaged_picture_is_not_shown(tmp_path):
    save_png(tmp_path / "grid.png", np.zeros((8, 8, 1), np.uint8))
    content = (tmp_path / "grid.png").read_bytes()
    for damaged in (b"", content[:40], content[:12] + b"\0" * 40):
        (tmp_path / "grid.png").write_bytes(damaged)
        assert read_picture(tmp_path / "grid.png") is None


def test_no_run_at_all(tmp_path):
    answer = call_recipe("dcgan", "play", "--run-folder", tmp_path)
    assert is_one_sentence(answer, "train first: ./run_recipe.sh dcgan")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--share-on", "everywhere"), "--share-on expects an address of this machine"),
        (("--share-on", "192.0.2.1"), "an address of this machine, but 192.0.2.1 is none"),
        (("--share-on", "192.0.2.1", "--port", 7990), "an address of this machine, but 192.0.2.1 is none"),
        (("--share-on", "2001:db8::1"), "an address of this machine, but 2001:db8::1 is none"),
        (("--port", 0), "--port must be at least 1"),
    ],
)
def test_addresses_that_cannot_be_served(runs, options, words):
    assert is_one_sentence(call_recipe("dcgan", "play", *options, "--run-folder", runs / "dcgan"), words)


def test_a_port_that_is_taken():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(InputError, match="give another --port"):
            usable_port("127.0.0.1", server.getsockname()[1])
    assert usable_port("127.0.0.1") in PORTS


@pytest.mark.parametrize("address", ["127.0.0.2", "::1"])
def test_a_port_that_is_taken_on_this_machines_own_address(address):
    if refused(address, 0):
        pytest.skip(f"this machine has no address {address}")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(InputError, match="give another --port"):  # Gradio would not serve there
            usable_port(address, server.getsockname()[1])


def test_the_cell_at_a_place():
    assert [cell_at(place, (300, 200), 3, 5) for place in ((30, 20), (270, 80), (120, 180))] == [0, 2, 4]
    assert cell_at((270, 180), (300, 200), 3, 5) is None


# In a browser -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(runs, *options, stop=signal.SIGTERM, recipe="dcgan"):
    """Serves the page of the generator of a recipe that comes with the project; yields its address.

    Nothing that it has written elsewhere is left when a signal has stopped it.
    """
    (runs / "scratch").mkdir()
    environment = {
        **os.environ,
        "GAN_COOKBOOK_RUNS": str(runs),
        "PYTHONPATH": str(PROJECT),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(runs / "scratch"),
    }
    command = [sys.executable, "-P", "-m", f"recipes.{recipe}.train", "play", "--pretrained", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with heeding_ctrl_c():
        process = subprocess.Popen(command, env=environment, text=True, **pipes)
    try:
        lines = []
        while not (lines and "until Ctrl-C" in lines[-1]):
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        assert list((runs / "scratch").glob("gan_cookbook_play_*"))
        yield lines[-1].split(" at ")[1].split()[0]
    finally:
        process.send_signal(stop)
        try:
            said, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert not list((runs / "scratch").iterdir()) and "Traceback" not in said, said


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    pytest.importorskip("gradio", reason="gradio is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if not chromium:
        pytest.skip("there is no Chromium on this machine")
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", *quiet])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    training = runs / "dcgan_pretrained"
    (training / "samples").mkdir(parents=True)
    (training / "log.csv").write_text("epoch,d_loss,g_loss,seconds\n1,1.5,0.5,60\n2,1.4,0.6,60\n")
    for epoch in (1, 2):
        save_png(training / "samples" / f"epoch_{epoch:03d}.png", np.full((8, 8, 1), 100 * epoch, np.uint8))
    with served(runs) as address:
        yield address


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 800})  # a phone's
    page.requested, page.wrong = [], []
    page.on("request", lambda request: page.requested.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#samples img")
    yield page
    elsewhere = [url for url in page.requested if not url.startswith((address, "data:", "blob:"))]
    assert not elsewhere and not page.wrong
    page.close()


@pytest.mark.slow
def test_the_page_on_an_address_of_ipv6_until_ctrl_c(browser, tmp_path):
    if not socket.has_ipv6 or refused("::1", 0):
        pytest.skip("this machine has no IPv6")
    with served(tmp_path, "--share-on", "::1", stop=signal.SIGINT) as address:
        assert address.startswith("http://[::1]:")
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#samples img")
        page.close()


def source(page, place):
    return page.locator(f"{place} img").get_attribute("src")


def content(page, place):
    """Returns the part of the address of a picture that is the same for the same picture."""
    return source(page, place).rsplit("/", 1)[0]


def changed(page, place, act, seconds=60):
    """Returns whether another picture is shown at a place after an act."""
    before = source(page, place)
    act()
    end = time.monotonic() + seconds
    while source(page, place) == before and time.monotonic() < end:
        page.wait_for_timeout(50)
    return source(page, place) != before


def click(page, x, y):
    box = page.locator("#samples img").bounding_box()
    page.locator("#samples img").click(position={"x": x * box["width"], "y": y * box["height"]})


def choose_two(page):
    click(page, 0.05, 0.05)
    page.wait_for_selector("#chosen img")
    assert changed(page, "#chosen", lambda: click(page, 0.9, 0.9))


def is_as_wide_as_the_window(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.slow
@pytest.mark.xdist_group("play")
def test_the_page_draws_and_a_sample_is_downloaded(page, tmp_path):
    assert changed(page, "#samples", lambda: page.locator("#new-samples").click())
    with page.expect_download() as download:
        page.locator("#samples").get_by_label("Download").click()
    download.value.save_as(tmp_path / "samples.png")
    picture = Image.open(tmp_path / "samples.png")
    assert np.asarray(picture).std() > 10
    assert json.loads(picture.text["Comment"])["recipe"] == "dcgan"
    assert is_as_wide_as_the_window(page)


@pytest.mark.slow
@pytest.mark.xdist_group("play")
def test_the_page_walks_between_chosen_samples(page):
    choose_two(page)
    page.get_by_role("tab", name="Walk").click()
    slider = page.locator("#position input[type=range]")
    page.wait_for_selector("#place img")
    assert changed(page, "#place", lambda: slider.fill("0.5"))
    page.get_by_role("button", name="Animate").click()
    page.wait_for_selector("#film img", timeout=60_000)
    assert ".gif" in source(page, "#film")
    # With another sample the film is of others, and the place is where the slider is.
    page.get_by_role("tab", name="Samples").click()
    assert changed(page, "#chosen", lambda: click(page, 0.5, 0.5))
    page.get_by_role("tab", name="Walk").click()
    page.wait_for_selector("#film img", state="detached")
    halfway = content(page, "#place")
    assert changed(page, "#place", lambda: slider.fill("0.2")) and content(page, "#place") != halfway
    assert changed(page, "#place", lambda: slider.fill("0.5")) and content(page, "#place") == halfway
    assert page.locator("#names textarea, #names input").input_value().count("seed 0, no. ") == 3
    assert is_as_wide_as_the_window(page)


@pytest.mark.slow
@pytest.mark.xdist_group("play")
def test_the_page_moves_a_sample_along_a_direction(page):
    page.get_by_role("tab", name="Directions").click()
    page.wait_for_selector("#after img")
    slider = page.locator("#directions input[type=range]").first
    before = content(page, "#after")
    assert changed(page, "#after", lambda: slider.fill("2"))
    assert changed(page, "#after", lambda: page.get_by_role("button", name="Reset", exact=True).click())
    assert content(page, "#after") == before
    assert is_as_wide_as_the_window(page)


@pytest.mark.slow
@pytest.mark.xdist_group("play")
def test_the_page_answers_good_and_bad_uploads(page, tmp_path):
    page.get_by_role("tab", name="Upload").click()
    (tmp_path / "bad.png").write_text("no image")
    write(tmp_path / "good.png", drawn_picture(50, 40))
    file = page.locator("input[type=file]")
    file.set_input_files(tmp_path / "bad.png")
    page.get_by_text("bad.png is not an image").wait_for(timeout=30_000)
    file.set_input_files(tmp_path / "good.png")
    page.wait_for_selector("#answer img", timeout=120_000)
    page.get_by_text("SSIM").wait_for()
    assert is_as_wide_as_the_window(page)


@pytest.mark.slow
@pytest.mark.xdist_group("play")
def test_the_page_shows_a_training(page):
    page.get_by_role("tab", name="Training").click()
    page.get_by_text("2 epochs, 2.0 minutes").wait_for()
    page.wait_for_selector("#grid img")
    assert changed(page, "#grid", lambda: page.locator("#epoch input[type=range]").fill("1"))
    assert is_as_wide_as_the_window(page)


@pytest.mark.slow
@pytest.mark.xdist_group("play")
@pytest.mark.parametrize("width", [280, 390, 1280])
def test_the_page_shows_every_tab(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.add_style_tag(content="* {letter-spacing: 1px}")  # another machine's font
    for name in ("Walk", "Directions", "Upload", "Training", "Samples"):
        page.get_by_role("tab", name=name).click(timeout=10_000)
        assert page.get_by_role("tab", name=name).get_attribute("aria-selected") == "true"
    assert is_as_wide_as_the_window(page)


@pytest.mark.slow
@pytest.mark.xdist_group("play")
def test_the_page_draws_phrases(browser, tmp_path):
    with served(tmp_path, recipe="text_to_image") as address:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.goto(address)
        page.wait_for_selector("#samples img")
        phrase = page.locator("#phrase textarea, #phrase input")
        phrase.fill("a red striped bag")
        assert changed(page, "#samples", lambda: phrase.press("Enter"))
        phrase.fill("?")
        phrase.press("Enter")
        page.get_by_text("which has no word").wait_for(timeout=30_000)
        assert is_as_wide_as_the_window(page)
        page.close()
