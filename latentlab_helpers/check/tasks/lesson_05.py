"""The exercises of lesson 05: lines and arcs between codes, attribute vectors, and their controls."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ..core import Behaviour, Function, Task, Value, known
from .trials_05 import arc, codes, control_trial, either_way, slerp_trial, thickness_ratio


def _pair(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, int]:
    start, end = codes(generator)
    steps = int(torch.randint(4, 12, (), generator=generator))
    return start, end, steps + (steps == len(start))


def _at(start: torch.Tensor, end: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return start + t[:, None] * (end - start)


def _t(steps: int) -> torch.Tensor:
    return torch.linspace(0, 1, steps)


def _share_of_codes(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, float]:
    n = 8 * int(torch.randint(6, 13, (), generator=generator))
    share = int(torch.randint(1, 4, (), generator=generator)) / 8  # whole numbers of images
    # Of either sign, as slant is, and skewed, so that a range isn't a share
    attribute = torch.randn(n, generator=generator).exp() - 1.5
    return torch.randn(n, 5, generator=generator) + attribute[:, None] / 3, attribute, share


def _ends(z: torch.Tensor, order: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean codes of the last and of the first places of an order."""
    count = max(1, round(share * len(z)))
    return z[order[-count:]].mean(dim=0), z[order[:count]].mean(dim=0)


def _apart(z: torch.Tensor, order: torch.Tensor, share: float) -> torch.Tensor:
    most, least = _ends(z, order, share)
    return most - least


def _above(z: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    return z[high].mean(dim=0) - z[~high].mean(dim=0)


def _range(z: torch.Tensor, a: torch.Tensor, share: float) -> torch.Tensor:
    low, span = a.min(), a.max() - a.min()
    return z[a >= low + (1 - share) * span].mean(dim=0) - z[a <= low + share * span].mean(dim=0)


def _most_or_not(z: torch.Tensor, a: torch.Tensor, share: float) -> torch.Tensor:
    return _above(z, a >= a.sort()[0][-round(share * len(a))])


def _of_each(z: torch.Tensor, a: torch.Tensor, share: float) -> torch.Tensor:
    order, count = a.argsort(), round(share * len(a))
    return z[order[-count:]].mean(dim=1) - z[order[:count]].mean(dim=1)


def _part(v: torch.Tensor, o: torch.Tensor) -> torch.Tensor:
    return (v @ o) / (o @ o) * o


TASKS: dict[str, Task] = {
    "05.1": Function(
        right=lambda a, b, n: _at(a, b, _t(n)), inputs=_pair,
        returns="one row for each step, both ends included", sizes=lambda a, b, n: {"steps": n},
        mistakes=known({
            "the end is never reached: between n codes there are n - 1 gaps":
                lambda a, b, n: _at(a, b, torch.arange(n) / n),
            "the start is missing: t begins at 0": lambda a, b, n: _at(a, b, torch.arange(1, n + 1) / n),
            "both ends are missing: t goes from 0 to 1, and includes them":
                lambda a, b, n: _at(a, b, _t(n + 2)[1:-1]),
            "it goes beyond the end: the last t is 1": lambda a, b, n: _at(a, b, torch.arange(n) / (n - 2)),
            "t counts the steps: divide it, so that it goes from 0 to 1":
                lambda a, b, n: _at(a, b, torch.arange(n)),
            "one row too many: steps counts the codes, not the gaps": lambda a, b, n: _at(a, b, _t(n + 1)),
            "it runs backwards: t = 0 is the start": lambda a, b, n: _at(b, a, _t(n)),
            "the end is added, and nothing of the start taken away: the weights should add up to 1":
                lambda a, b, n: a + _t(n)[:, None] * b,
            "that is the way from start to end alone: begin at the start":
                lambda a, b, n: _t(n)[:, None] * (b - a),
            "it leads away from the end: the way is end - start":
                lambda a, b, n: _at(a, 2 * a - b, _t(n)),
            "the end is never reached: divide the way by n - 1, not by n + 1":
                lambda a, b, n: _at(a, b, torch.arange(n) / (n + 1)),
            "one row too few, the end: arange stops before its last number":
                lambda a, b, n: _at(a, b, torch.arange(n - 1) / (n - 1)),
            "one row too few, the start: steps counts both ends":
                lambda a, b, n: _at(a, b, torch.arange(1, n) / (n - 1)),
            "that is the arc; the task asks for the straight line":
                lambda a, b, n: torch.stack([arc(a, b, float(t)) for t in _t(n)]),
            "the steps grow: evenly spaced, t isn't squared": lambda a, b, n: _at(a, b, _t(n) ** 2),
        }),
    ),
    "05.2": Function(
        right=lambda t: math.sqrt((1 - t) ** 2 + t**2), rel=1e-4,
        inputs=lambda g: (0.05 + 0.4 * float(torch.rand((), generator=g)),),
        mistakes=known({
            "that is the mean square; its root is asked": lambda t: (1 - t) ** 2 + t**2,
            "the weights add up to 1, but lengths in different directions don't": lambda t: 1.0,
            "that is right in the middle only: t may be any number from 0 to 1": lambda t: math.sqrt(0.5),
            "that is the mean square, and only in the middle": lambda t: 0.5,
            "so it would be for opposite codes; independent ones are at right angles, nearly":
                lambda t: 1 - 2 * t,
            "the second code has a variance, too: it is missing": lambda t: 1 - t,
            "the first code has a variance, too: it is missing": lambda t: t,
            "that is the other way round: a code's size relative to that between":
                lambda t: 1 / math.sqrt((1 - t) ** 2 + t**2),
            "there is a mixed term in it: a · b is 0 on average (or t has lost its square)":
                lambda t: math.sqrt((1 - t) ** 2 + t**2 + t * (1 - t)),
            "there is a mixed term in it, and it lacks its sign: a · b is 0 on average":
                lambda t: math.sqrt((1 - t) ** 2 + t**2 - t * (1 - t)),
            "sines and cosines belong to the arc; the straight line's weights are 1 - t and t":
                lambda t: math.sin((1 - t) * math.pi / 2) + math.sin(t * math.pi / 2),
            "variances of independent numbers add up: none is subtracted":
                lambda t: math.sqrt((1 - t) ** 2 - t**2),
            "that is by how much it is shorter; the task asks how large it is":
                lambda t: 1 - math.sqrt((1 - t) ** 2 + t**2),
            "the square of 1 - t is 1 - 2t + t²: a 2 is missing":
                lambda t: math.sqrt(1 - t + 2 * t**2),
            "the weights' roots are added: square the weights, add them up, and take one root":
                lambda t: math.sqrt(1 - t) + math.sqrt(t),
        }),
    ),
    "05.3": Behaviour(slerp_trial),
    "05.4": Function(
        right=lambda z, a, share: _apart(z, a.argsort(), share), inputs=_share_of_codes,
        returns="one vector, as long as a code",
        sizes=lambda z, a, share: {"images in a group": round(share * len(a))},
        mistakes=known({
            "all images take part, cut at the median: share says how many of each end do":
                lambda z, a, share: _above(z, a > a.median()),
            "all images take part, cut at the mean: share says how many of each end do":
                lambda z, a, share: _above(z, a > a.mean()),
            "the attribute isn't used: these are the last images less the first, as they lie in the data":
                lambda z, a, share: _apart(z, torch.arange(len(a)), share),
            "those are ranks, not places: argsort once gives the places of the least to the most":
                lambda z, a, share: _apart(z, a.argsort().argsort(), share),
            "the values' range is cut; share is a share of the images": _range,
            "that is the mean of the most alone: the least's is to be subtracted":
                lambda z, a, share: _ends(z, a.argsort(), share)[0],
            "that is the mean of the least, which is to be subtracted":
                lambda z, a, share: _ends(z, a.argsort(), share)[1],
            "the mean of all is subtracted, not that of the least":
                lambda z, a, share: _ends(z, a.argsort(), share)[0] - z.mean(dim=0),
            "the most are compared with all others, not with the least": _most_or_not,
            "the two means are added: a direction is a difference":
                lambda z, a, share: sum(_ends(z, a.argsort(), share)),
            "its length is gone, which says how far the two groups lie apart: nobody asked for length 1":
                lambda z, a, share: F.normalize(_apart(z, a.argsort(), share), dim=0),
            "half of the share is taken at each end: share counts for each group":
                lambda z, a, share: _apart(z, a.argsort(), share / 2),
            "a fifth is taken, whatever share says": lambda z, a, share: _apart(z, a.argsort(), 0.2),
            "each dimension of the codes is sorted for itself: it is the images that must be sorted":
                lambda z, a, share: _apart(z.sort(dim=0)[0], torch.arange(len(a)), share),
            "the mean is over the numbers of each code; the task asks for that over the images, dim=0":
                _of_each,
            "the last of the most is left out: a slice that ends at -1 stops before it":
                lambda z, a, share: z[a.argsort()[-round(share * len(a)):-1]].mean(dim=0)
                - _ends(z, a.argsort(), share)[1],
            "one image too many is in each group":
                lambda z, a, share: _apart(z, a.argsort(), share + 1 / len(a)),
            "one image too few is in each group":
                lambda z, a, share: _apart(z, a.argsort(), share - 1 / len(a)),
            "the attribute's sign is lost: the least of -3, 1 and 2 is -3":
                lambda z, a, share: _apart(z, a.abs().argsort(), share),
        }),
    ),
    "05.5": Value(
        right=thickness_ratio, rel=0.004,  # some mistakes lie that close to each other
        mistakes={
            "so it would be if thickness followed the strength along a line; measure it": 3.0,
            "the other way round: the change at 3 is above the line": lambda: 1 / thickness_ratio(),
            "those are thicknesses; the task asks by how much they change from strength 0":
                lambda: thickness_ratio(what="thick"),
            "that starts from the digits as written: begin with the decoded ones, at strength 0":
                lambda: thickness_ratio(what="written"),
            "that is a change in pixels: divide it by the change at strength 1":
                lambda: thickness_ratio(what="in pixels"),
            "that is a mean of ratios, in which digits that hardly change count most: divide the means":
                lambda: thickness_ratio(what="each"),
            "that is the change from strength 1 to 3: begin at 0": lambda: thickness_ratio(what="last"),
            "that is strength 2; the task asks for 3": lambda: thickness_ratio(high=2),
            "the vector points the wrong way: the digits get thinner":
                lambda: thickness_ratio(high=-3, low=-1),
            "that is slant": lambda: thickness_ratio("slant"),
            "that is width": lambda: thickness_ratio("width"),
            "that is the vector of pixels: take that of the codes": lambda: thickness_ratio(what="pixels"),
            "the vector is that of half the images at each end: take a fifth":
                lambda: thickness_ratio(what="half"),
            "the vector is that of a tenth of the images at each end: take a fifth":
                lambda: thickness_ratio(share=0.1),
            "the vector has to come from all 1,000 images, not from 200": lambda: thickness_ratio(known=200),
            "all 1,000 codes are pushed; the task asks for the first "
            "200": lambda: thickness_ratio(pushed=1000),
            "the vector was brought to length 1; take it as it is": lambda: thickness_ratio(what="unit"),
            "that is a difference of the two changes; the task asks for their ratio":
                lambda: thickness_ratio(what="difference"),
            "those are thicknesses, at 3 and at 0; the task asks for "
            "changes": lambda: thickness_ratio(what="levels"),
            "that is a median of ratios; divide the mean changes": lambda: thickness_ratio(what="median"),
            "those are medians; the task asks for means": lambda: thickness_ratio(what="medians"),
            "that is the vector for slant, and what it does to the thickness":
                lambda: thickness_ratio(vector_of="slant"),
            "that is the vector for width, and what it does to the thickness":
                lambda: thickness_ratio(vector_of="width"),
        },
    ),
    "05.6": Behaviour(control_trial),
    "05.7": Function(
        right=lambda v, o: v - _part(v, o), inputs=either_way, returns="one vector, as long as the two",
        mistakes=known({
            "other isn't of length 1: divide by its squared norm": lambda v, o: v - (v @ o) * o,
            "divided by other's norm once: other comes in twice, so divide by the norm twice":
                lambda v, o: v - (v @ o) / o.norm() * o,
            "it is divided by vector's squared norm: other's is the one that counts":
                lambda v, o: v - (v @ o) / (v @ v) * o,
            "divided by both norms: that is the cosine, and vector's length should stay in it":
                lambda v, o: v - (v @ o) / (v.norm() * o.norm()) * o,
            "the cosine is taken, and vector's length is forgotten":
                lambda v, o: v - (v @ o) / (v.norm() * o.norm()) * o / o.norm(),
            "the two have changed places: it is vector that loses something": lambda v, o: o - _part(o, v),
            "what is subtracted points along vector: it must point along other":
                lambda v, o: v - _part(o, v),
            "all of other is subtracted: take only as much of it as vector contains": lambda v, o: v - o,
            "a piece of length 1 is subtracted: take as much as vector contains":
                lambda v, o: v - o / o.norm(),
            "that is the part along other: subtract it from vector": _part,
            "the part along other is added: subtract it": lambda v, o: v + _part(v, o),
            "the part along other is subtracted twice: that mirrors it": lambda v, o: v - 2 * _part(v, o),
            "it has vector's length again: what is left should be shorter":
                lambda v, o: F.normalize(v - _part(v, o), dim=0) * v.norm(),
            "it has length 1: what is left should keep its own":
                lambda v, o: F.normalize(v - _part(v, o), dim=0),
            "the products aren't summed: how much of other there is, is one number":
                lambda v, o: v - (v * o) / (o @ o) * o,
            "the products are averaged: their sum says how much of other there is":
                lambda v, o: v - _part(v, o) / len(v),
            "what is subtracted points along vector itself: it must point along other":
                lambda v, o: v - (v @ o) / (o @ o) * v,
            "vector is brought to length 1 first: its own length should stay":
                lambda v, o: (v - _part(v, o)) / v.norm(),
            "the sign of the product is lost: other may point away from vector":
                lambda v, o: v - (v @ o).abs() / (o @ o) * o,
            "half of the part along other is left": lambda v, o: v - _part(v, o) / 2,
        }),
    ),
}  # fmt: skip
