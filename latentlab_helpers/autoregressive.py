"""A VAE with a strong decoder, which sees the pixels before the one that it predicts. Used in notebook 06."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .models import VariationalAutoencoder, evaluating


class MaskedDecoder(nn.Module):
    """Logits of each pixel from the code and the pixels before it, row by row.

    The sum of what an ordinary decoder says of the code alone, and of what a masked one says of the pixels so
    far, with the code and without. So it can do all that the ordinary one can.

    Parameters
    ----------
    latent_dim : int
        The size of a code.
    hidden : int
        Units of the hidden layer of either, 1 or more.
    image_shape : sequence of int
        Channels, height and width.

    Raises
    ------
    ValueError
        For a hidden layer without units.

    References
    ----------
    Germain et al., "MADE: Masked autoencoder for distribution estimation", arXiv:1502.03509.

    Notes
    -----
    `AutoregressiveVAE` has one.
    """

    before: torch.Tensor
    after: torch.Tensor
    direct: torch.Tensor

    def __init__(self, latent_dim: int, hidden: int, image_shape: Sequence[int]):
        super().__init__()
        if hidden < 1:
            raise ValueError(f"the hidden layer needs 1 unit or more, not {hidden}")
        self.image_shape, pixels = tuple(image_shape), prod(image_shape)
        self.alone = nn.Sequential(nn.Linear(latent_dim, hidden), nn.ReLU(), nn.Linear(hidden, pixels))
        self.of_code = nn.Linear(latent_dim, hidden)
        self.of_pixels = nn.Linear(pixels, hidden, bias=False)
        self.to_logits = nn.Linear(hidden, pixels, bias=False)
        self.across = nn.Linear(pixels, pixels, bias=False)
        # A hidden unit sees the pixels below its number, and is seen by the pixels from it on; pixels are
        # counted from 0.
        order = torch.arange(pixels)
        number = torch.linspace(0, pixels - 1, hidden).round()
        self.register_buffer("before", (order < number[:, None]).float(), persistent=False)
        self.register_buffer("after", (order[:, None] >= number).float(), persistent=False)
        self.register_buffer("direct", (order < order[:, None]).float(), persistent=False)

    def forward(self, z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Predict each pixel.

        Parameters
        ----------
        z : torch.Tensor
            Codes, (batch, latent_dim).
        x : torch.Tensor
            The images, (batch, channels, height, width); a pixel's logit depends on those before it alone.

        Returns
        -------
        torch.Tensor
            Logits, shaped like x.
        """
        pixels = x.flatten(1)
        seen = F.linear(pixels, self.of_pixels.weight * self.before)
        hidden = torch.relu(self.of_code(z) + seen)
        logits = self.alone(z) + F.linear(hidden, self.to_logits.weight * self.after)
        return (logits + F.linear(pixels, self.across.weight * self.direct)).view_as(x)


class AutoregressiveVAE(VariationalAutoencoder):
    """A VAE whose decoder sees the pixels before the one that it predicts, beside the code.

    p(x|z) is the product of p(x_i | x_1 … x_i-1, z), the pixels counted row by row, so that the decoder is a
    model of images by itself. In training it sees the true pixels; `sample` gives it its own.

    Parameters
    ----------
    latent_dim : int
        The size of a code, 1 or more.
    hidden : int
        Units of the decoder's hidden layers.
    image_shape : sequence of int
        Channels, height and width.

    Attributes
    ----------
    config : dict
        The arguments that make this model again.

    References
    ----------
    Chen et al., "Variational lossy autoencoder", arXiv:1611.02731.

    Notes
    -----
    Used in notebook 06.
    """

    def __init__(self, latent_dim: int, *, hidden: int = 400, image_shape: Sequence[int] = (1, 28, 28)):
        super().__init__(latent_dim, image_shape=image_shape)
        self.config = {"latent_dim": self.latent_dim, "hidden": hidden, "image_shape": self.image_shape}
        self.decoder = MaskedDecoder(latent_dim, hidden, self.image_shape)  # type: ignore[assignment]

    def forward(
        self, x: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Predict each pixel of images from one sample of z and the pixels before it.

        Parameters
        ----------
        x : torch.Tensor
            Images of 0 and 1, (batch, channels, height, width).
        generator : torch.Generator, optional
            Where the noise comes from.

        Returns
        -------
        logits : torch.Tensor
            float32 logits of the pixels, shaped like x.
        mu, logvar : torch.Tensor
            Mean and log-variance of q(z|x), each (batch, latent_dim).
        """
        mu, logvar = self.encode(x)
        return self.decoder(self.reparameterize(mu, logvar, generator), x).float(), mu, logvar

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """There is no image for a code alone: each pixel needs the ones before it.

        Raises
        ------
        NotImplementedError
            Always; `sample` draws images.
        """
        raise NotImplementedError("this decoder needs the pixels before each pixel: use sample(z, generator)")

    def sample(self, z: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw an image for each code, pixel by pixel.

        Parameters
        ----------
        z : torch.Tensor
            Codes, (batch, latent_dim).
        generator : torch.Generator, optional
            Where the coins come from.

        Returns
        -------
        torch.Tensor
            Images of 0 and 1, (batch, channels, height, width).
        """
        layers: Any = self.decoder
        into, out = layers.of_pixels.weight * layers.before, layers.to_logits.weight * layers.after
        across = layers.across.weight * layers.direct
        x = z.new_zeros(len(z), prod(self.image_shape))
        with evaluating(self):
            alone = layers.alone(z)
            sums = layers.of_code(z)  # the hidden units', which each pixel adds to
            for i in range(x.shape[1]):
                logit = alone[:, i] + torch.relu(sums) @ out[i] + x @ across[i]
                x[:, i] = torch.bernoulli(torch.sigmoid(logit), generator=generator)
                sums = sums + x[:, i, None] * into[:, i]
        return x.view(-1, *self.image_shape)
