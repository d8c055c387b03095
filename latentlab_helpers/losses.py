"""The losses of the first lessons, in nats per image: summed over pixels or latent dimensions, then the
mean over the batch, unless a name or a docstring says otherwise (`mse` is per pixel). Taught in 01 and 02.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

Terms = dict[str, torch.Tensor]  # named scalars; "loss" is what the optimizer brings down


def mse(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean squared error per pixel: a metric's unit, not nats.

    Parameters
    ----------
    logits : torch.Tensor
        What the decoder gives, (batch, channels, height, width); their sigmoid is the image.
    x : torch.Tensor
        Images in [0, 1] of the same shape.

    Returns
    -------
    torch.Tensor
        A scalar.

    Notes
    -----
    Taught in notebook 01.
    """
    return F.mse_loss(torch.sigmoid(logits), x)


def bernoulli(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """-log p(x|z), where each pixel is a Bernoulli variable with these logits.

    MNIST's greys are no coin flips, but the field's convention takes x as the probability.

    Parameters
    ----------
    logits, x : torch.Tensor
        As for `mse`.

    Returns
    -------
    torch.Tensor
        A scalar, in nats per image.

    References
    ----------
    Kingma and Welling, arXiv:1312.6114, appendix C.1.

    Notes
    -----
    Taught in notebook 02.
    """
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def kl_per_dimension(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) of each latent dimension, in closed form.

    Parameters
    ----------
    mu, logvar : torch.Tensor
        Of one shape, usually (batch, latent_dim).

    Returns
    -------
    torch.Tensor
        In nats, shaped like mu.

    Raises
    ------
    ValueError
        For two different shapes.

    References
    ----------
    Kingma and Welling, arXiv:1312.6114, appendix B.

    Notes
    -----
    Used in notebook 04; notebook 02 writes out its sum.
    """
    if mu.shape != logvar.shape:
        raise ValueError(f"mu and logvar must have one shape, not {tuple(mu.shape)}, {tuple(logvar.shape)}")
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


def kl_divergence(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """KL(q(z|x) || N(0, I)): summed over the latent dimensions, the mean over the batch.

    Parameters
    ----------
    mu, logvar : torch.Tensor
        (batch, latent_dim).

    Returns
    -------
    torch.Tensor
        A scalar, in nats per image.

    Notes
    -----
    Taught in notebook 02.
    """
    return kl_per_dimension(mu, logvar).sum() / len(mu)


def autoencoder_loss(
    model: nn.Module,
    x: torch.Tensor,
    generator: torch.Generator | None = None,
    *,
    reconstruction: Callable = mse,
) -> Terms:
    """The loss of an autoencoder: how far its reconstructions are from the images.

    Parameters
    ----------
    model : torch.nn.Module
        model(x) gives logits.
    x : torch.Tensor
        Images in [0, 1].
    generator : torch.Generator, optional
        Not needed; `training.fit` calls all losses alike.
    reconstruction : callable
        `mse` or `bernoulli`.

    Returns
    -------
    dict of str to torch.Tensor
        {"loss"}, in the unit of the reconstruction.

    Notes
    -----
    Taught in notebook 01.
    """
    return {"loss": reconstruction(model(x), x)}


def negative_elbo(
    model: nn.Module,
    x: torch.Tensor,
    generator: torch.Generator | None = None,
    *,
    beta: float = 1.0,
    reconstruction: Callable = bernoulli,
) -> Terms:
    """The loss of a VAE: reconstruction + beta · KL, with one sample of z for each image.

    Parameters
    ----------
    model : torch.nn.Module
        model(x, generator) gives logits, mu and logvar.
    x : torch.Tensor
        Images in [0, 1].
    generator : torch.Generator, optional
        Where the noise comes from.
    beta : float
        The weight of the KL; with 1 the loss is the negative ELBO.
    reconstruction : callable
        `bernoulli`, or another in nats per image.

    Returns
    -------
    dict of str to torch.Tensor
        {"loss", "reconstruction", "kl"}, in nats per image.

    References
    ----------
    Kingma and Welling, arXiv:1312.6114, equation 7; beta: Higgins et al., "beta-VAE", ICLR 2017.

    Notes
    -----
    Taught in notebook 02, beta in 03.
    """
    logits, mu, logvar = model(x, generator)
    expected, kl = reconstruction(logits, x), kl_divergence(mu, logvar)
    return {"loss": expected + beta * kl, "reconstruction": expected, "kl": kl}


def classification_loss(
    model: nn.Module, x: torch.Tensor, generator: torch.Generator | None, labels: torch.Tensor
) -> Terms:
    """The loss of a classifier, and how often it is right.

    Parameters
    ----------
    model : torch.nn.Module
        model(x) gives the logits of the classes.
    x : torch.Tensor
        Images in [0, 1].
    generator : torch.Generator or None
        Not needed; `training.fit` calls all losses alike.
    labels : torch.Tensor
        int64, (batch,).

    Returns
    -------
    dict of str to torch.Tensor
        {"loss"}, the cross-entropy in nats per image, and {"accuracy"}, a share.

    Notes
    -----
    Used in notebook 09.
    """
    logits = model(x)
    right = (logits.detach().argmax(1) == labels).float().mean()
    return {"loss": F.cross_entropy(logits, labels), "accuracy": right}


def bernoulli_log_likelihood(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """log p(x|z) of each image, where each pixel is a Bernoulli variable with these logits.

    Parameters
    ----------
    logits : torch.Tensor
        (…, channels, height, width).
    x : torch.Tensor
        Images in [0, 1]; missing dimensions at the front are those of the logits.

    Returns
    -------
    torch.Tensor
        In nats, (…).

    Notes
    -----
    `metrics.log_likelihood` uses it.
    """
    x = x.expand_as(logits)
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((-3, -2, -1))


def importance_weighted_bound(
    log_likelihood: Callable[[torch.Tensor], torch.Tensor],
    mu: torch.Tensor,
    logvar: torch.Tensor,
    k: int,
    generator: torch.Generator | None = None,
    chunk: int = 100,
) -> torch.Tensor:
    """A lower bound on log p(x), from k importance samples z ~ q(z|x) for each image.

    Parameters
    ----------
    log_likelihood : callable
        Maps z (s, batch, latent_dim) to log p(x|z), (s, batch).
    mu, logvar : torch.Tensor
        Of q(z|x), (batch, latent_dim).
    k : int
        Samples an image. 1 gives the ELBO; the bound rises with k towards log p(x).
    generator : torch.Generator, optional
        Where the samples come from.
    chunk : int
        How many are drawn at a time, so that memory doesn't grow with k.

    Returns
    -------
    torch.Tensor
        In nats, (batch,).

    Raises
    ------
    ValueError
        For fewer than one sample.

    References
    ----------
    Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", arXiv:1509.00519, equation 8.

    Notes
    -----
    Taught in notebook 02.
    """
    if k < 1 or chunk < 1:
        raise ValueError(f"k must be 1 or more samples, and so must chunk, not {k} and {chunk}")
    total = torch.full(mu.shape[:1], -torch.inf, device=mu.device, dtype=mu.dtype)
    for start in range(0, k, chunk):
        shape = (min(chunk, k - start), *mu.shape)
        epsilon = torch.randn(shape, generator=generator, device=mu.device, dtype=mu.dtype)
        z = mu + torch.exp(0.5 * logvar) * epsilon
        # log p(z) - log q(z|x): the constants of the two Gaussians cancel
        log_ratio = 0.5 * (epsilon.square() + logvar - z.square()).sum(-1)
        log_weights = log_likelihood(z) + log_ratio
        total = torch.logaddexp(total, log_weights.logsumexp(0))
    return total - math.log(k)
