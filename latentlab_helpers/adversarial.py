"""Generative adversarial networks: a decoder that learns from a critic in place of a pixel loss.

The networks are the autoencoder's own two halves, taken apart. Losses are in nats per image.
Taught in notebook 08.
"""

from __future__ import annotations

import math
import numbers
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from tqdm.auto import tqdm

from .datasets import check_images, to_float
from .losses import Terms
from .models import Autoencoder, VariationalAutoencoder, _stack, check_codes, keeping_modes
from .training import History, TrainingDiverged, warm_up_and_decay

# loss(real, fake), both logits (batch,), to what each player minimizes: "discriminator" and "generator"
Game = Callable[[torch.Tensor, torch.Tensor], Terms]

BATCH_SIZE, LR, BETAS, GAMMA = 64, 2e-3, (0.0, 0.99), 1.0
ROUNDS = 50  # entries of the history


class Generator(nn.Module):
    """The decoder of an autoencoder, alone: it turns noise from N(0, I) into images.

    Parameters
    ----------
    latent_dim : int
        The size of a code z.
    architecture, widths, hidden, image_shape
        As for `models.Autoencoder`, whose decoder this is.

    Attributes
    ----------
    decoder : torch.nn.Sequential
        From codes (batch, latent_dim) to logits of pixels.
    config : dict
        The arguments that make this model again.

    Raises
    ------
    ValueError
        As `models.Autoencoder`.

    References
    ----------
    Goodfellow et al., "Generative Adversarial Nets", arXiv:1406.2661.

    Notes
    -----
    Introduced in notebook 08.
    """

    def __init__(
        self,
        latent_dim: int,
        *,
        architecture: str = "mlp",
        widths: Sequence[int] | None = None,
        hidden: int | None = None,
        image_shape: Sequence[int] = (1, 28, 28),
    ):
        super().__init__()
        whole = Autoencoder(
            latent_dim, architecture=architecture, widths=widths, hidden=hidden, image_shape=image_shape
        )
        self.latent_dim, self.image_shape, self.config = whole.latent_dim, whole.image_shape, whole.config
        self.decoder = whole.decoder

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Decode codes, as `models.Autoencoder.decode` does.

        Parameters
        ----------
        z : torch.Tensor
            Codes, (batch, latent_dim).

        Returns
        -------
        torch.Tensor
            Images in [0, 1], (batch, channels, height, width).

        Raises
        ------
        ValueError
            For codes of another shape.
        """
        check_codes(z, self.latent_dim)
        return torch.sigmoid(self.decoder(z))


class Discriminator(nn.Module):
    """The encoder of an autoencoder with one output: the logit of "this image is real".

    Parameters
    ----------
    architecture, widths, hidden, image_shape
        As for `models.Autoencoder`, whose encoder this is.

    Attributes
    ----------
    config : dict
        The arguments that make this model again.

    Raises
    ------
    ValueError
        As `models.Autoencoder`.

    References
    ----------
    Goodfellow et al., "Generative Adversarial Nets", arXiv:1406.2661.

    Notes
    -----
    Introduced in notebook 08.
    """

    def __init__(
        self,
        *,
        architecture: str = "mlp",
        widths: Sequence[int] | None = None,
        hidden: int | None = None,
        image_shape: Sequence[int] = (1, 28, 28),
    ):
        super().__init__()
        whole = Autoencoder(
            1, architecture=architecture, widths=widths, hidden=hidden, image_shape=image_shape
        )
        self.config = {key: value for key, value in whole.config.items() if key != "latent_dim"}
        self.encoder = whole.encoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Judge images.

        Parameters
        ----------
        x : torch.Tensor
            In [0, 1], (batch, channels, height, width).

        Returns
        -------
        torch.Tensor
            Logits, (batch,): above 0 for what it takes for real.
        """
        return self.encoder(x).flatten()


class PointGenerator(nn.Module):
    """A generator of points: fully connected layers with ReLU.

    Parameters
    ----------
    latent_dim : int
        The size of a code z.
    dimensions : int
        Numbers a point has.
    widths : sequence of int
        The sizes of the hidden layers.

    Notes
    -----
    Used in notebook 08.
    """

    def __init__(self, latent_dim: int = 2, *, dimensions: int = 2, widths: Sequence[int] = (128, 128)):
        super().__init__()
        self.latent_dim = latent_dim
        self.decoder = nn.Sequential(*_stack([latent_dim, *widths, dimensions]))

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Decode codes (batch, latent_dim) into points (batch, dimensions)."""
        check_codes(z, self.latent_dim)
        return self.decoder(z)


class PointDiscriminator(nn.Module):
    """A discriminator of points: fully connected layers with ReLU.

    Parameters
    ----------
    dimensions : int
        Numbers a point has.
    widths : sequence of int
        The sizes of the hidden layers.

    Notes
    -----
    Used in notebook 08.
    """

    def __init__(self, dimensions: int = 2, *, widths: Sequence[int] = (128, 128)):
        super().__init__()
        self.encoder = nn.Sequential(*_stack([dimensions, *widths, 1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Judge points (batch, dimensions): logits, (batch,)."""
        return self.encoder(x).flatten()


def minimax(real: torch.Tensor, fake: torch.Tensor) -> Terms:
    """The original game: the discriminator names real and fake, the generator minimizes its success.

    Parameters
    ----------
    real, fake : torch.Tensor
        The discriminator's logits, (batch,).

    Returns
    -------
    dict of str to torch.Tensor
        "discriminator", -E log D(x) - E log(1 - D(G(z))), and "generator", E log(1 - D(G(z))), in nats.

    References
    ----------
    Goodfellow et al., arXiv:1406.2661, equation 1.

    Notes
    -----
    Taught in notebook 08. With the best discriminator the first is log 4 - 2 JSD.
    """
    caught = F.softplus(fake).mean()  # -log(1 - D(G(z))), with D = sigmoid(logit)
    return {"discriminator": F.softplus(-real).mean() + caught, "generator": -caught}


def non_saturating(real: torch.Tensor, fake: torch.Tensor) -> Terms:
    """The original game as it is played: the generator maximizes log D(G(z)) instead.

    Parameters
    ----------
    real, fake : torch.Tensor
        The discriminator's logits, (batch,).

    Returns
    -------
    dict of str to torch.Tensor
        "discriminator", as of `minimax`, and "generator", -E log D(G(z)), in nats.

    References
    ----------
    Goodfellow et al., arXiv:1406.2661, section 3.

    Notes
    -----
    Taught in notebook 08.
    """
    return {
        "discriminator": F.softplus(-real).mean() + F.softplus(fake).mean(),
        "generator": F.softplus(-fake).mean(),
    }


def relativistic(real: torch.Tensor, fake: torch.Tensor) -> Terms:
    """The paired game: of a real and a fake image, which is the real one?

    Parameters
    ----------
    real, fake : torch.Tensor
        The discriminator's logits, (batch,).

    Returns
    -------
    dict of str to torch.Tensor
        "discriminator", -E log sigmoid(D(x) - D(G(z))), and "generator", -E log sigmoid(D(G(z)) - D(x)), in
        nats.

    References
    ----------
    Jolicoeur-Martineau, "The relativistic discriminator", arXiv:1807.00734. Huang et al., "The GAN is dead;
    long live the GAN! A modern GAN baseline" (R3GAN), arXiv:2501.05441, add `gradient_penalty` of both kinds
    of images.

    Notes
    -----
    Taught in notebook 08.
    """
    return {
        "discriminator": F.softplus(fake - real).mean(),
        "generator": F.softplus(real - fake).mean(),
    }


def gradient_penalty(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """How steep a discriminator is: the mean squared length of its logit's gradient with respect to x.

    Parameters
    ----------
    logits : torch.Tensor
        The discriminator's, (batch,), each computed from its own x.
    x : torch.Tensor
        (batch, …), with requires_grad: real images for R1, generated ones for R2.

    Returns
    -------
    torch.Tensor
        A scalar, E |grad D(x)|², with a gradient of its own.

    References
    ----------
    Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", arXiv:1801.04406.

    Notes
    -----
    Taught in notebook 08.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1).mean()


def fit_adversarial(
    generator: nn.Module,
    discriminator: nn.Module,
    images: torch.Tensor,
    *,
    steps: int,
    loss: Game = relativistic,
    gamma: float = GAMMA,
    batch_size: int = BATCH_SIZE,
    lr: float = LR,
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train a generator and its discriminator in place, one step each in turn, with two Adams.

    Interrupt it and both keep the weights of their last step; the history goes so far.

    Parameters
    ----------
    generator : torch.nn.Module
        With `latent_dim` and `decode`.
    discriminator : torch.nn.Module
        From images, or whatever `decode` gives, to logits (batch,).
    images : torch.Tensor
        (n, channels, height, width), uint8 or floats in [0, 1]; or points, floats (n, dimensions).
    steps : int
        How often each player moves.
    loss : callable
        `relativistic`, `non_saturating`, `minimax`, or one of yours, from logits to both players' losses.
    gamma : float
        gamma / 2 times `gradient_penalty` of the real and of the generated images is added to the
        discriminator's loss; 0 leaves it out.
    batch_size : int
        Real images a step, and as many generated ones.
    lr : float
        The highest learning rate of both, by `training.warm_up_and_decay`.
    seed : int
        Fixes the choice of images, and the noise.
    progress : bool
        Whether a bar shows the steps and the losses.

    Returns
    -------
    History
        `train`: "discriminator", "generator" and "penalty" (without gamma / 2), each the mean over a fiftieth
        of the steps; `seconds`, how long that took. A rest of fewer steps isn't in it.

    Raises
    ------
    ValueError
        For images or settings that can't work.
    TrainingDiverged
        When a loss is no longer finite.

    References
    ----------
    Goodfellow et al., arXiv:1406.2661, algorithm 1; Huang et al., arXiv:2501.05441, for the penalties.

    Notes
    -----
    Notebook 08 writes it out.
    """
    _check_settings(steps, batch_size, lr, gamma)
    if images.ndim == 4:
        check_images(images)
    elif images.ndim != 2 or not images.is_floating_point():
        raise ValueError(
            "fit_adversarial takes images (n, channels, height, width) or float points (n, dimensions), "
            f"not {images.dtype} of shape {tuple(images.shape)}"
        )
    device = next(generator.parameters()).device
    images, noise = images.to(device), torch.Generator().manual_seed(seed)
    players = [
        torch.optim.Adam(player.parameters(), lr=lr, betas=BETAS) for player in (generator, discriminator)
    ]
    schedules = [warm_up_and_decay(optimizer, steps) for optimizer in players]
    size: Any = generator.latent_dim
    history, start, moved = History(), time.perf_counter(), 0
    each, sums = max(1, steps // ROUNDS), torch.zeros(3, device=device)
    bar = tqdm(range(1, steps + 1), unit="step", disable=not progress)
    try:
        with keeping_modes(generator), keeping_modes(discriminator):
            generator.train()
            discriminator.train()
            for step in bar:
                some = images[torch.randint(len(images), (batch_size,), generator=noise).to(device)]
                x = to_float(some)
                z = torch.randn((2, batch_size, size), generator=noise).to(device)
                terms = adversarial_step(generator, discriminator, x, z, players, loss=loss, gamma=gamma)
                for schedule in schedules:
                    schedule.step()
                moved, sums = step, sums + torch.stack([*terms.values()])
                if step % each == 0:
                    means = dict(zip(terms, (sums / each).tolist(), strict=True))
                    _check_finite(means, step, lr)
                    for name, value in means.items():
                        history.train.setdefault(name, []).append(value)
                    history.seconds.append(time.perf_counter() - start)
                    bar.set_postfix({name: f"{value:.3g}" for name, value in means.items()}, refresh=False)
                    start, sums = time.perf_counter(), torch.zeros_like(sums)
    except KeyboardInterrupt:
        warnings.warn(
            f"interrupted after {moved} of {steps} steps; the models have what they learned", stacklevel=2
        )
    return history


def adversarial_step(
    generator: nn.Module,
    discriminator: nn.Module,
    x: torch.Tensor,
    z: torch.Tensor,
    players: Sequence[torch.optim.Optimizer],
    *,
    loss: Game,
    gamma: float,
) -> Terms:
    """Let the discriminator move, and then the generator.

    Parameters
    ----------
    generator, discriminator : torch.nn.Module
        As for `fit_adversarial`.
    x : torch.Tensor
        Real images, floats (batch, …).
    z : torch.Tensor
        (2, batch, latent_dim): a code for each image, for either move.
    players : sequence of torch.optim.Optimizer
        The generator's, and the discriminator's.
    loss, gamma
        As for `fit_adversarial`.

    Returns
    -------
    dict of str to torch.Tensor
        "discriminator", "generator" and "penalty", before they moved, without gradients.

    Notes
    -----
    `fit_adversarial` consists of it.
    """
    x = x.detach().requires_grad_(gamma > 0)  # a penalty asks how the logits change with the images
    decode: Any = generator.decode
    fake = decode(z[0]).detach().requires_grad_(gamma > 0)
    real_logits, fake_logits = discriminator(x), discriminator(fake)
    played, penalty = loss(real_logits, fake_logits)["discriminator"], torch.zeros((), device=x.device)
    if gamma:
        penalty = gradient_penalty(real_logits, x) + gradient_penalty(fake_logits, fake)  # R1 + R2
    players[1].zero_grad()
    (played + gamma / 2 * penalty).backward()
    players[1].step()
    answer = loss(discriminator(x), discriminator(decode(z[1])))["generator"]
    players[0].zero_grad()
    answer.backward(inputs=list(generator.parameters()))  # the discriminator is asked, and doesn't learn
    players[0].step()
    return {"discriminator": played.detach(), "generator": answer.detach(), "penalty": penalty.detach()}


def grid_of_gaussians(
    n: int, *, side: int = 5, sd: float = 0.05, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw points from a mixture of Gaussians on a square grid: data whose modes can be counted.

    Parameters
    ----------
    n : int
        How many points.
    side : int
        Modes along each side; they are 1 apart, around the origin.
    sd : float
        The standard deviation of each, in both directions.
    seed : int
        Fixes the draw.

    Returns
    -------
    points : torch.Tensor
        (n, 2).
    centres : torch.Tensor
        Of the modes, (side², 2).

    References
    ----------
    Srivastava et al., "VEEGAN", arXiv:1705.07761 (a grid of 25, of another scale).

    Notes
    -----
    Used in notebook 08.
    """
    line, noise = torch.arange(side) - (side - 1) / 2, torch.Generator().manual_seed(seed)
    centres = torch.cartesian_prod(line, line)
    which = torch.randint(len(centres), (n,), generator=noise)
    return centres[which] + sd * torch.randn(n, 2, generator=noise), centres


def modes_found(points: torch.Tensor, centres: torch.Tensor, sd: float = 0.05) -> tuple[int, float]:
    """Count the modes that samples reach, and the samples that are near one.

    Parameters
    ----------
    points : torch.Tensor
        Samples, (n, 2).
    centres, sd
        As of `grid_of_gaussians`.

    Returns
    -------
    found : int
        Modes with a fair share of the points within 3 sd: at least a tenth of n / modes.
    near : float
        The share of points within 3 sd of a mode; of the mixture itself 0.989.

    References
    ----------
    Srivastava et al., arXiv:1705.07761, who ask for one point a mode.

    Notes
    -----
    Used in notebook 08.
    """
    distance, nearest = torch.cdist(points, centres).min(dim=1)
    near = distance < 3 * sd
    counts = nearest[near].bincount(minlength=len(centres))
    return int((counts > 0.1 * len(points) / len(centres)).sum()), near.float().mean().item()


def dream_loss(
    model: VariationalAutoencoder, x: torch.Tensor, generator: torch.Generator | None = None
) -> Terms:
    """Teach an encoder by what its decoder makes of noise: -log q(z|x) for z from N(0, I) and x = decode(z).

    Only the encoder gets a gradient, and of the images only their number is used.

    Parameters
    ----------
    model : models.VariationalAutoencoder
        Its `decoder` may be a generator's.
    x : torch.Tensor
        (batch, …).
    generator : torch.Generator, optional
        Where z comes from.

    Returns
    -------
    dict of str to torch.Tensor
        {"loss"}, in nats per image.

    References
    ----------
    Hinton et al., "The wake-sleep algorithm for unsupervised neural networks", Science 268 (1995), 1158: its
    sleep phase.

    Notes
    -----
    Taught in notebook 08.
    """
    z = torch.randn((len(x), model.latent_dim), generator=generator, device=x.device)
    with torch.no_grad():
        dreamt = model.decode(z).float()
    mu, logvar = model.encode(dreamt)
    nats = (z - mu).square() * torch.exp(-logvar) + logvar + math.log(2 * math.pi)
    return {"loss": 0.5 * nats.sum(dim=1).mean()}


def _check_settings(steps: int, batch_size: int, lr: float, gamma: float) -> None:
    for name, value in {"steps": steps, "batch_size": batch_size}.items():
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name} must be a whole number, 1 or more, not {value!r}")
    if not (lr > 0 and gamma >= 0 and math.isfinite(lr) and math.isfinite(gamma)):
        raise ValueError(f"lr must be positive, and gamma 0 or more, not {lr!r} and {gamma!r}")


def _check_finite(means: dict[str, float], step: int, lr: float) -> None:
    for name, value in means.items():
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"{name} became {value} by step {step}. Try a lower learning rate (it was {lr:g}), or a "
                "penalty."
            )
