"""The exercises of lesson 02: the VAE and its loss."""

from __future__ import annotations

import torch

from ..core import Function, Mistake, Task


def kl(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum() / len(mu)


def _clouds(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    batch, latent_dim = (int(torch.randint(3, 12, (), generator=generator)) for _ in range(2))
    shape = (batch, latent_dim + batch)  # never a square, so that the axes can't be exchanged
    return torch.randn(shape, generator=generator), 0.7 * torch.randn(shape, generator=generator) - 0.3


def _kl_sizes(mu: torch.Tensor, _: torch.Tensor) -> dict[str, float]:
    return {"images": mu.shape[0], "latent dimensions": mu.shape[1]}


TASKS: dict[str, Task] = {
    "02.1": Function(
        right=kl,
        inputs=_clouds,
        sizes=_kl_sizes,
        gradient=True,
        returns="one number, the mean over the batch",
        mistakes=[
            Mistake(
                "the -1 is missing: with mu = 0 and logvar = 0 the KL must be 0",
                lambda mu, logvar: 0.5 * (mu.square() + logvar.exp() - logvar).sum() / len(mu),
            ),
            Mistake(
                "the term -logvar is missing: nothing keeps sigma from shrinking to 0",
                lambda mu, logvar: 0.5 * (mu.square() + logvar.exp() - 1).sum() / len(mu),
            ),
            Mistake(
                "logvar has the wrong sign: a wide cloud would be free of charge",
                lambda mu, logvar: 0.5 * (mu.square() + logvar.exp() - 1 + logvar).sum() / len(mu),
            ),
            Mistake(
                "mu must be squared",
                lambda mu, logvar: 0.5 * (mu + logvar.exp() - 1 - logvar).sum() / len(mu),
            ),
            Mistake(
                "logvar is taken for log sigma: logvar.exp() is the variance already, so don't square it",
                lambda mu, logvar: 0.5 * (mu.square() + (2 * logvar).exp() - 1 - 2 * logvar).sum() / len(mu),
            ),
        ],
    ),
}
