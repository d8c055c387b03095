"""Instruments on images that are no digits: coloured, of seven named classes, drawn and named as they are."""

import math
import re

import numpy as np
import pytest
import torch
from browser_helpers import WATCH, OnPage, check_accessibility, no_front_end_error
from PIL import ImageColor

from latentlab_helpers import datasets, explore, models
from latentlab_helpers.conditional import ConditionalVariationalAutoencoder
from tools import page as static

CLASSES = ("tomato", "orange", "olive", "leaf", "sea", "sky", "traffic light")
COLOURS = ("tomato", "orange", "olive", "seagreen", "teal", "skyblue", "purple")


@pytest.fixture(scope="module")
def colours():
    """Images of one colour each, and darker and darker ones of the same seven classes."""
    labels = torch.arange(28) % 7
    pure = torch.tensor([ImageColor.getrgb(name) for name in COLOURS])[labels]
    pure = pure * (1 - torch.arange(28) // 7 / 6)[:, None]
    images = pure.byte()[:, :, None, None].expand(-1, 3, 16, 16).contiguous()
    return datasets.ImageSet(images, labels, CLASSES)


@pytest.fixture(scope="module")
def widgets(colours):
    torch.manual_seed(0)
    shape = {"architecture": "conv", "widths": (4, 8), "image_shape": (3, 16, 16)}
    both = {"AE": models.Autoencoder(2, **shape), "VAE": models.VariationalAutoencoder(2, **shape)}
    with torch.no_grad():
        first = both["AE"].eval().encode(datasets.to_float(colours.images[:1]))[0]
    return {
        "pad-vae": explore.pad(both["AE"], colours, start=first),
        "sliders": explore.latent_sliders(both["AE"], colours),
        "morph": explore.morph(both, colours),
        "board": explore.attribute_board(both, colours),
        "style": explore.style_board(
            ConditionalVariationalAutoencoder(2, classes=len(CLASSES), **shape), colours
        ),
        "draw": explore.draw(both, colours),
    }


@pytest.fixture
def opened(page, widgets, tmp_path):
    """A page like the course's, with these instruments and nothing else."""
    places = "<h1>Colours</h1>" + "".join(f'<div id="{name}"></div>' for name in widgets)
    template = static.without_trainer(static.TEMPLATE.read_text("utf-8"))
    template = re.sub(r"(?<=<main>).*(?=</main>)", places, template, flags=re.S)
    (tmp_path / "colours.html").write_text(static.write(widgets, template), "utf-8")
    page.add_init_script(WATCH)
    with no_front_end_error(page):
        page.goto((tmp_path / "colours.html").as_uri())
        yield {name: OnPage(page, name, widget) for name, widget in widgets.items()}


def test_coloured_images_are_seen_in_colour_and_called_by_their_class(page, opened, colours):
    for instrument in opened.values():
        instrument.check("in colour")
    assert not re.search("digit", page.locator("main").inner_html(), re.I)
    pad, morph, board, draw = (opened[name] for name in ("pad-vae", "morph", "board", "draw"))
    assert pad.element.locator("figcaption").last.inner_text() == "nearest: a real tomato"
    x, y = (round(value) for value in map_place(pad.facts, pad.check("as it opens")["z"]))
    plane = pad.element.locator("canvas.ll-plane")
    seen = plane.evaluate("(el, at) => [...el.getContext('2d').getImageData(...at, 1, 1).data]", [x, y])
    assert np.abs(np.subtract(seen, [*colours.images[0, :, 0, 0].tolist(), 255])).max() <= 1
    for select in page.locator("select").all():
        assert tuple(select.locator("option").all_inner_texts()) == CLASSES
    chosen = morph.element.get_by_label("to: which class")
    chosen.select_option("sea")
    state = morph.check("the sea chosen")
    assert colours.labels[state["end"]] == CLASSES.index("sea")
    assert morph.element.get_by_role("img", name="to: a real sea").count() == 1
    assert re.search(r"VAE, 0.50 of the way from a real \w+ to a real sea", morph.element.inner_html())
    board.element.get_by_label("image: which class").select_option("traffic light")
    board.check("a traffic light chosen")
    assert board.element.get_by_role("img", name="VAE: a real traffic light with to_tomato 0.00").count() == 1
    sheet = "el => [...el.getContext('2d').getImageData(5, 5, 1, 1).data]"
    seen = draw.element.locator("canvas.ll-sheet").evaluate(sheet)
    assert seen == [*colours.images[0, :, 0, 0].tolist(), 255]
    check_accessibility(page)


def test_names_stand_beside_what_they_name(opened, widgets):
    """By each slider's own name, its number moves and no other; over each picture stands who decoded it."""
    for name, numbers in (("sliders", "z"), ("board", "strengths")):
        instrument = opened[name]
        start = instrument.check("as it opens")[numbers]
        for i, single in enumerate(widgets[name].singles):
            label = instrument.element.locator("label", has_text=re.compile(rf"^{single}\b"))
            slider = instrument.element.locator(f"[id='{label.get_attribute('for')}']")
            slider.press("ArrowRight")
            wanted = i, start[i], numbers
            now = instrument.check(f"{single} moved", lambda e, w=wanted: e["state"][w[2]][w[0]] != w[1])
            assert [k for k, value in enumerate(now[numbers]) if value != start[k]] == list(range(i + 1))
            if name == "sliders":
                assert label.locator("small").inner_text() == widgets[name].use[i]
    wanted = {"morph": ["AE", "VAE", "pixel blend"], "board": ["the image", "AE", "VAE"]}
    for name, captions in wanted.items():
        figures = opened[name].element.locator(".ll-pictures figure")
        assert figures.locator("figcaption").all_inner_texts() == captions
        # What a picture shows is held against PyTorch by its own words, which begin with the same name.
        for caption, figure in zip(captions, figures.all(), strict=True):
            said = figure.get_by_role("img").get_attribute("aria-label")
            assert caption == "the image" or said.startswith(caption)


def test_a_drawing_is_white_in_all_channels(opened):
    draw = opened["draw"]
    draw.clear()
    draw.stroke([(0.5, 0.2), (0.5, 0.8)])
    image = np.array(draw.check("drawn", lambda e: any(e["state"]["image"]))["image"])
    image = image.reshape(3, 16, 16)
    assert image.max() > 200 and (image == image[:1]).all()
    draw.stroke([(0.2, 0.5), (0.8, 0.5)])
    draw.check("a second stroke", lambda e: e["state"]["image"] != image.flatten().tolist())


def test_a_random_draw_is_of_the_gaussian_fitted_to_the_codes(page, opened, widgets):
    """With all of the noise at one value, the draw is the mean and so much of the root's rows."""
    sliders, drawn = opened["sliders"], []
    root = np.frombuffer(widgets["sliders"].factor, np.float32).reshape(2, 2)
    for uniform in (0.3, 0.8):
        page.evaluate("u => { Math.random = () => u }", uniform)
        noise = math.sqrt(-2 * math.log(1 - uniform)) * math.cos(2 * math.pi * uniform)  # Box and Muller's
        wanted = np.array(widgets["sliders"].mean) + root.sum(axis=1) * noise
        sliders.element.get_by_role("button", name="Random draw from a fitted Gaussian").click()
        near = lambda e, w=wanted: np.allclose(e["state"]["z"], w, atol=1e-6)  # noqa: E731
        drawn.append(sliders.check(f"drawn with noise {noise:.2f}", near)["z"])
    assert abs(np.subtract(*drawn)).min() > 1e-4 < abs(root.sum(axis=0) - root.sum(axis=1)).min()


def test_the_ellipses_reach_one_and_two_sigma(opened):
    """An untrained VAE's are wide, so that no sample and no lens lies on their ends."""
    draw = opened["draw"]
    code = draw.check("as it opens")["placed"]["VAE"]
    mu, sigma = np.array(code["mu"]), np.exp(np.array(code["logvar"]) / 2)
    card = draw.element.get_by_role("group", name="VAE")
    both = [", ".join(f"{value + 0:.2f}" for value in values) for values in (mu, sigma)]
    assert card.locator("p").inner_text() == f"mu = {both[0]}; sigma = {both[1]}"
    read = "(el, at) => el.getContext('2d').getImageData(...at, 1, 1).data[1]"
    for way in ([1, 0], [-1, 0], [0, 1], [0, -1]):
        for reach in (1, 2):
            spot = map_place(
                {name: draw.facts[name][1:] for name in ("low", "high")}, mu + reach * sigma * way
            )
            level = card.locator("canvas.ll-plane").evaluate(read, [int(value) for value in spot])
            assert level < 120, f"nothing is drawn at {reach} sigma"


def test_the_lens_enlarges_by_what_it_says(page, opened):
    """In the corner across from the Gaussian; its wider axis's two sigma reach 1/2.6 of its 180 pixels."""
    draw = opened["draw"]
    page.evaluate(
        "() => { const c = CanvasRenderingContext2D.prototype, fill = c.fillText;"
        " c.fillText = function (text, ...at) { window.written = text; fill.call(this, text, ...at) } }"
    )
    draw.clear()
    draw.stroke([(0.5, 0.2), (0.5, 0.8)])
    code = draw.check("drawn", lambda e: e["state"]["placed"])["placed"]["VAE"]
    facts = {name: draw.facts[name][1:] for name in ("low", "high")}
    mu, sigma = np.array(code["mu"]), np.exp(np.array(code["logvar"]) / 2)
    middle, corner = (np.array(map_place(facts, z)) for z in (mu, mu + sigma))
    radii = abs(corner - middle)
    zoom = 180 / 2.6 / (2 * radii.max())
    assert page.evaluate("written") == ("× " + (f"{zoom:.1f}" if zoom < 10 else f"{zoom:.0f}"))
    canvas = draw.element.get_by_role("group", name="VAE").locator("canvas.ll-plane")
    centre = np.where(middle > 320, 90, 640 - 90)
    read = "(el, at) => el.getContext('2d').getImageData(...at, 1, 1).data[1]"
    for way in ([1, 0], [-1, 0], [0, 1], [0, -1]):
        for reach in (0, 1, 2):
            spot = centre + reach * zoom * radii * way
            assert canvas.evaluate(read, [int(value) for value in spot]) < 120, (way, reach)


def map_place(facts, z):
    """Where a code lies on the map, in pixels."""
    (low,), (high,) = facts["low"], facts["high"]
    return 640 * (z[0] - low[0]) / (high[0] - low[0]), 640 * (high[1] - z[1]) / (high[1] - low[1])
