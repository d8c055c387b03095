"""A VAE whose prior is learned with it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from latentlab_helpers.losses import Terms, bernoulli
from latentlab_helpers.models import VariationalAutoencoder
from latentlab_helpers.priors import MixturePrior


class VampVAE(VariationalAutoencoder):
    """A VAE whose prior is learned with it: the mixture of what its encoder says of some made-up images.

    Parameters
    ----------
    latent_dim : int
        The size of a code, 1 or more.
    pseudo_inputs : torch.Tensor
        Where these images start, (components, channels, height, width), in [0, 1]; they are learned.
    architecture, widths, hidden
        As for `Autoencoder`.

    Attributes
    ----------
    pseudo_inputs : torch.nn.Parameter
        The images, before they are cut to [0, 1].

    References
    ----------
    Tomczak and Welling, "VAE with a VampPrior", arXiv:1705.07120.

    Notes
    -----
    Notebook 10 shows what it came to.
    """

    def __init__(self, latent_dim: int, pseudo_inputs: torch.Tensor, **settings: Any):
        super().__init__(latent_dim, image_shape=tuple(pseudo_inputs.shape[1:]), **settings)
        self.pseudo_inputs = nn.Parameter(pseudo_inputs.clone())

    def prior(self) -> MixturePrior:
        """The mixture, as it is now."""
        with torch.no_grad():
            mu, logvar = self.encode(self.pseudo_inputs.clamp(0, 1))
        mixture = MixturePrior(len(mu))
        mixture.weights = torch.full((len(mu),), 1 / len(mu))
        mixture.means, mixture.roots = mu, torch.diag_embed(torch.exp(0.5 * logvar))
        return mixture


def vamp_loss(model: VampVAE, x: torch.Tensor, generator: torch.Generator | None = None) -> Terms:
    """The negative ELBO with a VampPrior. Its KL has no closed form, and is estimated from the sample of z.

    Parameters
    ----------
    model : VampVAE
        Its prior takes part in each batch.
    x : torch.Tensor
        Images in [0, 1].
    generator : torch.Generator, optional
        Where the noise comes from.

    Returns
    -------
    dict of str to torch.Tensor
        {"loss", "reconstruction", "kl"}, in nats per image.

    References
    ----------
    Tomczak and Welling, arXiv:1705.07120, equations 3 and 9.

    Notes
    -----
    Notebook 10 shows what it came to.
    """
    mu, logvar = model.encode(x)
    z = model.reparameterize(mu, logvar, generator)
    centres, spreads = model.encode(model.pseudo_inputs.clamp(0, 1))
    each = log_normal(z[:, None], centres, spreads)
    log_prior = each.logsumexp(1) - math.log(len(centres))
    kl = (log_normal(z, mu, logvar) - log_prior).mean()
    expected = bernoulli(model.decoder(z).float(), x)
    return {"loss": expected + kl, "reconstruction": expected, "kl": kl}


def log_normal(z: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """log N(z; mu, exp(logvar)) in nats, summed over the last dimension."""
    return -0.5 * (math.log(2 * math.pi) + logvar + (z - mu).square() * torch.exp(-logvar)).sum(-1)
