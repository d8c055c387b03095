"""Geometry of the latent space: which codes to decode. No drawing here."""

from __future__ import annotations

from collections.abc import Sequence

import torch


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


def _rows(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.cartesian_prod(y.flip(0), x).flip(1)
