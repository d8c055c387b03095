"""The instruments, one function each: any model that encodes and decodes, on any images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from .. import attributes
from ..datasets import ImageSet, to_float
from ..latent import attribute_vector, grid, lerp, rank_dimensions, traversal
from ..losses import kl_per_dimension
from .adapter import POOL, Models, Subjects, Wanted, decoded, finite
from .widgets import AttributeBoard, Draw, LatentSliders, Morph, Pad, StyleBoard

STEPS = 9  # images in a row of a still picture
Data = ImageSet | None
Start = Sequence[float] | torch.Tensor | None
Vectors = Mapping[str, torch.Tensor]


def latent_sliders(
    model: nn.Module, data: Data = None, *, dimensions: Sequence[int] | None = None, start: Start = None
) -> LatentSliders:
    """Make a slider for each latent dimension, the most used one first, beside the image decoded there.

    Parameters
    ----------
    model : torch.nn.Module
        With `encode` and `decode`.
    data : ImageSet, optional
        uint8 images; the first 500 tell the axes' ends and use. By default MNIST's test set.
    dimensions : sequence of int, optional
        Those that get a slider, in this order, counted from 0.
    start : torch.Tensor, optional
        (latent_dim,): where the sliders begin; by default at the median code.

    Returns
    -------
    LatentSliders
        Python reads, sets and observes the code `z`, and its numbers `z1`, `z2`, …, which jslink takes.

    Raises
    ------
    ValueError
        If the model and the data don't go together, or for dimensions or a start that the model doesn't have.

    Notes
    -----
    Random draws are the prior's; an autoencoder, which has none, draws from a Gaussian fitted to its codes.
    Used in notebook 04; notebook 01 builds sliders by hand.
    """
    subjects = Subjects(model, data)
    model, mu, logvar = subjects.only("latent_sliders"), subjects.mu[0], subjects.logvar[0]
    size, begin = mu.shape[1], subjects.begin(start)
    order = rank_dimensions(mu, logvar).tolist() if dimensions is None else [int(i) for i in dimensions]
    if not order or min(order) < 0 or max(order) >= size:
        raise ValueError(f"dimensions must lie between 0 and {size - 1}, not {order}")
    ends = [torch.linspace(float(subjects.low[0][i]), float(subjects.high[0][i]), STEPS) for i in order[:6]]
    still = [decoded(model, traversal(begin, i, values)) for i, values in zip(order, ends, strict=False)]
    rows = f"{len(still)} most used" if dimensions is None else f"first {len(still)} chosen"
    return LatentSliders(
        subjects,
        "Latent sliders",
        still,
        f"Rows of nine decoded images, one row for each of the {rows} latent dimensions of "
        f"{subjects.names}: along a row, that coordinate alone grows from its smallest to its largest value.",
        singles=[f"z{i + 1}" for i in range(size)],
        z=begin.tolist(),
        start=begin.tolist(),
        order=order,
        **_axes(mu, logvar),
    )


def style_board(model: nn.Module, data: Data = None, *, digit: Wanted = None) -> StyleBoard:
    """Make a slider for each number of the style, beside one image of each class in that style.

    Parameters
    ----------
    model : torch.nn.Module
        One that is told the class: `decode` takes codes and labels, `encode` images, and labels if it can.
    data : ImageSet, optional
        uint8 images; the reader takes the handwriting of one of the first 500. By default MNIST's test set.
    digit : torch.Tensor or int, optional
        The image to begin with: one of the data, or its number. By default the first of class 3.

    Returns
    -------
    StyleBoard
        Python reads, sets and observes the code `z`, its numbers `z1`, `z2`, …, and the class, `label`.

    Raises
    ------
    ValueError
        If the model and the data don't go together, or the image isn't in the data.

    Notes
    -----
    Used in notebook 07.
    """
    subjects = Subjects(model, data, [(digit, 3)], told=True)
    model, mu, logvar = subjects.only("style_board"), subjects.mu[0], subjects.logvar[0]
    (position,), classes = subjects.positions, subjects.count
    size = mu.shape[1] - classes
    style, spread = mu[:, :size], None if logvar is None else logvar[:, :size]
    rows = [(position + i) % len(mu) for i in range(min(5, len(mu)))]  # the image, and those behind it
    shown = torch.eye(classes)[: STEPS + 1]  # of many classes the first ten
    still = [
        torch.cat([to_float(subjects.images[i])[None], decoded(model, _beside(style[i], shown))])
        for i in rows
    ]
    return StyleBoard(
        subjects,
        "Style board",
        still,
        f"Rows of images. Each begins with a real one; the others are decoded by {subjects.names} from its "
        f"code, as each of {len(shown)} classes.",
        singles=[f"z{i + 1}" for i in range(size)],
        z=style[position].tolist(),
        start=style[position].tolist(),
        order=rank_dimensions(style, spread).tolist(),
        label=subjects.labels[position],
        digit=position,
        **_axes(style, spread),
    )


def pad(model: nn.Module, data: Data = None, *, start: Start = None) -> Pad:
    """Make the map of a latent space of two dimensions: real images, and a point to drag that is decoded.

    Parameters
    ----------
    model : torch.nn.Module
        With `encode` and `decode`, and codes of two numbers.
    data : ImageSet, optional
        uint8 images, of which the first 500 are on the map. By default MNIST's test set.
    start : sequence of float, optional
        (2,): where the point begins; by default at the median code.

    Returns
    -------
    Pad
        Python reads, sets and observes `z`, `z1` and `z2`.

    Raises
    ------
    ValueError
        If the model has another latent size, or doesn't go with the data.

    Notes
    -----
    Used in notebooks 01, 02 and 04.
    """
    subjects = Subjects(model, data)
    model, size = subjects.only("pad"), subjects.mu[0].shape[1]
    if size != 2:
        raise ValueError(f"the pad maps 2 latent dimensions, and this model has {size}: use latent_sliders")
    begin = subjects.begin(start).tolist()
    plane = decoded(model, grid(subjects.low[0].tolist(), subjects.high[0].tolist(), 7))
    return Pad(
        subjects,
        "Pad",
        [*plane.split(7)],
        f"Seven by seven images that the {subjects.names} decodes on a grid over its two latent dimensions.",
        singles=["z1", "z2"],
        z=begin,
        start=begin,
    )


def morph(models: Models, data: Data = None, *, start: Wanted = None, end: Wanted = None) -> Morph:
    """Make a slider from one image to another: each model's straight path, and the pixel blend beside it.

    Parameters
    ----------
    models : torch.nn.Module or mapping of str to torch.nn.Module
        One model, or several by name.
    data : ImageSet, optional
        uint8 images; the reader picks others among the first 500. By default MNIST's test set.
    start, end : torch.Tensor or int, optional
        Images (channels, height, width) of the data, or their numbers, counted from 0. By default the first
        of class 3 and the first of class 8 or, without these classes, of two others.

    Returns
    -------
    Morph
        Python reads, sets and observes `t`, from 0 to 1, and `start` and `end`, counted among those offered.

    Raises
    ------
    ValueError
        If a model doesn't go with the data, or an image isn't in it.

    Notes
    -----
    Used in notebook 05.
    """
    subjects = Subjects(models, data, [(start, 3), (end, 8)])
    first, last = subjects.positions
    x = to_float(subjects.images)
    still = [decoded(m, lerp(mu[first], mu[last], STEPS)) for m, mu in subjects.pairs()]
    blend = lerp(x[first].flatten(), x[last].flatten(), STEPS).view(-1, *x.shape[1:])
    return Morph(
        subjects,
        "Morph",
        [*still, blend],
        f"Rows of nine images on the way from one image to another: {subjects.names}; then the pixel blend.",
        start=first,
        end=last,
    )


def attribute_board(
    models: Models, data: Data = None, *, vectors: Mapping[str, Any] | None = None, digit: Wanted = None
) -> AttributeBoard:
    """Make a slider for each attribute's vector, beside an image with all of them added to its code.

    Parameters
    ----------
    models : torch.nn.Module or mapping of str to torch.nn.Module
        One model, or several by name.
    data : ImageSet, optional
        As for `morph`.
    vectors : mapping, optional
        (latent_dim,) by attribute; for several models, such a mapping for each name. By default thickness,
        slant and width, measured on the images offered; for images of more than one channel, the way from
        the other images' mean code to each class's.
    digit : torch.Tensor or int, optional
        The image to begin with: one of the data, or its number. By default the first of class 3.

    Returns
    -------
    AttributeBoard
        Python reads, sets and observes `strengths`, from -1 to 1, and each under its attribute's name.

    Raises
    ------
    ValueError
        If a model doesn't go with the data, an image isn't in it, or a vector doesn't go with its model.

    Notes
    -----
    Used in notebook 05.
    """
    subjects = Subjects(models, data, [(digit, 3)])
    names, stacked = _stacked(subjects, _default_vectors(subjects) if vectors is None else vectors)
    name, model = next(iter(subjects.models.items()))
    begin, strengths = subjects.mu[0][subjects.positions[0]], torch.linspace(-1, 1, STEPS)[:, None]
    return AttributeBoard(
        subjects,
        "Attribute board",
        [decoded(model, begin + strengths * vector) for vector in stacked[0]],
        f"Rows of nine images, one row for each of {', '.join(names)}: {name} decodes an image's code with "
        "more and more of that vector added.",
        singles=names,
        strengths=[0.0] * len(names),
        digit=subjects.positions[0],
        vectors=[vector.numpy().tobytes() for vector in stacked],
    )


def draw(models: Models, data: Data = None, *, digit: Wanted = 0) -> Draw:
    """Make a sheet to draw on: where each model places the drawing, samples of z, and reconstructions.

    Parameters
    ----------
    models : torch.nn.Module or mapping of str to torch.nn.Module
        One model, or several by name.
    data : ImageSet, optional
        uint8 images; the reader may take one of the first 500. By default MNIST's test set.
    digit : torch.Tensor or int
        The image to begin with: one of the data, or its number, counted from 0.

    Returns
    -------
    Draw
        Python reads, sets and observes `image` (channels × height × width bytes), and reads `placed`: mu and
        logvar by name.

    Raises
    ------
    ValueError
        If a model doesn't go with the data, or the image isn't in it.

    Notes
    -----
    A drawing is normalized as MNIST was, and white in all channels. Used in notebook 02.
    """
    subjects = Subjects(models, data, [(digit, 0)])
    (position,) = subjects.positions
    image = subjects.images[position]
    still = [decoded(model, mu[position, None]) for model, mu in subjects.pairs()]
    return Draw(
        subjects,
        "Draw",
        [torch.cat([to_float(image)[None], *still])],
        f"An image, and beside it its reconstruction by {subjects.names}.",
        digit=position,
        image=image.contiguous().numpy().tobytes(),
    )


def attribute_vectors(mu: torch.Tensor, values: Vectors) -> dict[str, torch.Tensor]:
    """Find the vectors of several attributes, from the images on which all of them can be measured.

    Parameters
    ----------
    mu : torch.Tensor
        Codes (n, latent_dim) of images.
    values : mapping of str to torch.Tensor
        The same images' attributes, (n,) each; NaN where one can't be measured.

    Returns
    -------
    dict of str to torch.Tensor
        By attribute, (latent_dim,): see `latent.attribute_vector`.
    """
    keep = ~torch.stack([*values.values()]).isnan().any(dim=0)
    return {name: attribute_vector(mu[keep], value[keep]) for name, value in values.items()}


def _axes(mu: torch.Tensor, logvar: torch.Tensor | None) -> dict[str, Any]:
    """What each latent dimension carries, in words, and how random codes are drawn: mean + factor @ noise."""
    size = mu.shape[1]
    if logvar is None:
        use = [f"sd {value:.2g}" for value in mu.std(dim=0, correction=0)]
        mean = mu.mean(dim=0)
        values, axes = torch.linalg.eigh(mu.T.double().cov(correction=0).view(size, size))
        factor = axes * values.clamp(min=0).sqrt()  # factor @ factor.T is the covariance, of whatever rank
    else:
        use = [f"KL {value:.1f}" for value in kl_per_dimension(mu, logvar).mean(dim=0)]
        mean, factor = torch.zeros(size), torch.eye(size)
    return {"use": use, "mean": mean.tolist(), "factor": factor.float().numpy().tobytes()}


def _beside(z: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    """One code beside each of several classes."""
    return torch.cat([z.expand(len(told), -1), told], dim=1)


def _default_vectors(subjects: Subjects) -> dict[str, Vectors]:
    """Vectors of what the images offered tell by themselves: their strokes, or else their classes."""
    codes = {name: mu[:POOL] for name, mu in zip(subjects.models, subjects.mu, strict=True)}
    if subjects.images.shape[1] == 1:
        values = attributes.measured(subjects.images[:POOL])
        return {name: attribute_vectors(mu, values) for name, mu in codes.items()}
    labels = torch.tensor(subjects.labels[:POOL])
    words = {label: re.sub(r"\W", "_", subjects.class_name(label)) for label in sorted({*labels.tolist()})}
    return {
        name: {f"to_{words[k]}": mu[labels == k].mean(dim=0) - mu[labels != k].mean(dim=0) for k in words}
        for name, mu in codes.items()
    }


def _stacked(subjects: Subjects, vectors: Mapping) -> tuple[list[str], list[torch.Tensor]]:
    """The attributes' names, and each model's vectors (attributes, latent_dim)."""
    if not isinstance(next(iter(vectors.values()), None), Mapping):
        vectors = {subjects.names: vectors}
    vectors = {str(name): {str(a): v for a, v in of_model.items()} for name, of_model in vectors.items()}
    first = next(iter(subjects.models))
    names = list(vectors.get(first, {}))
    if not names:
        raise ValueError(f"the board needs one or more vectors for {first}")
    if unusable := [n for n in names if not n.isidentifier() or n[0] == "_" or hasattr(AttributeBoard, n)]:
        raise ValueError(f"{', '.join(unusable)} can't be an attribute's name: choose another, single word")
    stacked = []
    for name, mu in zip(subjects.models, subjects.mu, strict=True):
        own = vectors.get(name, {})
        if list(own) != names:
            raise ValueError(
                f"all models need the same attributes, in the same order; {name} has {list(own)}"
            )
        stacked.append(torch.stack([finite(f"the vector of {a}", own[a], mu.shape[1:]) for a in names]))
    return names, stacked
