"""A trained network as a list of layers and half-precision numbers, which a browser can compute."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn.modules import module as everywhere

from ..models import evaluating, posterior

Layers = tuple[list[dict[str, Any]], bytes]

# The layers that the front end computes, by the names that it has for them, and those that only shape
KINDS: dict[type[nn.Module], str] = {
    nn.Linear: "linear", nn.Conv2d: "conv", nn.ConvTranspose2d: "conv_transpose", nn.ReLU: "relu",
    nn.LeakyReLU: "leaky_relu", nn.Tanh: "tanh", nn.SiLU: "silu", nn.Sigmoid: "sigmoid",
}  # fmt: skip
WAYS = ("kernel_size", "stride", "padding", "negative_slope")  # of a layer, by PyTorch's names
SHAPES = {nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout}


class UnknownLayer(ValueError):
    """A network has something that the front end can't compute; the message says what."""


def decoder(model: Any, codes: torch.Tensor) -> Layers:
    """Describe the layers from a code to an image, as the model's `decode` goes through them.

    Parameters
    ----------
    model : torch.nn.Module
        With `decode`, and a sequence of layers as `decoder`; a sigmoid in `decode` is added to them.
    codes : torch.Tensor
        (n, latent_dim), some to try it on.

    Returns
    -------
    layers : list of dict
        A layer's kind and sizes; its `at` and `count` say which weights are its own.
    weights : bytes
        float16, one after the other in PyTorch's order.

    Raises
    ------
    UnknownLayer
        For a layer that the browser doesn't know, one that has hooks, a decoder that isn't a plain sequence
        of layers, and weights beyond float16.

    Notes
    -----
    The instruments use it, from notebook 01 on.
    """
    return _exported(model, "decoder", codes, model.decode)


def encoder(model: Any, images: torch.Tensor) -> Layers:
    """Describe the layers from an image to its code, or to mu and logvar, one behind the other.

    Parameters
    ----------
    model : torch.nn.Module
        With `encode`, and a sequence of layers as `encoder`.
    images : torch.Tensor
        (n, channels, height, width), floats in [0, 1], some to try it on.

    Returns
    -------
    layers, weights
        As of `decoder`.

    Raises
    ------
    UnknownLayer
        As `decoder`.
    """

    def encode(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([part for part in posterior(model, x) if part is not None], dim=1)

    return _exported(model, "encoder", images, encode)


@contextlib.contextmanager
def explained(what: str, kind: type[Exception] = ValueError) -> Iterator[None]:
    """Say what couldn't be done: it is the reader's code that runs inside, and may raise anything."""
    try:
        yield
    except Exception as error:
        raise kind(f"{what} ({error})") from error


def like(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """x on the model's device, and of its weights' type, if it has any."""
    weight = next((value for value in model.parameters() if value.is_floating_point()), x)
    return x.to(weight.device, weight.dtype)


def _exported(model: Any, part: str, x: torch.Tensor, function: Callable) -> Layers:
    layers: list[dict[str, Any]] = []
    numbers, at, word = [torch.empty(0)], 0, part[:-1]
    module: Any = getattr(model, part, None)
    with evaluating(model):
        steps = _steps(module, part)
        x = like(model, x)
        wanted = function(x.clone())  # a layer may work in place
        flat = any(isinstance(step, nn.Linear) for step in steps[:1])  # as `encode` then makes x, too
        start = x.flatten(1) if flat else x
        found = start.clone()
        for step in steps:
            entered = found.shape
            with explained(f"its module `{part}` doesn't take what `{word}` takes", UnknownLayer):
                found = step(found)
            if type(step) in SHAPES:  # the browser's numbers lie in one row anyway
                continue
            own = [value.float().cpu().flatten() for value in step.parameters()]
            count = sum(map(len, own))
            described = _described(step, list(entered[1:]), list(found.shape[1:]))
            layers.append({**described, "at": at, "count": count})
            numbers += own
            at += count
        squashed = not _same(found, wanted)  # by a sigmoid in `decode`, behind the module
        if squashed:
            if not _same(found.sigmoid(), wanted):
                raise UnknownLayer(f"its `{word}` does more than its module `{part}`")
            layers.append({"kind": "sigmoid", "at": at, "count": 0})
        weights = torch.cat(numbers).half()
        if not weights.isfinite().all():
            raise UnknownLayer(f"a weight of its {part} is too large for half precision")
        if part == "decoder":
            rounded = {name: value.half().to(value) for name, value in module.state_dict().items()}
            drawn = functional_call(module, rounded, (start.clone(),))
            drawn = drawn.sigmoid() if squashed else drawn
            if (drawn - wanted.view_as(drawn)).abs().max() > 1 / 255:
                raise UnknownLayer("its decoder's weights need more than half precision")
    return layers, weights.numpy().tobytes()


def _steps(module: Any, part: str) -> list[nn.Module]:
    """The layers of a sequence, and of the sequences in it, if the browser knows all of them."""
    name = type(module).__name__
    if type(module) not in KINDS.keys() | SHAPES | {nn.Sequential}:
        raise UnknownLayer(f"the browser doesn't know {name}, in its {part}")
    # Hooks and a forward of its own may do anything, also where a few samples don't show it.
    hooks = [module._forward_hooks, module._forward_pre_hooks]
    hooks += [everywhere._global_forward_hooks, everywhere._global_forward_pre_hooks]
    if any(hooks) or "forward" in vars(module):
        raise UnknownLayer(f"{name}, in its {part}, has hooks, which the browser doesn't know")
    return [s for child in module for s in _steps(child, part)] if name == "Sequential" else [module]


def _described(step: Any, x: list[int], y: list[int]) -> dict[str, Any]:
    """A layer that turns images of shape x into images of shape y, for the browser."""
    if isinstance(step, nn.Linear) and len(x) != 1:
        raise UnknownLayer("the browser knows Linear only for flat inputs")
    plain = {"groups": 1, "dilation": (1, 1), "padding_mode": "zeros"}
    named = isinstance(getattr(step, "padding", None), str)
    if named or any(getattr(step, name, value) != value for name, value in plain.items()):
        raise UnknownLayer("the browser knows only convolutions without groups, dilation or named padding")
    described: dict[str, Any] = {"kind": KINDS[type(step)], "input": x, "output": y}
    described["bias"] = getattr(step, "bias", None) is not None
    return described | {name: getattr(step, name) for name in WAYS if hasattr(step, name)}


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    a, b = a.float().flatten(1), b.float().flatten(1)  # to the browser, an image is one row
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-5)
