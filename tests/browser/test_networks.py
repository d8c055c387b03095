"""The front end alone, in a blank page of a real browser: its networks beside PyTorch's; normalization."""

import base64

import numpy as np
import pytest
import reference
import torch
from browser_helpers import CODE, LEVEL, normalized
from torch import nn

from latentlab_helpers import checkpoints, explore
from latentlab_helpers.explore import export

SHIPPED = [name for name in checkpoints.names() if name != "classifier" and "told" not in name]

# What the tests call: a network on rows of numbers, a picture's grey levels, and the normalization.
OPENED = """
const raw = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const text = (array) => {
  const all = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let result = "";
  for (const value of all) result += String.fromCharCode(value);
  return btoa(result);
};
window.compute = ({ layers, weights, rows, size }) => {
  const run = network(layers, halves(new DataView(raw(weights).buffer)));
  const x = new Float32Array(raw(rows).buffer), results = [];
  for (let i = 0; i < x.length; i += size) results.push(...run(x.subarray(i, i + size)));
  return text(Float32Array.from(results));
};
window.unpacked = (weights) => text(halves(new DataView(raw(weights).buffer)));
window.show = ({ pixels, shape }) => {
  const one = picture("a picture", shape);
  one.show(new Float32Array(raw(pixels).buffer), "a picture");
  return text(one.canvas.getContext("2d").getImageData(0, 0, shape[2], shape[1]).data);
};
window.made = ({ ink, rows, columns, shape }) =>
  text(normalize(new Float32Array(raw(ink).buffer), rows, columns, shape));
"""


@pytest.fixture
def module(page):
    """A page that holds nothing but the front end."""
    page.add_script_tag(type="module", content=explore.front_end() + OPENED)
    page.wait_for_function("!!window.made")
    return page


def packed(values) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.float32).tobytes()).decode()


def computed(module, exported, x) -> torch.Tensor:
    """What the browser makes of each row of x, by layers and weights as `export` gives them."""
    layers, weights = exported
    question = {"layers": layers, "weights": base64.b64encode(weights).decode(), "rows": packed(x)}
    answer = module.evaluate("window.compute", {**question, "size": x[0].numel()})
    return torch.from_numpy(np.frombuffer(base64.b64decode(answer), np.float32).copy()).view(len(x), -1)


def furthest(module, exported, function, x) -> float:
    """By how much the browser's numbers differ from a function's at most."""
    with torch.no_grad():
        expected = function(x)
    if isinstance(expected, tuple):
        expected = torch.cat(expected, dim=1)
    return (computed(module, exported, x) - expected.flatten(1)).abs().max().item()


def test_sliders_of_two_copies_of_the_module_have_two_names(page):
    """Older anywidgets load the module once for each instrument; a label must find its own slider."""
    made = "(window.made ??= []).push(slider({ name: 'z', low: 0, high: 1, move() {} }).node);"
    for _ in range(2):
        page.add_script_tag(type="module", content=explore.front_end() + made)
    page.wait_for_function("window.made?.length === 2")
    ids = "made.map((node) => [node.querySelector('label').htmlFor, node.querySelector('input').id])"
    names = page.evaluate(ids)
    assert names[0][0] == names[0][1] != names[1][0] == names[1][1]


def test_every_number_of_half_precision_is_read_as_it_is(module):
    numbers = np.arange(65536, dtype=np.uint16).view(np.float16)
    numbers = numbers[np.isfinite(numbers)]  # subnormal ones among them; others are never exported
    answer = module.evaluate("window.unpacked", base64.b64encode(numbers.tobytes()).decode())
    found = np.frombuffer(base64.b64decode(answer), np.float32)
    np.testing.assert_array_equal(found, numbers.astype(np.float32))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_computed_as_by_pytorch(module, test, generator, name):
    """Encoder and decoder within 1e-3, the canvas within a grey level, at the weights rounded to float16."""
    model = checkpoints.load(name)
    rounded, images = reference.rounded(model), test.images[:20] / 255
    with torch.no_grad():
        mu, _ = reference.mu_and_logvar(model.encode(images))
    codes = torch.cat([torch.randn(20, mu.shape[1], generator=generator), mu])
    decoder, encoder = export.decoder(model, mu), export.encoder(model, images)
    assert furthest(module, encoder, rounded.encode, images) < CODE
    assert furthest(module, decoder, rounded.decode, codes) < CODE
    decoded = computed(module, decoder, codes)
    with torch.no_grad():
        expected = (255 * rounded.decode(codes)).round()
    for floats, levels in zip(decoded, expected, strict=True):
        question = {"pixels": packed(floats), "shape": list(levels.shape)}
        shown = np.frombuffer(base64.b64decode(module.evaluate("window.show", question)), np.uint8)
        shown = shown.reshape(*levels.shape[1:], 4)
        assert (shown[..., 3] == 255).all()
        assert np.abs(shown[..., :3] - levels.permute(1, 2, 0).numpy()).max() <= LEVEL


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_wrong_weight_is_noticed(module, test, part):
    """One weight of the last layer, by a fiftieth."""
    model = checkpoints.load("vae_conv_2")
    x = test.images[:20] / 255 if part == "encoder" else torch.eye(2)
    layers, weights = getattr(export, part)(model, x)
    function = reference.rounded(model).encode if part == "encoder" else reference.rounded(model).decode
    assert furthest(module, (layers, weights), function, x) < CODE
    weights = np.frombuffer(weights, np.float16).copy()
    weights[-1] += 0.02
    assert furthest(module, (layers, weights.tobytes()), function, x) > CODE


class Pair(nn.Module):
    """The least that can be exported."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)


# By name: the layers, and the shape of their input.
LAYERS = {
    "linear": ([nn.Linear, 7, 5], (7,)),
    "linear without bias": ([nn.Linear, 7, 5, False], (7,)),
    "conv": ([nn.Conv2d, 2, 3, 3], (2, 6, 9)),
    "conv of one pixel": ([nn.Conv2d, 3, 4, 1], (3, 5, 4)),
    "conv without bias, even kernel": ([nn.Conv2d, 3, 2, 4, 2, 1, 1, 1, False], (3, 9, 12)),
    "conv with all of it oblong": ([nn.Conv2d, 3, 5, (5, 3), (3, 2), (2, 0)], (3, 11, 8)),
    "conv that leaves a rest": ([nn.Conv2d, 1, 2, 3, 3, 0], (1, 10, 13)),
    "conv_transpose": ([nn.ConvTranspose2d, 2, 3, 3], (2, 4, 6)),
    "conv_transpose without bias": ([nn.ConvTranspose2d, 3, 1, 4, 2, 1, 0, 1, False], (3, 5, 7)),
    "conv_transpose with all of it oblong": ([nn.ConvTranspose2d, 4, 3, (5, 3), (3, 2), (2, 1)], (4, 4, 5)),
    "conv_transpose with output padding": (
        [nn.ConvTranspose2d, 2, 3, (3, 5), (2, 3), (1, 2), (1, 2)],
        (2, 5, 3),
    ),
    "relu": ([nn.ReLU], (9,)),
    "leaky_relu": ([nn.LeakyReLU, 0.17], (9,)),
    "tanh": ([nn.Tanh], (9,)),
    "silu": ([nn.SiLU], (9,)),
    "sigmoid": ([nn.Sigmoid], (9,)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_alone_is_computed_as_by_pytorch(module, name):
    (kind, *arguments), shape = LAYERS[name]
    torch.manual_seed(0)
    layer = kind(*arguments)
    # An activation has no weights: a layer in front of it, that leaves numbers of both signs
    layers = nn.Sequential(layer) if list(layer.parameters()) else nn.Sequential(nn.Linear(9, 9), layer)
    model, x = reference.rounded(Pair(layers, layers)), 3 * torch.randn(4, *shape)
    exported = export.encoder(model, x)
    assert exported[0][-1]["kind"] == name.split()[0]
    assert furthest(module, exported, model.encode, x) < 1e-4
    if len(shape) == 1:
        assert furthest(module, export.decoder(model, x), model.decode, x) < 1e-4


def test_a_network_of_all_kinds_on_oblong_colour_images(module):
    """Sequences in sequences, what only changes shapes, and images of three channels."""
    torch.manual_seed(0)
    down = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.SiLU(), nn.Dropout(0.5), nn.Conv2d(8, 8, (3, 5)), nn.Tanh()
    )
    encoder = nn.Sequential(down, nn.Flatten(), nn.Linear(8 * 6 * 6, 6, bias=False))
    decoder = nn.Sequential(
        nn.Linear(6, 4 * 4 * 5),
        nn.LeakyReLU(0.2),
        nn.Unflatten(1, (4, 4, 5)),
        nn.Sequential(nn.ConvTranspose2d(4, 6, 3, 2, output_padding=(1, 0)), nn.ReLU(), nn.Identity()),
        nn.ConvTranspose2d(6, 3, 3, (1, 2), (0, 1), bias=False),
        nn.Sigmoid(),
    )
    model = reference.rounded(Pair(encoder, decoder))
    images, codes = torch.rand(5, 3, 16, 20), torch.randn(5, 6)
    assert model.encode(images).shape == (5, 6) and model.decode(codes).shape[1] == 3
    assert furthest(module, export.encoder(model, images), model.encode, images) < 1e-4
    assert furthest(module, export.decoder(model, codes), model.decode, codes) < 1e-4


def made(module, ink, shape=(1, 28, 28)) -> np.ndarray:
    """An image that the normalization makes of ink, float (rows, columns)."""
    question = {"ink": packed(ink), "rows": ink.shape[0], "columns": ink.shape[1], "shape": list(shape)}
    image = np.frombuffer(base64.b64decode(module.evaluate("window.made", question)), np.uint8)
    return image.reshape(shape[1:]).copy()


def test_a_digit_enlarged_comes_back_from_the_normalization(module, test):
    """MNIST's own digits went through it once. None of the first 2,000 differed; a level is allowed."""
    for i, image in enumerate(test.images[:150, 0].numpy()):
        ink = np.kron(image / 255, np.ones((4, 4)))
        for around in (0, ((7, 40), (31, 2))):  # elsewhere, on a larger sheet
            differences = np.abs(made(module, np.pad(ink, around)).astype(int) - image)
            assert differences.max() <= LEVEL, f"test image {i}, with {around} around it"


def capsule(rows, columns, start, end, radius) -> np.ndarray:
    """Ink of a straight stroke with round ends, soft at its edge."""
    y, x = np.mgrid[:rows, :columns] + 0.5
    d = np.subtract(end, start)
    t = np.clip(((y - start[0]) * d[0] + (x - start[1]) * d[1]) / max((d**2).sum(), 1e-9), 0, 1)
    distance = np.hypot(y - start[0] - t * d[0], x - start[1] - t * d[1])
    return np.clip(radius + 0.5 - distance, 0, 1)


def test_a_stroke_of_any_place_and_size_is_scaled_and_centred(module):
    random = np.random.default_rng(0)
    for _ in range(100):
        start, end = random.uniform(0, 112, (2, 2))
        end = start + (end - start) * random.uniform(0, 1)
        radius = random.uniform(2, 8)
        image = made(module, capsule(112, 112, start, end, radius))
        normalized(image, f"a stroke from {start} to {end} of radius {radius}")


def test_nothing_drawn_stays_nothing(module):
    assert not made(module, np.zeros((112, 112))).any()
