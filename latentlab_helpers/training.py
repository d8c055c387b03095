"""The training loop of the course. Notebook 01 writes it out."""

from __future__ import annotations

import copy
import math
import numbers
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from .datasets import check_images, to_float
from .devices import mixed_precision
from .distributed import World
from .losses import Terms, autoencoder_loss, negative_elbo
from .models import Autoencoder, VariationalAutoencoder, evaluating, keeping_modes
from .threads import adaptive_waiting

# Adam's averages for pixels that are hardly ever lit decay into denormal floats, on which the processor
# is slow: without this, each epoch takes longer than the one before. NumPy looks at the least of them once,
# and older versions would warn if that came later.
np.finfo(np.float32), np.finfo(np.float64)
torch.set_flush_denormal(True)

# The recipe of every notebook: with it the VAE of PyTorch's example is as good after three epochs as with
# that example's after ten (`python course.py bench` measures it).
BATCH_SIZE, LR, BETAS, WARM_UP = 100, 8e-3, (0.9, 0.98), 0.05

# (model, images, generator), and the images' labels if `fit` has them, to named terms
Loss = Callable[..., Terms]
Schedule = Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler]


class TrainingDiverged(RuntimeError):
    """The loss, or a weight, is no longer a finite number."""


@dataclass
class History:
    """What `fit` measured, one number an epoch.

    Attributes
    ----------
    train : dict of str to list of float
        Each term of the loss: its mean over the epoch, while the weights moved.
    test : dict of str to list of float
        Each term, measured after the epoch; empty without test images.
    seconds : list of float
        How long each epoch took, without the measuring.
    state : list, optional
        After an interruption, what `fit` needs to go on; otherwise None.
    """

    train: dict[str, list[float]] = field(default_factory=dict)
    test: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    state: list[Any] | None = field(default=None, repr=False)


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
    resume: History | None = None,
    world: World | None = None,
) -> History:
    """Train a model in place with Adam.

    Interrupt it (in Jupyter with the stop button) and it returns what it has: the model has the weights from
    the end of the last whole epoch, and the history goes so far. With the same arguments and
    ``resume=history`` it goes on from there, to the same weights that it would have reached in one go.

    Parameters
    ----------
    model : torch.nn.Module
        Afterwards it is in the mode that it was in before.
    images : torch.Tensor
        (n, channels, height, width); uint8, or floats in [0, 1]. If they are more than the memory holds, a
        memory-mapped array: ``torch.from_numpy(numpy.load(path, mmap_mode="c"))``.
    epochs : int
        How often each image is seen.
    loss : callable, optional
        loss(model, x, generator) returns named terms, of which "loss" is minimized; with labels it is called
        with those of x as a fourth argument. By default the mean squared error for an autoencoder, the
        negative ELBO for a VAE.
    test_images : torch.Tensor, optional
        What `evaluate` measures after each epoch.
    labels, test_labels : torch.Tensor, optional
        (n,), for a loss that needs them.
    batch_size : int
        Images a step.
    lr : float
        The highest learning rate.
    schedule : callable, optional
        schedule(optimizer, steps) returns a learning rate scheduler; by default `warm_up_and_decay`.
    seed : int
        Fixes the order of the images and the noise of a VAE.
    progress : bool
        Whether a bar shows the epochs and the loss.
    resume : History, optional
        What an interrupted call returned.
    world : distributed.World, optional
        The processes that train together, each of which makes this call; by default this one alone. What is
        said of batches, seeds and the history is then true of all of them together.

    Returns
    -------
    History
        One number an epoch.

    Raises
    ------
    ValueError
        For images or settings that can't work.
    TrainingDiverged
        When the loss or a weight is no longer finite; the model has the weights from before that epoch.

    References
    ----------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980.

    Notes
    -----
    Notebook 01 writes it out; all lessons use it.
    """
    _check_settings(epochs=epochs, batch_size=batch_size, lr=lr)
    _check_data(images, labels)
    if test_images is not None:
        _check_data(test_images, test_labels)
    if resume is not None and resume.state is None:
        raise ValueError("resume takes the history that an interrupted fit returned; this one is complete")
    history, world = resume or History(), world or World()
    loss = world.share(loss or _default_loss(model))
    todo = range(len(history.seconds) + 1, epochs + 1)
    world.begin(model, images=len(images), epochs=todo, batch_size=batch_size, lr=lr, seed=seed)
    device = next(model.parameters()).device
    images = images.to(device) if _fits(images, device) else images
    labels = None if labels is None else labels.to(device)  # once, and not at every step
    order = torch.Generator().manual_seed(seed)
    noise = torch.Generator(device).manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=BETAS, fused=True)
    schedule_ = (schedule or warm_up_and_decay)(optimizer, epochs * math.ceil(len(images) / batch_size))
    parts = (model, optimizer, schedule_, order, noise)
    if history.state is not None:
        _restore(parts, history.state)
        history.state = None
    bar = tqdm(
        todo,
        initial=len(history.seconds), total=epochs, unit="epoch", disable=not progress or world.rank > 0,
    )  # fmt: skip
    before = _state(parts)
    try:
        with keeping_modes(model), adaptive_waiting(optimizer), world.together(optimizer):
            for epoch in bar:
                start = time.perf_counter()
                batches = torch.randperm(len(images), generator=order).to(images.device).split(batch_size)
                means = world.total(_epoch(model, images, labels, loss, optimizer, schedule_, noise, batches))
                _check_finite(model, means, before[0], epoch, lr)
                seconds = time.perf_counter() - start
                tested = {}
                if test_images is not None:
                    tested = world.total(evaluate(model, test_images, loss, labels=test_labels, seed=seed))
                for series, values in ((history.train, means), (history.test, tested)):
                    for name, value in values.items():
                        series.setdefault(name, []).append(value)
                history.seconds.append(seconds)
                before = _state(parts)
                bar.set_postfix({name: f"{value:.4g}" for name, value in means.items()})
    except KeyboardInterrupt:
        _restore(parts, before)
        history.state = before
        warnings.warn(
            f"interrupted after {len(history.seconds)} of {epochs} epochs; fit(…, resume=history) goes on",
            stacklevel=2,
        )
    return history


def _epoch(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor | None,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    noise: torch.Generator,
    batches: Iterable[torch.Tensor],
) -> dict[str, float]:
    """One pass over the images; the mean of each term of the loss."""
    device, half = next(model.parameters()).device, mixed_precision(next(model.parameters()).device)
    model.train()
    sums: dict[str, torch.Tensor] = {}
    for batch in batches:
        x = to_float(images[batch].to(device))
        with half:
            terms = loss(model, x, noise, *([] if labels is None else [labels[batch.to(device)]]))
        if not isinstance(terms, dict) or "loss" not in terms:
            raise ValueError('a loss must return named terms, such as {"loss": value}')
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        schedule.step()
        for name, value in terms.items():
            sums[name] = sums.get(name, 0) + torch.as_tensor(value).detach().float() * len(x)
    return {name: (total / len(images)).item() for name, total in sums.items()}


def evaluate(
    model: nn.Module,
    images: torch.Tensor,
    loss: Loss | None = None,
    *,
    labels: torch.Tensor | None = None,
    batch_size: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """Measure a model's loss; nothing about the model changes.

    Parameters
    ----------
    model : torch.nn.Module
        As for `fit`.
    images : torch.Tensor
        (n, channels, height, width); uint8, or floats in [0, 1].
    loss : callable, optional
        As for `fit`.
    labels : torch.Tensor, optional
        (n,), for a loss that needs them.
    batch_size : int
        How many images are computed at once.
    seed : int
        Fixes the noise of a VAE.

    Returns
    -------
    dict of str to float
        The mean of each term over the images, in the unit that `losses` states.

    Raises
    ------
    ValueError
        For images or labels that can't work.

    Notes
    -----
    Used in notebooks 02, 06, 07 and 09.
    """
    _check_settings(batch_size=batch_size)
    _check_data(images, labels)
    loss = loss or _default_loss(model)
    device = next(model.parameters()).device
    noise = torch.Generator(device).manual_seed(seed)
    sums: dict[str, float] = {}
    with evaluating(model):
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            x = to_float(images[part].to(device))
            extra = [] if labels is None else [labels[part].to(device)]
            for name, value in loss(model, x, noise, *extra).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(x)
    return {name: total / len(images) for name, total in sums.items()}


def warm_up_and_decay(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Schedule the learning rate: linear warm-up over the first 5 % of the steps, then linear decay to 0.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Its own learning rate is the highest.
    steps : int
        How many the training has.

    Returns
    -------
    torch.optim.lr_scheduler.LambdaLR
        Call its step() after every optimizer.step().

    Notes
    -----
    Notebook 01 writes it out.
    """
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / (WARM_UP * steps), (steps - step) / ((1 - WARM_UP) * steps)),
    )


def _state(parts: tuple[Any, ...]) -> list[Any]:
    """All that an epoch changes; the model's weights come first."""
    return [
        part.get_state() if isinstance(part, torch.Generator) else copy.deepcopy(part.state_dict())
        for part in parts
    ]


def _restore(parts: tuple[Any, ...], state: list[Any]) -> None:
    for part, value in zip(parts, state, strict=True):
        part.set_state(value) if isinstance(part, torch.Generator) else part.load_state_dict(value)


def _fits(images: torch.Tensor, device: torch.device) -> bool:
    """Whether the images may move to the device; otherwise each batch does."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    elif device.type == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    else:
        return True
    return images.numel() * images.element_size() < free / 2


def _default_loss(model: nn.Module) -> Loss:
    if not isinstance(model, Autoencoder):
        raise ValueError(
            "for a model of your own say which loss: losses.autoencoder_loss, negative_elbo or yours"
        )
    return negative_elbo if isinstance(model, VariationalAutoencoder) else autoencoder_loss


def _check_finite(model: nn.Module, means: dict[str, float], before: Any, epoch: int, lr: float) -> None:
    """Stop a training that can't recover, with the weights from before the epoch."""
    broken = [f"{name} became {value}" for name, value in means.items() if not math.isfinite(value)]
    if not broken and all(weight.isfinite().all() for weight in model.parameters()):
        return
    model.load_state_dict(before)
    what = broken[0] if broken else "some weights became infinite"
    raise TrainingDiverged(
        f"{what} in epoch {epoch}. Try a lower learning rate (it was {lr:g}), or look for NaN in your loss. "
        "The model has its weights from before the epoch."
    )


def _check_settings(**positive: float) -> None:
    for name, value in positive.items():
        kind = numbers.Real if name == "lr" else numbers.Integral
        if not isinstance(value, kind) or not (value > 0 and math.isfinite(value)):
            what = "a number" if name == "lr" else "a whole number"
            raise ValueError(f"{name} must be {what}, more than 0, not {value!r}")


def _check_data(images: torch.Tensor, labels: torch.Tensor | None) -> None:
    """Look at the data once, so that the loop doesn't have to."""
    check_images(images)
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"every image needs a label: there are {len(images)} images, {len(labels)} labels")
