"""What a VAE can be asked for beyond the Bernoulli ELBO: other likelihoods, other weights of the KL, and the
importance-weighted bound. All in nats per image, as in `losses`. Taught in notebook 06.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from .datasets import to_float
from .losses import (
    Terms,
    bernoulli,
    bernoulli_log_likelihood,
    importance_weighted_bound,
    kl_per_dimension,
)
from .models import VariationalAutoencoder

SERIES = 0.5  # logits nearer to 0 than this have their normalizer from its series


def binarized(images: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
    """Toss a coin for each pixel: white with the probability of its grey.

    Parameters
    ----------
    images : torch.Tensor
        uint8, or floats in [0, 1].
    generator : torch.Generator, optional
        Where the coins come from.

    Returns
    -------
    torch.Tensor
        float32 zeros and ones of the same shape.

    References
    ----------
    Salakhutdinov and Murray, "On the quantitative analysis of deep belief networks", ICML 2008.

    Notes
    -----
    Used in notebook 06.
    """
    return torch.bernoulli(to_float(images), generator=generator)


def log_normalizer(logits: torch.Tensor) -> torch.Tensor:
    """log C of the continuous Bernoulli distribution, whose density on [0, 1] is C · p^x · (1 - p)^(1 - x).

    With the logit l = log p / (1 - p), C = l / tanh(l / 2). At l = 0 that is 0 / 0, and its gradient loses
    its digits long before; near 0 the series of log C takes its place.

    Parameters
    ----------
    logits : torch.Tensor
        Of p, any shape.

    Returns
    -------
    torch.Tensor
        In nats, shaped like the logits; log 2 at 0, and more elsewhere.

    References
    ----------
    Loaiza-Ganem and Cunningham, "The continuous Bernoulli", arXiv:1907.06845, equation 3.

    Notes
    -----
    Taught in notebook 06.
    """
    near = logits.abs() < SERIES
    # Each branch is computed for all: give the one that isn't taken a value that it can take the gradient of.
    square = torch.where(near, logits, 0).square()
    series = 1 / 12 + square * (-7 / 1440 + square * (31 / 90720 - square * 127 / 4838400))
    far = torch.where(near, 1, logits).abs()
    return torch.where(near, math.log(2) + square * series, torch.log(far) - torch.log(torch.tanh(far / 2)))


def continuous_bernoulli(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """-log p(x|z), where each pixel has a continuous Bernoulli distribution on [0, 1].

    Parameters
    ----------
    logits : torch.Tensor
        What the decoder gives, (batch, channels, height, width).
    x : torch.Tensor
        Images in [0, 1] of the same shape.

    Returns
    -------
    torch.Tensor
        A scalar, in nats per image; a density's, so it may be negative.

    References
    ----------
    Loaiza-Ganem and Cunningham, "The continuous Bernoulli", arXiv:1907.06845.

    Notes
    -----
    Taught in notebook 06.
    """
    return bernoulli(logits, x) - log_normalizer(logits).sum() / len(x)


def continuous_bernoulli_mean(logits: torch.Tensor) -> torch.Tensor:
    """The mean of continuous Bernoulli pixels: the image to show; their p itself is no mean.

    Parameters
    ----------
    logits : torch.Tensor
        Any shape.

    Returns
    -------
    torch.Tensor
        In [0, 1], shaped like the logits: 1 / (1 - exp(-l)) - 1 / l, and 1/2 at l = 0.

    References
    ----------
    Loaiza-Ganem and Cunningham, "The continuous Bernoulli", arXiv:1907.06845, equation 8.

    Notes
    -----
    Taught in notebook 06.
    """
    near = logits.abs() < SERIES
    square = torch.where(near, logits, 0).square()
    series = 0.5 + torch.where(near, logits, 0) * (1 / 12 + square * (-1 / 720 + square / 30240))
    far = torch.where(near, 1, logits)
    return torch.where(near, series, 1 / -torch.expm1(-far) - 1 / far)


class GaussianPixels(nn.Module):
    """-log p(x|z), where each pixel is a Gaussian around the image, with a variance that is learned.

    A part of the model, so that `fit` trains the variance with it: ``model.pixels = GaussianPixels()``, and
    the loss is ``negative_elbo(model, x, generator, reconstruction=model.pixels)``.

    Parameters
    ----------
    shape : tuple of int
        (1, 1, 1) for one variance, the image's shape for one a pixel.
    sigma : float
        Where the standard deviation starts, in the unit of the pixels.
    floor : float
        What it can't fall below. A pixel that never changes would take its own to 0, and the density to
        infinity.
    learned : bool
        Whether it is learned; without, the loss is a squared error divided by 2 sigma², and a constant.

    Attributes
    ----------
    logvar : torch.nn.Parameter
        The log-variance, before the floor.

    Raises
    ------
    ValueError
        For a sigma below the floor, or one that isn't positive.

    References
    ----------
    Rybkin, Daniilidis and Levine, "Simple and effective VAE training with calibrated decoders",
    arXiv:2006.13202.

    Notes
    -----
    Taught in notebook 06.
    """

    def __init__(
        self,
        shape: tuple[int, ...] = (1, 1, 1),
        *,
        sigma: float = 0.2,
        floor: float = 1e-3,
        learned: bool = True,
    ):
        super().__init__()
        if not 0 < floor <= sigma:
            raise ValueError(f"sigma must be positive, and at least the floor, not {sigma:g} and {floor:g}")
        self.floor = floor
        self.logvar = nn.Parameter(torch.full(shape, 2 * math.log(sigma)), requires_grad=learned)

    @property
    def sigma(self) -> torch.Tensor:
        """The standard deviation, floor included, of the shape that was asked for."""
        return torch.exp(0.5 * self.logvar).clamp(min=self.floor)

    def forward(self, logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Measure images.

        Parameters
        ----------
        logits : torch.Tensor
            What the decoder gives, (batch, channels, height, width); their sigmoid is the mean.
        x : torch.Tensor
            Images in [0, 1] of the same shape.

        Returns
        -------
        torch.Tensor
            A scalar, in nats per image; a density's, so it may be negative.
        """
        sigma = self.sigma
        z = (x - torch.sigmoid(logits)) / sigma
        each = 0.5 * z.square() + torch.log(sigma) + 0.5 * math.log(2 * math.pi)
        return each.sum() / len(x)


def free_bits(
    model: nn.Module,
    x: torch.Tensor,
    generator: torch.Generator | None = None,
    *,
    nats: float,
    reconstruction: Callable = bernoulli,
) -> Terms:
    """The negative ELBO, in which the first nats of each latent dimension's KL cost nothing more.

    Each dimension pays for its KL, the mean over the batch, or for `nats`, whichever is more. So there is
    nothing to gain from a KL below `nats`.

    Parameters
    ----------
    model : torch.nn.Module
        model(x, generator) gives logits, mu and logvar.
    x : torch.Tensor
        Images in [0, 1].
    generator : torch.Generator, optional
        Where the noise comes from.
    nats : float
        What is free in each latent dimension.
    reconstruction : callable
        As for `losses.negative_elbo`.

    Returns
    -------
    dict of str to torch.Tensor
        {"loss", "reconstruction", "kl"}, in nats per image; the kl is the whole one.

    Raises
    ------
    ValueError
        For a negative number of nats.

    References
    ----------
    Kingma et al., "Improving variational inference with inverse autoregressive flow", arXiv:1606.04934,
    appendix C.8.

    Notes
    -----
    Taught in notebook 06.
    """
    if nats < 0:
        raise ValueError(f"nats must be 0 or more, not {nats:g}")
    logits, mu, logvar = model(x, generator)
    expected, kl = reconstruction(logits, x), kl_per_dimension(mu, logvar).mean(0)
    return {"loss": expected + kl.clamp(min=nats).sum(), "reconstruction": expected, "kl": kl.sum()}


def importance_weighted_loss(
    model: VariationalAutoencoder,
    x: torch.Tensor,
    generator: torch.Generator | None = None,
    *,
    k: int,
) -> Terms:
    """The importance-weighted bound on log p(x), with its sign changed, as a loss (IWAE). Bernoulli pixels.

    Parameters
    ----------
    model : VariationalAutoencoder
        Its `encode` gives mu and logvar, its `decoder` logits.
    x : torch.Tensor
        Images in [0, 1]: a likelihood only if they are zeros and ones.
    generator : torch.Generator, optional
        Where the noise comes from.
    k : int
        Samples an image, all decoded at once. 1 gives the negative ELBO, with a KL that is sampled.

    Returns
    -------
    dict of str to torch.Tensor
        {"loss"}, in nats per image.

    Raises
    ------
    ValueError
        For fewer than one sample.

    References
    ----------
    Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", arXiv:1509.00519.

    Notes
    -----
    Taught in notebook 06.
    """
    mu, logvar = model.encode(x)

    def log_likelihood(z: torch.Tensor) -> torch.Tensor:
        logits = model.decoder(z.flatten(0, 1)).float().unflatten(0, z.shape[:2])
        return bernoulli_log_likelihood(logits, x)

    return {"loss": -importance_weighted_bound(log_likelihood, mu, logvar, k, generator, chunk=k).mean()}
