"""A ladder VAE: codes on several levels, from one vector for the whole image to a map of its strokes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from latentlab_helpers.losses import Terms, bernoulli, bernoulli_log_likelihood, kl_per_dimension

HIDDEN = 256  # between the vector of codes and the smallest map
BOUND = 5.0  # of log-variances: without it, two levels that narrow each other soon overflow


class Gaussian(NamedTuple):
    """A diagonal Gaussian: mean and log-variance of one shape."""

    mu: torch.Tensor
    logvar: torch.Tensor

    @classmethod
    def of(cls, predicted: torch.Tensor) -> Gaussian:
        """What a network's last layer says: means, then log-variances, which are bounded smoothly."""
        mu, logvar = predicted.float().chunk(2, dim=1)
        return cls(mu, BOUND * torch.tanh(logvar / BOUND))

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        epsilon = torch.randn(self.mu.shape, generator=generator, device=self.mu.device, dtype=self.mu.dtype)
        return self.mu + torch.exp(0.5 * self.logvar) * epsilon

    def repeated(self, k: int) -> Gaussian:
        return Gaussian(torch.cat([self.mu] * k), torch.cat([self.logvar] * k))

    def log_density(self, z: torch.Tensor) -> torch.Tensor:
        """log N(z) of each image but for the constant, (batch,)."""
        return -0.5 * ((z - self.mu).square() / self.logvar.exp() + self.logvar).flatten(1).sum(1)

    def kl(self, prior: Gaussian) -> torch.Tensor:
        """KL(self || prior) of each image, (batch,): that to N(0, I), once both are shifted and scaled."""
        shifted = (self.mu - prior.mu) * torch.exp(-0.5 * prior.logvar)
        return kl_per_dimension(shifted, self.logvar - prior.logvar).flatten(1).sum(1)

    def times(self, other: Gaussian) -> Gaussian:
        """The product of two densities: precisions add up, and weigh the means."""
        a, b = torch.exp(-self.logvar), torch.exp(-other.logvar)
        return Gaussian((a * self.mu + b * other.mu) / (a + b), -torch.log(a + b))


# Picks a level's codes, given their prior, and what the encoder saw if there is an image
Choice = Callable[[Gaussian, Gaussian | None], torch.Tensor]


class Level(NamedTuple):
    """What one level of an image's description is: its code, where it came from, and what was expected."""

    z: torch.Tensor
    posterior: Gaussian
    prior: Gaussian


class LadderVariationalAutoencoder(nn.Module):
    """A VAE whose decoder asks for more codes on its way down, each expected by those above it.

    The encoder goes up from the image to a vector; the decoder comes down from it. On each map on its way it
    predicts a Gaussian of that level's codes, which is their prior. What the encoder saw on that map is
    another one; the product of both is q.

    Parameters
    ----------
    latent_dim : int
        The size of the vector at the top, whose prior is N(0, I).
    maps : sequence of int
        Channels of the codes on the map a quarter and on the map half as wide as the image. 0: no codes
        there, and (0, 0) is a VAE with one level and the same network.
    width : int
        Channels of the network's larger map; the smaller one has twice as many.
    image_shape : tuple of int
        Channels, height and width; height and width divisible by 4.

    Raises
    ------
    ValueError
        For sizes that can't work.

    References
    ----------
    Sønderby et al., "Ladder Variational Autoencoders", arXiv:1602.02282; the residual blocks as in Kingma et
    al., "Improved Variational Inference with Inverse Autoregressive Flow", arXiv:1606.04934.

    Notes
    -----
    `python course.py ladder` trains it.
    """

    def __init__(
        self,
        latent_dim: int = 32,
        *,
        maps: Sequence[int] = (4, 1),
        width: int = 32,
        image_shape: Sequence[int] = (1, 28, 28),
    ):
        super().__init__()
        channels, height, rows = image_shape = tuple(image_shape)
        if height % 4 or rows % 4:
            raise ValueError(f"height and width must be divisible by 4, not {height}×{rows}")
        if len(maps) != 2 or min(maps) < 0 or min(latent_dim, width) < 1:
            raise ValueError(
                "latent_dim and width must be 1 or more, and maps two numbers, 0 or more, "
                f"not {latent_dim}, {width} and {tuple(maps)}"
            )
        self.latent_dim, self.maps, self.image_shape = latent_dim, tuple(maps), image_shape
        wide, small = 2 * width, (2 * width, height // 4, rows // 4)
        flat = wide * small[1] * small[2]
        self.up = nn.ModuleList([
            nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), Residual(width)),
            nn.Sequential(nn.Conv2d(width, wide, 4, 2, 1), Residual(wide)),
            nn.Sequential(
                nn.SiLU(), nn.Flatten(), nn.Linear(flat, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 2 * latent_dim)
            ),
        ])  # fmt: skip
        self.down = nn.ModuleList([
            nn.Sequential(
                nn.Linear(latent_dim, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, flat), nn.Unflatten(1, small)
            ),
            nn.Sequential(Residual(wide), nn.SiLU(), nn.ConvTranspose2d(wide, width, 4, 2, 1)),
            nn.Sequential(
                Residual(width), nn.SiLU(), nn.ConvTranspose2d(width, width // 2, 4, 2, 1),
                nn.SiLU(), nn.Conv2d(width // 2, channels, 3, 1, 1),
            ),
        ])  # fmt: skip
        self.rungs = nn.ModuleList(Rung(size, n) for size, n in zip((wide, width), self.maps, strict=True))

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode images as far as the top level.

        Parameters
        ----------
        x : torch.Tensor
            float32 images in [0, 1], (batch, channels, height, width).

        Returns
        -------
        mu, logvar : torch.Tensor
            Of q(z|x) of the vector at the top, each (batch, latent_dim).
        """
        return self._seen(x)[1]

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Decode codes of the top level; each level below has its most probable codes.

        Parameters
        ----------
        z : torch.Tensor
            (batch, latent_dim).

        Returns
        -------
        torch.Tensor
            Images in [0, 1], (batch, channels, height, width).
        """
        return torch.sigmoid(self._descend(z, lambda prior, _: prior.mu, (None, None)))

    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw images from the model: codes of each level from their prior, from the top down.

        Parameters
        ----------
        n : int
            How many.
        generator : torch.Generator, optional
            Fixes them.

        Returns
        -------
        torch.Tensor
            The mean of p(x|z), in [0, 1], (n, channels, height, width).
        """
        device = next(self.parameters()).device
        z = torch.randn(n, self.latent_dim, generator=generator, device=device)
        return torch.sigmoid(self._descend(z, lambda prior, _: prior.sample(generator), (None, None)))

    def forward(
        self, x: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, list[Level]]:
        """Reconstruct images, each from one sample of the codes of all levels.

        Parameters
        ----------
        x : torch.Tensor
            As for `encode`.
        generator : torch.Generator, optional
            Where the noise comes from.

        Returns
        -------
        logits : torch.Tensor
            float32 logits of the pixels, shaped like x.
        levels : list of Level
            From the top down.
        """
        return self._described(*self._seen(x), generator)

    def log_weights(self, x: torch.Tensor, k: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """log p(x, z) / q(z|x) of k samples for each image: the log of their mean is a bound on log p(x).

        Parameters
        ----------
        x : torch.Tensor
            Binary images, (batch, channels, height, width).
        k : int
            Samples an image.
        generator : torch.Generator, optional
            Where the samples come from.

        Returns
        -------
        torch.Tensor
            In nats, (k, batch).
        """
        of_maps, top = self._seen(x)
        again = [one and one.repeated(k) for one in of_maps]
        logits, levels = self._described(again, top.repeated(k), generator)
        weights = bernoulli_log_likelihood(logits.unflatten(0, (k, len(x))), x).flatten()
        for z, posterior, prior in levels:
            weights = weights + prior.log_density(z) - posterior.log_density(z)
        return weights.unflatten(0, (k, len(x)))

    def _seen(self, x: torch.Tensor) -> tuple[list[Gaussian | None], Gaussian]:
        """What the encoder says of the codes on each map, from the largest up, and of the vector."""
        seen: list[Gaussian | None] = []
        for step, rung in zip(list(self.up)[:-1], reversed(list(self.rungs)), strict=True):
            x = step(x)
            assert isinstance(rung, Rung)
            seen.append(rung.seen(x))
        return seen, Gaussian.of(self.up[-1](x))

    def _described(
        self, of_maps: Sequence[Gaussian | None], top: Gaussian, generator: torch.Generator | None
    ) -> tuple[torch.Tensor, list[Level]]:
        """The way down with codes from q: logits, and the levels."""
        z = top.sample(generator)
        levels = [Level(z, top, Gaussian(torch.zeros_like(z), torch.zeros_like(z)))]

        def choose(prior: Gaussian, of_image: Gaussian | None) -> torch.Tensor:
            assert of_image is not None
            posterior = of_image.times(prior)
            levels.append(Level(posterior.sample(generator), posterior, prior))
            return levels[-1].z

        return self._descend(z, choose, of_maps[::-1]), levels

    def _descend(self, z: torch.Tensor, choose: Choice, seen: Sequence[Gaussian | None]) -> torch.Tensor:
        """From the vector to logits; on each map `choose` picks the codes."""
        x = self.down[0](z)
        for step, rung, of_image in zip(list(self.down)[1:], self.rungs, seen, strict=True):
            x = step(rung(x, choose, of_image))
        return x.float()


class Residual(nn.Module):
    """What two convolutions add to a map; nothing at first."""

    def __init__(self, channels: int):
        super().__init__()
        self.change = nn.Sequential(
            nn.SiLU(), nn.Conv2d(channels, channels, 3, 1, 1),
            nn.SiLU(), nn.Conv2d(channels, channels, 3, 1, 1),
        )  # fmt: skip
        nn.init.zeros_(self.change[-1].get_parameter("weight"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.change(x)


class Rung(nn.Module):
    """A level's codes on a map of the network: their prior, what the encoder sees, and what they add."""

    def __init__(self, channels: int, codes: int):
        super().__init__()
        self.codes = codes
        if codes:
            self.expect, self.see = (nn.Conv2d(channels, 2 * codes, 1) for _ in range(2))
            self.tell = nn.Conv2d(codes, channels, 3, 1, 1)
            nn.init.zeros_(self.expect.weight)  # so that each level begins with N(0, I)
            nn.init.zeros_(self.expect.get_parameter("bias"))

    def seen(self, x: torch.Tensor) -> Gaussian | None:
        return Gaussian.of(self.see(F.silu(x))) if self.codes else None

    def forward(self, x: torch.Tensor, choose: Choice, of_image: Gaussian | None) -> torch.Tensor:
        if not self.codes:
            return x
        prior = Gaussian.of(self.expect(F.silu(x)))
        return x + self.tell(choose(prior, of_image))


def ladder_elbo(
    model: LadderVariationalAutoencoder,
    x: torch.Tensor,
    generator: torch.Generator | None = None,
    *,
    beta: float = 1.0,
) -> Terms:
    """The negative ELBO of a ladder VAE.

    Parameters
    ----------
    model : LadderVariationalAutoencoder
        Whose bound it is.
    x : torch.Tensor
        Images in [0, 1].
    generator : torch.Generator, optional
        Where the noise comes from.
    beta : float
        The weight of the KL.

    Returns
    -------
    dict of str to torch.Tensor
        {"loss", "reconstruction", "kl"} and the KL of each level from the top down, {"kl 1", "kl 2", …}, in
        nats per image.

    References
    ----------
    Sønderby et al., arXiv:1602.02282, equation 1.

    Notes
    -----
    `python course.py ladder` minimizes it.
    """
    logits, levels = model(x, generator)
    by_level = {f"kl {i}": level.posterior.kl(level.prior).mean() for i, level in enumerate(levels, 1)}
    reconstruction, kl = bernoulli(logits, x), torch.stack(list(by_level.values())).sum()
    return {"loss": reconstruction + beta * kl, "reconstruction": reconstruction, "kl": kl, **by_level}
