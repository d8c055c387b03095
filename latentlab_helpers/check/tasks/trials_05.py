"""What lesson 05's checks do with an answer that isn't a formula: an arc, a measurement, a control."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import cycle, product
from typing import Any

import torch

from ... import attributes, checkpoints, datasets, latent, metrics
from ..core import Function, Mistake, Wrong, refuse_nothing

SIGNS = cycle((1, -1, -1))  # so that each check has both, at an acute angle and at an obtuse one


def codes(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Two codes of unequal length, neither parallel nor at right angles."""
    d = int(torch.randint(5, 20, (), generator=generator))
    start, other = torch.randn(2, d, generator=generator)
    end = other / other.norm() + 0.4 * start / start.norm()
    longer, shorter = torch.tensor([3.5, 2.2]) + torch.rand(2, generator=generator)
    return longer * start / start.norm(), shorter * end / end.norm()


def either_way(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Two such codes, whose product is positive in some of a check's cases and negative in others."""
    sign = next(SIGNS)
    while True:
        start, end = codes(generator)
        end = end * (start @ end).sign() * sign
        omega = torch.acos(start @ end / start.norm() / end.norm())
        if omega.rad2deg().sin().abs() > 0.1:  # or an angle in degrees divides by nothing but rounding
            return start, end


def _arc(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, float]:
    return *either_way(generator), 0.15 + 0.25 * float(
        torch.rand((), generator=generator)
    )  # never the middle


def arc(a: torch.Tensor, b: torch.Tensor, t: float, r: str = "", under: str = "", way: str = "") -> Any:
    """Slerp, as the lesson writes it, or with some of its usual faults."""
    units = a / a.norm(), b / b.norm()
    omega = torch.acos((units[0] @ units[1]).clamp(-1, 1))
    omega = {
        "degrees": omega.rad2deg(),
        "cosine": units[0] @ units[1],
        "acute": omega.cos().abs().acos(),
    }.get(way, omega)
    u, v = {"codes": (a, b), "swapped": units[::-1], "one norm": (units[0], b / a.norm())}.get(under, units)
    length = {
        "": (1 - t) * a.norm() + t * b.norm(), "none": 1.0, "start": a.norm(), "end": b.norm(),
        "mean": (a.norm() + b.norm()) / 2, "line": ((1 - t) * a + t * b).norm(),
        "turned": t * a.norm() + (1 - t) * b.norm(),
    }[r]  # fmt: skip
    if way in ("line", "stretched") or omega.abs() < 1e-3:
        mixed = (1 - t) * u + t * v
        return length * (mixed / mixed.norm() if way == "stretched" else mixed)
    mixed = ((1 - t) * omega).sin() * u + (t * omega).sin() * v
    return length * mixed / (1.0 if way == "undivided" else omega.sin())


LENGTHS: dict[str, dict[str, Any]] = {
    "": {},
    "the length r is missing: the result has length 1, wherever the codes lie": {"r": "none"},
    "the length stays the start's: r must go over into the end's": {"r": "start"},
    "the length is the end's from the beginning: r must go over from the start's": {"r": "end"},
    "the length is the mean of the two for every t: r must go over from one to the other": {"r": "mean"},
    "the two lengths have changed places: at t = 0 it is the start's": {"r": "turned"},
    "the length is that of the straight line, which cuts the corner": {"r": "line"},
    "the unit vectors belong beside the sines: with the codes, each length counts twice": {"under": "codes"},
    "both codes are divided by the start's norm: each has its own": {"under": "one norm"},
    "the codes stand beside the sines: the longer of the two pulls the result its way, and no r makes "
    "its length right": {"under": "codes", "r": "none"},
}
TURNS: dict[str, dict[str, Any]] = {
    "": {},
    "sin takes radians: the angle stands in degrees": {"way": "degrees"},
    "the division by sin omega is missing": {"way": "undivided"},
    "the ends have changed places: t = 0 is the start": {"under": "swapped"},
    "that goes along the straight line and stretches it: the steps aren't equal angles": {"way": "stretched"},
    "the unit vectors are mixed without any sine, or with that of a tiny angle (of a wrong unit?): the "
    "middle is still too short": {"way": "line"},
    "that is the sine of a cosine: omega is the angle, acos of the product": {"way": "cosine"},
    "the product's sign is lost, so an obtuse angle becomes an acute one": {"way": "acute"},
}


def _faults() -> Iterator[Mistake]:
    pairs = [(p, q) for p, q in product(LENGTHS.items(), TURNS.items()) if not p[1].keys() & q[1].keys()]
    for (a, one), (b, two) in sorted(pairs, key=lambda p: bool(p[0][0] and p[1][0])):  # one fault comes first
        if a or b:
            yield Mistake("; besides, ".join(filter(None, (b, a))), functools.partial(arc, **one, **two))


def _line(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    return (1 - t) * a + t * b


STRAIGHT = Mistake("that is the straight line: nothing follows the arc yet", _line)
ARC = Function(right=arc, inputs=_arc, returns="one code", mistakes=[STRAIGHT, *_faults()])


def slerp_trial(answer: Callable[..., Any]) -> None:
    generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
    for _ in range(4 * callable(answer)):
        start, end, t = _arc(generator)
        made, small = (  # short codes, too: their product may lie between -1 and 1
            torch.as_tensor(_given(answer(s * start, s * end, t))).double() for s in (1.0, 0.05)
        )
        if (
            not made.isfinite().all()
            or made.norm() > 1e5
            or made.shape == small.shape == start.shape
            and (made / made.norm() - small / small.norm()).norm() > 0.01
        ):
            raise Wrong(
                "acos wants a cosine, from -1 to 1. The product of two codes is one only if both have length "
                "1; cutting it off at 1 doesn't mend that"
            )
    ARC(answer)
    for i in range(40):  # of these cosines rounding puts some at 1, some above it and some below
        start, t = 3 * torch.randn(4 + i % 9, generator=generator), 0.1 + 0.02 * i
        end = (0.5 + i % 3) * start
        made, right = torch.as_tensor(answer(start.clone(), end.clone(), t)), arc(start, end, t)
        if not made.isfinite().all():
            raise Wrong(
                "right for most codes, and NaN for two that point the same way. There omega is 0, and the "
                "formula is 0/0; rounding may even put the cosine above 1. What lies between such codes?"
            )
        if made.shape != right.shape or (made - right).norm() > 0.01 * right.norm():
            raise Wrong(
                "right for most codes, but not for two that point the same way: between them lies a code of "
                "the same direction, with the length r"
            )


def _given(made: Any) -> Any:
    refuse_nothing(made)
    if made is ...:
        raise NotImplementedError
    return torch.stack(list(made)) if isinstance(made, list | tuple) and torch.is_tensor(made[0]) else made


@functools.cache
def _first(attribute: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The first 1,000 test images, and what they measure."""
    images = datasets.to_float(datasets.load("mnist", "test").images[:1000])
    return images, getattr(attributes, attribute)(images)


@functools.cache
def thickness_ratio(
    of: str = "thickness",
    high: float = 3,
    low: float = 1,
    what: str = "",
    *,
    vector_of: str = "",
    share: float = 0.2,
    known: int = 1000,
    pushed: int = 200,
) -> float:
    """How many times as much an attribute changes with `high` as with `low`; or the number of a mistake."""
    (x, values), measure, pixels = _first(vector_of or of), getattr(attributes, of), what == "pixels"
    vae: Any = checkpoints.load("vae_mlp_16")
    with torch.no_grad():
        z = x.flatten(1) if pixels else metrics.embed(vae, x)
        vector = latent.attribute_vector(z[:known], values[:known], 0.5 if what == "half" else share)
        vector = vector / vector.norm() if what == "unit" else vector
        codes = [z[:pushed] + strength * vector for strength in (0, low, high)]
        images = [c.clamp(0, 1).view(-1, 1, 28, 28) if pixels else vae.decode(c) for c in codes]
    base, one, much = (measure(some) for some in images)
    base = {"written": values[:pushed], "thick": torch.zeros(pushed)}.get(what, base)
    ratios = (much - base) / (one - base)
    change, step = float((much - base).nanmean()), float((one - base).nanmean())
    return {
        "each": float(ratios.nanmean()), "median": float(ratios.nanmedian()),
        "medians": float((much - base).nanmedian() / (one - base).nanmedian()),
        "levels": float(much.nanmean() / base.nanmean()), "in pixels": change, "difference": change - step,
        "last": (change - step) / step,
    }.get(what, change / step)  # fmt: skip


def _factors(z: torch.Tensor) -> dict[str, torch.Tensor]:
    """What turns rows of standard normal numbers into directions: rightly, or by a mistake."""
    cov, moment = z.T.cov(), z.T @ z / len(z)
    root, variances = torch.linalg.cholesky(cov), cov.diagonal().diag()
    return {
        "": root.T, "round": torch.eye(len(cov)), "axes": variances.sqrt(), "variances": variances,
        "cov": cov, "turned": root, "inverse": root.inverse(), "moment": torch.linalg.cholesky(moment).T,
    }  # fmt: skip


SPREADS = {
    "round": "every direction is as likely as any other: draw them with the codes' covariance, so that "
    "they point where codes lie",
    "axes": "each dimension has its own spread, as it should, but the dimensions vary together: take the "
    "whole covariance, not its diagonal alone",
    "variances": "a spread is a standard deviation, not a variance; besides, the dimensions vary together",
    "cov": "the covariance itself overdoes it: multiply by its root (Cholesky's, for instance)",
    "turned": "Cholesky's factor is on the wrong side: rows of random numbers want noise @ L.T",
    "moment": "these are the codes' mean products: subtract the mean first, to have their covariance",
    "inverse": "that is the covariance's inverse: these directions point where hardly any code lies",
}


def control_trial(answer: Callable[..., Any]) -> None:
    if not callable(answer):
        raise Wrong("the answer is a function")
    generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
    for d, n, skewed in ((3, 4000, False), (5, 4003, False), (3, 4001, True)):
        axes = torch.linalg.qr(torch.randn(d, d, generator=generator))[0]
        spread = torch.tensor([3.0, 1.2, 0.5, 0.2, 0.1])[:d]  # unequal, along tilted axes, off the origin
        noise = torch.randn(5000, d, generator=generator)  # more than n: codes may be drawn without repeats
        noise = noise.exp() - 1.6 if skewed else noise  # then a cloud and its mirror image differ
        z = noise * spread @ axes.T + 2.5 * axes[:, -1]
        vector = 1.7 * axes[:, 1] + 1.2 * axes[:, -1]
        kept = z.clone(), vector.clone()
        made = torch.as_tensor(_given(answer(z, vector, n))).detach().float()
        if not (torch.equal(z, kept[0]) and torch.equal(vector, kept[1])):
            raise Wrong("codes or vector are changed on the way: work on copies")
        if made.shape != (n, d):
            turned = ": they are transposed" if made.shape == (d, n) else ""
            raise Wrong(
                f"the task asks for the shape ({n}, {d}), a direction a row; not {(*made.shape,)}{turned}"
            )
        if not made.isfinite().all():
            raise Wrong(
                "some directions are NaN or infinite: was one of length 0 divided by its length, such as a "
                "code minus itself?"
            )
        _lengths(made.norm(dim=1), vector.norm())
        _spread(made / vector.norm(), z, vector / vector.norm(), generator, skewed)


def _lengths(lengths: torch.Tensor, wanted: torch.Tensor) -> None:
    times = lengths / wanted
    if (times - 1).abs().max() < 1e-3:
        return
    if (lengths - 1).abs().max() < 1e-3:
        raise Wrong("all have length 1: a control as long as the vector is asked, or it pushes more or less")
    if (times - times[0]).abs().max() < 1e-3:
        raise Wrong(f"all are {times[0]:.3g} times as long as the vector, so not only the direction differs")
    if abs(times.square().mean().sqrt() - 1) < 0.1 or abs(times.mean() - 1) < 0.1:
        raise Wrong("they are as long as the vector on average only: divide each one by its own length")
    if abs(times.norm() - 1) < 1e-3:
        raise Wrong("taken together they have the vector's length: divide each one by its own (dim=1)")
    raise Wrong("their lengths differ: a longer direction pushes more, and then two things change at once")


def _spread(
    u: torch.Tensor, z: torch.Tensor, vector: torch.Tensor, generator: torch.Generator, skewed: bool
) -> None:
    limit, middle, along = 4 / len(u) ** 0.5, u.mean(dim=0), (u @ vector).square().mean()
    noise, off = torch.randn(20000, len(vector), generator=generator), {}
    for way, factor in _factors(z).items():
        v = noise @ factor
        v = v / v.norm(dim=1, keepdim=True)
        off[way] = float((u.T @ u / len(u) - v.T @ v / len(v)).norm())
    if along > 0.999:
        raise Wrong("all lie along the vector itself: a control that contains it is none")
    if len(u.unique(dim=0)) < len(u) / 5:
        raise Wrong("the directions repeat: draw each of them anew")
    if middle.norm() > limit:
        if (middle - (z / z.norm(dim=1, keepdim=True)).mean(dim=0)).norm() < 0.1:
            raise Wrong(
                "these are codes, not directions: they point from the origin to where the cloud lies. Its "
                "covariance alone should count, around a mean of 0"
            )
        if middle @ vector > 0.8 * middle.norm():
            raise Wrong("the directions lean towards the vector: a control that contains it is none")
        raise Wrong("the directions have a preferred side: each should be as likely as its opposite")
    if off[""] < limit or skewed:  # of a skewed cloud, differences of codes are fine, and spread otherwise
        return
    if off[nearest := min(off, key=lambda way: off[way])] < limit:
        raise Wrong(SPREADS[nearest])
    if along < 0.003:
        raise Wrong(
            "the vector's own direction has been taken out. A random direction shares a little with it, by "
            "chance; leave that in, or it isn't random"
        )
    raise Wrong("the directions don't spread as the codes do: compare their covariance with the codes'")
