"""Numbers as lines and points: over epochs, steps, sizes, seeds and lengths."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, Locator, LogLocator, MaxNLocator, NullLocator

from .base import BLACK, BLUE, Figure, panels, single, styled


def loss_curves(
    curves: Mapping[str, Sequence[float]],
    ylabel: str,
    alt: str,
    recorded: Mapping[str, Sequence[Sequence[float]]] | None = None,
) -> Figure:
    """A line for each named series, one point an epoch.

    Parameters
    ----------
    curves : mapping of str to sequence of float
        At most five series.
    ylabel : str
        What is measured, and its unit.
    alt : str
        The text alternative.
    recorded : mapping of str to sequences, optional
        For a name, the same series of other seeds, drawn as thin lines of its colour.

    Returns
    -------
    Figure
        One panel.

    Notes
    -----
    Used in notebooks 01, 02 and 03.
    """
    fig, ax = single(alt, 5.2, 3.0)
    for name, values, colour, style in styled(curves):
        ax.plot(range(1, len(values) + 1), values, style, color=colour, markersize=4, label=name)
        for other in (recorded or {}).get(name, ()):
            ax.plot(range(1, len(other) + 1), other, color=colour, linewidth=0.7, alpha=0.7)
    ax.set(xlabel="epoch", ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False)
    return fig


def spread(measures: Mapping[str, Mapping[str, Sequence[float]]], alt: str) -> Figure:
    """A panel for each measure, in it a row of points for each name: one point a seed, a bar at their mean.

    Parameters
    ----------
    measures : mapping of str to mapping
        For each measure, by name, one number a seed.
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        Up to three panels a row.

    Notes
    -----
    Used in notebooks 03 and 04.
    """
    most = max(len(named) for named in measures.values())
    fig, axes = panels(alt, len(measures), min(3, len(measures)), 2.6, 0.75 + 0.27 * most)
    for ax, (measure, named) in zip(axes, measures.items(), strict=True):
        for height, (name, values, colour, style) in enumerate(styled(named)):
            heights = [height] * len(values)
            ax.plot(values, heights, style[0], color=colour, alpha=0.6, markersize=6, label=name)
            ax.plot([sum(values) / len(values)], [height], "|", color=BLACK, markersize=14)
        ax.set_yticks(range(len(named)), list(named))
        ax.set_ylim(len(named) - 0.5, -0.5)
        ax.set_title(measure, fontsize=9)
        ax.tick_params(labelsize=8)
        ax.margins(x=0.15)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.grid(axis="x", alpha=0.3)
    return fig


def progress(
    curves: Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]],
    target: float,
    ylabel: str,
    alt: str,
) -> Figure:
    """A thin line for each seed of each name over the training steps, and a dotted one at the target.

    Parameters
    ----------
    curves : mapping of str to sequence of pairs
        For each name and seed (steps, values); the first step, 0, is left out.
    target : float
        Where the dotted line stands.
    ylabel : str
        What is measured, and its unit.
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        One panel; the axis of the steps is logarithmic.

    Notes
    -----
    Used in notebook 03.
    """
    fig, ax = single(alt, 5.4, 3.2)
    for name, runs, colour, style in styled(curves):
        for i, (steps, values) in enumerate(runs):
            label = None if i else name
            ax.plot(steps[1:], values[1:], style[1:], color=colour, linewidth=1, alpha=0.8, label=label)
    ax.axhline(target, color=BLACK, linewidth=1, linestyle=":")
    ax.set(xscale="log", xlabel="training steps", ylabel=ylabel)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(frameon=False)
    ax.grid(alpha=0.3)
    return fig


def trade_off(
    points: Mapping[str, tuple[Sequence[float], Sequence[float]]], labels: tuple[str, str], alt: str
) -> Figure:
    """A cloud of points for each name, one a seed, joined at their means in the order given.

    Parameters
    ----------
    points : mapping of str to pair of sequences
        For each name (x, y), one number a seed.
    labels : pair of str
        What is measured on either axis, and its unit.
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        One panel; a name stands at each mean.

    Notes
    -----
    Used in notebook 03.
    """
    fig, ax = single(alt, 5.4, 3.6)
    means = [(sum(x) / len(x), sum(y) / len(y)) for x, y in points.values()]
    ax.plot(*zip(*means, strict=True), color=BLUE, linewidth=1)
    for (name, (x, y)), mean in zip(points.items(), means, strict=True):
        ax.plot(x, y, "o", color=BLUE, markersize=4, alpha=0.7, label=name)
        ax.annotate(name, mean, xytext=(6, 6), textcoords="offset points", fontsize=9)
    ax.set(xlabel=labels[0], ylabel=labels[1])
    ax.margins(x=0.2, y=0.12)
    ax.grid(alpha=0.3)
    return fig


def along(
    x: Sequence[float],
    measures: Mapping[str, Mapping[str, Sequence[float]]],
    xlabel: str,
    alt: str,
    references: Mapping[str, float] | None = None,
    same_scale: bool = False,
) -> Figure:
    """A panel for each measure, side by side, in it a line over x for each name; one legend for all.

    Parameters
    ----------
    x : sequence of float
        Where on the way the values were measured.
    measures : mapping of str to mapping
        For each measure, by name, one value for each x.
    xlabel : str
        What x is.
    alt : str
        The text alternative.
    references : mapping of str to float, optional
        For a measure, the value of real digits, drawn as a dotted line.
    same_scale : bool
        Whether the panels are of one unit, and share the vertical axis.

    Returns
    -------
    Figure
        One panel a measure.

    Raises
    ------
    ValueError
        For a line that doesn't have one value for each x.

    Notes
    -----
    Used in notebook 05.
    """
    fig, axes = panels(alt, len(measures), len(measures), 2.6, 3.1, sharey=same_scale)
    legend = {}
    for ax, (measure, curves) in zip(axes, measures.items(), strict=True):
        for name, values, colour, style in styled(curves):
            if len(values) != len(x):
                raise ValueError(f"{name!r} needs a value for each x: {len(x)}, not {len(values)}")
            (legend[name],) = ax.plot(x, values, style, color=colour, markersize=4, label=name)
        if references and measure in references:
            legend["real digits"] = ax.axhline(references[measure], color=BLACK, linestyle=":")
        _named(ax, measure, xlabel)
    fig.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return fig


def error_against_size(curves: Mapping[str, Mapping[int, float]], alt: str) -> Figure:
    """The test error per pixel against the number of latent dimensions, one line for each method.

    Parameters
    ----------
    curves : mapping of str to mapping of int to float
        For each method, by latent size, its error.
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        One panel; both axes are logarithmic.

    Notes
    -----
    Used in notebooks 01 and 03.
    """
    fig, ax = single(alt, 5.4, 3.4)
    for name, errors, colour, style in styled(curves):
        ax.plot(list(errors), list(errors.values()), style, color=colour, label=name)
    ax.set(xscale="log", yscale="log", xlabel="latent dimensions", ylabel="test MSE per pixel")
    sizes = sorted({size for errors in curves.values() for size in errors})
    _ticks(ax.xaxis, FixedLocator(sizes))
    _ticks(ax.yaxis, LogLocator(subs=(1, 2, 5)))
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    return fig


def lines(
    measures: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    xlabel: str,
    alt: str,
    log: str = "",
) -> Figure:
    """A panel for each measure, in it a line for each name over an x of its own; one legend for all.

    Parameters
    ----------
    measures : mapping of str to mapping
        For each measure, by name, (x, y); at most five names.
    xlabel : str
        What x is, and its unit.
    alt : str
        The text alternative.
    log : str
        Which axes are logarithmic: "x", "y", "xy" or none.

    Returns
    -------
    Figure
        Up to three panels a row.

    Raises
    ------
    ValueError
        For a line whose x and y differ in number.

    Notes
    -----
    Used in notebook 06.
    """
    width = 5.0 if len(measures) == 1 else 3.2 if len(measures) == 2 else 2.6
    fig, axes = panels(alt, len(measures), min(3, len(measures)), width, 3.2)
    looks = dict.fromkeys(name for curves in measures.values() for name in curves)
    legend = {}
    for ax, (measure, curves) in zip(axes, measures.items(), strict=True):
        for name, _, colour, style in styled(looks):
            if name not in curves:
                continue
            x, y = curves[name]
            if len(x) != len(y):
                raise ValueError(f"{name!r} needs a value for each x: {len(x)}, not {len(y)}")
            marks = style if len(x) <= 20 else style[1:]
            (legend[name],) = ax.plot(x, y, marks, color=colour, markersize=4, label=name)
        if "x" in log:
            ax.set_xscale("log")
            shown = sorted({value for x, _ in curves.values() for value in x})
            if len(shown) <= 8:
                _ticks(ax.xaxis, FixedLocator(shown))
            ax.xaxis.set_major_formatter("{x:g}")
        if "y" in log:
            ax.set_yscale("log")
            _ticks(ax.yaxis, LogLocator(subs=(1, 2, 5)))
        _named(ax, measure, xlabel)
    fig.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return fig


def lengths(codes: Mapping[str, torch.Tensor], alt: str) -> Figure:
    """How the lengths of codes are distributed, a line for each name; those of N(0, I) in grey.

    Parameters
    ----------
    codes : mapping of str to torch.Tensor
        For each name (n, latent_dim), of one latent size.
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        One panel. The grey area is the chi distribution with latent_dim degrees of freedom.

    Raises
    ------
    ValueError
        For codes of different sizes.

    Notes
    -----
    Used in notebook 04.
    """
    sizes = {each.shape[1] for each in codes.values()}
    if len(sizes) != 1:
        raise ValueError(f"one chi distribution fits codes of one size, not of {sorted(sizes)}")
    (fig, ax), size = single(alt, 6.4, 3.2), sizes.pop()
    norms = {name: each.detach().cpu().norm(dim=1) for name, each in codes.items()}
    top = max(values.quantile(0.999).item() for values in norms.values())
    r = torch.linspace(0.01, top, 400)
    chi = (size - 1) * r.log() - r.square() / 2 - (size / 2 - 1) * math.log(2) - math.lgamma(size / 2)
    ax.fill_between(r, chi.exp(), color="#999999", alpha=0.4, linewidth=0, label=f"N(0, I), {size}-D")
    for name, values, colour, style in styled(norms):
        density, edges = np.histogram(values.numpy(), bins=80, range=(0, top), density=True)
        ax.stairs(density, edges, color=colour, linestyle=style[1:], linewidth=1.3, label=name)
    ax.set(xlabel="length of the code, |z|", ylabel="density", xlim=(0, top))
    ax.legend(frameon=False)
    return fig


def _named(ax: Axes, title: str, xlabel: str) -> None:
    """The title and the axis of one panel among several."""
    ax.set_title(title, fontsize=9)
    ax.set_xlabel(xlabel, fontsize=9)
    ax.tick_params(labelsize=8)
    ax.grid(alpha=0.3)


def _ticks(axis: Axis, at: Locator) -> None:
    """Plain numbers on a logarithmic axis, and no ticks between them."""
    axis.set(major_locator=at, minor_locator=NullLocator())
    axis.set_major_formatter("{x:g}")
