"""What lesson 01's checks do with an answer that isn't a formula: a training step, and a model."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..core import Wrong


def parameters(h: int, d: int) -> int:
    """Of the network 784-h-d-h-784: weights, and a bias for each unit."""
    return (784 * h + h) + (h * d + d) + (d * h + h) + (h * 784 + 784)


def _three(step: Callable[..., Any]) -> tuple[list[Any], torch.Tensor, int]:
    """The losses that came back, where the weights went, and how often the optimizer stepped."""
    torch.manual_seed(5)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 9), nn.Tanh(), nn.Linear(9, 784))
    model.append(nn.Unflatten(1, (1, 28, 28)))
    optimizer, calls = torch.optim.SGD(model.parameters(), lr=2.0, momentum=0.9), []
    optimizer.register_step_pre_hook(lambda *_: calls.append(1))
    start, losses, went = nn.utils.parameters_to_vector(model.parameters()).detach(), [], []
    for batch in (7, 4, 5):
        value = step(model, optimizer, torch.rand(batch, 1, 28, 28))
        array = isinstance(value, np.generic | np.ndarray)
        number = torch.is_tensor(value) and value.numel() == 1 or array and value.size == 1
        losses.append(value.item() if number else value)
        went.append(nn.utils.parameters_to_vector(model.parameters()).detach() - start)
    return losses, torch.stack(went), len(calls)


def _step(zero: Any = True, before: Any = False, output: Any = torch.sigmoid, loss: Any = F.mse_loss) -> Any:
    def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor) -> torch.Tensor:
        if before:
            optimizer.step()
        if zero:
            optimizer.zero_grad()
        value = loss(output(model(x)), x)
        value.backward()
        if not before:
            optimizer.step()
        return value

    return step


FAULTS: list[dict[str, Any]] = [
    {"": True, "zero_grad is missing: gradients add up from step to step": False},
    {"": False, "step comes before backward, and follows the gradients of the batch before": True},
    {"": torch.sigmoid, "the model gives logits: the sigmoid is missing": lambda o: o,
     "the sigmoid is taken twice": lambda o: o.sigmoid().sigmoid()},
    {"": F.mse_loss, "the loss has the wrong sign: each step makes it larger": lambda o, x: -F.mse_loss(o, x),
     "a sum where the mean over all pixels is asked": lambda o, x: F.mse_loss(o, x, reduction="sum"),
     "a mean over the images, but a sum over their pixels": lambda o, x: 784 * F.mse_loss(o, x),
     "the difference isn't squared": F.l1_loss,
     "that is the cross-entropy; the task asks for the squared error":
         lambda o, x: F.binary_cross_entropy(o.clamp(0, 1), x)},
]  # fmt: skip


def _afterwards(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor) -> torch.Tensor:
    _step()(model, optimizer, x)
    return F.mse_loss(torch.sigmoid(model(x)), x)


def _same(a: Any, b: Any) -> bool:
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    return bool((a - b).norm() <= 1e-3 * b.norm() + 1e-9)


def train_step(step: Callable[..., Any]) -> None:
    try:
        (losses, went, calls), (right_losses, right, _) = _three(step), _three(_step())
    except RuntimeError as error:
        if "inplace operation" not in str(error):
            raise
        raise Wrong("step comes before backward: it changes the weights that backward still needs") from None
    if not all(isinstance(value, int | float) for value in losses):
        raise Wrong("return the loss, one number, and nothing else")
    if _same(went, right):
        if _same(losses, right_losses):
            return
        late = _same(losses, _three(_afterwards)[0])
        what = "is measured after the step, not before" if late else "isn't the loss of this batch"
        raise Wrong(f"the weights move as they should, but what comes back {what}")
    if calls != 3:
        raise Wrong(
            f"the optimizer that goes in must step once for each batch; in three it steps {calls} times"
        )
    if not went.any():
        raise Wrong("the weights don't move, so step finds no gradient, or 0: is zero_grad between backward "
                    "and step, something detached, or the output compared with itself?")  # fmt: skip
    for parts in sorted(
        product(*(f.items() for f in FAULTS)), key=lambda parts: sum(bool(p[0]) for p in parts)
    ):
        if _same(went, _three(_step(*(value for _, value in parts)))[1]):
            raise Wrong("; besides, ".join(hint for hint, _ in parts if hint))
    if _same(went[0], right[0]):
        raise Wrong("the first step is right, the second isn't: something is carried over to the next batch")
    ratio = float(went[0] @ right[0] / right[0].square().sum())
    if _same(went[0], ratio * right[0]):
        raise Wrong(f"the step has the right direction, but {ratio:.3g} times the right length")
    raise Wrong("the first step goes another way: is the loss the MSE between sigmoid(logits) and x?")


def linear_control(make: Callable[[int], Any]) -> None:
    for d in (int(torch.randint(3, 9, ())), int(torch.randint(11, 30, ()))):
        model = make(d)
        if not isinstance(model, nn.Module):
            raise Wrong("return a model that is made, an nn.Module, not its class or anything else")
        if {id(p) for p in model.parameters()} & {id(p) for p in make(d).parameters()}:
            raise Wrong("two calls share their weights: make a new model, with new layers, in each")
        for p in model.parameters():
            p.data *= 3  # so that what bends bends visibly
        x = torch.cat([torch.zeros(1, 784), torch.eye(784)]).view(-1, 1, 28, 28)  # they show any affine map
        y, z = model(x), torch.rand(6, 1, 28, 28)
        if not isinstance(y, torch.Tensor) or y.shape != x.shape:
            raise Wrong("the model returns one tensor of logits, shaped like the images: (batch, 1, 28, 28)")
        if not torch.equal(y, model(x)):
            raise Wrong("the same images give other logits each time: a random layer is one more thing")
        flat = (y[1:] - y[0]).detach().flatten(1)
        bends = not _same(model(z).flatten(1), y[0].flatten() + z.flatten(1) @ flat)
        if bends and y.min() >= 0 and y.max() <= 1:
            raise Wrong("the model ends in a sigmoid; return logits, as the network does")
        if bends:
            kinds = [kind.__module__ for kind in (nn.ReLU, nn.BatchNorm1d, nn.LayerNorm)]
            left = [type(m).__name__ for m in model.modules() if m.__module__ in kinds]
            raise Wrong(
                f"the map still bends; in both halves, look for {' and '.join(left) or 'what bends it'}"
            )
        values = torch.linalg.svdvals(flat.double())
        if (rank := int((values > 1e-3 * values[0]).sum())) != d:
            raise Wrong(f"{rank} numbers get through, where latent_dim is {d}: keep the bottleneck as it is")
        count, right = sum(p.numel() for p in model.parameters()), parameters(400, d)
        if count == 2 * 784 * d + d + 784:
            raise Wrong("ReLU and hidden layers are gone: if PCA is level now, which of the two was it?")
        if count == right - 2 * 400 - d - 784:
            raise Wrong("the biases are gone, too: change one thing only")
        if count != right:
            raise Wrong(f"the control has {count:,} parameters, the network {right:,}: change one thing only")
        if not all(p.requires_grad for p in model.parameters()):
            raise Wrong("some weights are frozen; the network trains all of its own")
