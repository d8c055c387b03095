"""The exercises of lesson 03: sharpness, Gaussian pixels, pace, paired differences, a fair experiment."""

from __future__ import annotations

import bisect
import math

import torch

from ..core import Behaviour, Function, Mistake, Task, Value
from .parts_03 import (
    CONSTANTS,
    LOGS,
    RIGHT_INTERVAL,
    SQUARES,
    between,
    curve,
    energy,
    errors,
    first,
    gaussians,
    half,
    images,
    interval_mistakes,
    laplacian,
    nll,
    nll_mistakes,
    of_images,
    own,
    ratio,
    seeds,
    steps_to,
    unsure,
)  # fmt: skip
from .trials_03 import experiment

TASKS: dict[str, Task] = {
    "03.1": Function(
        right=lambda x, o: energy(x).sum() / energy(o).sum(), inputs=images,
        sizes=lambda x, _: {"images": len(x), "pixels": 784}, returns="one number for all images",
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is the mean of the images' own ratios; divide the sum of all by the sum of all":
                lambda x, o: (energy(x) / energy(o)).mean(),
            "one ratio for each image; sum over all images before you divide":
                lambda x, o: energy(x) / energy(o),
            "upside down: a blurred copy must score below 1": lambda x, o: energy(o).sum() / energy(x).sum(),
            "the Laplacian must be squared, not made positive":
                lambda x, o: laplacian(x).abs().sum() / laplacian(o).abs().sum(),
            "the Laplacian isn't squared, so bright and dark edges cancel":
                lambda x, o: laplacian(x).sum() / laplacian(o).sum(),
            "a root is too many: an energy is a sum of squares":
                lambda x, o: (energy(x).sum() / energy(o).sum()).sqrt(),
            "that is a difference of the energies; divide them":
                lambda x, o: energy(x).sum() - energy(o).sum(),
            "the pixels are squared, not their Laplacian: that is brightness, not edges":
                lambda x, o: x.square().sum() / o.square().sum(),
            "that compares the difference of the images with the originals; each has an energy of its own":
                lambda x, o: energy(x - o).sum() / energy(o).sum(),
            "the originals' energy is missing: divide by it": lambda x, o: energy(x).sum(),
            "that is the share that is lost; the task asks for what is left":
                lambda x, o: 1 - energy(x).sum() / energy(o).sum(),
            "the spread of the Laplacian is no energy: nothing is to be subtracted before squaring":
                lambda x, o: laplacian(x).var() / laplacian(o).var(),
            "square first, then sum, or bright and dark edges cancel":
                lambda x, o: (laplacian(x).sum() / laplacian(o).sum()).square(),
            "the images are squared before the Laplacian; square what the Laplacian gives":
                lambda x, o: laplacian(x.square()).sum() / laplacian(o.square()).sum(),
            "below the line stands the originals' brightness; their edges' energy is asked":
                lambda x, o: energy(x).sum() / o.square().sum(),
        }.items()],
    ),
    "03.2": Function(
        right=nll(SQUARES[""], LOGS[""], CONSTANTS[""]), inputs=gaussians, gradient=True,
        sizes=lambda mean, *_: {"images": len(mean), "pixels": 784}, returns="one number, in nats per image",
        rel=1e-4,
        mistakes=[
            Mistake("sigma is taken for the variance: square it, also within the log", lambda mean, x, s:
                    (mean - x).square().sum() / (2 * s) / len(x) + 392 * math.log(2 * math.pi * s)),
            Mistake("the squared error is summed over the images, and never averaged", lambda mean, x, s:
                    (mean - x).square().sum() / (2 * s**2) + 392 * math.log(2 * math.pi * s**2)),
            Mistake("sigma is squared twice", lambda mean, x, s:
                    (mean - x).square().sum() / (2 * s**4) / len(x) + 392 * math.log(2 * math.pi * s**4)),
            Mistake("the density comes back, with a minus; the task asks for its log", lambda mean, x, s:
                    -(-(mean - x).square() / (2 * s**2)).exp().sum() / len(x) / (math.sqrt(2 * math.pi) * s)),
            Mistake("log10 stands where the natural logarithm is meant", lambda mean, x, s:
                    (mean - x).square().sum() / (2 * s**2) / len(x) + 392 * math.log10(2 * math.pi * s**2)),
            *nll_mistakes(),
        ],
    ),
    "03.3": Function(
        right=lambda e: e.mean().sqrt(), inputs=errors, returns="one sigma for all pixels of all images",
        sizes=lambda e: {"images": len(e), "pixels": 784},
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is the variance; sigma is its root": lambda e: e.mean(),
            "the root comes too early: the mean of the roots is the mean absolute error":
                lambda e: e.sqrt().mean(),
            "every image has a sigma of its own there; one is asked, from all errors together":
                lambda e: e.mean((1, 2, 3)).sqrt().mean(),
            "one sigma for each image; one for all is asked": lambda e: e.mean((1, 2, 3)).sqrt(),
            "every pixel has a sigma of its own there; one is asked, from all errors together":
                lambda e: e.mean(0).sqrt().mean(),
            "one sigma for each pixel; one for all is asked": lambda e: e.mean(0).sqrt(),
            "that is the root of a sum over everything; sigma grows with more pixels, and shouldn't":
                lambda e: e.sum().sqrt(),
            "the squared errors are summed over the pixels; sigma is that of one pixel":
                lambda e: (e.sum() / len(e)).sqrt(),
            "the squares are those of errors already: don't subtract their mean": lambda e: e.std(),
            "that is a median; set the derivative to 0 and see which average comes out":
                lambda e: e.median().sqrt(),
            "a ½ is left under the root: both terms of the derivative have it, or neither":
                lambda e: (e.mean() / 2).sqrt(),
            "a 2 is left under the root: both terms of the derivative have it, or neither":
                lambda e: (2 * e.mean()).sqrt(),
            "upside down: large errors ask for a large sigma": lambda e: e.mean().rsqrt(),
            "that is 1 / sigma²: large errors ask for a large sigma": lambda e: 1 / e.mean(),
            "the errors come squared already: don't square them again": lambda e: e.square().mean().sqrt(),
            "nothing is subtracted before squaring: sigma is the root of the mean square, not a spread":
                lambda e: e.sqrt().std(),
            "the squared errors are summed over the images; divide by their number, too":
                lambda e: e.mean(0).sum().mul(len(e) / e[0].numel()).sqrt(),
            "that is the largest error; all of them count": lambda e: e.max().sqrt(),
            "that is log sigma": lambda e: e.mean().log() / 2,
            "that is log sigma²": lambda e: e.mean().log(),
        }.items()],
    ),
    "03.4": Function(
        right=steps_to, inputs=curve, returns="a number of steps",
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is the place in the list; the task asks for the step that stands there":
                lambda c, t: first(c, lambda e: e <= t),
            "a curve that comes down to exactly the target has reached it":
                lambda c, t: c[first(c, lambda e: e < t)][0],
            "that is the place in the list, not the step; besides, exactly the target counts as reached":
                lambda c, t: first(c, lambda e: e < t),
            "each curve is still measured by its own fall; compare the error itself with the target":
                lambda c, t: c[own(c, t)][0],
            "each curve is measured by its own fall; besides, that is the place in the list and not the step":
                own,
            "that is where the error is smallest; the task asks for the first time at the target":
                lambda c, t: min(c, key=lambda pair: pair[1])[0],
            "that is the place in the list where the error is smallest":
                lambda c, t: min(range(len(c)), key=lambda i: c[i][1]),
            "that is where the error stays at the target or below; the task asks for the first time":
                lambda c, t: c[max(i for i, (_, e) in enumerate(c) if e > t) + 1][0],
            "one entry too early": lambda c, t: c[first(c, lambda e: e <= t) - 1][0],
            "one entry too late": lambda c, t: c[first(c, lambda e: e <= t) + 1][0],
            "that is the curve's start, which is above the target: is the comparison the wrong way round, "
            "or are step and error mixed up?":
                lambda c, t: c[first(c, lambda e: e >= t)][0],
            "that is how many entries lie above the target": lambda c, t: sum(e > t for _, e in c),
            "that is the last step at the target or below, the curve's end; the task asks for the first":
                lambda c, t: max(s for s, e in c if e <= t),
            "that is the error at this step; the task asks for the step":
                lambda c, t: c[first(c, lambda e: e <= t)][1],
            "that is where the error is closest to the target, which may be above it; the task "
            "asks for at or below":
                lambda c, t: min(c, key=lambda pair: abs(pair[1] - t))[0],
            "the target comes back; the task asks for the step": lambda c, t: t,
            "counted from the curve's first step; the task asks for the step itself":
                lambda c, t: steps_to(c, t) - c[0][0],
            "that lies between two entries; the task asks for the first of the steps in the list":
                between,
            "that has the largest error within the target; the task asks for the first in the "
            "order of training":
                lambda c, t: max((e, s) for s, e in c if e <= t)[1],
            "a search by halves takes it for granted that the error only falls":
                lambda c, t: c[bisect.bisect_left([-e for _, e in c], -t)][0],
            "that counts the entries, the one at the target included; the task asks for its step":
                lambda c, t: first(c, lambda e: e <= t) + 1,
        }.items()],
    ),
    "03.5": Function(
        right=RIGHT_INTERVAL, inputs=seeds, sizes=lambda a, _: {"seeds": len(a)},
        returns="three numbers (mean, low, high)",
        mistakes=[Mistake(hint, does) for hint, does in {
            "the difference is the other way round: first minus second": lambda a, b: RIGHT_INTERVAL(b, a),
            "right numbers in another order: mean, low, high": lambda a, b: RIGHT_INTERVAL(a, b)[[1, 0, 2]],
            "low and high are exchanged": lambda a, b: RIGHT_INTERVAL(a, b)[[0, 2, 1]],
            "the mean comes first, before low and high": lambda a, b: RIGHT_INTERVAL(a, b)[[1, 2, 0]],
            "the mean difference is missing: return mean, low, high": lambda a, b: RIGHT_INTERVAL(a, b)[1:],
            "the interval is missing: return mean, low, high": lambda a, b: (a - b).mean(),
            "return the ends of the interval, low and high, not its half width": lambda a, b: torch.stack(
                [RIGHT_INTERVAL(a, b)[0], RIGHT_INTERVAL(a, b)[2] - RIGHT_INTERVAL(a, b)[0]]),
            "low and high are half widths; return the ends, mean - half width and mean + half width":
                lambda a, b: torch.stack([RIGHT_INTERVAL(a, b)[0], *[half(a, b)] * 2]),
            "the interval lies around 0; add the mean to both ends":
                lambda a, b: torch.stack([RIGHT_INTERVAL(a, b)[0], -half(a, b), half(a, b)]),
            "low and high are a quarter of the interval's width from the mean: don't halve again":
                lambda a, b: RIGHT_INTERVAL(a, b)[0] + half(a, b) * torch.tensor([0, -0.5, 0.5]),
            "the differences have lost their signs: a - b, without abs":
                lambda a, b: RIGHT_INTERVAL((a - b).abs(), 0 * b),
            "a is divided by b; a pair's difference is a - b": lambda a, b: RIGHT_INTERVAL(a / b, 0 * b),
            "that is the median of the differences; the mean is asked":
                lambda a, b: torch.stack([(a - b).median(), *RIGHT_INTERVAL(a, b)[1:]]),
            "between these ends lie 95 % of the differences; the task asks for an interval for their mean":
                lambda a, b: torch.stack([(a - b).mean(), *(a - b).quantile(a.new_tensor([0.025, 0.975]))]),
            "these are the smallest and the largest difference; the task asks for an interval for their mean":
                lambda a, b: torch.stack([(a - b).mean(), (a - b).min(), (a - b).max()]),
        }.items()] + interval_mistakes(),
    ),
    "03.6": Value(
        right=ratio(), rel=0.004,
        mistakes={
            "upside down: the soft answer's error belongs above": ratio("sharp", "soft"),
            "that is a ratio of roots; divide the mean squared errors": lambda: math.sqrt(ratio()()),
            "the sharp answer meets only the two moved digits there; a third of the time it is right":
                lambda: ratio()() * 2 / 3,
            "both answers meet only the two moved digits there; the third place is as likely":
                lambda: ratio("soft, moved")() * 2 / 3,
            "the soft answer is the mean of all three places, not of the two moved ones": ratio("pair"),
            "that is with two places; the third, the digit where it was, is as likely":
                lambda: unsure()["two"] / unsure()["sharp"] * 2 / 3,
            "the digits move up and down there; the task asks for left and right, dims=3": ratio(dim=2),
            "the digits move by two pixels there; the task asks for one": ratio(by=2),
            "that is the soft answer's error alone; divide it by the sharp one's": lambda: unsure()["soft"],
            "that is the sharp answer's error alone; divide the soft one's by it": lambda: unsure()["sharp"],
            "that is a difference of the errors; divide them": lambda: unsure()["sharp"] - unsure()["soft"],
            "that is how much smaller the error gets, or the soft answer's error in the middle place alone; "
            "the task asks for the ratio, over all three places": lambda: 1 - ratio()(),
            "those are absolute errors; square them": lambda: unsure()["abs"],
            "that is the sharpness of the soft answer; the task asks for its "
            "error": lambda: unsure()["sharpness"],
            "a half comes out with two places in place of three, or with a sharp answer at a random one "
            "of the three; the digit has three, and the sharp answer stays in the middle": 0.5,
            "the soft answer is a sum; the mean is a third of it":
                lambda: unsure()["sum"] / unsure()["sharp"],
            "the sharp answer's errors are summed over the places, the soft one's averaged":
                lambda: ratio()() / 3,
            "a soft answer that counts the middle twice isn't the mean of the three places":
                lambda: unsure()["middle twice"] / unsure()["sharp"],
            "a third comes out if the digit moves in one direction only: once by 1, and once by -1": 1 / 3,
            "that is the difference of the errors, soft minus sharp; divide them":
                lambda: unsure()["soft"] - unsure()["sharp"],
            "that is with all test images; take the first 2,000": lambda: of_images("test", None),
            "those are training images; take the first 2,000 test images": lambda: of_images("train", 2000),
        },
    ),
    "03.7": Behaviour(experiment),
}  # fmt: skip
