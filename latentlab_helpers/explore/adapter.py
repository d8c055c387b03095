"""The adapter to the reader's models: anything that encodes and decodes images, checked and encoded once."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..datasets import ImageSet, check_images, load, to_float
from ..models import evaluating, posterior
from . import export

POOL = 500  # images that an instrument offers, the first of the data

Models = nn.Module | Mapping[str, nn.Module]
Wanted = int | torch.Tensor | None  # an image of the data, or its number


class Subjects:
    """The models that an instrument is about, and the images that it offers: checked, and encoded.

    Parameters
    ----------
    models : torch.nn.Module or mapping of str to torch.nn.Module
        One model, or several by name. Each has `encode`, which gives codes or mu and logvar, and `decode`.
    data : ImageSet or None
        The first 500 of its images are offered; None stands for MNIST's test set.
    wanted : sequence of (image, label)
        Images to offer in any case: an image of the data, its number, or None for the first of that label.
    told : bool
        Whether `decode` takes codes and classes. Each model is then a `Told`.

    Attributes
    ----------
    models : dict of str to torch.nn.Module
    names : str
        The models' names, as a sentence has them.
    images : torch.Tensor
        Those offered: uint8 (n, channels, height, width), on the CPU.
    labels : list of int
    classes : list of str
        The names of the labels 0, 1, …; empty if the data has none.
    count : int
        How many classes there are.
    class_name : callable
        From a label to its name.
    positions : list of int
        Which of the images offered are those wanted.
    mu, logvar : list of torch.Tensor
        Each model's, float32 (n, latent_dim); an autoencoder's logvar is None.
    low, high : list of torch.Tensor
        The ends (latent_dim,) of each model's axes: around 99 % of its codes, and ±3 of a VAE's prior.

    Raises
    ------
    ValueError
        If the models and the data don't go together, or a model has diverged.
    """

    def __init__(
        self,
        models: Models,
        data: ImageSet | None,
        wanted: Sequence[tuple[Wanted, int]] = (),
        told: bool = False,
    ):
        named = models if isinstance(models, Mapping) else {"model": models}
        several = {str(name): model for name, model in named.items()}
        if not several:
            raise ValueError("an instrument needs a model, or a dictionary of models by name")
        for name, model in several.items():
            _check(name, model)
        data = load("mnist", "test") if data is None else data
        if not isinstance(data, ImageSet) or data.images.dtype != torch.uint8:
            raise ValueError("data must be an ImageSet of uint8 images: datasets.load('mnist', 'test')")
        check_images(data.images)
        labels = data.labels[:POOL].tolist()
        rows, self.positions = list(range(len(labels))), []
        taken: set[int] = set()
        for one, label in wanted:
            row = _first(labels, label, taken) if one is None else _row(data, one)
            taken.add(int(data.labels[row]))
            rows += [] if row in rows else [row]
            self.positions.append(rows.index(row))
        self.images, self.labels = data.images[rows].cpu(), data.labels[rows].tolist()
        self.classes, self.class_name = list(data.classes), data.class_name
        self.count = len(data.classes) or int(data.labels.max()) + 1
        if told:
            known = torch.tensor(self.labels)
            several = {name: Told(model, self.count, known) for name, model in several.items()}
        codes = [self._codes(name, model) for name, model in several.items()]
        self.mu, self.logvar = [mu for mu, _ in codes], [logvar for _, logvar in codes]
        ends = [_ends(mu, logvar) for mu, logvar in codes]
        self.low, self.high = [low for low, _ in ends], [high for _, high in ends]
        if named is not models:
            several = {"AE" if self.logvar[0] is None else "VAE": several["model"]}
        self.models: dict[str, nn.Module] = several
        self.names = " and ".join(self.models)

    def _codes(self, name: str, model: nn.Module) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The images' codes; a model that can't go from an image to a code and back is refused here."""
        shape = tuple(self.images.shape[1:])
        with export.explained(f"{name} can't encode images of shape {shape}: was it trained on this data?"):
            mu, logvar = encoded(model, self.images)
        if mu.ndim != 2 or (logvar is not None and logvar.shape != mu.shape):
            raise ValueError(f"{name} must encode to codes (n, latent_dim), not {tuple(mu.shape)}")
        with export.explained(f"{name} can't decode its own codes of {mu.shape[1]} numbers"):
            images = decoded(model, mu[:1])
        if tuple(images.shape[1:]) != shape:
            raise ValueError(f"{name} decodes to {tuple(images.shape[1:])}, and the images are {shape}")
        if not all(values.isfinite().all() for values in (mu, logvar, images) if values is not None):
            raise ValueError(f"{name} gives numbers that are not all finite: try a lower learning rate")
        return mu, logvar

    def only(self, instrument: str) -> nn.Module:
        """The model, for instruments that take one."""
        if len(self.models) > 1:
            raise ValueError(f"{instrument} takes one model, not {len(self.models)}: make one for each")
        return next(iter(self.models.values()))

    def pairs(self) -> Iterator[tuple[nn.Module, torch.Tensor]]:
        """Each model with its codes."""
        return zip(self.models.values(), self.mu, strict=True)

    def begin(self, start: Sequence[float] | torch.Tensor | None) -> torch.Tensor:
        """The code to begin with: the start that is asked for, which the axes then reach, or the median."""
        if start is None:
            return self.mu[0].median(dim=0).values
        code = finite("start", start, self.mu[0].shape[1:])
        self.low[0], self.high[0] = self.low[0].minimum(code), self.high[0].maximum(code)
        return code

    def layers(self, part: str) -> list[export.Layers]:
        """The models' decoders or encoders, as the browser gets them; those that it can't compute, empty."""
        found = []
        for (name, model), mu in zip(self.models.items(), self.mu, strict=True):
            try:
                sample = mu[:8] if part == "decoder" else to_float(self.images[:8])
                found.append(getattr(export, part)(model, sample))
            except export.UnknownLayer as error:
                found.append(([], b""))
                # Four calls up is the reader's line, beyond adapter, widget and factory.
                warnings.warn(f"the kernel computes the {part} of {name}: {error}", stacklevel=4)
        return found


class Told(nn.Module):
    """A model that is told the class, as one of longer codes: z, and then 1 for the class, 0 for the others.

    Parameters
    ----------
    model : torch.nn.Module
        Its `decode` takes codes and labels; its `encode` takes images, or images and labels.
    classes : int
        How many classes there are.
    labels : torch.Tensor
        int64, (n,): of the images that will be encoded.
    """

    def __init__(self, model: Any, classes: int, labels: torch.Tensor):
        super().__init__()
        self.model, self.classes, self.labels = model, classes, labels

    @property
    def decoder(self) -> Any:
        """The layers that a browser computes, if z and the class go into them as they stand here."""
        return getattr(self.model, "decoder", None)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | torch.Tensor:
        labels = self.labels.to(x.device)
        asks = len(inspect.signature(self.model.encode).parameters) > 1
        encode = (lambda x: self.model.encode(x, labels)) if asks else self.model.encode
        mu, logvar = posterior(SimpleNamespace(encode=encode), x)  # type: ignore[arg-type]
        told = F.one_hot(labels, self.classes).to(mu.dtype)
        code = torch.cat([mu, told], dim=1)
        return code if logvar is None else (code, torch.cat([logvar, torch.zeros_like(told)], dim=1))

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        z, told = code[:, : -self.classes], code[:, -self.classes :]
        return self.model.decode(z, told.argmax(dim=1))


def encoded(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """mu and logvar of images (n, channels, height, width), float32 on the CPU; an AE's code, and None."""
    with evaluating(model):
        mu, logvar = posterior(model, export.like(model, to_float(images)))
    return mu.float().cpu(), None if logvar is None else logvar.float().cpu()


def decoded(model: Any, codes: torch.Tensor) -> torch.Tensor:
    """The images, float32 on the CPU, of codes (n, latent_dim)."""
    with evaluating(model):
        return model.decode(export.like(model, codes).clone()).float().cpu()  # a layer may work in place


def finite(what: str, values: Any, shape: Sequence[int]) -> torch.Tensor:
    """A vector that the reader has given, as float32 on the CPU, if it is one."""
    vector = torch.as_tensor(values).detach().float().cpu()
    if vector.shape != shape or not vector.isfinite().all():
        raise ValueError(f"{what} must be finite, of shape {tuple(shape)}, not {tuple(vector.shape)}")
    return vector


def _first(labels: list[int], label: int, taken: set[int]) -> int:
    """The first image with a label or, if there is none, with one that isn't taken yet."""
    others = (i for i, other in enumerate(labels) if other not in taken)
    return labels.index(label) if label in labels else next(others, 0)


def _row(data: ImageSet, one: int | torch.Tensor) -> int:
    """Which image of the data is meant: by its number, or the image itself."""
    if isinstance(one, torch.Tensor) and one.ndim:
        if one.shape != data.images.shape[1:]:
            raise ValueError(f"an image must be {tuple(data.images.shape[1:])}, not {tuple(one.shape)}")
        same = (to_float(data.images) == to_float(one).to(data.images.device)).flatten(1).all(dim=1).nonzero()
        if not len(same):
            raise ValueError("that image is not in the data: give the data that it comes from")
        return int(same[0])
    if not 0 <= one < len(data.images):
        raise ValueError(f"there is no image {one}: the data has {len(data.images)}, counted from 0")
    return int(one)


def _ends(mu: torch.Tensor, logvar: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the axes of a model's space end: at most of its codes, and at 3 of a VAE's prior."""
    low, high = mu.quantile(torch.tensor([0.005, 0.995]), dim=0)
    if logvar is not None:
        low, high = low.clamp(max=-3), high.clamp(min=3)
    flat = (high - low < 1e-6).float()  # an axis that carries nothing still needs a length
    return low - flat, high + flat


def _check(name: str, model: nn.Module) -> None:
    """Refuse what is no model, or only half of one."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"{name} must be a torch.nn.Module, not {type(model).__name__}")
    for word in ("encode", "decode"):
        if not callable(getattr(model, word, None)):
            raise ValueError(f"{name} ({type(model).__name__}) has no {word}r: instruments call model.{word}")
