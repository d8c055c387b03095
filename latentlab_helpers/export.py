"""A trained network as a list of layers and half-precision numbers, which a browser can compute."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .models import evaluating

Layers = tuple[list[dict[str, Any]], bytes]


class UnknownLayer(ValueError):
    """A network has something that explore.js can't compute; the message says what."""


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
        return torch.cat(code, dim=1) if isinstance(code, tuple) else code

    return _exported(model, "encoder", images, encode)


def _exported(model: nn.Module, part: str, x: torch.Tensor, function) -> Layers:
    layers, numbers, at = [], [], 0
    with evaluating(model):
        wanted, found = function(x), x
        for module in _modules(getattr(model, part, None), part):
            entered, found = found, module(found)
            if type(module) in SHAPES:  # the browser's numbers lie in one row anyway
                continue
            tensors = [tensor for tensor in (getattr(module, "weight", None), getattr(module, "bias", None))]
            own = [tensor.detach().float().cpu().flatten() for tensor in tensors if tensor is not None]
            count = sum(map(len, own))
            layers.append({**KNOWN[type(module)](module, entered, found), "at": at, "count": count})
            numbers += own
            at += count
        if not _same(found, wanted):
            if not _same(found.sigmoid(), wanted):
                raise UnknownLayer(f"its {part[:-1].replace('od', 'ode')} does more than its module `{part}`")
            layers.append({"kind": "sigmoid", "at": at, "count": 0})
    weights = torch.cat(numbers).half()
    if not weights.isfinite().all():
        raise UnknownLayer(f"a weight of its {part} is too large for half precision")
    return layers, weights.numpy().tobytes()


def _modules(module: nn.Module | None, part: str):
    """The layers of a sequence, and of the sequences in it, if the browser knows all of them."""
    if type(module) is nn.Sequential:
        return [layer for child in module for layer in _modules(child, part)]
    if type(module) not in KNOWN.keys() | SHAPES or module._forward_hooks or module._forward_pre_hooks:
        raise UnknownLayer(f"the browser doesn't know {type(module).__name__}, in its {part}")
    return [module]


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a.float(), b.float(), rtol=1e-4, atol=1e-5)


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
