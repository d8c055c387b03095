"""Nothing is about digits: coloured shapes of seven named classes go through fit, metrics, maps, every
instrument and the page's exporter."""

import base64
import io
import json
import re
import zlib

import numpy as np
import pytest
import torch
from own_models import elsewhere
from PIL import Image

from latentlab_helpers import datasets, explore, latent, losses, metrics, models, plots, training
from tools import page

CLASSES = ("disc", "ring", "square", "bar", "beam", "cross", "traffic light")
SIDE = 16


def shape(label, across, down, size):
    """One shape's ink (height, width), in {0, 1}."""
    y, x = torch.meshgrid(torch.arange(SIDE) - down, torch.arange(SIDE) - across, indexing="ij")
    radius, wide, high = (x**2 + y**2).float().sqrt(), x.abs() <= size, y.abs() <= size
    upright, level = (x.abs() <= 1) & high, (y.abs() <= 1) & wide
    drawn = {
        "disc": radius <= size,
        "ring": (radius <= size) & (radius >= size - 1.5),
        "square": wide & high,
        "bar": upright,
        "beam": level,
        "cross": upright | level,
        "traffic light": upright & (y % 3 > 0),
    }
    return drawn[CLASSES[label]].float()


@pytest.fixture(scope="module")
def shapes():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(280) % len(CLASSES)
    places = torch.randint(6, 10, (280, 2), generator=generator).tolist()
    sizes = torch.randint(3, 6, (280,), generator=generator).tolist()
    ink = torch.stack(
        [shape(*args) for args in zip(labels.tolist(), *zip(*places, strict=True), sizes, strict=True)]
    )
    colours = torch.rand(280, 3, generator=generator) * 0.7 + 0.3
    images = ink[:, None] * colours[:, :, None, None] + (1 - ink[:, None]) * 0.1
    return datasets.ImageSet((images * 255).round().byte(), labels, CLASSES)


@pytest.fixture(scope="module")
def trained(shapes):
    torch.manual_seed(0)
    kinds = {"AE": models.Autoencoder, "VAE": models.VariationalAutoencoder}
    made = {
        name: kind(2, architecture="conv", widths=(8, 16), image_shape=(3, SIDE, SIDE))
        for name, kind in kinds.items()
    }
    for model in made.values():
        history = training.fit(
            model, shapes.images, epochs=1, batch_size=8, test_images=shapes.images, progress=False
        )
        assert np.isfinite(history.train["loss"]).all() and np.isfinite(history.test["loss"]).all()
    return made


@pytest.fixture(scope="module")
def instruments(trained, shapes):
    return {
        "sliders": explore.latent_sliders(trained["VAE"], shapes),
        "pad": explore.pad(trained["AE"], shapes),
        "morph": explore.morph(trained, shapes),
        "board": explore.attribute_board(trained, shapes),
        "draw": explore.draw(trained, shapes, digit=5),
        "trainer": explore.trainer(trained["VAE"], losses.negative_elbo, shapes),
    }


def words(value):
    """All text in a state, but for what stands in its bytes and its keys."""
    if isinstance(value, dict):
        return [] if value.keys() == {"base64"} else [w for item in value.values() for w in words(item)]
    if isinstance(value, list):
        return [word for item in value for word in words(item)]
    return [value.lower()] if isinstance(value, str) else []


def test_metrics_and_maps_take_them(trained, shapes):
    codes = metrics.embed(trained["VAE"], shapes.images)
    assert codes.shape == (280, 2) and codes.isfinite().all()
    seen = metrics.reconstruct(trained["AE"], shapes.images)
    assert seen.shape == shapes.images.shape
    for value in (
        metrics.reconstruction_mse(trained["AE"], shapes.images),
        metrics.ssim(seen, shapes.images),
        metrics.knn_accuracy(codes[::2], shapes.labels[::2], codes[1::2], shapes.labels[1::2]),
        metrics.silhouette(codes, shapes.labels),
    ):
        assert np.isfinite(value)
    drawn = [
        plots.latent_map(codes, shapes.labels, "A map."),
        plots.point_maps({"VAE": codes}, shapes.labels, "A map."),
        plots.image_rows({"real": shapes.images[:7], "AE": seen[:7]}, "Two rows."),
    ]
    assert all(figure.png() for figure in drawn)


@pytest.mark.parametrize("name", ["sliders", "pad", "morph", "board", "draw", "trainer"])
def test_every_instrument_shows_them_in_colour_and_by_name(name, instruments):
    widget = instruments[name]
    assert widget.digits.classes == list(CLASSES) and widget.digits.shape == [3, SIDE, SIDE]
    data, metadata = widget._repr_mimebundle_()
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
    red, _, blue = np.asarray(picture, dtype=float).transpose(2, 0, 1)
    assert abs(red - blue).max() > 8
    assert "digit" not in data["text/plain"].lower() and "digit" not in widget.title.lower()
    assert len(metadata["image/png"]["alt"]) > 40
    assert all(one.layers for one in [*widget.decoders, *widget.encoders]), "the browser computes it"


def test_a_board_without_vectors_leads_to_each_class(instruments, trained, shapes):
    board = instruments["board"]
    assert board.singles == [*(f"to_{name}" for name in CLASSES[:-1]), "to_traffic_light"]
    board.to_traffic_light = 0.5
    assert board.strengths == [0, 0, 0, 0, 0, 0, 0.5]
    codes = metrics.embed(trained["AE"], shapes.images)
    rings = shapes.labels == 1
    vectors = torch.frombuffer(bytearray(board.vectors[0]), dtype=torch.float32).view(7, 2)
    torch.testing.assert_close(vectors[1], codes[rings].mean(0) - codes[~rings].mean(0))


def test_a_drawing_has_all_channels(instruments, trained, shapes):
    sheet = instruments["draw"]
    assert sheet.image == shapes.images[5].numpy().tobytes()
    sheet.image = black = bytes(3 * SIDE * SIDE)
    sheet.ask_encode = {"id": 1, "image": list(black)}
    mu = sheet.answer_encode["codes"][0]["mu"]
    assert mu == pytest.approx(
        metrics.embed(trained["AE"], torch.zeros(1, 3, SIDE, SIDE))[0].tolist(), abs=1e-5
    )


def test_the_page_takes_them_without_a_word_about_digits(instruments, shapes):
    state = page.state(instruments)
    assert not [word for word in words(state) if "digit" in word]
    (offered,) = (part for part in state.values() if "labels" in part)
    assert offered["classes"] == list(CLASSES) and offered["labels"] == shapes.labels.tolist()
    pixels = zlib.decompress(base64.b64decode(offered["images"]["base64"]))
    assert pixels == shapes.images.numpy().tobytes()
    text = page.write(instruments, '<script id="state">{{state}}</script><style>{{css}}</style>{{module}}')
    assert json.loads(text.split('id="state">')[1].split("</script>")[0]) == state
    assert explore.front_end() in text and not re.search(r"{{\w+}}", text)


def test_codes_and_labels_may_be_on_different_devices(shapes):
    """Codes come from `embed`, on the CPU; labels may be where the data was loaded to."""
    codes, labels = torch.randn(280, 2, generator=torch.Generator().manual_seed(0)), elsewhere(shapes.labels)
    with pytest.raises(RuntimeError, match="same device"):
        codes[labels == 0]
    drawn = [
        plots.latent_map(codes, labels, "A map."),
        plots.point_maps({"VAE": codes}, labels, "A map."),
        plots.digit_maps({"VAE": codes}, shapes.images, labels, "A map."),
    ]
    plain = [
        plots.latent_map(codes, shapes.labels, "A map."),
        plots.point_maps({"VAE": codes}, shapes.labels, "A map."),
        plots.digit_maps({"VAE": codes}, shapes.images, shapes.labels, "A map."),
    ]
    assert [figure.png() for figure in drawn] == [figure.png() for figure in plain]
    pixels = datasets.to_float(shapes.images)
    for measure in (
        lambda y: metrics.knn_accuracy(codes, y, codes, y),
        lambda y: metrics.silhouette(codes, y),
        lambda y: metrics.neighbourhood_hit(codes, y),
        lambda y: metrics.neighbour_agreement(pixels[:9], pixels, y),
        lambda y: latent.attribute_vector(codes, y.float()).sum().item(),
    ):
        assert measure(labels) == measure(shapes.labels)
