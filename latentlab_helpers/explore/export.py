"""A trained network as a list of layers and half-precision numbers, which a browser can compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from ..models import evaluating

Layers = tuple[list[dict[str, Any]], bytes]


class UnknownLayer(ValueError):
    """A network has something that the front end can't compute; the message says what."""


def decoder(model: nn.Module, codes: torch.Tensor) -> Layers:
    """The layers from a code to an image, as the model's `decode` goes through them, and their weights.

    The weights are float16, one after the other in PyTorch's order; a layer's `at` and `count` say which are
    its own. Behind the module `model.decoder` a sigmoid is added if `decode` has one. codes (n, latent_dim)
    are some to try it on. Used by `explore`, from notebook 01 on. Raises UnknownLayer for a layer that the
    browser doesn't know, a decoder that isn't a plain sequence of layers, and weights beyond float16.
    """
    return _exported(model, "decoder", codes, model.decode)


def encoder(model: nn.Module, images: torch.Tensor) -> Layers:
    """The layers from an image to its code, or to mu and logvar, one behind the other. As `decoder`.

    images (n, channels, height, width), floats in [0, 1], are some to try it on.
    """

    def encode(x):
        code = model.encode(x)
        return torch.cat([*code], dim=1) if isinstance(code, (tuple, list)) else code

    return _exported(model, "encoder", images, encode)


def _exported(model: nn.Module, part: str, x: torch.Tensor, function: Callable) -> Layers:
    layers, numbers, at, word = [], [], 0, part[:-1]
    module = getattr(model, part, None)
    with evaluating(model):
        steps = _modules(module, part)
        x = like(model, x).clone()  # a layer may work in place
        wanted = function(x.clone())
        start = x.flatten(1) if type(steps[0]) is nn.Linear else x  # as `encode` then does, too
        found = start.clone()
        for step in steps:
            entered = found.clone()
            try:
                found = step(found)
            except (RuntimeError, ValueError, TypeError) as error:
                raise UnknownLayer(f"its module `{part}` doesn't take what `{word}` takes") from error
            if type(step) in SHAPES:  # the browser's numbers lie in one row anyway
                continue
            tensors = [getattr(step, name, None) for name in ("weight", "bias")]
            own = [tensor.detach().float().cpu().flatten() for tensor in tensors if tensor is not None]
            count = sum(map(len, own))
            layers.append({**KNOWN[type(step)](step, entered, found), "at": at, "count": count})
            numbers += own
            at += count
        squashed = not _same(found, wanted)  # by a sigmoid in `decode`, behind the module
        if squashed:
            if not _same(found.sigmoid(), wanted):
                raise UnknownLayer(f"its `{word}` does more than its module `{part}`")
            layers.append({"kind": "sigmoid", "at": at, "count": 0})
        weights = torch.cat(numbers).half() if numbers else torch.empty(0).half()
        if not weights.isfinite().all():
            raise UnknownLayer(f"a weight of its {part} is too large for half precision")
        if part == "decoder":
            rounded = {name: value.half().to(value) for name, value in module.state_dict().items()}
            drawn = functional_call(module, rounded, (start.clone(),))
            drawn = drawn.sigmoid() if squashed else drawn
            if (drawn - wanted.view_as(drawn)).abs().max() > 1 / 255:
                raise UnknownLayer("its decoder's weights need more than half precision")
    return layers, weights.numpy().tobytes()


def like(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """x on the model's device, and of its weights' type, if it has any."""
    weight = next((value for value in model.parameters() if value.is_floating_point()), x)
    return x.to(weight.device, weight.dtype)


def _modules(module: nn.Module | None, part: str) -> list[nn.Module]:
    """The layers of a sequence, and of the sequences in it, if the browser knows all of them."""
    if type(module) is nn.Sequential and len(module):
        return [layer for child in module for layer in _modules(child, part)]
    if type(module) not in KNOWN.keys() | SHAPES or module._forward_hooks or module._forward_pre_hooks:
        raise UnknownLayer(f"the browser doesn't know {type(module).__name__}, in its {part}")
    return [module]


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    a, b = a.float().flatten(1), b.float().flatten(1)  # to the browser, an image is one row
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def _linear(module: nn.Linear, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
    if x.ndim != 2:
        raise UnknownLayer("the browser knows Linear only for flat inputs")
    return {
        "kind": "linear",
        "inputs": module.in_features,
        "outputs": module.out_features,
        "bias": module.bias is not None,
    }


def _convolution(module: nn.Conv2d | nn.ConvTranspose2d, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
    plain = module.groups == 1 and module.dilation == (1, 1) and module.padding_mode == "zeros"
    if not plain or isinstance(module.padding, str):
        raise UnknownLayer("the browser knows convolutions without groups, dilation and named padding only")
    return {
        "kind": "conv_transpose" if module.transposed else "conv",
        "input": list(x.shape[1:]),
        "output": list(y.shape[1:]),
        "kernel": list(module.kernel_size),
        "stride": list(module.stride),
        "padding": list(module.padding),
        "bias": module.bias is not None,
    }


KNOWN = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _convolution,
    nn.ReLU: lambda module, x, y: {"kind": "relu"},
    nn.LeakyReLU: lambda module, x, y: {"kind": "leaky_relu", "slope": module.negative_slope},
    nn.Tanh: lambda module, x, y: {"kind": "tanh"},
    nn.SiLU: lambda module, x, y: {"kind": "silu"},
    nn.Sigmoid: lambda module, x, y: {"kind": "sigmoid"},
}
SHAPES = {nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout}
