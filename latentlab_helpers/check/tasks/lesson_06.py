"""The exercises of lesson 06: a normalizer, units, a hidden sigma, free bits, a schedule, weights, a file."""

from __future__ import annotations

import math
from itertools import cycle

import torch

from ...objectives import log_normalizer
from ..core import Function, Mistake, Task


def _logits(generator: torch.Generator) -> tuple[torch.Tensor]:
    n = int(torch.randint(5, 12, (), generator=generator))
    return (4 * torch.randn(n, generator=generator),)


def _plain(logits: torch.Tensor) -> torch.Tensor:
    return logits / torch.tanh(logits / 2)


def _elbos(generator: torch.Generator) -> tuple[float, int, int]:
    draw = torch.rand(3, generator=generator).tolist()
    return 3000 * draw[0] - 1000, 100 + int(3000 * draw[1]), 2 ** (2 + int(7 * draw[2]))


def _weights_of_two(generator: torch.Generator) -> tuple[float, float]:
    a, b = torch.rand(2, generator=generator).tolist()
    return 0.001 + 3 * a, 0.1 + 8 * b


def _kls(generator: torch.Generator) -> tuple[torch.Tensor, float]:
    batch, latent_dim = (int(torch.randint(3, 9, (), generator=generator)) for _ in range(2))
    level = torch.rand(latent_dim + batch, generator=generator)  # some dimensions below the limit
    level[::3] /= 1000  # and some unused: below a limit that all of them share, too
    kl = level * 2 * torch.rand(batch, latent_dim + batch, generator=generator)
    return kl, 0.3 + 0.4 * float(torch.rand((), generator=generator))


def _free(kl: torch.Tensor, nats: float) -> torch.Tensor:
    return kl.mean(0).clamp(min=nats).sum()


_HALVES = cycle((2, 1, 4, 7))  # by turns both halves of a period, the first period and later ones


def _step(generator: torch.Generator) -> tuple[int, int]:
    """Not long after a half has begun, where every mistake shows."""
    half = int(torch.randint(20, 300, (), generator=generator))
    return next(_HALVES) * half + int(torch.randint(1, half // 2, (), generator=generator)), 2 * half


def _cycle(step: int, period: int) -> float:
    return min(1.0, 2 * (step % period) / period)


def _log_weights(generator: torch.Generator) -> tuple[torch.Tensor]:
    k, batch = (int(torch.randint(low, low + 9, (), generator=generator)) for low in (13, 3))
    return (torch.randn(k, batch, generator=generator) + torch.randn(batch, generator=generator),)


def _effective(log_weights: torch.Tensor) -> torch.Tensor:
    weights = log_weights.softmax(0)
    return 1 / weights.square().sum(0)


def _nats(generator: torch.Generator) -> tuple[torch.Tensor]:
    n = int(torch.randint(50, 900, (), generator=generator))
    return (-60 - 80 * torch.rand(n, generator=generator),)


def _bits(elbo: float, pixels: int, levels: int) -> float:
    return -elbo / (pixels * math.log(2)) + math.log2(levels)


TASKS: dict[str, Task] = {
    "06.1": Function(
        right=log_normalizer, inputs=_logits, returns="a number for each logit", gradient=True,
        extremes=[(torch.tensor([0.0, 1e-6, -2.0, 300.0, -300.0]),)],
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is C; the task asks for its logarithm": _plain,
            "that is the logarithm of the integral; C is one over it, so the sign changes":
                lambda logits: -_plain(logits).log(),
            "tanh takes half the logit": lambda logits: (logits / torch.tanh(logits)).log(),
            "C is 2 at a logit of 0: a factor 2 is missing, or a half too many":
                lambda logits: (_plain(logits) / 2).log(),
            "the formula has the logit in it, and yours has p":
                lambda logits: _plain(logits.sigmoid()).log(),
            "log10 stands where the natural logarithm is meant": lambda logits: _plain(logits).log10(),
        }.items()],
    ),
    "06.2": Function(
        right=_bits, inputs=_elbos, returns="one number, in bits per pixel",
        sizes=lambda elbo, pixels, levels: {"pixels": pixels},
        mistakes=[Mistake(hint, does) for hint, does in {
            "the sign is the ELBO's; a size is minus that":
                lambda e, n, m: e / (n * math.log(2)) + math.log2(m),
            "the unit of the greys is left out: add the bits that a grey's number has":
                lambda e, n, m: -e / (n * math.log(2)),
            "the bits of the greys are subtracted; smaller steps have smaller densities, so they cost more":
                lambda e, n, m: -e / (n * math.log(2)) - math.log2(m),
            "these are nats, both terms; divide by ln 2": lambda e, n, m: -e / n + math.log(m),
            "the ELBO is still in nats: divide it by ln 2": lambda e, n, m: -e / n + math.log2(m),
            "the bits of the greys are in nats: take log2 of the levels":
                lambda e, n, m: -e / (n * math.log(2)) + math.log(m),
            "the bits of the greys are those of one pixel: they are not divided by the pixels again":
                lambda e, n, m: (-e / math.log(2) + math.log2(m)) / n,
            "that is for the whole image; divide the ELBO by the number of pixels":
                lambda e, n, m: -e / math.log(2) + math.log2(m),
            "that is for the whole image, greys and all; divide by the number of pixels":
                lambda e, n, m: -e / math.log(2) + n * math.log2(m),
            "nats times ln 2: divide by it": lambda e, n, m: -e * math.log(2) / n + math.log2(m),
        }.items()],
    ),
    "06.3": Function(
        right=lambda weight, beta: math.sqrt(beta / (2 * weight)), inputs=_weights_of_two,
        returns="one sigma",
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is sigma²": lambda w, b: b / (2 * w),
            "the ½ of the Gaussian is missing: its squared error is divided by 2 sigma²":
                lambda w, b: math.sqrt(b / w),
            "the KL's weight is left out: only with beta 1 is that the sigma":
                lambda w, b: math.sqrt(1 / (2 * w)),
            "beta stands on the wrong side: a dearer KL is like a larger sigma":
                lambda w, b: math.sqrt(1 / (2 * w * b)),
            "upside down: a heavier squared error is a smaller sigma": lambda w, b: math.sqrt(2 * w / b),
            "that is 1 / sigma²": lambda w, b: 2 * w / b,
            "the squared error's weight is left out": lambda w, b: math.sqrt(b / 2),
            "the 2 belongs below the line: weight = 1 / (2 sigma²)": lambda w, b: math.sqrt(2 * b / w),
        }.items()],
    ),
    "06.4": Function(
        right=_free, inputs=_kls, gradient=True, returns="one number, in nats per image",
        sizes=lambda kl, _: {"images": len(kl), "latent dimensions": kl.shape[1]},
        mistakes=[Mistake(hint, does) for hint, does in {
            "each image has its own free nats there; take the mean over the batch first, then the maximum":
                lambda kl, nats: kl.clamp(min=nats).sum(1).mean(),
            "the limit caps the KL, and would forbid more than the free nats; take the larger of the two":
                lambda kl, nats: kl.mean(0).clamp(max=nats).sum(),
            "the free nats are subtracted; the task asks for the larger of the two, so that a dimension "
            "below the limit pays the limit":
                lambda kl, nats: (kl.mean(0) - nats).clamp(min=0).sum(),
            "that is the KL without any free nats: each dimension has a limit of its own, and one for their "
            "sum changes nothing here": lambda kl, nats: kl.mean(0).sum(),
            "a limit for each dimension, and yours shares one among all of them":
                lambda kl, nats: kl.mean(0).clamp(min=nats / kl.shape[1]).sum(),
            "the sum runs over images, the mean over dimensions; it is the other way round":
                lambda kl, nats: kl.mean(1).clamp(min=nats).sum(),
        }.items()],
    ),
    "06.5": Function(
        right=_cycle, inputs=_step, returns="beta, a number between 0 and 1",
        mistakes=[Mistake(hint, does) for hint, does in {
            "that rises over the whole period; it should be done in the first half":
                lambda step, period: (step % period) / period,
            "that rises once and stays; each period starts again at 0":
                lambda step, period: min(1.0, 2 * step / period),
            "that rises once, over a whole period": lambda step, period: min(1.0, step / period),
            "in the second half beta stays 1, and doesn't fall again":
                lambda step, period: 1 - abs(1 - 2 * (step % period) / period),
            "the second half is missing its limit: beta mustn't go beyond 1":
                lambda step, period: 2 * (step % period) / period,
            "that is upside down: beta falls from 1":
                lambda step, period: 1 - min(1.0, 2 * (step % period) / period),
            "the periods are half as long as they should be":
                lambda step, period: min(1.0, 2 * (step % (period / 2)) / (period / 2)),
        }.items()],
    ),
    "06.6": Function(
        right=_effective, inputs=_log_weights, returns="one number for each image",
        sizes=lambda w: {"samples": w.shape[0], "images": w.shape[1]},
        extremes=[(torch.tensor([[-1000.0, 900.0], [-1000.0, 900.0], [-1001.0, 905.0]]),)],
        mistakes=[Mistake(hint, does) for hint, does in {
            "upside down: that is 1 for a single sample that has all the weight, and less for more":
                lambda w: w.softmax(0).square().sum(0),
            "the weights are normalized over the images; each image's samples belong together, dim 0":
                lambda w: 1 / w.softmax(1).square().sum(0),
            "the sum runs over the images; each image's samples belong together, dim 0":
                lambda w: 1 / w.softmax(0).square().sum(1),
            "the weights aren't normalized: divide by their sum": lambda w: 1 / w.exp().square().sum(0),
            "above the line the sum must be squared, too": lambda w: w.exp().sum(0) / w.exp().square().sum(0),
            "that is the exponential of the entropy, another way of counting; the task names its formula":
                lambda w: torch.exp(-(w.softmax(0) * w.log_softmax(0)).sum(0)),
            "one over the largest weight; the task asks for all of them":
                lambda w: 1 / w.softmax(0).amax(0),
            "these are logs of weights: take their exponential first":
                lambda w: w.sum(0).square() / w.square().sum(0),
            "that is the mean over all images; the task asks for each image": lambda w: _effective(w).mean(),
        }.items()],
    ),
    "06.7": Function(
        right=lambda elbos: -elbos.double().sum() / (8 * math.log(2) * 1000), inputs=_nats,
        sizes=lambda elbos: {"images": len(elbos)}, returns="one number, in kilobytes",
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is in kilobits: a byte has 8": lambda e: -e.sum() / (math.log(2) * 1000),
            "that is in bytes: a kilobyte has 1,000": lambda e: -e.sum() / (8 * math.log(2)),
            "a kilobyte has 1,000 bytes; 1,024 are a kibibyte": lambda e: -e.sum() / (8 * math.log(2) * 1024),
            "nats are taken for bits: divide by ln 2": lambda e: -e.sum() / 8000,
            "that is one image's mean size; the task asks for all of them together":
                lambda e: -e.mean() / (8 * math.log(2) * 1000),
            "nats times ln 2: divide by it": lambda e: -e.sum() * math.log(2) / 8000,
            "that is in bits": lambda e: -e.sum() / math.log(2),
        }.items()],
    ),
}  # fmt: skip
