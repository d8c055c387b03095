"""Geometry of the latent space: which codes to decode. No drawing here."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .losses import kl_per_dimension


def lerp(start: torch.Tensor, end: torch.Tensor, steps: int) -> torch.Tensor:
    """Interpolate linearly between two codes.

    Parameters
    ----------
    start, end : torch.Tensor
        Of one shape, usually (latent_dim,).
    steps : int
        How many codes, 2 or more, both ends included.

    Returns
    -------
    torch.Tensor
        (steps, …), evenly spaced; floats, also for whole numbers.

    Raises
    ------
    ValueError
        For fewer than 2 steps.

    Notes
    -----
    Introduced in notebook 01, and used in 05.
    """
    if steps < 2:
        raise ValueError(f"a line needs 2 steps or more, not {steps}")
    t = torch.linspace(0, 1, steps, device=start.device)[:, None]
    return (1 - t) * start + t * end


def grid(low: Sequence[float], high: Sequence[float], n: int) -> torch.Tensor:
    """Lay a square grid over a rectangle of a two-dimensional latent space.

    Parameters
    ----------
    low, high : sequence of float
        The corner at the bottom left and that at the top right, 2 coordinates each.
    n : int
        Codes in a row, and rows.

    Returns
    -------
    torch.Tensor
        (n², 2), row by row from the top left, as `plots.image_plane` draws them.

    Notes
    -----
    Used in notebook 01.
    """
    return _rows(torch.linspace(low[0], high[0], n), torch.linspace(low[1], high[1], n))


def prior_grid(n: int) -> torch.Tensor:
    """Lay a square grid over a two-dimensional latent space, with equal shares of N(0, I) around its codes.

    Parameters
    ----------
    n : int
        Codes in a row, and rows.

    Returns
    -------
    torch.Tensor
        (n², 2), in the order of `grid`.

    Raises
    ------
    ValueError
        For an n that is no whole number, 1 or more.

    References
    ----------
    Kingma and Welling, arXiv:1312.6114, appendix A.

    Notes
    -----
    Used in notebook 02.
    """
    if n < 1 or n != int(n):
        raise ValueError(f"a grid needs a whole number of rows, 1 or more, not {n}")
    quantiles = torch.special.ndtri((torch.arange(n) + 0.5) / n)
    return _rows(quantiles, quantiles)


def active_units(mu: torch.Tensor, threshold: float = 0.01) -> torch.Tensor:
    """Tell which latent dimensions a VAE uses: those whose mu varies over the data.

    Parameters
    ----------
    mu : torch.Tensor
        (n, latent_dim).
    threshold : float
        The least variance of a dimension in use.

    Returns
    -------
    torch.Tensor
        bool, (latent_dim,).

    References
    ----------
    Burda, Grosse and Salakhutdinov, arXiv:1509.00519, section 5.

    Notes
    -----
    Taught in notebook 02.
    """
    return mu.var(dim=0) > threshold


def rank_dimensions(mu: torch.Tensor, logvar: torch.Tensor | None = None) -> torch.Tensor:
    """Rank latent dimensions by how much a model uses them, the most used first.

    Parameters
    ----------
    mu : torch.Tensor
        (n, latent_dim).
    logvar : torch.Tensor, optional
        Shaped like mu. With it, the use is the mean KL of a dimension; without, the standard deviation of mu.

    Returns
    -------
    torch.Tensor
        int64, (latent_dim,).

    Raises
    ------
    ValueError
        For anything that isn't (n, latent_dim).

    Notes
    -----
    Used in notebook 04.
    """
    if mu.ndim != 2 or (logvar is not None and logvar.shape != mu.shape):
        shapes = f"{tuple(mu.shape)}" + (f" and {tuple(logvar.shape)}" if logvar is not None else "")
        raise ValueError(f"mu, and logvar too, must be (n, latent_dim), not {shapes}")
    use = mu.var(dim=0, correction=0) if logvar is None else kl_per_dimension(mu, logvar).mean(dim=0)
    return use.argsort(descending=True, stable=True)


def traversal(z: torch.Tensor, dimension: int, values: Sequence[float] | torch.Tensor) -> torch.Tensor:
    """Move a code along one latent dimension, the others held.

    Parameters
    ----------
    z : torch.Tensor
        One code, (latent_dim,).
    dimension : int
        Which one, counted from 0.
    values : sequence of float
        What it is set to.

    Returns
    -------
    torch.Tensor
        (len(values), latent_dim).

    Raises
    ------
    ValueError
        For several codes, or a dimension that the code doesn't have.

    Notes
    -----
    Used in notebook 04.
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
    """Find an attribute's direction: the mean code of images with the most, less that of those with least.

    Parameters
    ----------
    mu : torch.Tensor
        (n, latent_dim).
    attribute : torch.Tensor
        (n,), of the same images.
    share : float
        The share of all images, up to 0.5, that makes each of the two means.

    Returns
    -------
    torch.Tensor
        (latent_dim,).

    Raises
    ------
    ValueError
        For different lengths, an attribute that is constant or NaN, and a share outside (0, 0.5].

    References
    ----------
    Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", arXiv:1512.09300.

    Notes
    -----
    Taught in notebook 05.
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
