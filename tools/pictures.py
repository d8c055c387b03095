"""Make the README's pictures: the page in use, recorded in a real browser, and a thumbnail of each lesson.

    python course.py pictures

A hand-made picture would soon show a page that no longer exists. This one opens latentlab.html in Chromium,
drags the point over the map and pushes the morph's slider, and keeps what the browser painted.
"""

from __future__ import annotations

import base64
import io
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from PIL import Image

from latentlab_helpers.files import write_whole
from tools import browser
from tools.outputs import pictures

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "latentlab.html"
FOLDER = ROOT / "results" / "pictures"
RECORDING = FOLDER / "page.webp"
LIMIT = 1_000_000  # bytes
RATE = 12  # frames a second
SHOWN = {"width": 644, "height": 340}  # of an instrument, in pixels: what moves, and no empty margin
# The cell whose figure stands for each lesson, as README's text alternatives say
THUMBNAILS = {
    "01_autoencoder": "size-curve",
    "02_variational_autoencoder": "manifold",
    "03_loss_comparison": "rate-code",
    "04_latent_space": "map",
    "05_latent_arithmetic": "slider",
    "06_latent_size_and_loss": "rate-figure",
    "07_conditional_vae": "hand",
    "08_gan_beside_the_vae": "mixture-figure",
    "09_harder_data": "colour-figure",
    "10_better_prior": "flat-map",
}
THUMBNAIL = (320, 160)  # pixels, twice what the README shows


def frames() -> Iterator[Image.Image]:
    """What the browser shows while a hand moves two of the page's instruments."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.executable(), args=browser.ARGUMENTS)
        page = chromium.new_page(viewport={"width": 800, "height": 620})
        page.emulate_media(reduced_motion="reduce")  # the page learns by itself otherwise
        page.goto(PAGE.as_uri())
        for name, path in (("pad-vae", around(4)), ("morph", to_and_fro(3))):
            instrument = page.locator(f"#{name}[data-ready]")
            instrument.wait_for()
            instrument.scroll_into_view_if_needed()
            page.evaluate("top => window.scrollBy(0, top - 16)", instrument.bounding_box()["y"])
            clip = {**instrument.bounding_box(), **SHOWN}
            track = instrument.locator(".ll-plane, input[type=range]").first.bounding_box()
            held = False
            for x, y in path:
                page.mouse.move(track["x"] + x * track["width"], track["y"] + y * track["height"])
                if not held:
                    page.mouse.down()
                    held = True
                page.evaluate("() => new Promise(requestAnimationFrame)")
                yield Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
            page.mouse.up()
        chromium.close()


def around(seconds: float) -> Iterator[tuple[float, float]]:
    """A closed way over the map, in shares of its width and height, that crosses most kinds of digits."""
    count = round(seconds * RATE)
    for i in range(count):
        turn = 2 * math.pi * i / count
        yield 0.5 + 0.27 * math.sin(turn + 0.6), 0.5 + 0.27 * math.sin(2 * turn)


def to_and_fro(seconds: float) -> Iterator[tuple[float, float]]:
    """A slider from its lower end to its upper one and back."""
    count = round(seconds * RATE)
    for i in range(count):
        yield 0.5 - 0.48 * math.cos(2 * math.pi * i / count), 0.5


def record() -> None:
    """Write the recording, an animated WebP."""
    first, *others = frames()
    buffer = io.BytesIO()
    small = {"quality": 55, "method": 6}
    first.save(buffer, "webp", save_all=True, append_images=others, duration=1000 // RATE, loop=0, **small)
    if buffer.tell() > LIMIT:
        raise RuntimeError(f"the recording has {buffer.tell():,} bytes, more than {LIMIT:,}: make it shorter")
    write_whole(RECORDING, buffer.getvalue())


def thumbnail(path: Path) -> bytes:
    """A lesson's figure, small, on white."""
    notebook = nbformat.read(path, as_version=4)
    (shown,) = (cell for cell in notebook.cells if cell.id == THUMBNAILS[path.stem])
    image = Image.open(io.BytesIO(base64.b64decode(pictures(shown.outputs)[0]))).convert("RGB")
    image.thumbnail(THUMBNAIL)
    canvas = Image.new("RGB", THUMBNAIL, "white")
    canvas.paste(image, tuple((whole - part) // 2 for whole, part in zip(THUMBNAIL, image.size, strict=True)))
    buffer = io.BytesIO()
    canvas.save(buffer, "webp", quality=80, method=6)
    return buffer.getvalue()


def thumbnails() -> None:
    """Write a thumbnail of each lesson; the build does this, too, when its figures have changed."""
    for name in THUMBNAILS:
        write_whole(FOLDER / f"{name}.webp", thumbnail(ROOT / "notebooks" / f"{name}.ipynb"))


def main() -> int:
    thumbnails()
    if browser.executable() is None:
        print("the page can't be recorded: no browser was found (LATENTLAB_BROWSER names one)")
        return 2
    record()
    print(f"{RECORDING.relative_to(ROOT)}: {RECORDING.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
