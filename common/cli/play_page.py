"""The page of the action play, made with Gradio: what `Playground` does, in tabs."""

import functools
import secrets
import tempfile
from pathlib import Path

import gradio as gr

from common.base.errors import InputError
from common.cli.playground import COLUMNS, cell_at, enlarged, read_picture

MOST_CHOSEN = 8
EVERY = 5  # seconds, after which the tab Training looks again
CLEANING = (600, 3600)  # seconds: how often files that a browser fetched are deleted, and from which age on
ALL = "all classes"
# Pixels stay pixels, and nothing is wider than a phone.
CSS = """
.pixels img {image-rendering: pixelated; width: 100%; max-height: 75vh; object-fit: contain}
.gradio-container {max-width: 1100px !important; margin: auto}
footer {display: none !important}
"""
FONTS = ["system-ui", "sans-serif"]  # of the machine, not of the network


def serve(page, address, port):
    """Starts to serve the page in other threads."""
    page.launch(
        server_name=address,
        server_port=port,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        footer_links=[],
        max_file_size="100mb",
        theme=gr.themes.Soft(font=FONTS, font_mono=["ui-monospace", "monospace"]),
        css=CSS,
    )


def answering(function):
    """Turns an `InputError` of an event into a message on the page."""

    @functools.wraps(function)
    def answer(*arguments):
        try:
            return function(*arguments)
        except InputError as error:
            raise gr.Error(str(error), title="", print_exception=False) from error

    return answer


def build(playground, scratch):
    """Returns the page of a `Playground`.

    Args:
        playground: `Playground`.
        scratch: path of a folder for files that a browser fetches.
    """
    with gr.Blocks(
        title=f"{playground.name}, the GAN cookbook", analytics_enabled=False, delete_cache=CLEANING
    ) as page:
        gr.Markdown(f"## {playground.name}\n{'  '.join(playground.remarks)}")
        chosen = gr.State([])
        with gr.Tabs(overflow_behavior="wrap"):  # a phone shows all of them, too
            if playground.space:
                with gr.Tab("Samples"):
                    samples_tab(page, playground, chosen)
                with gr.Tab("Walk"):
                    walk_tab(playground, chosen, scratch)
                with gr.Tab("Directions"):
                    directions_tab(page, playground, chosen)
                with gr.Tab("Upload"):
                    upload_tab(playground, chosen)
            elif playground.translators:
                with gr.Tab("Upload"):
                    translate_tab(playground)
            elif playground.latents:
                with gr.Tab("Phrases"):
                    phrases_tab(page, playground)
            if playground.has_training:
                with gr.Tab("Training"):
                    training_tab(page, playground)
        if playground.space:
            chosen_strip(playground, chosen)
    return page


def shown_image(text, **options):
    """Returns a place for a picture, with a text above: Gradio's own label would hide a corner of it."""
    options = {"format": "png", "interactive": False, "buttons": ["download", "fullscreen"], **options}
    with gr.Column(min_width=130):  # two beside one another on a phone
        gr.Markdown(text)
        return gr.Image(label=text, show_label=False, elem_classes="pixels", **options)


def chosen_strip(playground, chosen):
    """Shows the chosen samples below all tabs."""
    with gr.Column(visible=False) as column:
        strip = shown_image("chosen samples, the last one on the right", elem_id="chosen")
        names = gr.Textbox(show_label=False, container=False, interactive=False, elem_id="names")
        of_class = " --class CLASS" if playground.class_names else ""
        gr.Markdown(
            "The file `00003.png` is no. 3 of a seed after "
            f"`{playground.command('sample')} --seed SEED{of_class} --count 4 --out FOLDER`"
        )
        forget = gr.Button("Forget them", size="sm")

    @answering
    def show(chosen):
        sheet = playground.picture(chosen, MOST_CHOSEN) if chosen else None
        return gr.update(visible=bool(chosen)), sheet, "; ".join(each.name for each in chosen)

    chosen.change(show, chosen, [column, strip, names], show_progress="hidden")
    forget.click(lambda: [], None, chosen)


# Samples ----------------------------------------------------------------------------------------------------------


def samples_tab(page, playground, chosen):
    """Shows samples by their seed, class and truncation; a click puts one into `chosen`."""
    drawn, size = gr.State([]), gr.State(None)  # the samples, and the width and height of their sheet
    with gr.Row():
        seed = gr.Number(0, label="seed", precision=0, minimum=0, maximum=2**31 - 1, min_width=100)
        count = gr.Slider(1, 64, 64, step=1, label="samples", min_width=150)
        truncation = gr.Slider(0, 1.5, 1, step=0.05, label="truncation", min_width=150)
        options = [ALL, *playground.class_names]
        class_name = gr.Dropdown(options, value=ALL, label="class", visible=len(options) > 1, min_width=120)
    again = gr.Button("New samples", variant="primary", elem_id="new-samples")
    sheet = shown_image("Click a sample to carry it to the other tabs.", elem_id="samples")

    @answering
    def draw(seed, count, truncation, class_name):
        found = playground.samples(int(seed or 0), int(count), None if class_name == ALL else class_name, truncation)
        sheet = playground.picture(found, min(COLUMNS, len(found)))
        return found, sheet.size, sheet

    @answering
    def choose(drawn, size, chosen, event: gr.SelectData):
        number = cell_at(event.index, size, min(COLUMNS, len(drawn)), len(drawn))
        return chosen if number is None else [*chosen, drawn[number]][-MOST_CHOSEN:]

    inputs = [seed, count, truncation, class_name]
    for component in (seed, count, truncation, class_name):
        component.change(draw, inputs, [drawn, size, sheet], show_progress="hidden", trigger_mode="always_last")
    page.load(draw, inputs, [drawn, size, sheet])
    again.click(lambda: secrets.randbelow(2**31), None, seed)
    sheet.select(choose, [drawn, size, chosen], chosen)


def phrases_tab(page, playground):
    """Shows samples of a phrase."""
    known = playground.latents.phrases
    hint = f"Such as {known[-1]!r}; Enter draws it."
    phrase = gr.Textbox(known[0], label="phrase", elem_id="phrase", info=hint)
    with gr.Row():
        seed = gr.Number(0, label="seed", precision=0, minimum=0, maximum=2**31 - 1, min_width=100)
        count = gr.Slider(1, 64, 16, step=1, label="samples", min_width=150)
    again = gr.Button("New samples", variant="primary", elem_id="new-samples")
    sheet = shown_image("", elem_id="samples")

    @answering
    def draw(phrase, seed, count):
        return playground.of_phrase(phrase, int(seed or 0), int(count))

    inputs = [phrase, seed, count]
    for event in (phrase.submit, seed.change, count.change):
        event(draw, inputs, sheet, show_progress="hidden", trigger_mode="always_last")
    page.load(draw, inputs, sheet)
    again.click(lambda: secrets.randbelow(2**31), None, seed)


# Walk -------------------------------------------------------------------------------------------------------------


def walk_tab(playground, chosen, scratch):
    """Shows the path through `chosen`: a place of it, and a film."""
    hint = gr.Markdown("Choose two or more samples in the tab *Samples*.")
    position = gr.Slider(0, 1, 0, step=0.01, label="from the first to the last", elem_id="position")
    with gr.Row():
        place = shown_image("here", elem_id="place")
        film = shown_image("there and back", elem_id="film", type="filepath", format="gif")
    animate = gr.Button("Animate", variant="primary")

    @answering
    def walk(chosen, position):
        refuse_few(chosen)
        return playground.picture([playground.walk(chosen, position)])

    @answering
    def begin(chosen, position):
        few = len(chosen) < 2
        return gr.update(visible=few), None if few else walk(chosen, position), None  # a film would be of others

    @answering
    def film_of(chosen):
        refuse_few(chosen)
        out = Path(tempfile.mkdtemp(dir=scratch)) / "walk.gif"
        playground.animation(chosen, out)
        return str(out)

    position.input(walk, [chosen, position], place, show_progress="hidden", trigger_mode="always_last")
    chosen.change(begin, [chosen, position], [hint, place, film], show_progress="hidden")
    animate.click(film_of, chosen, film)


def refuse_few(chosen):
    if len(chosen) < 2:
        raise InputError("A walk needs two samples or more; click them in the tab Samples.")


# Directions -------------------------------------------------------------------------------------------------------


def directions_tab(page, playground, chosen):
    """Shows the last of `chosen` before and after it is moved along the directions of the run."""
    if not playground.directions:
        gr.Markdown(f"No directions yet. Find some, and start again: `{playground.command('directions')}`")
        return
    gr.Markdown(
        "The sample that was chosen last, or else the first one of seed 0, moved along directions. In brackets: how "
        "steadily each changes what it is named after (rank correlation), and the accuracy of its probe."
    )
    with gr.Row():
        before, after = shown_image("before", elem_id="before"), shown_image("after", elem_id="after")
    with gr.Row(elem_id="directions"):
        sliders = [
            gr.Slider(-3, 3, 0, step=0.1, label=label_of(each), min_width=240)
            for each in playground.directions.values()
        ]
    reset = gr.Button("Reset")

    def start(chosen):
        return chosen[-1] if chosen else playground.samples(0, 1)[0]

    @answering
    def move(chosen, *shifts):
        moved = playground.moved(start(chosen), dict(zip(playground.directions, shifts, strict=True)))
        return playground.picture([moved])

    @answering
    def both(chosen, *shifts):
        return playground.picture([start(chosen)]), move(chosen, *shifts)

    for slider in sliders:
        slider.change(move, [chosen, *sliders], after, show_progress="hidden", trigger_mode="always_last")
    chosen.change(both, [chosen, *sliders], [before, after], show_progress="hidden")
    page.load(both, [chosen, *sliders], [before, after])
    reset.click(lambda: [0] * len(sliders), None, sliders)


def label_of(direction):
    """Returns the name of a direction with what was measured of it."""
    what = direction.name if direction.attribute == direction.name else f"{direction.name}: {direction.attribute}"
    measured = [f"{value:.2f}" for value in (direction.rank_correlation, direction.accuracy) if value is not None]
    return f"{what} ({', '.join(measured)})"


# Upload -----------------------------------------------------------------------------------------------------------


def upload_tab(playground, chosen):
    """Shows an uploaded image and the generator's version of it, which is put into `chosen`."""
    gr.Markdown(
        "The generator's own version of an image: for seconds, the latents with the nearest image are looked for."
    )
    file = gr.UploadButton("Upload an image", variant="primary", elem_id="upload")
    text = gr.Markdown()
    with gr.Row():
        given, answer = shown_image("the image"), shown_image("generated", elem_id="answer")

    @answering
    def invert(file, chosen):
        image, made, found, said = playground.uploaded(file)
        chosen = [*chosen, found][-MOST_CHOSEN:]
        return enlarged(image), playground.marked(enlarged(made)), f"{said} It is among the chosen samples now.", chosen

    file.upload(invert, [file, chosen], [given, answer, text, chosen])


def translate_tab(playground):
    """Shows an uploaded image and its translation; the file stays for the choice of another network."""
    names, last = list(playground.translators), gr.State(None)
    file = gr.UploadButton("Upload an image", variant="primary", elem_id="upload")
    network = gr.Dropdown(names, value=names[0], label="network", visible=len(names) > 1)
    text = gr.Markdown()
    with gr.Row():
        given, answer = shown_image("the image"), shown_image("translated", elem_id="answer")

    @answering
    def translate(file, network):
        if file is None:
            return None, None, None, ""
        image, made, _, said = playground.uploaded(file, network)
        return file, enlarged(image), playground.marked(enlarged(made)), said

    for event, source in ((file.upload, file), (network.change, last)):
        event(translate, [source, network], [last, given, answer, text])


# Training ---------------------------------------------------------------------------------------------------------


def training_tab(page, playground):
    """Shows the sample grid of an epoch, the losses and the scores of the run, as they are now."""
    text = gr.Markdown()
    epoch = gr.Slider(1, 2, 1, step=1, label="epoch", elem_id="epoch")
    with gr.Row():
        grid, losses = shown_image("samples", elem_id="grid"), shown_image("losses")

    def show(epoch):
        grids = playground.epochs()
        return read_picture(grids[min(int(epoch or 1), len(grids)) - 1]) if grids else None

    def refresh():
        count = max(2, len(playground.epochs()))
        return gr.update(maximum=count), playground.losses(), playground.progress()

    def begin():
        count = max(1, len(playground.epochs()))
        return gr.update(maximum=max(2, count), value=count), show(count), playground.losses(), playground.progress()

    page.load(begin, None, [epoch, grid, losses, text])
    epoch.change(show, epoch, grid, show_progress="hidden", trigger_mode="always_last")
    gr.Timer(EVERY).tick(refresh, None, [epoch, losses, text], show_progress="hidden")
