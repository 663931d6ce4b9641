"""Makes the pictures of data_prep/README.md from the embedded garments and a synthetic drawing.

    python -m data_prep.make_chapter_pictures

The samples of GANs trained on bad data are made by `python -m benchmarks.mistakes`.
"""

import io
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from common.base import pictures
from data_prep import analysis, augment, balance, datasets, decode
from data_prep.batches import Batches

OUT = Path(__file__).parent / "pictures"
CELL = 112
FONT = cv2.FONT_HERSHEY_SIMPLEX


def drawing(height=160, width=320):
    """Returns an image of a house with circles and squares, which make distortions visible."""
    image = np.full((height, width, 3), (150, 200, 235), np.uint8)
    image[height * 3 // 4 :] = (110, 160, 80)
    cv2.circle(image, (width // 5, height // 4), height // 8, (250, 210, 60), -1, cv2.LINE_AA)
    side = height // 2
    left, top = width // 2 - side // 2, height * 3 // 4 - side + 20
    cv2.rectangle(image, (left, top), (left + side, top + side), (190, 90, 70), -1)
    roof = np.array([(left - 10, top), (left + side + 10, top), (left + side // 2, top - side // 2)])
    cv2.fillPoly(image, [roof], (90, 50, 50), cv2.LINE_AA)
    cv2.circle(image, (left + side // 2, top + side // 2), side // 5, (240, 240, 220), -1, cv2.LINE_AA)
    for x in range(0, width, 4):  # a fence: naive downsampling breaks its thin boards
        cv2.line(image, (x, height - 28), (x, height - 8), (240, 240, 240), 1)
    cv2.rectangle(image, (width - 60, top), (width - 48, height * 3 // 4 + 20), (90, 60, 40), -1)
    cv2.circle(image, (width - 54, top), 24, (50, 110, 50), -1, cv2.LINE_AA)
    return image


def cell(image, caption=""):
    """Returns an image in a white cell with a caption below."""
    image = decode.with_channels(image, 3)
    scale = CELL / max(image.shape[:2])
    size = (round(image.shape[0] * scale), round(image.shape[1] * scale))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    canvas = np.full((CELL + 22, CELL + 8, 3), 255, np.uint8)
    top, left = (CELL - size[0]) // 2 + 4, (CELL - size[1]) // 2 + 4
    canvas[top : top + size[0], left : left + size[1]] = cv2.resize(image, size[::-1], interpolation=kind)
    cv2.putText(canvas, caption, (4, CELL + 17), FONT, 0.38, (40, 40, 40), 1, cv2.LINE_AA)
    return canvas


def save(name, rows):
    width = max(len(row) for row in rows)
    empty = np.full((CELL + 22, CELL + 8, 3), 255, np.uint8)
    sheet = np.concatenate([np.concatenate([*row, *[empty] * (width - len(row))], axis=1) for row in rows])
    pictures.save_png(OUT / name, sheet)


def file_of(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def kinds():
    """The same image in difficult file formats: as naive code reads it, and as it is read here."""
    whole = Image.fromarray(drawing())
    turned = Image.Exif()
    turned[0x0112] = 6
    alpha = whole.copy()
    mask = np.zeros((160, 320), np.uint8)
    cv2.circle(mask, (160, 90), 80, 255, -1)
    hidden = np.asarray(whole).copy()
    hidden[mask == 0] = (0, 0, 0)
    alpha = Image.fromarray(hidden)
    alpha.putalpha(Image.fromarray(mask))
    deep = np.asarray(whole.convert("L")).astype(np.uint16) * 200
    files = {
        "EXIF turned": file_of(whole.rotate(90, expand=True), "JPEG", exif=turned, quality=95),
        "CMYK": file_of(whole.convert("CMYK"), "JPEG", quality=95),
        "transparent": file_of(alpha, "PNG"),
        "16 bits": file_of(Image.fromarray(deep), "PNG"),
        "palette": file_of(whole.quantize(16), "PNG"),
    }
    save(
        "kinds.png",
        [
            [cell(careless(data), name) for name, data in files.items()],
            [cell(decode.decode(data), "as read here") for data in files.values()],
        ],
    )


def careless(data):
    """Reads a file naively: no orientation, no colour conversion, the lowest 8 bits, the first three channels."""
    array = np.asarray(Image.open(io.BytesIO(data)))
    array = array if array.ndim == 3 else array[..., np.newaxis]
    return np.ascontiguousarray(array.astype(np.uint8)[..., :3])


def fits():
    """The three ways to change the aspect ratio, and a wrong way to downsample."""
    image = drawing()
    made = [cell(image, "320x160")]
    made += [cell(decode.resize(image, (64, 64), fit), f"--fit {fit}") for fit in ("crop", "pad", "stretch")]
    picked = cv2.resize(decode.resize(image, (160, 160)), (64, 64), interpolation=cv2.INTER_NEAREST)
    save("fits.png", [[*made, cell(picked, "pixels picked")]])


def garments(count=400):
    images, labels = datasets.load("fashion_mnist", "train")
    return images[:count, ..., np.newaxis], labels[:count]


def anomalies():
    """What the report finds among 400 garments, some of them corrupted."""
    images, _ = garments()
    images = images.copy()
    images[10] = cv2.GaussianBlur(images[10], (0, 0), 3)[..., np.newaxis]
    images[11] = 20
    images[11, 3, 3] = 22
    images[12] = np.random.default_rng(0).integers(0, 256, images[12].shape)
    images[13] = 255 - images[14]
    images[15] = images[16]
    images[17] = np.clip(images[18].astype(int) * 9 // 10 + 8, 0, 255)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "garments.npy"
        np.save(path, images)
        data = analysis.collect(path)
        records = analysis.measure(data).records
    rows = [[cell(images[row], reason) for row, reason in list(analysis.outliers(records).items())[:6]]]
    groups = enumerate(analysis.near_groups(records)[:3], 1)
    rows.append([cell(images[row], f"alike ({number})") for number, group in groups for row in group[:2]])
    save("anomalies.png", rows)


def balancing():
    """A batch of data with one rare class, without and with --balance."""
    images, labels = garments(10000)
    rng = np.random.default_rng(0)
    common, rare = np.flatnonzero(labels == 7), np.flatnonzero(labels == 8)[:40]
    rows = rng.permutation(np.concatenate([common, rare]))
    images, labels = images[rows], np.searchsorted([7, 8], labels[rows])
    sheets = []
    for order in (None, balance.EqualShares(labels)):
        batch = Batches(images, 24, order=order, transform=lambda batch: batch)[0]
        sheets.append(pictures.grid(batch / 127.5 - 1.0, 12))
    gap = np.full((8, sheets[0].shape[1], *sheets[0].shape[2:]), 255, np.uint8)
    sheet = np.concatenate([sheets[0], gap, sheets[1]])
    pictures.save_png(OUT / "balance.png", sheet[::4, ::4])


def augmentations():
    """One drawing, and five results of each augmentation."""
    steps = [augment.Flip(), augment.Crop(), augment.Rotate(), augment.Colour(0.2, 0.3, 0.5), augment.Noise(20)]
    image = np.ascontiguousarray(drawing()[:, 30:190])
    rows = []
    for step in steps:
        changed = step(np.stack([image] * 5), np.random.default_rng(1))
        rows.append([cell(image, type(step).__name__.lower())] + [cell(one) for one in changed])
    save("augment.png", rows)


def main():
    OUT.mkdir(exist_ok=True)
    for make in (kinds, fits, anomalies, balancing, augmentations):
        make()


if __name__ == "__main__":
    main()
