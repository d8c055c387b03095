"""Geometry of the latent space: which codes to decode. No drawing here."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .losses import kl_per_dimension


def lerp(start: torch.Tensor, end: torch.Tensor, steps: int) -> torch.Tensor:
    """`steps` codes on the straight line from start to end (latent_dim,), both ends included.

    Shape (steps, latent_dim). Taught in notebook 01. Raises ValueError for fewer than 2 steps.
    """
    if steps < 2:
        raise ValueError(f"a line needs 2 steps or more, not {steps}")
    t = torch.linspace(0, 1, steps, device=start.device)[:, None]
    return (1 - t) * start + t * end


def grid(low: Sequence[float], high: Sequence[float], n: int) -> torch.Tensor:
    """An n × n grid over the rectangle from low (x, y) to high (x, y), row by row from the top left.

    Shape (n², 2): the first coordinate rises to the right, the second upwards. Taught in notebook 01.
    """
    return _rows(torch.linspace(low[0], high[0], n), torch.linspace(low[1], high[1], n))


def prior_grid(n: int) -> torch.Tensor:
    """An n × n grid of codes: the middles of n² tiles that hold equal shares of N(0, I) in 2-D.

    Shape (n², 2), laid out as in `grid`. Taught in notebook 02. Source: Kingma and Welling,
    arXiv:1312.6114, figure 4.
    """
    if n < 1 or n != int(n):
        raise ValueError(f"a grid needs a whole number of rows, 1 or more, not {n}")
    quantiles = torch.special.ndtri((torch.arange(n) + 0.5) / n)
    return _rows(quantiles, quantiles)


def active_units(mu: torch.Tensor, threshold: float = 0.01) -> torch.Tensor:
    """Which latent dimensions carry something: Var(mu) over the images mu (n, latent_dim) > threshold.

    Shape (latent_dim,), bool. Taught in notebook 02. Source: Burda et al., arXiv:1509.00519, section 5.
    """
    return mu.var(dim=0) > threshold


def rank_dimensions(mu: torch.Tensor, logvar: torch.Tensor | None = None) -> torch.Tensor:
    """The latent dimensions, the most used one first: by KL, or without logvar by the variance of mu.

    mu, logvar: (n, latent_dim) over images; shape (latent_dim,), int64. Taught in notebook 04. Source of
    the KL: Kingma and Welling, arXiv:1312.6114, appendix B. Raises ValueError for other shapes.
    """
    if mu.ndim != 2 or (logvar is not None and logvar.shape != mu.shape):
        shapes = f"{tuple(mu.shape)}" + (f" and {tuple(logvar.shape)}" if logvar is not None else "")
        raise ValueError(f"mu, and logvar too, must be (n, latent_dim), not {shapes}")
    use = mu.var(dim=0, correction=0) if logvar is None else kl_per_dimension(mu, logvar).mean(dim=0)
    return use.argsort(descending=True, stable=True)


def traversal(z: torch.Tensor, dimension: int, values: Sequence[float] | torch.Tensor) -> torch.Tensor:
    """Copies of the code z (latent_dim,), with one coordinate set to each of the values.

    Shape (len(values), latent_dim). Taught in notebook 04. Raises ValueError for a dimension that z
    doesn't have.
    """
    if z.ndim != 1 or not 0 <= dimension < len(z):
        raise ValueError(
            f"z must be (latent_dim,) and have the dimension, counted from 0; here it is {tuple(z.shape)}, "
            f"and dimension is {dimension}"
        )
    codes = z.repeat(len(values), 1)
    codes[:, dimension] = torch.as_tensor(values).to(codes)
    return codes


def attribute_vector(mu: torch.Tensor, attribute: torch.Tensor, share: float = 0.2) -> torch.Tensor:
    """The direction (latent_dim,) of an attribute: where its most lies, less where its least lies.

    mu (n, latent_dim) and attribute (n,) are of the same images; their `share` with the most and that
    with the least make the two mean codes. Taught in notebook 05. Source: Larsen et al., arXiv:1512.09300.
    Raises ValueError for different lengths, an attribute that is constant or NaN, and a share outside
    (0, 0.5].
    """
    n = len(mu)
    if mu.ndim != 2 or attribute.shape != (n,):
        raise ValueError(
            f"mu must be (n, latent_dim) and the attribute (n,), not {tuple(mu.shape)} and "
            f"{tuple(attribute.shape)}"
        )
    if not 0 < share <= 0.5:
        raise ValueError(f"share must be above 0 and at most 0.5 (half of the images), not {share}")
    if attribute.isnan().any():
        raise ValueError("the attribute is NaN for some images; leave them out: keep = ~attribute.isnan()")
    if n == 0 or attribute.min() == attribute.max():
        raise ValueError("the attribute is the same for all images, so it has no direction; take another")
    order = attribute.argsort(stable=True).to(mu.device)
    count = max(1, min(round(share * n), n // 2))
    return mu[order[-count:]].mean(dim=0) - mu[order[:count]].mean(dim=0)


def _rows(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.cartesian_prod(y.flip(0), x).flip(1)
