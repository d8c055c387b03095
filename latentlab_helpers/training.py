"""The one training loop of the course. Written out in notebook 01, and the same here."""

from __future__ import annotations

import copy
import math
import numbers
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn
from tqdm.auto import tqdm

from . import threads  # noqa: F401  (looks after every step)
from .datasets import check_images, to_float
from .devices import mixed_precision
from .losses import Terms, autoencoder_loss, negative_elbo
from .models import Autoencoder, VariationalAutoencoder, evaluating

# Adam's averages for pixels that are hardly ever lit decay into denormal floats, on which the processor
# is slow: without this, each epoch takes longer than the one before.
torch.set_flush_denormal(True)

# The recipe of every notebook: with it the VAE of PyTorch's example is as good after three epochs as with
# that example's after ten (`python course.py bench` measures it).
BATCH_SIZE, LR, BETAS, WARM_UP = 100, 8e-3, (0.9, 0.98), 0.05

# (model, images, generator), and the images' labels if `fit` has them, to named terms
Loss = Callable[..., Terms]
Schedule = Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler]


class TrainingDiverged(RuntimeError):
    """The loss is no longer a finite number."""


@dataclass
class History:
    """What `fit` measured: for each term of the loss, one number an epoch; seconds of each epoch.

    `train` is the mean over the epoch, while the weights moved; `test` is measured after it.
    """

    train: dict[str, list[float]] = field(default_factory=dict)
    test: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


def fit(
    model: nn.Module,
    images: torch.Tensor,
    *,
    epochs: int,
    loss: Loss | None = None,
    test_images: torch.Tensor | None = None,
    labels: torch.Tensor | None = None,
    test_labels: torch.Tensor | None = None,
    batch_size: int = BATCH_SIZE,
    lr: float = LR,
    schedule: Schedule | None = None,
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train `model` in place on images (n, channels, height, width) with Adam. Taught in notebook 01.

    images: uint8, or floats in [0, 1]; if they are more than the memory holds, from `datasets.mapped`.
    loss(model, x, generator) returns named terms, of which "loss" is minimized; by default the mean
    squared error for an autoencoder, the negative ELBO for a VAE. With labels (n,) it is also given those of
    x. The learning rate rises to `lr` over the first 5 % of the steps, then falls to 0, unless
    schedule(optimizer, steps) says otherwise. `seed` fixes the order of the images and the VAE's noise.
    Source: Kingma and Ba, arXiv:1412.6980 (Adam).

    Raises ValueError for images or settings that can't work, and TrainingDiverged when the loss or a
    weight is no longer finite; the model then holds the weights from the start of that epoch.
    """
    _check(images, epochs=epochs, batch_size=batch_size, lr=lr)
    _check_labels(images, labels)
    if test_images is not None:
        _check(test_images)
        _check_labels(test_images, test_labels)
    loss = loss or _default_loss(model)
    device = next(model.parameters()).device
    images = images.to(device) if _fits(images, device) else images
    order = torch.Generator().manual_seed(seed)
    noise = torch.Generator(device).manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=BETAS, fused=True)
    schedule = (schedule or warm_up_and_decay)(optimizer, epochs * math.ceil(len(images) / batch_size))
    half = mixed_precision(device)
    history = History()
    bar = tqdm(range(1, epochs + 1), unit="epoch", disable=not progress)
    for epoch in bar:
        start, weights = time.perf_counter(), copy.deepcopy(model.state_dict())
        model.train()
        sums: dict[str, torch.Tensor] = {}
        for batch in torch.randperm(len(images), generator=order).to(images.device).split(batch_size):
            x = to_float(images[batch].to(device))
            with half:
                terms = loss(model, x, noise, *_of(labels, batch, device))
            if not isinstance(terms, dict) or "loss" not in terms:
                raise ValueError('a loss must return named terms, such as {"loss": value}')
            optimizer.zero_grad()
            terms["loss"].backward()
            optimizer.step()
            schedule.step()
            for name, value in terms.items():
                sums[name] = sums.get(name, 0) + torch.as_tensor(value).detach().float() * len(x)
        means = {name: (total / len(images)).item() for name, total in sums.items()}
        broken = [f"{name} became {value}" for name, value in means.items() if not math.isfinite(value)]
        if broken or not all(weight.isfinite().all() for weight in model.parameters()):
            model.load_state_dict(weights)
            what = broken[0] if broken else "some weights became infinite"
            raise TrainingDiverged(
                f"{what} in epoch {epoch}. Try a lower learning rate (it was {lr:g}), or look for NaN in "
                "your loss. The model holds its weights from before the epoch."
            )
        history.seconds.append(time.perf_counter() - start)
        _append(history.train, means)
        if test_images is not None:
            _append(history.test, evaluate(model, test_images, loss, labels=test_labels, seed=seed))
        bar.set_postfix({name: f"{value:.4g}" for name, value in means.items()})
    return history


def evaluate(
    model: nn.Module,
    images: torch.Tensor,
    loss: Loss | None = None,
    *,
    labels: torch.Tensor | None = None,
    batch_size: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """The mean of each term of the loss over images, no weight changed. Units as in `losses`."""
    _check(images, batch_size=batch_size)
    _check_labels(images, labels)
    loss = loss or _default_loss(model)
    device = next(model.parameters()).device
    noise = torch.Generator(device).manual_seed(seed)
    sums: dict[str, float] = {}
    with evaluating(model):
        for batch in torch.arange(len(images)).split(batch_size):
            x = to_float(images[batch[0] : batch[-1] + 1].to(device))
            for name, value in loss(model, x, noise, *_of(labels, batch, device)).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(x)
    return {name: total / len(images) for name, total in sums.items()}


def warm_up_and_decay(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """The learning rate's way over `steps` steps: a short rise to the optimizer's own, then down to 0.

    Both are linear. Call its step() after every optimizer.step(). Taught in notebook 01.
    """
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / (WARM_UP * steps), (steps - step) / ((1 - WARM_UP) * steps)),
    )


def _fits(images: torch.Tensor, device: torch.device) -> bool:
    """Whether the images may move to the device; otherwise each batch does."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return images.numel() * images.element_size() < free / 2


def _default_loss(model: nn.Module) -> Loss:
    if not isinstance(model, Autoencoder):
        raise ValueError(
            "for a model of your own say which loss: losses.autoencoder_loss, negative_elbo or yours"
        )
    return negative_elbo if isinstance(model, VariationalAutoencoder) else autoencoder_loss


def _of(labels: torch.Tensor | None, batch: torch.Tensor, device: torch.device) -> list[torch.Tensor]:
    """The labels of a batch, as a loss's further argument, if there are any."""
    return [] if labels is None else [labels[batch.to(labels.device)].to(device)]


def _append(series: dict[str, list[float]], values: dict[str, float]) -> None:
    for name, value in values.items():
        series.setdefault(name, []).append(value)


def _check(images: torch.Tensor, **positive: float) -> None:
    """Look at the images once, so that the loop doesn't have to."""
    for name, value in positive.items():
        kind = numbers.Real if name == "lr" else numbers.Integral
        if not isinstance(value, kind) or not (value > 0 and math.isfinite(value)):
            what = "a number" if name == "lr" else "a whole number"
            raise ValueError(f"{name} must be {what}, more than 0, not {value!r}")
    check_images(images)


def _check_labels(images: torch.Tensor, labels: torch.Tensor | None) -> None:
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"every image needs a label: there are {len(images)} images, {len(labels)} labels")
