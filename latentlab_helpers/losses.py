"""The losses of the course, in nats per image: summed over pixels or latent dimensions, then the
mean over the batch. The one exception is `mse`, which is per pixel and named so. Taught in 01 and 02.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

Terms = dict[str, torch.Tensor]  # named scalars; "loss" is what the optimizer brings down


def mse(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean squared error per pixel between sigmoid(logits) and x. A metric's unit, not nats."""
    return F.mse_loss(torch.sigmoid(logits), x)


def bernoulli(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """-log p(x|z) in nats per image, each pixel a Bernoulli with these logits (arXiv:1312.6114, C.1).

    MNIST's greys are no coin flips, but the field's convention takes x as the probability.
    """
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def gaussian(logits: torch.Tensor, x: torch.Tensor, sigma: float = 1.0) -> torch.Tensor:
    """-log p(x|z) in nats per image, each pixel N(sigmoid(logits), sigma²): a squared error in nats."""
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, not {sigma}")
    squared = F.mse_loss(torch.sigmoid(logits), x, reduction="sum") / len(x)
    return squared / (2 * sigma**2) + x[0].numel() * math.log(sigma * math.sqrt(2 * math.pi))


def kl_per_dimension(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) of each latent dimension, in nats, shaped like mu."""
    if mu.shape != logvar.shape:
        raise ValueError(f"mu and logvar must have one shape, not {tuple(mu.shape)}, {tuple(logvar.shape)}")
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


def kl_divergence(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """KL(q(z|x) || N(0, I)) in nats per image, in closed form (arXiv:1312.6114, appendix B)."""
    return kl_per_dimension(mu, logvar).sum() / len(mu)


def autoencoder_loss(
    model: nn.Module,
    x: torch.Tensor,
    generator: torch.Generator | None = None,
    *,
    reconstruction: Callable = mse,
) -> Terms:
    """{"loss"}: an autoencoder's reconstruction loss on images x in [0, 1]. Taught in notebook 01."""
    return {"loss": reconstruction(model(x), x)}


def negative_elbo(
    model: nn.Module,
    x: torch.Tensor,
    generator: torch.Generator | None = None,
    *,
    beta: float = 1.0,
    reconstruction: Callable = bernoulli,
) -> Terms:
    """{"loss", "reconstruction", "kl"}: a VAE's loss, reconstruction + beta · KL, in nats per image.

    One sample of z an image, drawn with `generator`. Taught in notebook 02. Sources: arXiv:1312.6114
    (eq. 7); beta: Higgins et al., ICLR 2017.
    """
    logits, mu, logvar = model(x, generator)
    expected, kl = reconstruction(logits, x), kl_divergence(mu, logvar)
    return {"loss": expected + beta * kl, "reconstruction": expected, "kl": kl}


def classification_loss(
    model: nn.Module, x: torch.Tensor, generator: torch.Generator | None, labels: torch.Tensor
) -> Terms:
    """{"loss", "accuracy"}: a classifier's cross-entropy in nats, and its share of right answers."""
    logits = model(x)
    right = (logits.detach().argmax(1) == labels).float().mean()
    return {"loss": F.cross_entropy(logits, labels), "accuracy": right}


def bernoulli_log_likelihood(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """log p(x|z) in nats, summed over the last three dimensions: one number an image."""
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
    """A lower bound on log p(x) in nats, (batch,), from k importance samples z ~ q(z|x) an image.

    log_likelihood maps z (s, batch, latent_dim) to log p(x|z), (s, batch). k = 1 is the ELBO; the
    bound rises with k towards log p(x). Samples are drawn `chunk` at a time, so that memory doesn't
    grow with k. Taught in notebook 02. Source: Burda, Grosse and Salakhutdinov, arXiv:1509.00519, eq. 8.
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
