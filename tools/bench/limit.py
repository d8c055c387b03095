"""What a training step can't do without: its matrix products, Adam's memory traffic, element-wise work.

Each is timed alone, in memory that is at hand, on the CPU; their sum is the limit that the training loop is
measured against.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn


def seconds(work: Callable[[], object], repeat: int = 15, at_least: float = 0.01) -> float:
    """The median time of one call, over `repeat` stretches that each last `at_least` seconds."""
    start = time.perf_counter()
    work()
    calls = max(1, round(at_least / max(time.perf_counter() - start, 1e-6)))
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        times.append((time.perf_counter() - start) / calls)
    return statistics.median(times)


def of_step(model: nn.Module, x: torch.Tensor, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """Seconds of each part for one training step on the batch x (batch, channels, height, width)."""
    with torch.no_grad():
        return {
            "matrix products": sum(map(seconds, products(model, x, dtype))),
            "Adam's memory traffic": seconds(adam_traffic(model)),
            "element-wise work": sum(map(seconds, elementwise(model, x))),
        }


def seen(
    model: nn.Module, x: torch.Tensor, *kinds: type[nn.Module]
) -> list[tuple[nn.Module, torch.Tensor, torch.Tensor]]:
    """Each module of these kinds with what goes in and what comes out of it, when the model sees x."""
    found: list[tuple[nn.Module, torch.Tensor, torch.Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda m, i, o: found.append((m, i[0], o)))
        for module in model.modules()
        if isinstance(module, kinds)
    ]
    try:
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def products(model: nn.Module, x: torch.Tensor, dtype: torch.dtype) -> list[Callable]:
    """For each layer with weights: the layer, and the gradients of its weights and of its input."""
    work: list[Callable] = []
    for index, (layer, into, out) in enumerate(seen(model, x, nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        first = index == 0  # an image needs no gradient
        i, o, w = into.to(dtype).contiguous(), torch.rand_like(out).to(dtype), layer.weight.detach().to(dtype)
        if isinstance(layer, nn.Linear):
            work += [lambda i=i, w=w: i @ w.T, lambda o=o, i=i: o.T @ i]
            work += [] if first else [lambda o=o, w=w: o @ w]
            continue
        rest = (layer.stride, layer.padding, layer.dilation, isinstance(layer, nn.ConvTranspose2d))
        rest += (layer.output_padding, layer.groups)
        work.append(lambda i=i, w=w, rest=rest: torch.ops.aten.convolution(i, w, None, *rest))
        wanted = [not first, True, False]
        work.append(
            lambda i=i, o=o, w=w, rest=rest, wanted=wanted: torch.ops.aten.convolution_backward(
                o, i, w, None, *rest, wanted
            )
        )
    return work


def adam_traffic(model: nn.Module) -> Callable:
    """Weight, gradient and two averages are read, all but the gradient written: 28 bytes a weight."""
    n = sum(weight.numel() for weight in model.parameters())
    source, target = torch.zeros(7 * n // 2), torch.zeros(7 * n // 2)
    return lambda: target.copy_(source)


def elementwise(model: nn.Module, x: torch.Tensor) -> list[Callable]:
    """Bytes to floats; an exponential and a logarithm a pixel, and its gradient; each ReLU, both ways."""
    image = (x * 255).byte()
    logits, out = torch.randn_like(x), torch.empty_like(x)
    work: list[Callable] = [
        lambda: image.float().div_(255),
        lambda: torch.exp(logits, out=out),
        lambda: torch.log1p(x, out=out),
        lambda: torch.sub(logits, x, out=out),
    ]
    for _, _, activation in seen(model, x, nn.ReLU):
        result = torch.empty_like(activation)
        work += [lambda a=activation, r=result: torch.clamp(a, min=0, out=r)] * 2
    return work
