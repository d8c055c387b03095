"""What lesson 03's checks are made of: fresh inputs, and formulas with and without their faults."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import cycle, product
from typing import Any

import torch
from scipy import stats
from torch.nn import functional as F

from ... import datasets, metrics
from ..core import Mistake

# 03.1: images of unequal brightness, so that a mean of ratios isn't the ratio of sums


def laplacian(images: torch.Tensor) -> torch.Tensor:
    kernel = images.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    return F.conv2d(images, kernel[None, None], padding=1)


def energy(images: torch.Tensor) -> torch.Tensor:
    return laplacian(images).square().sum((1, 2, 3))


def images(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    n = int(torch.randint(3, 12, (), generator=generator))
    light = 0.1 + 0.9 * torch.rand(2, n, 1, 1, 1, generator=generator)
    noise = torch.rand(2, n, 1, 28, 28, generator=generator)
    originals = light[0] * noise[0]
    return 0.4 * F.avg_pool2d(originals, 3, 1, 1) + 0.3 * light[1] * originals + 0.05 * noise[1], originals


# 03.2: at most two faults at a time, each in one place of the formula

SQUARES: dict[str, Callable[..., Any]] = {
    "": lambda d, s: d**2 / (2 * s**2),
    "the ½ before the squared error is missing": lambda d, s: d**2 / s**2,
    "the squared error must be divided by sigma squared, the variance": lambda d, s: d**2 / (2 * s),
    "the 2 is squared along with sigma: 2 sigma² isn't (2 sigma)²": lambda d, s: d**2 / (2 * s) ** 2,
    "sigma² divides the squared error, it doesn't multiply it": lambda d, s: d**2 * s**2 / 2,
    "the squared error isn't divided by sigma²": lambda d, s: d**2 / 2,
    "the error must be squared": lambda d, s: d.abs() / (2 * s**2),
    "the squared error is averaged over the pixels; nats per image are a sum": lambda d, s: (
        d**2 / (2 * s**2) / 784
    ),
    "the squared error has the wrong sign": lambda d, s: -(d**2) / (2 * s**2),
}
LOGS: dict[str, Callable[[float], float]] = {
    "": math.log,
    "log sigma is missing: a huge sigma would be free of charge": lambda s: 0,
    "log sigma has the wrong sign": lambda s: -math.log(s),
    "log sigma² needs its ½, or write log sigma": lambda s: 2 * math.log(s),
    "log sigma is halved: ½ log sigma² is log sigma": lambda s: math.log(s) / 2,
    "log sigma is counted once; every pixel has one": lambda s: math.log(s) / 784,
}
CONSTANTS = {
    "": math.log(2 * math.pi) / 2,
    "the constant with 2π is missing: it changes no gradient, but it changes the nats": 0,
    "log 2π comes without its ½": math.log(2 * math.pi),
    "the constant has the wrong sign": -math.log(2 * math.pi) / 2,
    "the constant with 2π is counted once; every pixel has one": math.log(2 * math.pi) / 1568,
    "log π stands where log 2π belongs": math.log(math.pi) / 2,
}


def nll(square: Callable[..., Any], log: Callable[[float], float], constant: float) -> Callable[..., Any]:
    def loss(mean: torch.Tensor, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return square(mean - x, sigma).sum() / len(x) + 784 * (log(sigma) + constant)

    return loss


def nll_mistakes() -> list[Mistake]:
    found = []
    for parts in product(SQUARES.items(), LOGS.items(), CONSTANTS.items()):
        hints, (square, log, constant) = [p[0] for p in parts if p[0]], (p[1] for p in parts)
        if 0 < len(hints) < 3:
            found.append((len(hints), "; besides, ".join(hints), nll(square, log, constant)))
    return [Mistake(hint, does) for _, hint, does in sorted(found, key=lambda each: each[0])]


def gaussians(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, float]:
    n = int(torch.randint(3, 12, (), generator=generator))
    mean, x = torch.rand(2, n, 1, 28, 28, generator=generator)
    return mean, x, 0.2 + 0.5 * float(torch.rand((), generator=generator))


# 03.3


def errors(generator: torch.Generator) -> tuple[torch.Tensor]:
    n = int(torch.randint(3, 12, (), generator=generator))
    size = 0.02 + torch.rand(n, 1, 1, 1, generator=generator)
    return ((size * torch.randn(n, 1, 28, 28, generator=generator)).square(),)


# 03.4: a curve that comes down to the target, or past it, in turn, and jumps up again before it stays below.
# Its own fall, its minimum and its last crossing are all elsewhere. Multiples of 1/4096, so exact.

EXACTLY = cycle((True, False))


def curve(generator: torch.Generator) -> tuple[list[tuple[int, float]], float]:
    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    j, target, exactly = draw(8, 20), draw(100, 160), next(EXACTLY)
    above = [max(700 - 40 * i, 60) + draw(0, 30) for i in range(j - 1)]
    reached = [45, 0, 8, -12] if exactly else [1, -14, 8, -12]
    wander = [draw(4, 30) * (1 - 2 * draw(0, 2)) for _ in range(draw(3, 12))]
    offsets = [*above, *reached, *wander, 5, -33, -47, -78, -66]
    steps = [10 * draw(1, 6)]
    while len(steps) < len(offsets):
        steps.append(steps[-1] + (10 if len(steps) < 6 else 10 * draw(2, 9)))
    pairs = [(step, (target + offset) / 4096) for step, offset in zip(steps, offsets, strict=True)]
    return pairs, target / 4096


def first(curve: list, found: Callable[[float], bool]) -> int:
    return next(i for i, (_, error) in enumerate(curve) if found(error))


def between(curve: list, target: float) -> float:
    """Where the straight line from the last entry above the target to the next one meets the target."""
    j = first(curve, lambda error: error <= target)
    (s, e), (t, f) = curve[j - 1], curve[j]
    return s + (t - s) * (e - target) / (e - f)


def own(curve: list, target: float) -> int:
    start, end = curve[0][1], curve[-1][1]
    return first(curve, lambda error: (start - error) / (start - end) > 1 - target)


def steps_to(curve: list, target: float) -> float:
    return curve[first(curve, lambda error: error <= target)][0]


# 03.5: what the seed does to both is larger than the difference

SPREADS: dict[str, Callable[..., Any]] = {
    "": lambda a, b: (a - b).std(),
    "divided by n: a standard deviation from a sample divides by n - 1": lambda a, b: (a - b).std(
        correction=0
    ),
    "the pairs are lost: what counts is the spread of the differences, not of each model": (
        lambda a, b: (a.var() + b.var()).sqrt()
    ),
    "the variance is taken for the standard deviation": lambda a, b: (a - b).var(),
    "that is the spread of one model, not of the differences": lambda a, b: a.std(),
    "the difference of two spreads isn't the spread of the differences": lambda a, b: (
        a.std() - b.std()
    ).abs(),
    "each model's numbers are sorted on their own, so that the pairs are lost": lambda a, b: (
        a.sort().values - b.sort().values
    ).std(),
}
QUANTILES: dict[str, Callable[[int], Any]] = {
    "": lambda n: stats.t.ppf(0.975, n - 1),
    "1.96 is for many seeds; with few, take the t distribution's quantile": lambda n: 1.96,
    "95 % in the middle leave 2.5 % on either side: the quantile is that of 0.975": (
        lambda n: stats.t.ppf(0.95, n - 1)
    ),
    "n pairs leave n - 1 degrees of freedom, not n": lambda n: stats.t.ppf(0.975, n),
    "n differences leave n - 1 degrees of freedom, not 2n - 2": lambda n: stats.t.ppf(0.975, 2 * n - 2),
    "n pairs leave n - 1 degrees of freedom, not n - 2": lambda n: stats.t.ppf(0.975, n - 2),
    "0.995 is for 99 %; 95 % in the middle leave 2.5 % on either side": lambda n: stats.t.ppf(0.995, n - 1),
    "cdf goes from a value to its share; from a share to its value leads ppf": lambda n: stats.t.cdf(
        0.975, n - 1
    ),
    "the t quantile is missing: that is one standard error to either side": lambda n: 1,
}
ROOTS: dict[str, Callable[[int], float]] = {
    "": math.sqrt,
    "the root of n is missing: a mean is surer than a single difference": lambda n: 1,
    "divided by n; the standard error divides by its root": lambda n: n,
    "n - 1 stands in the spread already; the root below it is that of n": lambda n: math.sqrt(n - 1),
}


def _interval(spread: Callable, quantile: Callable, root: Callable) -> Callable[..., torch.Tensor]:
    def interval(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        middle, half = (a - b).mean(), spread(a, b) * quantile(len(a)) / root(len(a))
        return torch.stack([middle, middle - half, middle + half])

    return interval


RIGHT_INTERVAL = _interval(SPREADS[""], QUANTILES[""], ROOTS[""])


def interval_mistakes() -> list[Mistake]:
    found = []
    for parts in product(SPREADS.items(), QUANTILES.items(), ROOTS.items()):
        hints, how = [p[0] for p in parts if p[0]], [p[1] for p in parts]
        if hints:
            found.append((len(hints), "; besides, ".join(hints), _interval(*how)))
    return [Mistake(hint, does) for _, hint, does in sorted(found, key=lambda each: each[0])]


def half(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    mean, _, high = RIGHT_INTERVAL(a, b)
    return high - mean


NUMBERS = cycle((5, 8, 11, 6, 9, 7, 10))


def seeds(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    seed, a, b = torch.randn(3, next(NUMBERS), generator=generator, dtype=torch.float64)
    a, b = 5 + seed + 0.3 * a, 4 + 1.2 * seed + 0.4 * b
    a[0] = b[0] - 0.2  # one pair is the other way round
    return a, b


# 03.6: a decoder that doesn't know where the digit is


@functools.cache
def unsure(dim: int = 3, by: int = 1) -> dict[str, Any]:
    x = datasets.to_float(datasets.load("mnist", "test").images[:2000])
    places = torch.stack([x.roll(shift, dim) for shift in (-by, 0, by)])
    soft = places.mean(0)
    errors = {"soft": places - soft, "sharp": places - x, "two": places[::2] - places[::2].mean(0)}
    made: dict[str, Any] = {name: float(error.square().mean()) for name, error in errors.items()}
    made["soft, moved"] = float(errors["soft"][::2].square().mean())
    made["sum"] = float((places - places.sum(0)).square().mean())
    made["middle twice"] = float((places - (places.sum(0) + x) / 4).square().mean())
    made["pair"] = float((places - places[::2].mean(0)).square().mean())
    made["abs"] = float(errors["soft"].abs().mean() / errors["sharp"].abs().mean())
    made["sharpness"] = metrics.sharpness(soft, x)
    return made


@functools.cache
def of_images(split: str, n: int | None) -> float:
    x = datasets.to_float(datasets.load("mnist", split).images[:n])
    places = [x.roll(shift, 3) for shift in (-1, 0, 1)]
    soft = sum(places) / 3
    over, under = (sum(float((p - y).square().mean()) for p in places) for y in (soft, x))
    return over / under


def ratio(over: str = "soft", under: str = "sharp", **how: int) -> Callable[[], float]:
    return lambda: unsure(**how)[over] / unsure(**how)[under]
