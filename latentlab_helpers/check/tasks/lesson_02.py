"""The exercises of lesson 02: the cloud, the loss and its reductions, a tighter bound, a control."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import cycle, product
from typing import Any, cast

import torch
from torch.nn import functional as F

from ... import checkpoints, datasets
from ...losses import kl_divergence as kl
from ...models import VariationalAutoencoder
from ..core import Behaviour, Function, Mistake, Task, Value
from .trials_02 import reparameterize, shuffle


def _clouds(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    batch, latent_dim = (int(torch.randint(3, 12, (), generator=generator)) for _ in range(2))
    shape = (batch, latent_dim + batch)  # never a square, so that the axes can't be exchanged
    return torch.randn(shape, generator=generator), 0.7 * torch.randn(shape, generator=generator) - 0.3


def _kl_sizes(mu: torch.Tensor, _: torch.Tensor) -> dict[str, float]:
    return {"images": mu.shape[0], "latent dimensions": mu.shape[1]}


# 02.3: each of the four pairs of reductions equally often

_PAIRS = cycle(product((True, False), repeat=2))


def _reductions(generator: torch.Generator) -> tuple[int, int, bool, bool]:
    pixels = int(torch.randint(500, 900, (), generator=generator))
    over_pixels, over_latents = next(_PAIRS)
    return pixels, int(torch.randint(3, 60, (), generator=generator)), over_pixels, over_latents


def _beta(pixels: float, latents: float, mean_over_pixels: bool, mean_over_latents: bool) -> float:
    return (pixels if mean_over_pixels else 1) / (latents if mean_over_latents else 1)


# 02.4: every combination of the broken loss's faults that may be left


def _batch(generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    mu, logvar = _clouds(generator)
    logits, x = torch.randn(2, len(mu), 1, 28, 28, generator=generator)
    return 2 * logits, x.sigmoid(), 2 * mu, logvar  # clouds that cost enough to show beside 784 pixels


EXTREME = (torch.full((2, 1, 28, 28), 300.0), torch.full((2, 1, 28, 28), 0.3), *torch.zeros(2, 2, 3))


def _loss(again: bool, bce: int, kls: int, sign: int) -> Callable[..., torch.Tensor]:
    def loss(o: torch.Tensor, x: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
        entropy = F.binary_cross_entropy_with_logits(o.sigmoid() if again else o, x, reduction="sum") / len(x)
        n, d = mu.shape
        divide: dict[int, float] = {1: 1, 0: n, -1: 1 / 784, -2: n / 784, 2: 1 / d, 3: 1 / n, 4: 2}
        return entropy * divide[bce] + sign * kl(mu, logvar) * divide[kls]

    return loss


FAULTS: list[dict[str, Any]] = [
    {"": False, "the sigmoid is taken twice: this cross-entropy wants logits": True},
    {"": 1, "the cross-entropy is a mean over the pixels; nats per image are a sum": -1,
     "the cross-entropy is a sum over the images, too": 0,
     "the cross-entropy is a mean over pixels and a sum over images; it is the other way round": -2,
     "the cross-entropy is divided by the number of images twice": 3},
    {"": 1, "the KL is a mean over the latent dimensions, which hides a beta": 2,
     "the KL is a sum over the images, too": 0, "the KL is divided by the number of images twice": 3,
     "the KL lacks its ½": 4},
    {"": 1, "the KL has the wrong sign: it would reward clouds off the prior": -1, "the KL is missing": 0},
]  # fmt: skip


def _left() -> list[Mistake]:
    made = [list(zip(*parts, strict=True)) for parts in product(*(fault.items() for fault in FAULTS))]
    known = [([hint for hint in hints if hint], _loss(*values)) for hints, values in made]
    return [Mistake("; besides, ".join(hints), does) for hints, does in sorted(known, key=_number) if hints]


def _number(fault: tuple[list[str], Any]) -> int:
    return len(fault[0])


# 02.5: logs of weights that a plain exp still bears, and of some that it doesn't

WIDE, FAR = torch.linspace(-1, 2, 28).view(7, 4), torch.tensor([-1000.0, 0.0, 900.0, 1800.0])


def _weights(generator: torch.Generator) -> tuple[torch.Tensor]:
    k, batch = (int(torch.randint(low, low + 9, (), generator=generator)) for low in (13, 3))
    return (1.5 * torch.randn(k, batch, generator=generator) + torch.randn(batch, generator=generator),)


# 02.6: where the KL of a trained VAE goes


@functools.cache
def _costs() -> tuple[torch.Tensor, torch.Tensor]:
    """The KL of each test image in each dimension, and mu."""
    vae = cast(VariationalAutoencoder, checkpoints.load("vae_mlp_16"))
    with torch.no_grad():
        mu, logvar = vae.encode(datasets.to_float(datasets.load("mnist", "test").images))
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar), mu


@functools.cache
def _clouds_of(split: str = "test") -> tuple[torch.Tensor, torch.Tensor]:
    vae = cast(VariationalAutoencoder, checkpoints.load("vae_mlp_16"))
    with torch.no_grad():
        mu, logvar = vae.encode(datasets.to_float(datasets.load("mnist", split).images))
    return mu, logvar


def _kl_terms(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


def _of(terms: Callable[..., torch.Tensor], split: str = "test") -> float:
    """The share of the four largest of other terms, averaged over the images."""
    means = terms(*_clouds_of(split)).mean(0)
    return float(means.topk(4).values.sum() / means.sum())


def _of_means() -> float:
    means = _kl_terms(*(each.mean(0) for each in _clouds_of()))
    return float(means.topk(4).values.sum() / means.sum())


def _share(choose: Callable[[torch.Tensor, torch.Tensor], Any]) -> Callable[[], float]:
    """What the chosen dimensions pay, as a share of all."""
    return lambda: float(_costs()[0].mean(0)[choose(*_costs())].sum() / _costs()[0].mean(0).sum())


def _top(n: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return lambda costs, _: costs.mean(0).topk(n).indices


TASKS: dict[str, Task] = {
    "02.1": Function(
        right=kl, inputs=_clouds, sizes=_kl_sizes, gradient=True,
        returns="one number, the mean over the batch",
        mistakes=[Mistake(hint, does) for hint, does in {
            "the -1 is missing: with mu = 0 and logvar = 0 the KL must be 0":
                lambda mu, logvar: 0.5 * (mu.square() + logvar.exp() - logvar).sum() / len(mu),
            "the term -logvar is missing: nothing keeps sigma from shrinking to 0":
                lambda mu, logvar: 0.5 * (mu.square() + logvar.exp() - 1).sum() / len(mu),
            "logvar has the wrong sign: a wide cloud would be free of charge":
                lambda mu, logvar: 0.5 * (mu.square() + logvar.exp() - 1 + logvar).sum() / len(mu),
            "the ½ belongs before the whole bracket, not before mu² alone":
                lambda mu, logvar: (0.5 * mu.square() + logvar.exp() - 1 - logvar).sum() / len(mu),
            "the -1 is subtracted once; every latent dimension has one":
                lambda mu, logvar: 0.5 * ((mu.square() + logvar.exp() - logvar).sum() / len(mu) - 1),
            "exp(logvar / 2) is sigma; here stands sigma², which is exp(logvar)":
                lambda mu, logvar: 0.5 * (mu.square() + (logvar / 2).exp() - 1 - logvar).sum() / len(mu),
            "exp(logvar) is sigma² already, and is squared once more":
                lambda mu, logvar: 0.5 * (mu.square() + (2 * logvar).exp() - 1 - logvar).sum() / len(mu),
            "that is the KL the other way round, from the prior to the cloud":
                lambda mu, logvar: 0.5 * ((mu.square() + 1) / logvar.exp() - 1 + logvar).sum() / len(mu),
            "mu and logvar are averaged over the batch first; average the images' KLs, at the end":
                lambda mu, logvar: kl(mu.mean(0, keepdim=True), logvar.mean(0, keepdim=True)),
            "mu must be squared": lambda mu, logvar: 0.5 * (mu + logvar.exp() - 1 - logvar).sum() / len(mu),
            "logvar is taken for log sigma: logvar.exp() is the variance already (a Normal wants its root)":
                lambda mu, logvar: 0.5 * (mu.square() + (2 * logvar).exp() - 1 - 2 * logvar).sum() / len(mu),
        }.items()],
    ),
    "02.2": Behaviour(reparameterize),
    "02.3": Function(
        right=_beta, inputs=_reductions, sizes=lambda p, d, *_: {"pixels": p, "latent dimensions": d},
        mistakes=[Mistake(hint, does) for hint, does in {
            "upside down: a mean over pixels makes the reconstruction small, and so the KL heavy":
                lambda p, d, *means: 1 / _beta(p, d, *means),
            "the latents' mean makes the KL smaller, so it belongs below the line":
                lambda p, d, mp, ml: (p if mp else 1) * (d if ml else 1),
            "the mean over pixels works the other way: it makes the reconstruction smaller":
                lambda p, d, mp, ml: 1 / ((p if mp else 1) * (d if ml else 1)),
            "the two means are mixed up: which is over what?": lambda p, d, mp, ml: _beta(p, d, ml, mp),
            "True stands for a mean, and not for a sum": lambda p, d, mp, ml: _beta(p, d, not mp, not ml),
            "right where both are means; where one is a sum, it divides by nothing": lambda p, d, *_: p / d,
            "the mean over the latents is never used": lambda p, d, mp, ml: p if mp else 1,
            "the mean over the pixels is never used": lambda p, d, mp, ml: 1 / (d if ml else 1),
            "the two factors don't add up: they multiply": lambda p, d, mp, ml: p * mp - d * ml,
            "// throws the rest away: divide with /":
                lambda p, d, mp, ml: (p if mp else 1) // (d if ml else 1),
            "two means don't cancel: one divides by the pixels, the other by the latents":
                lambda p, d, mp, ml: 1 if mp and ml else _beta(p, d, mp, ml),
            "where both are means, only that over the pixels is used: with elif the other never comes":
                lambda p, d, mp, ml: p if mp else _beta(p, d, mp, ml),
            "where both are means, only that over the latents is used: with elif the other never comes":
                lambda p, d, mp, ml: 1 / d if ml else _beta(p, d, mp, ml),
            "784 is one data set's number of pixels: use the argument":
                lambda p, d, mp, ml: _beta(784, d, mp, ml),
            "16 is one network's number of latents: use the argument":
                lambda p, d, mp, ml: _beta(p, 16, mp, ml),
            "784 and 16 are one network's numbers: use the arguments":
                lambda p, d, mp, ml: _beta(784, 16, mp, ml),
            "a sum divides by 1, not by 0": lambda p, d, mp, ml: (p if mp else 0) / (d if ml else 1),
        }.items()],
    ),
    "02.4": Function(
        right=_loss(False, 1, 1, 1), inputs=_batch, gradient=True, rel=1e-4,
        returns="one number, in nats per image", extremes=[EXTREME],
        sizes=lambda o, x, mu, logvar: {"images": len(x), "pixels": 784, "latent dimensions": mu.shape[1]},
        mistakes=[
            *_left(),
            Mistake("that is the squared error; the lesson's coin for each pixel gives the cross-entropy",
                    lambda o, x, mu, logvar: (o.sigmoid() - x).square().sum() / len(x) + kl(mu, logvar)),
            Mistake("the minus is missing before the sum over x log p + (1 - x) log(1 - p)",
                    lambda o, x, mu, logvar: kl(mu, logvar) - _loss(False, 1, 1, 0)(o, x, mu, logvar)),
            Mistake("the dark pixels are missing: (1 - x) log(1 - p) counts as well",
                    lambda o, x, mu, logvar: kl(mu, logvar) - (x * F.logsigmoid(o)).sum() / len(x)),
            Mistake("logits and images have changed places: the logits come first",
                    lambda o, x, mu, logvar: _loss(False, 1, 1, 1)(x, o, mu, logvar)),
            Mistake("the images are rounded to black and white; their greys count",
                    lambda o, x, mu, logvar: _loss(False, 1, 1, 1)(o, x.round(), mu, logvar)),
        ],
    ),
    "02.5": Function(
        right=lambda w: torch.logsumexp(w, 0) - math.log(len(w)), inputs=_weights, gradient=True,
        rel=1e-4, sizes=lambda w: {"samples": w.shape[0], "images": w.shape[1]},
        returns="one number for each image", extremes=[(WIDE - 1000,), (WIDE + FAR,), (400 * WIDE,)],
        mistakes=[Mistake(hint, does) for hint, does in {
            "log k is missing: that is the log of a sum, not of a mean": lambda w: w.logsumexp(0),
            "that is the mean of the logs, the ELBO; the mean comes first": lambda w: w.mean(0),
            "the mean runs over the images; it belongs over the k samples of each":
                lambda w: w.logsumexp(1) - math.log(w.shape[1]),
            "the mean runs over the images, and log k is missing, too": lambda w: w.logsumexp(1),
            "divided by k after the log: inside the log a division, outside it - log k":
                lambda w: w.logsumexp(0) / len(w),
            "k is subtracted where log k is meant": lambda w: w.logsumexp(0) - len(w),
            "log k has the wrong sign": lambda w: w.logsumexp(0) + math.log(len(w)),
            "k is the number of samples; you subtract the log of the number of images":
                lambda w: w.logsumexp(0) - math.log(w.shape[1]),
            "that is the largest weight alone": lambda w: w.amax(0),
            "that is the largest weight alone, divided by k: the others count, too":
                lambda w: w.amax(0) - math.log(len(w)),
            "the maximum is subtracted before exp, and never added back after the log":
                lambda w: (w - w.amax(0)).logsumexp(0) - math.log(len(w)),
            "the maximum is added, not subtracted, or subtracted again after the log":
                lambda w: (w - w.amax(0)).logsumexp(0) - math.log(len(w)) - w.amax(0),
            "log10 of k is subtracted where the natural logarithm is meant":
                lambda w: w.logsumexp(0) - math.log10(len(w)),
            "log2 of k is subtracted where the natural logarithm is meant":
                lambda w: w.logsumexp(0) - math.log2(len(w)),
            "that is a mean of the logs, weighted by softmax; the task asks for the log of the "
            "weights' plain mean":
                lambda w: (w.softmax(0) * w).sum(0),
            "the log is missing in the end": lambda w: w.exp().mean(0),
            "the weights come as logs: exp before the mean, log after it": lambda w: w.mean(0).log(),
            "the log is missing in the end, and a sum stands for the mean": lambda w: w.exp().sum(0),
            "the samples of all images are thrown together":
                lambda w: w.flatten().logsumexp(0) - math.log(w.numel()),
        }.items()],
    ),
    "02.6": Value(
        right=_share(_top(4)), rel=0.002,
        mistakes={
            "these are nats; divide them by the KL of all 16 dimensions":
                lambda: float(_costs()[0].mean(0).topk(4).values.sum()),
            "these are the nats of all dimensions": lambda: float(_costs()[0].mean(0).sum()),
            "a mean over the four, where their sum is asked": lambda: _share(_top(4))() / 4,
            "that is the dearest dimension alone": _share(_top(1)),
            "that is a share of three; the task asks for four": _share(_top(3)),
            "that is a share of five; the task asks for four": _share(_top(5)),
            "these are the first four; take the four with the largest KL": _share(lambda *_: slice(4)),
            "these are the last four; take the four with the largest KL": _share(lambda *_: slice(12, 16)),
            "these are the four cheapest": _share(lambda costs, mu: (-costs.mean(0)).topk(4).indices),
            "these are the four whose mu varies most; the task asks for the four with the largest KL":
                _share(lambda costs, mu: mu.var(0).topk(4).indices),
            "that is how much the four pay for each nat of the other twelve; the task asks for a "
            "share of all 16":
                lambda: _share(_top(4))() / (1 - _share(_top(4))()),
            "logvar is missing: that is mu² alone": lambda: _of(lambda mu, logvar: mu.square()),
            "the -1 is missing in each dimension's KL":
                lambda: _of(lambda mu, logvar: mu.square() + logvar.exp() - logvar),
            "mu and logvar are averaged over the images first; average the KL": _of_means,
            "these are four images; average over the images (dim=0), and choose among dimensions":
                lambda: float(_costs()[0].mean(1).topk(4).values.sum() / _costs()[0].mean(1).sum()),
            "those are the training digits; take the test digits": lambda: _of(_kl_terms, "train"),
            "that is with the first 1,000 digits; take all 10,000":
                lambda: _of(lambda mu, logvar: _kl_terms(mu, logvar)[:1000]),
            "that is what the other twelve pay": lambda: 1 - _share(_top(4))(),
            "each image has its own four there; average over the images first, then choose":
                lambda: float((_costs()[0].topk(4).values.sum(1) / _costs()[0].sum(1)).mean()),
            "each image has its own four there; average over images first, and choose then":
                lambda: float(_costs()[0].topk(4).values.sum() / _costs()[0].sum()),
        },
    ),
    "02.7": Behaviour(shuffle),
}  # fmt: skip
