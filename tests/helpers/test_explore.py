"""The instruments from Python's side: what they hold, what they refuse, what is left without a kernel."""

import base64
import copy
import gc
import io
import warnings
import weakref

import comm
import ipywidgets
import nbformat
import numpy as np
import pytest
import torch
import traitlets
from nbclient import NotebookClient
from PIL import Image
from torch import nn

from latentlab_helpers import checkpoints, datasets, explore, latent
from latentlab_helpers.explore import export
from latentlab_helpers.explore.adapter import Subjects
from latentlab_helpers.explore.widgets import Draw
from latentlab_helpers.models import Autoencoder, VariationalAutoencoder
from tools.outputs import WIDGET, lasting

SHIPPED = [name for name in checkpoints.names() if name != "classifier" and "told" not in name]


class Own(nn.Module):
    """A reader's own model: no latent_dim, no image_shape, nothing but encode and decode."""

    def __init__(self, size=2, between=None):
        super().__init__()
        between = between or nn.ReLU()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, size))
        self.decoder = nn.Sequential(
            nn.Linear(size, 30), between, nn.Linear(30, 784), nn.Unflatten(1, (1, 28, 28))
        )

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return torch.sigmoid(self.decoder(z))


@pytest.fixture(scope="module")
def pair():
    return {"AE": checkpoints.load("ae_mlp_2"), "VAE": checkpoints.load("vae_mlp_2")}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_has_sliders_that_the_browser_decodes(name, test):
    model = checkpoints.load(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        sliders = explore.latent_sliders(model, test)
    size = model.latent_dim
    assert (
        sliders.decoders[0].layers and len(sliders.z) == size and sorted(sliders.order) == list(range(size))
    )
    assert sliders.singles == [f"z{i + 1}" for i in range(size)]
    with torch.no_grad():
        codes = model.encode(datasets.to_float(test.images[:500]))
    mu, logvar = codes if isinstance(codes, tuple) else (codes, None)
    assert sliders.order == latent.rank_dimensions(mu, logvar).tolist()
    saved = torch.frombuffer(bytearray(sliders.codes[0]), dtype=torch.float32).view(-1, size)
    torch.testing.assert_close(saved, mu)


@pytest.mark.parametrize(
    "model", [Own(), Own(5), Autoencoder(3), VariationalAutoencoder(4, architecture="conv")]
)
def test_a_readers_own_model_works_in_every_instrument(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        sliders = explore.latent_sliders(model)
        explore.morph(model)
        explore.attribute_board(model)
        explore.draw(model)
    assert sliders.names == ["VAE" if isinstance(model, VariationalAutoencoder) else "AE"]
    if len(sliders.z) == 2:
        explore.pad(model)


def test_z_and_its_numbers_stay_the_same_and_are_observed(pair):
    sliders, seen = explore.latent_sliders(pair["VAE"]), []
    sliders.observe(lambda change: seen.append(change["new"]), "z")
    sliders.z = torch.tensor([1.0, -2.0])
    assert (sliders.z1, sliders.z2) == (1, -2) and seen == [[1, -2]]
    sliders.z2 = 0.5
    assert sliders.z == [1, 0.5] and seen[1:] == [[1, 0.5]]
    plain = ipywidgets.FloatSlider(min=-3, max=3, value=2.5)
    link = ipywidgets.jsdlink((plain, "value"), (sliders, "z1"))
    assert link.target == (sliders, "z1")
    for wrong in ([1.0], [1.0, 2.0, 3.0], [float("nan"), 0], [float("inf"), 0], "ab"):
        with pytest.raises(traitlets.TraitError):
            sliders.z = wrong
    with pytest.raises(traitlets.TraitError):
        sliders.z1 = float("nan")
    assert sliders.z == [1, 0.5] and sliders.z1 == 1


def test_what_is_changed_in_place_and_set_again_is_noticed(pair):
    sliders = explore.latent_sliders(pair["AE"])
    code = sliders.z
    code[0] = -2
    assert sliders.z != code
    sliders.z = code
    assert sliders.z1 == -2
    sliders.z2 = np.float32(1.5)
    assert sliders.z == [-2, 1.5]


def test_many_dimensions_are_no_burden():
    sliders = explore.latent_sliders(Own(300))
    assert len(type(sliders).__mro__) < 20, "one class for all numbers, not one for each"
    sliders.z = [0.5] * 300
    assert sliders.z300 == 0.5


def test_a_list_and_its_numbers_leave_in_one_message(pair, monkeypatch):
    """In two, the browser's answer to the first could undo the second of two changes."""
    sliders, sent = explore.latent_sliders(pair["VAE"]), []
    sliders.comm = comm.DummyComm()  # as if a browser were there
    monkeypatch.setattr(sliders, "send_state", lambda key=None: sent.append(set(key)))
    sliders.z = [1, 2]
    sliders.z1 = 3
    assert sent == [{"z", "z1", "z2"}, {"z", "z1"}]


def test_numbers_of_images_that_are_not_offered_are_refused(pair, test):
    morph, board, sheet = (f(pair, test) for f in (explore.morph, explore.attribute_board, explore.draw))
    for widget, name, value in [
        (morph, "start", 500),
        (morph, "end", -1),
        (board, "digit", 9000),
        (sheet, "image", b"ab"),
    ]:
        before = getattr(widget, name)
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(widget, name, value)
        assert getattr(widget, name) == before
    sheet.image = test.images[5].numpy().tobytes()


def test_the_boards_strengths_and_the_morphs_ends(pair, test):
    board = explore.attribute_board(pair, test)
    board.slant = -1
    assert board.strengths == [0, -1, 0] and board.singles == ["thickness", "slant", "width"]
    morph = explore.morph(pair, test)
    assert [test.labels[i].item() for i in (morph.start, morph.end)] == [3, 8]
    far = explore.morph(pair, test, start=9000, end=datasets.to_float(test.images[7000]))
    assert [far.digits.labels[i] for i in (far.start, far.end)] == test.labels[[9000, 7000]].tolist()
    codes = torch.frombuffer(bytearray(far.codes[1]), dtype=torch.float32).view(-1, 2)
    with torch.no_grad():
        wanted = pair["VAE"].encode(datasets.to_float(test.images[[9000, 7000]]))[0]
    torch.testing.assert_close(codes[[far.start, far.end]], wanted)


def test_weights_and_digits_are_sent_once(pair, test):
    first = explore.latent_sliders(pair["VAE"], test)
    others = [explore.pad(pair["VAE"], test), explore.morph(pair, test), explore.draw(pair, test)]
    for other in others:
        assert other.digits is first.digits and other.decoders[-1] is first.decoders[0]
    with torch.no_grad():
        trained = copy.deepcopy(pair["VAE"])
        trained.decoder[0].weight += 0.1
    assert explore.pad(trained, test).decoders[0] is not first.decoders[0]
    first.decoders[0].close()
    assert explore.pad(pair["VAE"], test).decoders[0].comm is not None


def test_what_instruments_share_goes_with_the_last_of_them(test):
    """It is closed in the browser, too, and its memory comes free; until then, it stays."""
    model = Own()
    few = datasets.ImageSet(test.images[40:90], test.labels[40:90])  # which no other test has open
    first, second = explore.pad(model, few), explore.morph(model, few)
    digits, network = first.digits, first.decoders[0]
    gone = [weakref.ref(digits), weakref.ref(network)]
    first.close()
    assert second.digits is digits and digits.comm is not None and network.comm is not None
    second.close()
    assert digits.comm is None and network.comm is None
    del first, second, digits, network
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_an_instrument_that_was_never_made_holds_nothing(test):
    model = Own()
    subjects = Subjects(model, test)
    with pytest.raises(traitlets.TraitError, match="image must have 784 bytes"):
        Draw(subjects, "Draw", [datasets.to_float(test.images[:2])], "Two images.", image=b"ab")
    pad = explore.pad(model, test)
    network = pad.decoders[0]
    gc.collect()
    pad.close()
    assert network.comm is None


# --- networks that the browser doesn't know --------------------------------------------------------------


def test_an_unknown_layer_is_computed_by_the_kernel_and_each_instrument_says_so(test):
    model = Own(between=nn.Softplus())
    with pytest.warns(UserWarning, match="kernel computes the decoder.*Softplus") as said:
        sliders = explore.latent_sliders(model, test)
        explore.pad(model, test)
    assert sum(w.category is UserWarning for w in said) == 2 and sliders.decoders[0].layers == []
    for code in ([0.5, -1.0], [1, 0]):  # JavaScript's 1.0 arrives as 1
        sliders.ask_decode = {"id": code[0], "models": [0], "codes": [code]}
        images = torch.frombuffer(bytearray(sliders.answer_decode["images"]), dtype=torch.float32)
        with torch.no_grad():
            torch.testing.assert_close(images, model.decode(torch.tensor([code]).float()).flatten())
    with pytest.warns(UserWarning, match="Softplus"):
        draw = explore.draw(model, test)
    draw.ask_encode = {"id": 2, "image": test.images[3].flatten().tolist()}
    with torch.no_grad():
        wanted = model.encode(test.images[3:4] / 255)[0].tolist()
    assert draw.answer_encode == {"id": 2, "codes": [{"mu": pytest.approx(wanted), "logvar": None}]}


def test_a_kernel_that_fails_says_so_in_the_instrument(test):
    model = Own(between=nn.Softplus())
    with pytest.warns(UserWarning, match="Softplus"):
        sliders = explore.latent_sliders(model, test)
    model.decode = lambda z: 1 / 0
    with pytest.raises(ZeroDivisionError):
        sliders.ask_decode = {"id": 7, "models": [0], "codes": [[0.0, 0.0]]}
    assert sliders.answer_decode["id"] == 7 and "division" in sliders.answer_decode["error"]


def test_decode_is_not_taken_for_something_that_it_is_not():
    """A sequence of known layers, but `decode` does more, or a layer does: the browser must not guess."""

    class Shifted(Own):
        def decode(self, z):
            return (torch.sigmoid(self.decoder(z)) + 0.1).clamp(0, 1)

    class Twice(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    hooked, huge, twice = Own(), Own(), Own(between=Twice(30, 30))
    hooked.decoder[0].register_forward_hook(lambda module, x, y: y + 1)
    with torch.no_grad():
        huge.decoder[2].bias += 1e6
    codes = torch.zeros(3, 2)
    for model, reason in [
        (Shifted(), "does more"),
        (hooked, "Linear"),
        (huge, "half precision"),
        (twice, "Twice"),
        (Own(between=nn.Sequential(nn.ReLU(), nn.GELU())), "GELU"),
    ]:
        with pytest.raises(export.UnknownLayer, match=reason):
            export.decoder(model, codes)
    with pytest.raises(export.UnknownLayer, match="more than half precision"):
        export.decoder(steep(), torch.full((3, 2), 1e8))
    late = Own()
    late.decoder = nn.Sequential(late.decoder[2], late.decoder[3])
    late.fc = nn.Linear(2, 30)
    late.decode = lambda z: torch.sigmoid(late.decoder(late.fc(z)))
    with pytest.raises(export.UnknownLayer, match="doesn't take what `decode` takes"):
        export.decoder(late, codes)
    plain = Own()
    plain.decode = plain.decoder.forward
    layers, _ = export.decoder(plain, codes)
    assert [layer["kind"] for layer in layers] == ["linear", "relu", "linear"]
    layers, weights = export.decoder(Own(), codes)
    assert layers[-1]["kind"] == "sigmoid" and len(weights) == 2 * sum(layer["count"] for layer in layers)


class Flat(Own):
    """As many tutorials have it: flat on the inside, and shaped by encode and decode."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = self.encoder[1:], self.decoder[:-1]

    def encode(self, x):
        return self.encoder(x.flatten(1))

    def decode(self, z):
        return torch.sigmoid(self.decoder(z)).view(-1, 1, 28, 28)


def steep():
    """Its codes are far out and its weights small, so that the rounding of a weight is seen."""
    model = Own()
    with torch.no_grad():
        model.encoder[3].weight.mul_(1e8)
        model.decoder[0].weight.mul_(1e-8)
    return model


def test_flat_models_and_other_types_of_numbers_are_computed_by_the_browser(test):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for model in (Flat(), Own().half(), Own().bfloat16(), Own().double()):
            draw = explore.draw(model, test)
            assert draw.decoders[0].layers and draw.encoders[0].layers


def test_a_layer_that_works_in_place_spoils_no_code(test):
    model = Own()
    model.decoder = nn.Sequential(nn.ReLU(inplace=True), *model.decoder)
    with torch.no_grad():
        wanted = model.encode(test.images[:500] / 255)
    sliders = explore.latent_sliders(model, test)
    saved = torch.frombuffer(bytearray(sliders.codes[0]), dtype=torch.float32).view(-1, 2)
    torch.testing.assert_close(saved, wanted)


def test_a_part_that_was_frozen_stays_so(test):
    model = Own().train()
    model.encoder.eval()
    explore.latent_sliders(model, test)
    assert model.training and model.decoder.training and not model.encoder.training


# --- bad input -----------------------------------------------------------------------------------------


def diverged():
    model = Own()
    with torch.no_grad():
        model.decoder[0].weight[0, 0] = torch.nan
    return model


class Unfit(Own):
    def __init__(self):
        super().__init__(2)
        self.decoder[0] = nn.Linear(3, 30)


@pytest.mark.parametrize(
    "model, message",
    [
        (nn.Linear(2, 2), "has no encoder"),
        (checkpoints.load("classifier"), "has no encoder"),
        (diverged(), "not all finite.*lower learning rate"),
        (Unfit(), "own codes of 2 numbers"),
        (Autoencoder(2, image_shape=(1, 32, 32)), r"can't encode images of shape \(1, 28, 28\)"),
        ("vae_mlp_2", "must be a torch.nn.Module"),
        ({}, "needs a model"),
    ],
    ids=["no model", "classifier", "nan", "sizes", "images", "name", "nothing"],
)
@pytest.mark.parametrize("instrument", ["latent_sliders", "pad", "morph", "attribute_board", "draw"])
def test_a_model_that_does_not_fit_is_refused_before_anything_is_shown(
    instrument, model, message, monkeypatch
):
    monkeypatch.setattr(ipywidgets.Widget, "open", lambda widget: pytest.fail("a widget was sent"))
    with pytest.raises(ValueError, match=message):
        getattr(explore, instrument)(model)


def test_a_model_without_a_decoder_is_refused():
    class Half(nn.Module):
        def encode(self, x):
            return x.flatten(1)[:, :2]

    with pytest.raises(ValueError, match="has no decoder"):
        explore.pad(Half())


def test_arguments_that_do_not_fit_are_refused(pair, test):
    vae, board = checkpoints.load("vae_mlp_16"), explore.attribute_board
    right = {"bold": torch.zeros(2)}
    for call, message in [
        (lambda: explore.pad(vae), "this model has 16: use latent_sliders"),
        (lambda: explore.pad(pair), "takes one model, not 2"),
        (lambda: explore.pad(pair["AE"], test.images), "must be an ImageSet"),
        (
            lambda: explore.pad(pair["AE"], datasets.ImageSet(test.images / 255, test.labels)),
            "of uint8 images",
        ),
        (lambda: explore.pad(pair["AE"], datasets.ImageSet(test.images[:0], test.labels[:0])), "n ≥ 1"),
        (lambda: explore.pad(pair["AE"], start=[1.0, float("nan")]), "start must be finite"),
        (lambda: board(pair["AE"], vectors={}), "needs one or more vectors"),
        (lambda: board(pair["AE"], vectors={"_models": torch.zeros(2)}), "can't be an attribute's name"),
        (lambda: explore.pad(pair["AE"], start=[1.0]), r"shape \(2,\), not \(1,\)"),
        (lambda: explore.latent_sliders(vae, start=torch.zeros(3)), r"\(16,\)"),
        (lambda: explore.latent_sliders(vae, dimensions=[16]), "between 0 and 15"),
        (lambda: explore.latent_sliders(vae, dimensions=[]), "between 0 and 15"),
        (lambda: explore.morph(pair, test, start=10000), "no image 10000"),
        (lambda: explore.morph(pair, test, end=torch.zeros(1, 28, 28)), "not in the data"),
        (lambda: explore.draw(pair, test, digit=test.images[0, 0]), r"must be \(1, 28, 28\)"),
        (lambda: board(pair["AE"], vectors={"bold": torch.zeros(3)}), r"bold must be finite.*\(2,\)"),
        (lambda: board(pair["AE"], vectors={"bold": torch.tensor([0, torch.nan])}), "bold must be finite"),
        (lambda: board(pair["AE"], vectors={"very bold": torch.zeros(2)}), "can't be an attribute's name"),
        (lambda: board(pair["AE"], vectors={"digits": torch.zeros(2)}), "can't be an attribute's name"),
        (lambda: board(pair, vectors={"AE": right}), "the same attributes.*VAE has"),
        (lambda: board(pair, vectors={"VAE": right}), "needs one or more vectors for AE"),
        (lambda: board(pair, vectors=right), "needs one or more vectors for AE"),
        (lambda: board(pair, vectors={"AE": right, "VAE": {}}), "the same attributes"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


# --- without a kernel ------------------------------------------------------------------------------------


def test_a_still_picture_stands_in_for_the_instrument(pair, test):
    for instrument in (
        explore.latent_sliders(pair["VAE"], test),
        explore.pad(pair["AE"], test),
        explore.morph(pair, test),
        explore.attribute_board(pair, test),
        explore.draw(pair, test),
    ):
        data, metadata = instrument._repr_mimebundle_()
        picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
        assert min(picture.size) >= 56 and len(data["image/png"]) < 100_000
        assert len(metadata["image/png"]["alt"]) > 40 and data["text/plain"] == metadata["image/png"]["alt"]
        (kept,) = lasting([{"output_type": "display_data", "data": data, "metadata": metadata}])
        assert (
            WIDGET in data and WIDGET not in kept["data"] and kept["data"]["image/png"] == data["image/png"]
        )


FIVE = """
from latentlab_helpers import checkpoints, explore
both = {"AE": checkpoints.load("ae_mlp_2"), "VAE": checkpoints.load("vae_mlp_2")}
display(explore.latent_sliders(both["VAE"]), explore.pad(both["AE"]), explore.morph(both))
display(explore.attribute_board(both), explore.draw(both))
"""


def test_a_notebook_with_five_instruments_is_small_with_all_their_state(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FIVE)])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    nbformat.write(notebook, tmp_path / "five.ipynb")
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert sum("kind" in part["state"] for part in state.values()) == 5
    assert (tmp_path / "five.ipynb").stat().st_size < 4e6
