"""A training that can be watched: a loss that shows, while it is asked for, what the model has learned."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import traitlets
from IPython.display import display
from torch import nn

from .. import plots
from ..datasets import ImageSet, to_float
from .adapter import Subjects, decoded, encoded
from .widgets import Instrument, synced

SHARE = 0.03  # of the training's time: what showing it takes, next to keeping the curves
ACROSS = 8  # images in a row
ROWS = ("test images", "their reconstructions", "samples")
POINTS = 200  # of a curve, at most; what is between is averaged


class Trainer(Instrument):
    """Widget returned by `trainer`: a loss and, in a `with` block, a view of the training that it is for."""

    kind = synced(traitlets.Unicode("trainer"))
    count = synced(traitlets.Int())
    across = synced(traitlets.Int(ACROSS))
    caption = synced(traitlets.Unicode())
    terms = synced(traitlets.List())
    rows = synced(traitlets.List([*ROWS]))
    commands = synced(traitlets.List(["Stop"]))
    choices = synced(traitlets.List())  # the page has some
    breaks = synced(traitlets.List())
    settings = synced(traitlets.Dict())
    command = synced(traitlets.Dict())
    shot = synced(traitlets.Dict())

    def __init__(self, subjects: Subjects, loss: Callable):
        self._loss, self._images = loss, subjects.images
        self._labels, self._classes = torch.tensor(subjects.labels), subjects.classes
        self._steps = self._seen = 0
        self._every = 1  # steps that a point of the curves stands for
        self._row: list[torch.Tensor] = []  # the terms since the last point
        self._history: list[tuple[int, torch.Tensor]] = []
        self._axes: torch.Tensor | None = None
        self._next, self._stopped, size = 0.0, False, subjects.mu[0].shape[1]
        self._places = self._placed(subjects.mu[0])
        named = {1: "the one latent dimension", 2: "the two latent dimensions"}
        where = named.get(size, "the two directions in which the codes vary most")
        clouds = subjects.logvar[0] is not None and size == 2
        super().__init__(
            subjects,
            "Training",
            [to_float(subjects.images[:ACROSS])],
            f"How far the training of {subjects.names} is: a map of test images, a curve for each term of "
            "the loss, and rows of test images, their reconstructions and samples.",
            count=len(subjects.images),
            caption=f"{len(subjects.images)} images in {where}, each where the model puts it now"
            + ", with its cloud, one sigma each way" * clouds
            + ". A small square is an image for which there is no room.",
        )

    def __call__(self, *given: Any, **named: Any) -> Any:
        """The loss itself, with what it takes; while the model learns from it, it is also shown."""
        terms = self._loss(*given, **named)
        if torch.is_grad_enabled():  # `evaluate` asks, too
            self._steps += 1
            self._seen += len(given[1])
            self._note(terms if isinstance(terms, dict) else {"loss": terms})
            if self._stopped:
                self._stopped = False
                raise KeyboardInterrupt
            if time.perf_counter() >= self._next:
                self._show(True)
        return terms

    def __enter__(self) -> Trainer:
        self._stopped = False
        self._show(True)
        self._shown = display(self, display_id=True)
        return self

    def __exit__(self, *_: Any) -> None:
        self._show(False)
        if self._shown:
            self._shown.update(self)  # so that the still picture is the trained model's

    @traitlets.observe("command")
    def _obey(self, change: dict[str, Any]) -> None:
        """Some kernels hear of a click while a cell runs; the front end interrupts others."""
        self._stopped = change["new"].get("name") == "Stop" and self.shot.get("running", False)

    def _note(self, terms: dict[str, torch.Tensor]) -> None:
        """Keep the terms, averaged over so many steps that the curves stay short; nothing waits for a GPU."""
        shown = [name for name in terms if name != "loss"] or ["loss"]
        if shown != self.terms:
            self.terms, self._history, self._row = shown, [], []
        self._row.append(torch.stack([torch.as_tensor(terms[name]).detach().float() for name in shown]))
        if len(self._row) < self._every:
            return
        self._history.append((self._steps, torch.stack(self._row).mean(dim=0)))
        self._row = []
        if len(self._history) == POINTS:
            pairs = zip(self._history[::2], self._history[1::2], strict=True)
            self._history = [(step, (old + new) / 2) for (_, old), (step, new) in pairs]
            self._every *= 2

    def _show(self, running: bool) -> None:
        """Send what is known now; then wait so long that it costs no more than its share of the time."""
        start = time.perf_counter()
        model = self._models[0]
        with torch.autocast(next(model.parameters()).device.type, enabled=False):
            mu, logvar = encoded(model, self._images)
            images = [decoded(model, z) for z in (mu[:ACROSS], self._drawn(mu, logvar))]
        self._mu, self._decoded = mu, images
        self._places = self._placed(mu) if mu.isfinite().all() else self._places
        spreads = logvar.div(2).exp() if logvar is not None and logvar.shape[1] == 2 else torch.empty(0)
        history = [torch.cat([torch.tensor([float(step)]), row.cpu()]) for step, row in self._history]
        pictures = [self._images[:ACROSS], *((255 * one.nan_to_num()).clamp(0, 255).byte() for one in images)]
        self.shot = {
            "step": self._steps, "running": running, "said": self._said(running),
            "history": torch.cat(history).numpy().tobytes() if history else b"",
            "places": self._places.numpy().tobytes(),
            "spreads": spreads.numpy().tobytes(),
            "pictures": torch.cat(pictures).numpy().tobytes(),
        }  # fmt: skip
        end = time.perf_counter()
        self._next = end + (end - start) / SHARE

    def _said(self, running: bool) -> str:
        if not self._steps:
            return "Not trained yet: random weights."
        if not self._mu.isfinite().all():
            return f"At step {self._steps:,} the numbers are no longer finite: try a lower learning rate."
        so_far = f"{self._steps:,} steps, {self._seen:,} images seen"
        return f"{so_far}." if running else f"Ended: {so_far}. The model keeps what it has learned."

    def _drawn(self, mu: torch.Tensor, logvar: torch.Tensor | None) -> torch.Tensor:
        """Codes to sample from: the prior's, or an autoencoder's from a Gaussian fitted to its codes."""
        noise = torch.randn(ACROSS, mu.shape[1], generator=torch.Generator().manual_seed(0))
        return noise if logvar is not None else mu.mean(dim=0) + noise * mu.std(dim=0)

    def _placed(self, mu: torch.Tensor) -> torch.Tensor:
        """Where the map has the codes (n, 2): of more than two dimensions, along their two main axes."""
        if mu.shape[1] <= 2:
            return torch.cat([mu, torch.zeros(len(mu), 2 - mu.shape[1])], dim=1)
        axes = torch.linalg.eigh(mu.T.cov())[1][:, -2:].flip(1)
        if self._axes is not None:  # an axis has no sign of its own: the map shall not flip
            axes = axes * ((axes * self._axes).sum(dim=0) < 0).float().mul(-2).add(1)
        self._axes = axes
        return (mu - mu.mean(dim=0)) @ axes

    def figure(self) -> plots.Figure:
        """The picture for readers without a kernel: the same map, curves and images."""
        curves = {name: [float(row[k]) for _, row in self._history] for k, name in enumerate(self.terms)}
        if not self.shot:
            self._show(False)
        return plots.training(
            self._places,
            self._labels,
            ([step for step, _ in self._history], curves),
            dict(zip(ROWS, [to_float(self._images[:ACROSS]), *self._decoded], strict=True)),
            alt=self._alt,
            classes=self._classes,
        )

    def _still_bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.figure()._repr_mimebundle_()


def trainer(model: nn.Module, loss: Callable, data: ImageSet | None = None) -> Trainer:
    """Make a training visible while it runs: the map of the latent space, the loss, reconstructions, samples.

    It is a loss itself: what is trained with it is shown, in a `with` block, in less than 5 % of the time::

        with explore.trainer(vae, losses.negative_elbo, test) as live:
            history = training.fit(vae, train.images, loss=live, epochs=5)

    Its stop button interrupts the kernel, as Jupyter's does: `fit` then returns what it has.

    Parameters
    ----------
    model : torch.nn.Module
        With `encode` and `decode`; the one that is going to be trained.
    loss : callable
        loss(model, x, …), as `fit` or a loop of your own calls it; it returns a scalar or named terms.
    data : ImageSet, optional
        uint8 images, of which the first 500 are on the map. By default MNIST's test set.

    Returns
    -------
    Trainer
        Call it as the loss. It changes neither the model nor any random numbers.

    Raises
    ------
    ValueError
        If the model and the data don't go together, or the loss can't be called.

    Notes
    -----
    Used in notebooks 01 and 02.
    """
    if not callable(loss):
        raise ValueError(f"loss must be a function such as losses.negative_elbo, not {type(loss).__name__}")
    subjects = Subjects(model, data)
    subjects.only("trainer")
    return Trainer(subjects, loss)
