"""What the browser is told of a network, and what it must not take for one that it can compute."""

import pytest
import torch
from own_models import Own
from torch import nn
from torch.nn.utils import parametrizations, prune

from latentlab_helpers import explore
from latentlab_helpers.explore import export


def cut(*values):
    """A hook that changes only what is far out, which no sample shows."""
    return values[-1].clamp(-1e6, 1e6) if isinstance(values[-1], torch.Tensor) else None


def hook(kind, place):
    def change(model):
        module = {"layer": model.decoder[0], "part": model.decoder, "within": model.decoder[1]}[place]
        getattr(module, kind)(cut)

    return change


def own_forward(model):
    layer = model.decoder[0]
    layer.forward = lambda x: nn.functional.linear(x, layer.weight, layer.bias).clamp(-1e6, 1e6)


def between():
    return nn.Sequential(nn.ReLU(), nn.Identity())


@pytest.mark.parametrize(
    "change",
    [
        *(
            hook(kind, place)
            for kind in ("register_forward_hook", "register_forward_pre_hook")
            for place in ("layer", "part", "within")
        ),
        lambda model: parametrizations.weight_norm(model.decoder[0]),
        lambda model: parametrizations.spectral_norm(model.decoder[0]),
        lambda model: nn.utils.spectral_norm(model.decoder[0]),
        lambda model: prune.identity(model.decoder[0], "weight"),
        own_forward,
    ],
)
def test_a_decoder_with_hooks_is_not_taken_for_one_without(change):
    model = Own(between=between())
    assert export.decoder(model, torch.randn(8, 2))[0], "without them it is known"
    change(model)
    with pytest.raises(export.UnknownLayer):
        export.decoder(model, torch.randn(8, 2))


def test_an_encoder_with_hooks_is_not_taken_for_one_without():
    for module in (lambda model: model.encoder, lambda model: model.encoder[1]):
        model = Own()
        assert export.encoder(model, torch.rand(4, 1, 28, 28))[0]
        module(model).register_forward_hook(cut)
        with pytest.raises(export.UnknownLayer, match="has hooks"):
            export.encoder(model, torch.rand(4, 1, 28, 28))


@pytest.mark.parametrize("register", ["register_module_forward_hook", "register_module_forward_pre_hook"])
def test_a_hook_on_all_modules_is_noticed(register):
    handle = getattr(nn.modules.module, register)(cut)
    try:
        with pytest.raises(export.UnknownLayer, match="has hooks"):
            export.decoder(Own(), torch.randn(8, 2))
    finally:
        handle.remove()
    assert export.decoder(Own(), torch.randn(8, 2))[0]


@pytest.mark.parametrize("norm", [None, parametrizations.spectral_norm, parametrizations.weight_norm])
def test_a_model_with_hooks_is_computed_by_the_kernel(norm, test):
    model = Own()
    norm(model.decoder[0]) if norm else model.decoder[0].register_forward_hook(lambda module, x, y: 2 * y)
    with pytest.warns(UserWarning, match="the kernel computes the decoder of AE"):
        pad = explore.pad(model, test)
    assert pad.decoders[0].layers == [] and pad.decoders[0].weights == b""
    pad.ask_decode = {"id": 1, "models": [0], "codes": [[1, -2]]}
    images = torch.frombuffer(bytearray(pad.answer_decode["images"]), dtype=torch.float32)
    with torch.no_grad():
        wanted = model.eval().decode(torch.tensor([[1.0, -2]]))
    torch.testing.assert_close(images, wanted.flatten())


def test_layers_say_which_weights_are_theirs():
    model = Own()
    layers, weights = export.decoder(model, torch.randn(8, 2))
    assert [layer["kind"] for layer in layers] == ["linear", "relu", "linear", "sigmoid"]
    assert [(layer["at"], layer["count"]) for layer in layers] == [(0, 90), (90, 0), (90, 24304), (24394, 0)]
    values = torch.frombuffer(bytearray(weights), dtype=torch.float16)
    expected = torch.cat([value.detach().flatten() for value in model.decoder.parameters()]).half()
    assert values.equal(expected)
    first = {"kind": "linear", "input": [2], "output": [30], "bias": True, "at": 0, "count": 90}
    assert layers[0] == first
