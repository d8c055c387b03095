"""The exercises of lesson 10: a path, its best velocity and least loss, a step, two priors, and a copy."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from ..core import Function, Mistake, Task, whole

Field = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _pairs(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    n, latent_dim = whole(generator, 11, 20), whole(generator, 3, 8)
    v, x0, x1 = (torch.randn(n, latent_dim, generator=generator) for _ in range(3))
    return v, x0, 2 * x1 + 1, torch.rand(n, generator=generator)


def _scalars(generator: torch.Generator) -> tuple[float, float, float]:
    x, t, s = torch.rand(3, generator=generator).tolist()
    return 4 * x - 2, 0.1 + 0.8 * t, 0.3 + 3 * s


def _pull(x: float, t: float, s: float) -> float:
    return (t * s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * s**2) * x


def _covariance(generator: torch.Generator) -> tuple[torch.Tensor]:
    d = whole(generator, 3, 7)
    a = torch.randn(d, d + 3, generator=generator)
    return (a @ a.T / d,)


def _least(covariance: torch.Tensor) -> torch.Tensor:
    return math.pi / 2 * torch.linalg.eigvalsh(covariance).sqrt().sum()


def _start(generator: torch.Generator) -> tuple[Field, torch.Tensor, float, float]:
    n, d = whole(generator, 4, 9), whole(generator, 2, 5)
    a = torch.randn(d, d, generator=generator)
    t, h = torch.rand(2, generator=generator).tolist()

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.sin(x @ a) + 3 * (1 + t) ** 2

    return velocity, torch.randn(n, d, generator=generator), 0.7 * t, 0.1 + 0.3 * h


def _midpoint(velocity: Field, x: torch.Tensor, t: float, h: float) -> torch.Tensor:
    t_, h_ = torch.tensor(t), torch.tensor(h)
    return x + h * velocity(x + h / 2 * velocity(x, t_), t_ + h_ / 2)


def _clouds(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    n, k, d = whole(generator, 5, 9), whole(generator, 10, 14), whole(generator, 2, 4)
    z, mu, logvar = (torch.randn(rows, d, generator=generator) for rows in (n, k, k))
    return z, mu, 0.5 * logvar - 1


def _each(z: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    square = (z[:, None] - mu).square() * torch.exp(-logvar)
    return -0.5 * (math.log(2 * math.pi) + logvar + square).sum(-1)


def _vectors(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    n, k, d = whole(generator, 30, 40), whole(generator, 6, 12), whole(generator, 2, 5)
    codebook = torch.randn(k, d, generator=generator) * (0.3 + 2 * torch.rand(k, 1, generator=generator))
    return torch.randn(n, d, generator=generator), codebook


def _three_sets(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    d = whole(generator, 2, 4)
    sizes = (2 * whole(generator, low, low + 5) + 1 for low in (10, 20, 15))  # odd: one median for all
    samples, train, test = (torch.randn(n, d, generator=generator) for n in sizes)
    return 1.5 * samples, train, test


def _nearest(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.cdist(a, b).amin(1)


TASKS: dict[str, Task] = {
    "10.1": Function(
        right=lambda v, x0, x1, t: (v - (x1 - x0)).square().sum(1).mean(), inputs=_pairs, gradient=True,
        returns="one number", sizes=lambda v, *_: {"points": len(v), "dimensions": v.shape[1]},
        mistakes=[Mistake(hint, does) for hint, does in {
            "the line runs from noise to code: its velocity is x1 - x0":
                lambda v, x0, x1, t: (v - (x0 - x1)).square().sum(1).mean(),
            "that compares the velocity with the code itself; a velocity is a difference":
                lambda v, x0, x1, t: (v - x1).square().sum(1).mean(),
            "that compares the velocity with the point on the line":
                lambda v, x0, x1, t: (v - (1 - t[:, None]) * x0 - t[:, None] * x1).square().sum(1).mean(),
            "that is the velocity times t; a point on a straight line has the same velocity all the way":
                lambda v, x0, x1, t: (v - t[:, None] * (x1 - x0)).square().sum(1).mean(),
            "that is the distance, and the loss has its square":
                lambda v, x0, x1, t: (v - (x1 - x0)).norm(dim=1).mean(),
        }.items()],
    ),
    "10.2": Function(
        right=_pull, inputs=_scalars, returns="one number",
        mistakes=[Mistake(hint, does) for hint, does in {
            "the variance of x_t is missing: divide by it":
                lambda x, t, s: (t * s**2 - (1 - t)) * x,
            "the sign between the terms: x0 holds back, so the covariance is t s² - (1 - t)":
                lambda x, t, s: (t * s**2 + (1 - t)) / ((1 - t) ** 2 + t**2 * s**2) * x,
            "variances add with squared weights: (1 - t)² + t² s²":
                lambda x, t, s: (t * s**2 - (1 - t)) / ((1 - t) + t * s**2) * x,
            "s is the standard deviation: its square is the variance":
                lambda x, t, s: (t * s - (1 - t)) / ((1 - t) ** 2 + t**2 * s) * x,
            "that is for s = 1": lambda x, t, s: _pull(x, t, 1.0),
            "time runs backwards there: t is 0 at the noise": lambda x, t, s: _pull(x, 1 - t, s),
            "the x is missing": lambda x, t, s: _pull(1.0, t, s),
        }.items()],
    ),
    "10.3": Function(
        right=_least, inputs=_covariance, returns="one number",
        sizes=lambda c: {"dimensions": len(c)},
        mistakes=[Mistake(hint, does) for hint, does in {
            "these are variances; the formula has standard deviations, their roots":
                lambda c: math.pi / 2 * c.trace(),
            "the diagonal's roots are the spread along the coordinates; turn to the principal axes first: "
            "eigenvalues": lambda c: math.pi / 2 * c.diagonal().sqrt().sum(),
            "the factor pi/2 is missing": lambda c: torch.linalg.eigvalsh(c).sqrt().sum(),
            "that is pi times the sum, twice too much": lambda c: 2 * _least(c),
            "that is the loss of one axis alone, the longest; the loss sums over all":
                lambda c: math.pi / 2 * torch.linalg.eigvalsh(c).amax().sqrt(),
            "that is for whitened codes; these aren't": lambda c: math.pi / 2 * len(c),
            "the root of the sum isn't the sum of the roots": lambda c: math.pi / 2 * c.trace().sqrt(),
        }.items()],
    ),
    "10.4": Function(
        right=_midpoint, inputs=_start, returns="a tensor shaped like x", sizes=lambda v, x, *_: {},
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is Euler's step, with the velocity at the start":
                lambda v, x, t, h: x + h * v(x, torch.tensor(t)),
            "the half step's place is right, but its time is still t":
                lambda v, x, t, h: x + h * v(x + h / 2 * v(x, torch.tensor(t)), torch.tensor(t)),
            "the time is half a step on, and the place isn't":
                lambda v, x, t, h: x + h * v(x, torch.tensor(t + h / 2)),
            "that is Heun's step, the mean of the velocities at both ends; the task asks for the middle":
                lambda v, x, t, h: x + h / 2 * (
                    v(x, torch.tensor(t)) + v(x + h * v(x, torch.tensor(t)), torch.tensor(t + h))
                ),
            "the last step is half as long as it should be":
                lambda v, x, t, h: (x + _midpoint(v, x, t, h)) / 2,
            "the trial step goes the whole way; the middle is at half of it":
                lambda v, x, t, h: x + h * v(x + h * v(x, torch.tensor(t)), torch.tensor(t + h)),
            "that is the way from x; add x itself": lambda v, x, t, h: _midpoint(v, x, t, h) - x,
        }.items()],
    ),
    "10.5": Function(
        right=lambda z, mu, logvar: _each(z, mu, logvar).logsumexp(1) - math.log(len(mu)), inputs=_clouds,
        returns="a number for each code", gradient=True,
        sizes=lambda z, mu, _: {"codes": len(z), "components": len(mu)},
        extremes=[(torch.full((2, 2), 60.0), torch.zeros(3, 2), torch.zeros(3, 2))],
        mistakes=[Mistake(hint, does) for hint, does in {
            "the components' shares are missing: each has 1/K": lambda z, m, v: _each(z, m, v).logsumexp(1),
            "that is the mean of the logarithms; the density is a mean, and the logarithm comes after":
                lambda z, m, v: _each(z, m, v).mean(1),
            "that is the density; the task asks for its logarithm":
                lambda z, m, v: _each(z, m, v).exp().mean(1),
            "that is the nearest component alone": lambda z, m, v: _each(z, m, v).amax(1) - math.log(len(m)),
            "logvar is taken for a standard deviation's logarithm: the variance is exp(logvar)":
                lambda z, m, v: _each(z, m, 2 * v).logsumexp(1) - math.log(len(m)),
            "2 pi is missing, once for each dimension":
                lambda z, m, v: _each(z, m, v).logsumexp(1) - math.log(len(m))
                + z.shape[1] / 2 * math.log(2 * math.pi),
            "the components are summed over the codes: the answer has a number for each code":
                lambda z, m, v: _each(z, m, v).logsumexp(0) - math.log(len(m)),
        }.items()],
    ),
    "10.6": Function(
        right=lambda vectors, codebook: torch.cdist(vectors, codebook).argmin(1), inputs=_vectors,
        returns="a whole number for each vector",
        sizes=lambda vectors, codebook: {"vectors": len(vectors), "entries": len(codebook)},
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is the farthest entry": lambda v, c: torch.cdist(v, c).argmax(1),
            "that is the largest inner product; a long entry wins it from afar":
                lambda v, c: (v @ c.T).argmax(1),
            "that is the nearest direction, whatever the length":
                lambda v, c: (v @ (c / c.norm(dim=1, keepdim=True)).T).argmax(1),
            "that is the nearest vector to each entry: the other way round":
                lambda v, c: torch.cdist(v, c).argmin(0),
            "these are the distances; the task asks for the entry's number":
                lambda v, c: torch.cdist(v, c).amin(1),
            "that is the entry itself; the task asks for its number":
                lambda v, c: c[torch.cdist(v, c).argmin(1)],
        }.items()],
    ),
    "10.7": Function(
        right=lambda s, train, test: _nearest(s, train).quantile(0.5) / _nearest(test, train).quantile(0.5),
        inputs=_three_sets, returns="one number",
        sizes=lambda s, train, test: {"samples": len(s), "training codes": len(train)},
        mistakes=[Mistake(hint, does) for hint, does in {
            "upside down: copies should give 0, not infinity":
                lambda s, a, b: _nearest(b, a).quantile(0.5) / _nearest(s, a).quantile(0.5),
            "that asks how near the samples are to the test codes; copies are made of training codes":
                lambda s, a, b: _nearest(s, b).quantile(0.5) / _nearest(b, a).quantile(0.5),
            "that starts from the training codes and looks for their nearest sample":
                lambda s, a, b: _nearest(a, s).quantile(0.5) / _nearest(a, b).quantile(0.5),
            "the unit is missing: divide by the same for the test codes":
                lambda s, a, b: _nearest(s, a).quantile(0.5),
            "that is the mean; the task asks for the median, which a few far samples don't move":
                lambda s, a, b: _nearest(s, a).mean() / _nearest(b, a).mean(),
            "that takes all training codes, and not the nearest":
                lambda s, a, b: torch.cdist(s, a).quantile(0.5) / torch.cdist(b, a).quantile(0.5),
        }.items()],
    ),
}  # fmt: skip
