"""What each instrument begins with, says and shows: a reader believes that as much as the picture."""

import base64
import io
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import traitlets
from own_models import Own
from PIL import Image
from torch import nn

from latentlab_helpers import attributes, checkpoints, datasets, explore, latent
from latentlab_helpers.conditional import ConditionalVariationalAutoencoder
from latentlab_helpers.explore.widgets import WIDTH
from latentlab_helpers.losses import kl_per_dimension


@pytest.fixture(scope="module")
def pair():
    return {"AE": checkpoints.load("ae_mlp_2"), "VAE": checkpoints.load("vae_mlp_2")}


@pytest.fixture(scope="module")
def deep():
    return {"AE": checkpoints.load("ae_conv_16"), "VAE": checkpoints.load("vae_conv_16")}


def encoded(model, test, n=500):
    with torch.no_grad():
        code = model.eval().encode(datasets.to_float(test.images[:n]))
    return code if isinstance(code, tuple) else (code, None)


def still(widget):
    """The still picture as floats (channels, height, width), at the size of the images in it."""
    data, metadata = widget._repr_mimebundle_()
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    assert 400 <= picture.shape[1] <= 700, "large enough to be seen"
    picture = torch.from_numpy(picture.copy()).float().div(255)
    picture = picture[None] if picture.ndim == 2 else picture.permute(2, 0, 1)
    scale = round(WIDTH / widget._still.shape[2])
    assert metadata["image/png"]["alt"] == data["text/plain"]
    return picture[:, ::scale, ::scale], data["text/plain"]


def rows(*images):
    """Rows of images as one, line by line."""
    with torch.no_grad():
        return torch.cat([torch.cat([*row], dim=-1) for row in images], dim=-2)


def floats(data, columns):
    return torch.frombuffer(bytearray(data), dtype=torch.float32).view(-1, columns)


def shows(widget, *expected):
    picture, alt = still(widget)
    torch.testing.assert_close(picture, rows(*expected), atol=0.51 / 255, rtol=0)
    return alt


# --- latent sliders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_sliders_are_ordered_named_and_bounded_by_the_codes(deep, name, test):
    sliders, (mu, logvar) = explore.latent_sliders(deep[name], test), encoded(deep[name], test)
    use = mu.var(dim=0, correction=0).sqrt() if logvar is None else kl_per_dimension(mu, logvar).mean(0)
    word = "sd" if logvar is None else "KL"
    assert sliders.order == use.argsort(descending=True).tolist() != list(range(16))
    assert [text.split()[0] for text in sliders.use] == 16 * [word]
    assert [float(text.split()[1]) for text in sliders.use] == pytest.approx(use.tolist(), abs=0.06)
    low, high = mu.quantile(0.005, dim=0), mu.quantile(0.995, dim=0)
    if logvar is not None:
        low, high = low.clamp(max=-3), high.clamp(min=3)
    assert sliders.low[0] == pytest.approx(low.tolist()) and sliders.high[0] == pytest.approx(high.tolist())
    assert sliders.z == sliders.start == pytest.approx(mu.median(dim=0).values.tolist())
    assert sliders.title == f"Latent sliders: {name}" and sliders.names == [name]
    assert sliders.latent_dim == [16] and sliders.variational == [logvar is not None]


def test_a_vae_draws_from_its_prior_and_an_ae_from_a_fitted_gaussian(deep, test):
    vae, ae = (explore.latent_sliders(deep[name], test) for name in ("VAE", "AE"))
    assert vae.variational == [True] and vae.mean == 16 * [0]
    assert floats(vae.factor, 16).equal(torch.eye(16))
    mu, _ = encoded(deep["AE"], test)
    assert ae.variational == [False] and ae.mean == pytest.approx(mu.mean(0).tolist())
    factor = floats(ae.factor, 16)
    torch.testing.assert_close(factor @ factor.T, mu.T.cov(correction=0), rtol=1e-4, atol=1e-4)


def test_the_fitted_gaussian_may_have_fewer_dimensions_than_the_codes(test):
    model = Own(3)
    with torch.no_grad():
        model.encoder[3].weight[2] = model.encoder[3].weight[0] - 2 * model.encoder[3].weight[1]
    mu, _ = encoded(model, test)
    assert torch.linalg.matrix_rank(mu.T.cov(), rtol=1e-5) == 2
    factor = floats(explore.latent_sliders(model, test).factor, 3)
    torch.testing.assert_close(factor @ factor.T, mu.T.cov(correction=0), rtol=1e-4, atol=1e-5)


def test_sliders_begin_where_they_are_told_and_reach_as_far(deep, test):
    begin = torch.linspace(-50, 30, 16)
    sliders = explore.latent_sliders(deep["AE"], test, start=begin, dimensions=[5, 0, 3])
    mu, _ = encoded(deep["AE"], test)
    assert sliders.order == [5, 0, 3] and sliders.z == sliders.start == begin.tolist()
    assert sliders.low[0] == pytest.approx(mu.quantile(0.005, dim=0).minimum(begin).tolist())
    assert sliders.high[0] == pytest.approx(mu.quantile(0.995, dim=0).maximum(begin).tolist())


def test_an_axis_that_carries_nothing_has_a_length(test):
    model = Own(2)
    with torch.no_grad():
        model.encoder[3].weight[1] = 0
    sliders = explore.latent_sliders(model, test)
    dead = sliders.z[1]
    assert sliders.low[0][1] == pytest.approx(dead - 1) and sliders.high[0][1] == pytest.approx(dead + 1)


def test_the_sliders_picture_has_a_row_for_each_of_the_most_used(deep, test):
    sliders = explore.latent_sliders(deep["VAE"], test, start=encoded(deep["VAE"], test, 2)[0][1])
    begin, low, high = torch.tensor(sliders.z), sliders.low[0], sliders.high[0]
    ways = [latent.traversal(begin, i, torch.linspace(low[i], high[i], 9)) for i in sliders.order[:6]]
    alt = shows(sliders, *[deep["VAE"].decode(codes) for codes in ways])
    assert "Rows of nine" in alt and "each of the 6 most used" in alt and "of VAE:" in alt
    assert "each of the 2 most" in still(explore.latent_sliders(Own(2), test))[1]


# --- style board -----------------------------------------------------------------------------------------


class ToldFirst(nn.Module):
    """A reader's own: the class goes in before the code, and the encoder asks for it."""

    def __init__(self, classes=10, shape=(1, 28, 28)):
        super().__init__()
        pixels = int(np.prod(shape))
        self.encoder, self.classes = nn.Linear(pixels + classes, 3), classes
        self.decoder = nn.Sequential(nn.Linear(classes + 3, pixels), nn.Unflatten(1, shape))

    def encode(self, x, labels):
        return self.encoder(torch.cat([x.flatten(1), F.one_hot(labels, self.classes)], 1))

    def decode(self, z, labels):
        return torch.sigmoid(self.decoder(torch.cat([F.one_hot(labels, self.classes), z], 1)))


def test_the_style_board_has_a_digits_own_style_and_every_class(test):
    torch.manual_seed(0)
    model = ConditionalVariationalAutoencoder(4).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        board = explore.style_board(model, test, digit=7)
    with torch.no_grad():
        mu, logvar = model.encode(datasets.to_float(test.images[:500]), test.labels[:500])
    use = kl_per_dimension(mu, logvar).mean(0)
    assert board.order == use.argsort(descending=True).tolist() != list(range(4))
    assert board.z == board.start == pytest.approx(mu[7].tolist(), abs=1e-6)
    assert (board.label, board.digit) == (test.labels[7], 7) and board.latent_dim == [14]
    assert board.mean == 4 * [0] and floats(board.factor, 4).equal(torch.eye(4))
    assert board.decoders[0].layers[0]["input"] == [14], "the browser computes it"
    codes = floats(board.codes[0], 14)
    torch.testing.assert_close(codes, torch.cat([mu, F.one_hot(test.labels[:500], 10)], 1))
    shown = [7, 8, 9, 10, 11]
    with torch.no_grad():
        decoded = [model.decode(mu[i].expand(10, -1), torch.arange(10)) for i in shown]
    real = datasets.to_float(test.images[shown])
    alt = shows(board, *[torch.cat([x[None], row]) for x, row in zip(real, decoded, strict=True)])
    assert "each of 10 classes" in alt


def test_the_style_board_takes_any_model_that_is_told_the_class(test):
    torch.manual_seed(0)
    model = ToldFirst()
    with pytest.warns(UserWarning, match="the kernel computes the decoder"):
        board = explore.style_board(model, test)
    x, y = datasets.to_float(test.images[:500]), test.labels[:500]
    with torch.no_grad():
        z = model.encode(x, y)
        images = model.decode(z[:1].expand(2, -1), torch.tensor([4, 9]))
    torch.testing.assert_close(floats(board.codes[0], 13)[:, :3], z)
    told = torch.eye(10)[[4, 9]]
    asked = [[*z[0].tolist(), *one.tolist()] for one in told]
    board.ask_decode = {"id": 1, "models": [0, 0], "codes": asked}
    answer = torch.frombuffer(bytearray(board.answer_decode["images"]), dtype=torch.float32)
    torch.testing.assert_close(answer.view(2, 1, 28, 28), images)
    assert board.variational == [False] and [text.split()[0] for text in board.use] == 3 * ["sd"]


def test_the_style_board_has_as_many_classes_as_the_data(test):
    few = datasets.ImageSet(test.images[:200], test.labels[:200] % 3, ("even", "odd", "neither"))
    board = explore.style_board(ConditionalVariationalAutoencoder(2, classes=3), few)
    assert board.latent_dim == [5] and board.digits.classes == ["even", "odd", "neither"]
    assert "each of 3 classes" in still(board)[1]
    board.label = 2
    for wrong in (3, -1):
        with pytest.raises(traitlets.TraitError, match="label must be 0 to 2"):
            board.label = wrong
    assert board.label == 2


def test_a_model_that_is_told_nothing_has_no_style_board(deep, test):
    with pytest.raises(ValueError, match="can't decode its own codes"):
        explore.style_board(deep["VAE"], test)


# --- pad -------------------------------------------------------------------------------------------------


def test_the_pad_is_a_map_that_begins_at_the_median(pair, test):
    pad, (mu, _) = explore.pad(pair["VAE"], test), encoded(pair["VAE"], test)
    assert pad.z == pad.start == pytest.approx(mu.median(dim=0).values.tolist())
    assert pad.low[0] == pytest.approx(mu.quantile(0.005, dim=0).clamp(max=-3).tolist())
    assert pad.high[0] == pytest.approx(mu.quantile(0.995, dim=0).clamp(min=3).tolist())
    assert pad.title == "Pad: VAE" and pad.singles == ["z1", "z2"]
    codes = latent.grid(pad.low[0], pad.high[0], 7)
    assert codes[0].tolist() == pytest.approx([pad.low[0][0], pad.high[0][1]]), "the top left"
    assert "the VAE decodes" in shows(pad, *pair["VAE"].decode(codes).split(7))


def test_a_point_that_begins_beyond_the_codes_is_on_the_map(pair, test):
    near, far = (explore.pad(pair["AE"], test, start=start) for start in (None, [90.0, -80.0]))
    assert far.z == far.start == [90, -80]
    assert far.low[0] == [near.low[0][0], -80] and far.high[0] == [90, near.high[0][1]]


# --- morph -----------------------------------------------------------------------------------------------


def test_a_morph_shows_each_models_way_and_the_blend_last(deep, test):
    morph = explore.morph({"VAE": deep["VAE"], "AE": deep["AE"]}, test)
    first, last = ((test.labels[:500] == label).nonzero()[0].item() for label in (3, 8))
    assert (morph.start, morph.end, morph.t) == (first, last, 0.5)
    t, x = torch.linspace(0, 1, 9)[:, None], datasets.to_float(test.images)
    ways = []
    for name in ("VAE", "AE"):
        mu, _ = encoded(deep[name], test)
        ways.append(deep[name].decode((1 - t) * mu[first] + t * mu[last]))
    blend = (1 - t[..., None, None]) * x[first] + t[..., None, None] * x[last]
    alt = shows(morph, *ways, blend)
    assert "VAE and AE; then the pixel blend" in alt and morph.title == "Morph: VAE, AE"


def test_images_are_offered_by_number_or_by_themselves(pair, test):
    by_number = explore.morph(pair, test, start=9000, end=7)
    itself = explore.morph(pair, test, start=test.images[9000], end=torch.tensor(7))
    assert (by_number.start, by_number.end) == (itself.start, itself.end) == (500, 7)
    assert by_number.digits is itself.digits and by_number.digits.labels[500] == test.labels[9000]
    assert len(by_number.digits.labels) == 501
    twice = explore.morph(pair, test, start=9000, end=9000)
    assert (twice.start, twice.end, len(twice.digits.labels)) == (500, 500, 501)


@pytest.mark.parametrize(
    "labels, ends",
    [([0, 0, 1, 1], [0, 2]), ([5, 3, 3, 5], [1, 0]), ([8, 2, 8, 2], [0, 0]), ([4] * 4, [0, 0])],
)
def test_without_classes_3_and_8_a_morph_takes_two_others(labels, ends, test, pair):
    few = datasets.ImageSet(test.images[:4], torch.tensor(labels))
    morph = explore.morph(pair, few)
    assert [morph.start, morph.end] == ends


# --- attribute board -------------------------------------------------------------------------------------


def test_a_board_has_the_vectors_in_their_order_and_adds_them(deep, test):
    generator = torch.Generator().manual_seed(1)
    given = {
        name: {word: torch.randn(16, generator=generator) for word in ("bold", "wide")}
        for name in ("VAE", "AE", "other")
    }
    board = explore.attribute_board({"AE": deep["AE"], "VAE": deep["VAE"]}, test, vectors=given, digit=11)
    assert board.singles == ["bold", "wide"] and board.strengths == [0, 0] and board.digit == 11
    for name, own in zip(("AE", "VAE"), board.vectors, strict=True):
        assert floats(own, 16).equal(torch.stack([given[name]["bold"], given[name]["wide"]]))
    begin, strengths = encoded(deep["AE"], test)[0][11], torch.linspace(-1, 1, 9)[:, None]
    ways = [deep["AE"].decode(begin + strengths * given["AE"][word]) for word in ("bold", "wide")]
    assert "each of bold, wide: AE decodes" in shows(board, *ways)
    assert board.title == "Attribute board: AE, VAE"


def test_a_board_without_vectors_measures_the_strokes(deep, test):
    board = explore.attribute_board(deep["VAE"], test)
    assert board.singles == ["thickness", "slant", "width"] and test.labels[board.digit] == 3
    mu, values = encoded(deep["VAE"], test)[0], attributes.measured(test.images[:500])
    expected = torch.stack([latent.attribute_vector(mu, value) for value in values.values()])
    torch.testing.assert_close(floats(board.vectors[0], 16), expected, rtol=1e-4, atol=1e-4)


def test_images_that_cannot_be_measured_have_no_part_in_the_vectors():
    mu, some = torch.randn(40, 3), torch.arange(40.0)
    values = {"a": some.where(some > 3, torch.nan), "b": (-some).where(some < 33, torch.nan)}
    found = explore.attribute_vectors(mu, values)
    assert list(found) == ["a", "b"]
    for name, sign in (("a", 1), ("b", -1)):
        torch.testing.assert_close(found[name], latent.attribute_vector(mu[4:33], sign * some[4:33]))


def test_one_models_vectors_need_no_name(pair, test):
    right = {"bold": torch.ones(2)}
    for models, vectors in [(pair["AE"], right), (pair["AE"], {"AE": right}), ({"mine": pair["AE"]}, right)]:
        board = explore.attribute_board(models, test, vectors=vectors)
        assert floats(board.vectors[0], 2).tolist() == [[1, 1]]


# --- draw ------------------------------------------------------------------------------------------------


def test_a_sheet_begins_with_an_image_and_its_reconstructions(pair, test):
    models = {"VAE": pair["VAE"], "AE": pair["AE"]}
    sheet = explore.draw(models, test, digit=600)
    assert sheet.image == test.images[600].numpy().tobytes() and sheet.digit == 500 and not sheet.placed
    assert len(sheet.encoders) == 2 and all(one.layers for one in sheet.encoders)
    codes = [encoded(model, test, 601)[0][600:] for model in models.values()]
    seen = [model.decode(code)[0] for model, code in zip(models.values(), codes, strict=True)]
    alt = shows(sheet, [datasets.to_float(test.images[600]), *seen])
    assert "its reconstruction by VAE and AE" in alt and sheet.title == "Draw: VAE, AE"
    assert sheet.variational == [True, False]
    for i, model in enumerate(models.values()):
        alone = explore.pad(model, datasets.ImageSet(*(part[[*range(500), 600]] for part in test)))
        assert sheet.low[i] == pytest.approx(alone.low[0], rel=0.1)
    assert explore.draw(models, test).image == test.images[0].numpy().tobytes()


@pytest.mark.parametrize("name", ["pad", "draw"])
def test_the_warning_of_a_slower_kernel_points_at_the_readers_line(name, test):
    model = Own(between=nn.Softplus())
    model.encoder[2] = nn.Softplus()
    with pytest.warns(UserWarning, match="the kernel computes") as said:
        getattr(explore, name)(model, test)
    told = [warning for warning in said if warning.category is UserWarning]
    assert {warning.filename for warning in told} == {__file__}
    assert len(told) == {"pad": 1, "draw": 2}[name]
