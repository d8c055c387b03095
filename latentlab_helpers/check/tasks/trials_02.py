"""What lesson 02's checks do with answers that draw random numbers: clouds, and shuffled codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import torch

from ..core import Wrong, refuse_nothing

CENTRES: dict[str, Callable[..., Any]] = {
    "": lambda mu, logvar: mu,
    "mu is missing: all clouds lie around 0": lambda mu, logvar: 0 * mu,
    "mu has the wrong sign": lambda mu, logvar: -mu,
    "mu is counted twice": lambda mu, logvar: 2 * mu,
    "mu is divided or multiplied by sigma, too: only the noise is": lambda mu, logvar: (
        mu * (logvar / 2).exp()
    ),
}
WIDTHS: dict[str, Callable[..., Any]] = {
    "": lambda logvar: (0.5 * logvar).exp(),
    "exp(logvar) is the variance; sigma is its root": torch.exp,
    "logvar is a logarithm: an exp is missing": lambda logvar: logvar,
    "logvar / 2 is log sigma: the exp is missing": lambda logvar: 0.5 * logvar,
    "exp(2 logvar) is no sigma: sigma is the root of the variance, exp(logvar)": lambda logvar: (
        2 * logvar
    ).exp(),
    "sigma is 1 / exp(logvar / 2), upside down: a sign is wrong": lambda logvar: (-0.5 * logvar).exp(),
    "the root of exp(logvar) is taken twice": lambda logvar: (0.25 * logvar).exp(),
    "sigma isn't used: every cloud has the same width": torch.ones_like,
    "the root of |logvar| is no sigma; logvar is a logarithm": lambda logvar: logvar.abs().sqrt(),
}


def reparameterize(answer: Callable[..., Any]) -> None:
    mu = 3 * torch.randn(3000, 4)
    logvar = (0.5 + 2 * torch.rand(3000, 4)) * torch.randn(3000, 4).sign()  # never near 0
    m, v = mu.clone().requires_grad_(), logvar.clone().requires_grad_()
    z, again = answer(m * 1, v * 1), answer(mu.clone(), logvar.clone())
    refuse_nothing(z)
    if not isinstance(z, torch.Tensor) or z.shape != mu.shape:
        shape = tuple(z.shape) if isinstance(z, torch.Tensor) else type(z).__name__
        raise Wrong(f"return one code for each image, shaped like mu, (batch, latent_dim); yours: {shape}")
    z, again = z.float(), again.float()
    found, noise = _noise(z.detach(), mu, logvar)
    if noise.abs().max() < 1e-3:
        raise Wrong("no noise comes in: the code is always the same, as an autoencoder's")
    if torch.equal(z.detach(), again):
        raise Wrong("two calls give the same codes: no noise comes in, or its seed is fixed")
    _shared(noise)
    if found:
        raise Wrong("; besides, ".join(found))
    _shaped(noise)
    if not z.requires_grad:
        raise Wrong(
            "right numbers, but no gradient reaches mu and logvar: no sample(), no no_grad, no detach"
        )
    gradients = torch.autograd.grad(z.sum(), (m, v), allow_unused=True)
    for name, gradient, meant in zip(
        ("mu", "logvar"), gradients, (torch.ones_like(mu), (z - m) / 2), strict=True
    ):
        if gradient is None or not torch.allclose(gradient, meant, rtol=1e-3, atol=1e-3):
            raise Wrong(f"right numbers, but no gradient reaches {name}, or another one: is it detached?")


def _noise(z: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor) -> tuple[list[str], torch.Tensor]:
    """What is wrong with centre and width, and the noise that then explains the codes."""
    if not z.isfinite().all():
        raise Wrong("the codes aren't finite (NaN or infinite)")
    low = logvar < 0
    pairs = product(CENTRES.items(), WIDTHS.items())
    ordered = sorted(pairs, key=lambda both: bool(both[0][0]) + bool(both[1][0]))
    for right_size, ((where, centre), (wide, width)) in product((True, False), ordered):
        noise = (z - centre(mu, logvar)) / width(logvar)
        if noise.std() < 1e-3:  # none, or one number for all
            return [hint for hint in (where, wide) if hint], noise
        if right_size and abs(noise.std() - 1) > 0.05:
            continue
        offset = noise.median()  # such as that of rand, which is never negative
        narrow, large = ((noise[part] - offset).abs().mean() for part in (low, ~low))
        link = torch.corrcoef(torch.stack([noise.flatten(), mu.flatten()]))[0, 1].nan_to_num()
        deep = torch.corrcoef(torch.stack([noise.abs().flatten(), logvar.abs().flatten()]))[0, 1].nan_to_num()
        if abs(narrow / large - 1) < 0.08 and abs(link) < 0.06 and abs(deep) < 0.06:
            return [hint for hint in (where, wide) if hint], noise
    raise Wrong(
        "the codes don't lie around mu with the spread sigma: look at z - mu for a large and a small logvar"
    )


def _shared(noise: torch.Tensor) -> None:
    same_rows, same_columns = noise.std(0).max() < 1e-3, noise.std(1).max() < 1e-3
    if same_rows and same_columns:
        raise Wrong("one number is drawn for the whole batch: every image and dimension needs its own")
    if same_rows:
        raise Wrong("all images get the same noise: draw it in the shape of mu, not of one code")
    if same_columns:
        raise Wrong("one number is drawn for each image: every dimension needs its own")
    linked = torch.corrcoef(noise.T) - torch.eye(noise.shape[1])
    if linked.abs().max() > 0.12:
        raise Wrong("the noise of one dimension tells that of another: draw each on its own")


def _shaped(noise: torch.Tensor) -> None:
    mean, std = float(noise.mean()), float(noise.std())
    if noise.min() >= -1e-3 and noise.max() <= 1.001:
        raise Wrong("the noise is uniform between 0 and 1 (rand); the cloud is a Gaussian (randn)")
    if abs(mean) > 0.06:
        raise Wrong(f"the noise has a mean of {mean:.2f} in place of 0, so the clouds aren't centred at mu")
    kurtosis = float(((noise - mean) / std).pow(4).mean())
    if kurtosis < 2.6 or kurtosis > 3.6:
        raise Wrong("the noise has the wrong shape: the cloud is a Gaussian, so draw it with randn")
    if abs(std - 1) > 0.05:
        raise Wrong(f"the noise has a standard deviation of {std:.2f} in place of 1")


def shuffle(answer: Callable[..., Any]) -> None:
    angle, side = 2 * math.pi * torch.rand(4000), torch.randn(4000).sign()
    codes = torch.stack([angle.cos() * 3, angle.sin() * 3 + 5, side + 0.1 * torch.randn(4000),
                         side * torch.rand(4000), angle.square() / 9], dim=1)  # fmt: skip
    made, again = answer(codes.clone()), answer(codes.clone())
    refuse_nothing(made)
    made, again = torch.as_tensor(made).float(), torch.as_tensor(again).float()
    if made.shape != codes.shape:
        raise Wrong(f"as many codes must come back as went in: {tuple(codes.shape)}, not {tuple(made.shape)}")
    if torch.equal(made, codes):
        raise Wrong("the codes come back as they were: nothing is destroyed")
    if torch.allclose(made.sort(1).values, codes.sort(1).values):
        raise Wrong("numbers change places within a code, so that no dimension looks as it did")
    if max(_apart(made[:, i], codes[:, i]) for i in range(5)) >= 0.05:
        moments = torch.stack([made.mean(0) - codes.mean(0), (made.std(0) / codes.std(0)).log()])
        raise Wrong(
            "mean and spread of each dimension are kept, its histogram isn't: so a Gaussian does, too"
            if moments.abs().max() < 0.25
            else "a dimension, taken alone, no longer looks as before: two things change at once"
        )
    if torch.allclose(made.sum(1).sort().values, codes.sum(1).sort().values, atol=1e-4):
        raise Wrong(
            "whole codes are drawn, or change places: these are real codes still. Nothing is destroyed"
        )
    if _linked(made) > 0.15:
        raise Wrong("each dimension looks as it did, but they still go together: draw anew for each of them")
    if torch.equal(made, again):
        raise Wrong("two calls give the same codes: draw anew in each, without a fixed seed")


def _apart(made: torch.Tensor, codes: torch.Tensor) -> float:
    """The largest distance between two cumulative shares."""
    at = codes.sort().values
    below = torch.searchsorted(made.sort().values.contiguous(), at, right=True) / len(made)
    return float((below - torch.arange(1, len(at) + 1) / len(at)).abs().max())


def _linked(codes: torch.Tensor) -> float:
    """The largest correlation between two dimensions, or their squares: 0 where they are independent."""
    centred = codes - codes.mean(0)
    both = torch.cat([centred, centred.square(), centred.abs()], dim=1).T
    d = codes.shape[1]
    own = torch.eye(d).repeat(3, 3).bool()
    return float(torch.corrcoef(both).nan_to_num().masked_fill(own, 0).abs().max())
