"""Diagrams, drawn from the model and the data at hand, so that they can't drift from either."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from torch import nn

from ..datasets import to_float
from ..latent import grid
from ..models import evaluating, posterior
from .base import BLACK, BLUE, GREEN, ORANGE, VERMILLION, Figure, class_look, panels, single


def network(model: Any, image: torch.Tensor, alt: str) -> Figure:
    """The layers of an autoencoder or a VAE, as an image passes through them, heights to scale.

    Parameters
    ----------
    model : torch.nn.Module
        With `encoder` and `decoder`, sequences of layers.
    image : torch.Tensor
        (1, channels, height, width), floats in [0, 1].
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        One panel: for the image and for every layer with weights a bar, as high as it has numbers.

    Notes
    -----
    Used in notebook 01.
    """
    with evaluating(model):
        mu, logvar = posterior(model, image)
        into, out_of = _stages(model.encoder, image), _stages(model.decoder, mu)
    code = (math.prod(mu.shape[1:]), str(mu.shape[1]))
    bars = [("image x", _size(image), BLACK), *(("", size, BLUE) for size in into[:-1])]
    if logvar is not None:
        bars += [("$\\mu$ and $\\log\\sigma^2$", (2 * code[0], f"2 × {code[1]}"), VERMILLION)]
    bars += [("code z", code, GREEN), *(("", size, BLUE) for size in out_of[:-1])]
    bars += [("logits", (out_of[-1][0], _size(image)[1]), BLACK)]
    fig, ax = single(alt, 1.1 * len(bars) + 0.6, 2.8)
    most = max(size for _, (size, _), _ in bars)
    for x, (name, (size, shape), colour) in enumerate(bars):
        half = max(size / most, 0.01) / 2
        look: dict[str, Any] = {"color": colour, "linewidth": 12, "solid_capstyle": "butt"}
        ax.plot([x, x], [-half, half], label=f"{name} {shape}".strip(), **look)
        ax.annotate(shape, (x, half + 0.04), ha="center", va="bottom", fontsize=8)
        ax.annotate(name, (x, -0.62), ha="center", va="top", fontsize=9)
        if x:
            ax.annotate("", (x - 0.12, 0), (x - 0.88, 0), arrowprops={"arrowstyle": "->", "color": "#777777"})
    middle_of = {"encoder": len(into) / 2, "decoder": len(bars) - 1 - len(out_of) / 2}
    for text, middle in middle_of.items():
        ax.annotate(text, (middle, 0.74), ha="center", fontsize=10, style="italic")
    ax.set(xlim=(-0.6, len(bars) - 0.4), ylim=(-0.75, 0.85))
    ax.axis("off")
    return fig


def point_and_cloud(
    point: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor, labels: torch.Tensor, alt: str
) -> Figure:
    """The same images as an autoencoder's points, and as a VAE's clouds: ellipses of one and two sigma.

    Parameters
    ----------
    point, mu, logvar : torch.Tensor
        (n, 2) each: the autoencoder's codes, and the VAE's means and log-variances.
    labels : torch.Tensor
        (n,), whole numbers from 0 on.
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        Two panels.

    Notes
    -----
    Used in notebook 02.
    """
    fig, axes = panels(alt, 2, 2, 3.3, 3.4)
    for ax, codes, title in zip(axes, (point, mu), ("autoencoder: a point", "VAE: a cloud"), strict=True):
        for (x, y), label in zip(codes.detach().tolist(), labels.tolist(), strict=True):
            ax.scatter([x], [y], s=18, **class_look(label), gid=str(label))
            ax.annotate(str(label), (x, y), xytext=(4, 4), textcoords="offset points", fontsize=9)
        ax.set(xlabel="$z_1$", ylabel="$z_2$", title=title)
        ax.margins(0.25)
    sigmas = (0.5 * logvar).exp().tolist()
    for centre, (width, height), label in zip(mu.tolist(), sigmas, labels.tolist(), strict=True):
        look = {"color": class_look(label)["color"], "alpha": 0.25, "linewidth": 0}
        for reach in (1, 2):
            axes[1].add_patch(Ellipse(centre, 2 * reach * width, 2 * reach * height, **look))
    return fig


def reparameterization(latent_dim: int, alt: str) -> Figure:
    """What a VAE computes from an image to its code, and the way that gradients take back.

    Parameters
    ----------
    latent_dim : int
        Of the model at hand.
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        One panel: solid arrows for what is computed, dashed ones for gradients.

    Notes
    -----
    Used in notebook 02.
    """
    fig, ax = single(alt, 7.4, 2.9)
    size = f"{latent_dim} number" + "s" * (latent_dim != 1)
    places = {
        "image $x$": (0.0, 1.0), "encoder": (1.4, 1.0),
        f"$\\mu$\n{size}": (2.9, 1.6), f"$\\sigma$\n{size}": (2.9, 0.4),
        f"$\\varepsilon \\sim N(0, I)$\n{size}": (4.4, -0.5),
        "$z = \\mu + \\sigma\\,\\varepsilon$": (4.4, 1.0),
        "decoder": (6.0, 1.0), "loss": (7.2, 1.0),
    }  # fmt: skip
    x, encoder, mu, sigma, epsilon, z, decoder, loss = places
    for text, place in places.items():
        colour = "#dddddd" if text == epsilon else "#ffffff"
        box = {"boxstyle": "round", "facecolor": colour, "edgecolor": BLACK}
        ax.annotate(text, place, ha="center", va="center", fontsize=9, bbox=box, zorder=3)
    ways = [(x, encoder), (encoder, mu), (encoder, sigma), (mu, z), (sigma, z), (epsilon, z), (z, decoder)]
    ways.append((decoder, loss))
    for start, end in ways:
        _arrow(ax, places[start], places[end], BLACK, 0.0, "forward")
        if start not in (x, epsilon):  # nobody asks how to change the image or the noise
            _arrow(ax, places[end], places[start], VERMILLION, 0.16, "gradient")
    ax.set(xlim=(-0.6, 7.8), ylim=(-1.0, 2.2))
    ax.axis("off")
    return fig


def aggregate_posterior(mu: torch.Tensor, logvar: torch.Tensor, alt: str, dimensions: int = 2) -> Figure:
    """Along single dimensions, the density of all images' clouds together, beside the prior's.

    Parameters
    ----------
    mu, logvar : torch.Tensor
        (n, latent_dim).
    alt : str
        The text alternative.
    dimensions : int
        How many of them, from the first on.

    Returns
    -------
    Figure
        A panel for each dimension; thin lines are the clouds of eight single images, a tenth as high.

    Notes
    -----
    The aggregate posterior is the mean of all q(z|x). Used in notebook 02.
    """
    fig, axes = panels(alt, dimensions, dimensions, 3.2, 2.7, sharey=True)
    z = torch.linspace(-4, 4, 161)[:, None]
    for i, ax in enumerate(axes):
        sigma = (0.5 * logvar[:, i]).exp()
        clouds = torch.distributions.Normal(mu[:, i], sigma).log_prob(z).exp()
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z[:, 0]).exp()
        ax.fill_between(z[:, 0], prior, color="#999999", alpha=0.4, linewidth=0, label="prior N(0, 1)")
        ax.plot(z[:, 0], clouds.mean(dim=1), color=ORANGE, linewidth=1.8, label="all clouds together")
        for k in range(8):
            told = "" if k else "eight single clouds, a tenth as high"
            ax.plot(z[:, 0], clouds[:, k] / 10, color=BLUE, linewidth=0.6, label=told)
        ax.set(xlabel=f"$z_{i + 1}$")
    axes[0].set_ylabel("density")
    fig.legend(
        *axes[0].get_legend_handles_labels(), frameon=False, fontsize=8, ncols=3, loc="outside upper center"
    )
    return fig


def plane_and_sheet(model: Any, images: torch.Tensor, labels: torch.Tensor, alt: str) -> Figure:
    """PCA's flat plane beside the bent sheet of a decoder, among the images, in three of their directions.

    Parameters
    ----------
    model : torch.nn.Module
        With `encode` and `decode`, and codes of two numbers.
    images : torch.Tensor
        (n, channels, height, width), floats in [0, 1].
    labels : torch.Tensor
        (n,), whole numbers from 0 on.
    alt : str
        The text alternative.

    Returns
    -------
    Figure
        Two panels in space: its axes are the first three principal components, 15 × 15 codes the mesh.

    Notes
    -----
    Used in notebook 01.
    """
    from sklearn.decomposition import PCA  # heavy, and needed only here

    x = to_float(images).flatten(1).numpy()
    pca = PCA(3, svd_solver="covariance_eigh").fit(x)
    places, n = pca.transform(x), 15
    with evaluating(model):
        mu, _ = posterior(model, images)
        ends = mu.quantile(torch.tensor([0.02, 0.98]), dim=0)
        sheet = pca.transform(model.decode(grid(ends[0].tolist(), ends[1].tolist(), n)).flatten(1).numpy())
    low, high = np.quantile(places[:, :2], [0.02, 0.98], axis=0).tolist()
    plane = grid(low, high, n).numpy()
    meshes: Mapping[str, np.ndarray] = {
        "PCA: a plane": np.concatenate([plane, np.zeros((n * n, 1))], axis=1),
        "decoder: a bent sheet": sheet,
    }
    fig = Figure(alt, (8.6, 4.3))
    for number, (title, mesh) in enumerate(meshes.items(), start=1):
        ax = fig.add_subplot(1, 2, number, projection="3d")
        for label in range(int(labels.max()) + 1):
            look = class_look(label)
            ax.plot(*places[labels == label].T, look["marker"], color=look["color"], markersize=2, alpha=0.5)
        for lines in (mesh.reshape(n, n, 3), mesh.reshape(n, n, 3).swapaxes(0, 1)):
            for line in lines:
                ax.plot(*line.T, color=BLACK, linewidth=0.35)
        ax.set(title=title, xlabel="component 1", ylabel="component 2", zlabel="component 3")
        ax.tick_params(labelsize=7)
        ax.view_init(elev=18, azim=-60)
        ax.set_box_aspect(None, zoom=0.85)  # room for the third axis's name
    return fig


def _stages(layers: nn.Module, x: torch.Tensor) -> list[tuple[int, str]]:
    """The sizes and shapes of what each layer with weights gives, for one image or code."""
    found = []
    for layer in layers.children():
        x = layer(x)
        if next(layer.parameters(), None) is not None:
            found.append(_size(x))
    return found


def _size(x: torch.Tensor) -> tuple[int, str]:
    return math.prod(x.shape[1:]), "×".join(map(str, x.shape[1:]))


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, aside: float, name: str
) -> None:
    """An arrow between two boxes, beside the straight line; a line below it is what tests compare."""
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0)
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    gap = 0.5
    tail = (x0 + gap * dx - aside * dy, y0 + gap * dy + aside * dx)
    head = (x1 - gap * dx - aside * dy, y1 - gap * dy + aside * dx)
    style = {"arrowstyle": "->", "color": colour, "linestyle": "--" if name == "gradient" else "-"}
    ax.annotate("", head, tail, arrowprops=style)
    ax.plot(*zip(tail, head, strict=True), color=colour, alpha=0, label=name)
