"""The checks of lesson 03's exercises: right answers in unusual forms, and mistakes."""

import bisect
import functools
import math
import statistics

import numpy as np
import torch
from judge import answers_tried
from scipy import stats
from torch import nn
from torch.nn import functional as F

from latentlab_helpers import datasets, metrics

# ---- right answers, written as nobody would expect


def lap(images):
    padded = F.pad(images, (1, 1, 1, 1))
    beside = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    return beside - 4 * images


def sharp(x, o, power=2):
    return (lap(x) ** power).sum() / (lap(o) ** power).sum()


def each(x, o):
    return (lap(x) ** 2).flatten(1).sum(1) / (lap(o) ** 2).flatten(1).sum(1)


class Nll(nn.Module):
    def forward(self, mean, x, sigma):
        return F.gaussian_nll_loss(mean, x, torch.full_like(x, sigma**2), full=True, reduction="sum") / len(x)


def by_distribution(mean, x, sigma):
    return -torch.distributions.Normal(mean.double(), sigma).log_prob(x.double()).sum((1, 2, 3)).mean()


def nll(mean, x, sigma, square=lambda d, s: d**2 / (2 * s**2), log=math.log, constant=0.9189385332):
    return (square(x - mean, sigma) + log(sigma) + constant).sum() / len(x)


def wrong_nll(**how):
    return functools.partial(nll, **how)


def best_by_search(e):
    sigmas = np.exp(np.linspace(-6, 2, 40001))
    return sigmas[np.argmin(e.mean().item() / (2 * sigmas**2) + np.log(sigmas))]


def steps_by_numpy(curve, target):
    steps, errors = np.array(curve).T
    return steps[np.argmax(errors <= target)]


def steps_by_tensor(curve, target):
    table = torch.tensor(curve)
    return table[table[:, 1] <= target, 0][0]


def steps_by_loop(curve, target):
    while curve[0][1] > target:
        curve = curve[1:]
    return curve[0][0]


def interval(a, b, sd=lambda a, b: (a - b).std(), q=lambda n: stats.t.ppf(0.975, n - 1), root=math.sqrt):
    middle, half = (a - b).mean(), sd(a, b) * q(len(a)) / root(len(a))
    return middle, middle - half, middle + half


def wrong_interval(**how):
    return functools.partial(interval, **how)


def by_ttest(a, b):
    found = stats.ttest_rel(a.numpy(), b.numpy())
    ends = found.confidence_interval(0.95)
    return [np.mean(a.numpy() - b.numpy()), (ends.low, ends.high)]


def by_statistics(a, b):
    d = [x - y for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    return np.array(
        [statistics.fmean(d), *stats.t.interval(0.95, len(d) - 1, statistics.fmean(d), stats.sem(d))]
    )


@functools.cache
def places(dim=3, by=1):
    x = datasets.to_float(datasets.load("mnist", "test").images[:2000])
    return torch.stack([x.roll(-by, dim), x, x.roll(by, dim)])


def error(soft, seen=None):
    seen = places() if seen is None else seen
    return (seen - soft).square().mean().item()


def blur_ratio(dim=3, by=1):
    p = places(dim, by)
    return error(p.mean(0), p) / error(p[1], p)


def padded():
    """Moved without coming back in on the other side."""
    x = places()[1]
    p = torch.stack([F.pad(x, (1, 0))[..., :28], x, F.pad(x, (0, 1))[..., 1:]])
    return error(p.mean(0), p) / error(x, p)


def pairs(vae, seeds, key):
    return [({**vae, "seed": s}, {**vae, "seed": s, key: 0}) for s in seeds]


def design(vae, seeds, noise="noise", kl="kl_weight"):
    return {"noise": pairs(vae, seeds, noise), "KL": pairs(vae, seeds, kl)}


def beside_no_kl(vae, seeds):
    """The noise is tried without a KL, and the KL without noise."""
    kl = pairs({**vae, "noise": 0}, seeds, "kl_weight")
    return {"KL": kl, "noise": pairs({**vae, "kl_weight": 0.0}, seeds, "noise")}


def by_seed(vae, seeds):
    return {
        name: dict(zip(seeds[::-1], made[::-1], strict=True)) for name, made in design(vae, seeds).items()
    }


def as_lists(vae, seeds):
    return {name: tuple(list(pair) for pair in made) for name, made in design(vae, seeds).items()}


RIGHT = {
    "03.1": [lambda x, o: sharp(x, o)[None], sharp, metrics.sharpness,
             lambda x, o: np.square(lap(x).numpy()).sum() / np.square(lap(o).numpy()).sum(),
             lambda x, o: (lap(x).norm() / lap(o).norm()) ** 2, lambda x, o: sharp(x.double(), o.double())],
    "03.2": [Nll(), by_distribution, nll],
    "03.3": [best_by_search, lambda e: math.sqrt(e.mean()), lambda e: e.sqrt().norm() * e.numel() ** -0.5,
             lambda e: np.sqrt(np.mean(e.numpy()))],
    "03.4": [steps_by_numpy, steps_by_tensor, steps_by_loop],
    "03.5": [by_ttest, by_statistics, interval],
    "03.6": [blur_ratio, lambda: torch.tensor(blur_ratio()), lambda: [blur_ratio()], padded],
    "03.7": [design, beside_no_kl, by_seed, as_lists],
}  # fmt: skip


# ---- wrong answers


def own_fall(curve, target):
    errors = [e for _, e in curve]
    return next(i for i, e in enumerate(errors) if (errors[0] - e) / (errors[0] - errors[-1]) > 1 - target)


def at(curve, target, found):
    return next(i for i, (_, e) in enumerate(curve) if found(e, target))


def reached(curve, target):
    return at(curve, target, lambda e, t: e <= t)


def below(curve, target):
    return at(curve, target, lambda e, t: e < t)


def stays(curve, target):
    step = curve[-1][0]
    for s, e in reversed(curve):
        if e > target:
            return step
        step = s


def broken_steps_to(curve, target):
    errors = [error for step, error in curve]
    for i, e in enumerate(errors):
        share = (errors[0] - e) / (errors[0] - errors[-1])
        if share > 1 - target:
            return i


def pick(*order):
    return lambda a, b: [interval(a, b)[i] for i in order]


def changed(vae, seeds, **how):
    """Each name in `how` is a function of settings: what to change in the second of the noise's pairs."""
    made = design(vae, seeds)
    made["noise"] = [(a, {**b, **{k: f(b) for k, f in how.items()}}) for a, b in made["noise"]]
    return made


def of_noise(make):
    """A design whose pairs for the noise are made in another way."""
    return lambda vae, seeds: {**design(vae, seeds), "noise": make(vae, seeds)}


def aliased(vae, seeds):
    made = {"noise": [], "KL": []}
    for name, key in (("noise", "noise"), ("KL", "kl_weight")):
        for s in seeds:
            run = {**vae, "seed": s}
            without = run
            without[key] = 0
            made[name].append((run, without))
    return made


def in_place(vae, seeds):
    made = design(vae, seeds)
    vae["noise"] = 0
    return made


def with_own(vae, seeds, **how):
    return [({**a, **how}, {**b, **how}) for a, b in pairs(vae, seeds, "noise")]


SQ = {"the ½ before": lambda d, s: d**2 / s**2,
      "must be divided by sigma squared": lambda d, s: d**2 / (2 * s),
      "squared along with": lambda d, s: d**2 / (2 * s) ** 2,
      "doesn't multiply": lambda d, s: d**2 * s**2 / 2,
      "isn't divided by sigma²": lambda d, s: d**2 / 2,
      "error must be squared": lambda d, s: d.abs() / (2 * s**2),
      "averaged over the pixels": lambda d, s: d**2 / (2 * s**2) / 784,
      "squared error has the wrong sign": lambda d, s: -(d**2) / (2 * s**2)}  # fmt: skip
LOG = {"log sigma is missing": lambda s: 0, "log sigma has the wrong sign": lambda s: -math.log(s),
       "needs its ½": lambda s: math.log(s**2), "log sigma is halved": lambda s: 0.5 * math.log(s),
       "log sigma is counted once": lambda s: math.log(s) / 784}  # fmt: skip
CONST = {"the constant with 2π is missing": 0, "comes without its ½": math.log(2 * math.pi),
         "the constant has the wrong sign": -0.5 * math.log(2 * math.pi),
         "the constant with 2π is counted once": 0.5 * math.log(2 * math.pi) / 784,
         "log π stands": 0.5 * math.log(math.pi)}  # fmt: skip


def halves(a, b):
    mean, _, high = interval(a, b)
    return mean, high - mean


def between(c, t):
    i = reached(c, t)
    (s, e), (n, f) = c[i - 1 : i + 1]
    return np.interp(t, [f, e], [n, s])


def by_bisect(c, t):
    return c[bisect.bisect_left([-e for _, e in c], -t)][0]


def of(x):
    p = torch.stack([x.roll(s, 3) for s in (-1, 0, 1)])
    return error(p.mean(0), p) / error(x, p)


def loaded(split, n=None):
    return datasets.to_float(datasets.load("mnist", split).images[:n])


WRONG = [
    ("03.1", lambda x, o: lap(x).sum() ** 2 / lap(o).sum() ** 2, "square first"),
    ("03.1", lambda x, o: lap(x**2).sum() / lap(o**2).sum(), "squared before"),
    ("03.1", lambda x, o: (lap(x) ** 2).sum() / (o**2).sum(), "originals' brightness"),
    ("03.2", lambda m, x, s: -torch.distributions.Normal(m, s).log_prob(x).exp().sum() / len(x), "its log"),
    ("03.2", wrong_nll(log=math.log10, constant=0.5 * math.log10(2 * math.pi)), "log10"),
    ("03.3", lambda e: (e**2).mean().sqrt(), "don't square them again"),
    ("03.3", lambda e: e.sqrt().std(), "not a spread"),
    ("03.3", lambda e: (e.sum() / 784).sqrt(), "divide by their number"),
    ("03.3", lambda e: e.max().sqrt(), "largest error"),
    ("03.4", lambda c, t: steps_by_loop(c, t) - c[0][0], "counted from the curve's first step"),
    ("03.4", between, "between two entries"),
    ("03.4", lambda c, t: max((e, s) for s, e in c if e <= t)[1], "largest error within"),
    ("03.4", by_bisect, "by halves"),
    ("03.4", lambda c, t: next(pair for pair in c if pair[1] <= t), "return the first alone"),
    ("03.4", lambda c, t: c[-1][0], "the curve's end"),
    ("03.5", wrong_interval(sd=lambda a, b: abs(a.std() - b.std())), "isn't the spread of the differences"),
    ("03.5", lambda a, b: interval(a.sort().values, b.sort().values), "sorted on their own"),
    ("03.5", wrong_interval(q=lambda n: stats.t.ppf(0.975, n - 2)), "not n - 2"),
    ("03.5", wrong_interval(q=lambda n: stats.t.cdf(0.975, n - 1)), "cdf"),
    ("03.5", wrong_interval(root=lambda n: math.sqrt(n - 1)), "n - 1 stands"),
    ("03.5", lambda a, b: (*halves(a, b), halves(a, b)[1]), "half widths"),
    ("03.5", lambda a, b: (halves(a, b)[0], -halves(a, b)[1], halves(a, b)[1]), "around 0"),
    ("03.5", lambda a, b: [halves(a, b)[0] + i * halves(a, b)[1] for i in (0, -0.5, 0.5)], "halve again"),
    ("03.5", lambda a, b: interval((a - b).abs(), 0 * b), "lost their signs"),
    ("03.5", lambda a, b: interval(a / b, 0 * b), "divided by b"),
    ("03.5", lambda a, b: ((a - b).median(), *interval(a, b)[1:]), "median"),
    ("03.5", lambda a, b: ((a - b).mean(), *np.percentile((a - b).numpy(), [2.5, 97.5])), "95 % of the"),
    ("03.5", lambda a, b: ((a - b).mean(), (a - b).min(), (a - b).max()), "smallest and the largest"),
    ("03.6", lambda: error(places().sum(0)) / error(places()[1]), "is a sum"),
    ("03.6", lambda: blur_ratio() / 3, "are summed over the places"),
    ("03.6", lambda: error((places().sum(0) + places()[1]) / 4) / error(places()[1]), "middle twice"),
    ("03.6", lambda: error(places()[[1, 2, 2]].mean(0), places()[[1, 2, 2]])
     / error(places()[1], places()[[1, 2, 2]]), "in one direction only"),
    ("03.6", lambda: error(places().mean(0)) - error(places()[1]), "soft minus sharp"),
    ("03.6", lambda: of(loaded("test")), "all test images"),
    ("03.6", lambda: of(loaded("train", 2000)), "training images"),
    ("03.6", lambda: error(places().mean(0), places()[1]) / error(places()[1]), "in the middle place alone"),
    ("03.1", lambda x, o: each(x, o).mean(), "mean of the images' own ratios"),
    ("03.1", each, "one ratio for each image"),
    ("03.1", lambda x, o: sharp(o, x), "upside down"),
    ("03.1", lambda x, o: lap(x).abs().mean() / lap(o).abs().mean(), "not made positive"),
    ("03.1", functools.partial(sharp, power=1), "isn't squared"),
    ("03.1", lambda x, o: lap(x).norm() / lap(o).norm(), "a root is too many"),
    ("03.1", lambda x, o: (lap(x) ** 2).sum() - (lap(o) ** 2).sum(), "difference of the energies"),
    ("03.1", lambda x, o: (x**2).mean() / (o**2).mean(), "that is brightness"),
    ("03.1", lambda x, o: (lap(x - o) ** 2).sum() / (lap(o) ** 2).sum(), "difference of the images"),
    ("03.1", lambda x, o: (lap(x) ** 2).sum(), "the originals' energy is missing"),
    ("03.1", lambda x, o: 1 - sharp(x, o), "the share that is lost"),
    ("03.1", lambda x, o: lap(x).var() / lap(o).var(), "spread of the Laplacian"),
    ("03.1", lambda x, o: (lap(x) ** 2).sum() / (lap(o) ** 2).mean(), "number of"),
    ("03.1", lambda x, o: 100 * sharp(x, o), "percentage"),
    ("03.1", lambda x, o: 0.39, "the same whatever goes in"),
    ("03.1", lambda x, o: sharp(x, o) ** 2, "on fresh inputs"),
    ("03.1", lambda x, o: (lap(x) ** 2) / (lap(o) ** 2 + 1), "where one number for all images is asked"),
    *[("03.2", wrong_nll(square=square), phrase) for phrase, square in SQ.items()],
    *[("03.2", wrong_nll(log=log), phrase) for phrase, log in LOG.items()],
    *[("03.2", wrong_nll(constant=constant), phrase) for phrase, constant in CONST.items()],
    ("03.2", wrong_nll(log=LOG["log sigma is missing"], constant=0),
     "besides, the constant with 2π is missing"),
    ("03.2", wrong_nll(square=SQ["the ½ before"], constant=0), "besides, the constant with 2π is missing"),
    ("03.2", lambda m, x, s: nll(m, x, math.sqrt(s)), "taken for the variance"),
    ("03.2", lambda m, x, s: nll(m, x, s**2), "squared twice"),
    ("03.2", lambda m, x, s: ((m - x) ** 2 / (2 * s**2)).sum() + 784 * math.log(s * math.sqrt(2 * math.pi)),
     "never averaged"),
    ("03.2", lambda m, x, s: nll(m, x, s) / 784, "divided by the number of pixels"),
    ("03.2", lambda m, x, s: nll(m, x, s) * len(x), "multiplied by the number of images"),
    ("03.2", lambda m, x, s: -nll(m, x, s), "wrong sign"),
    ("03.2", lambda m, x, s: nll(m, x, s) / math.log(2), "divided by ln 2"),
    ("03.2", lambda m, x, s: nll(m, x, s).item(), "no gradient"),
    ("03.2", lambda m, x, s: nll(m.detach(), x, s), "gradient is lost"),
    ("03.2", lambda m, x, s: nll(m, x, 0.3), "on fresh inputs"),
    ("03.2", lambda m, x, s: ((m - x) ** 2 / (2 * s**2) + math.log(s) + 0.9189385).flatten(1).sum(1),
     "take its mean"),
    ("03.3", lambda e: e.mean(), "that is the variance"),
    ("03.3", lambda e: e.sqrt().mean(), "the root comes too early"),
    ("03.3", lambda e: e.flatten(1).mean(1).sqrt().mean(), "every image has a sigma"),
    ("03.3", lambda e: e.flatten(1).mean(1).sqrt(), "one sigma for each image"),
    ("03.3", lambda e: e.mean(0).sqrt().mean(), "every pixel has a sigma"),
    ("03.3", lambda e: e.mean(0).sqrt(), "one sigma for each pixel"),
    ("03.3", lambda e: e.sum().sqrt(), "a sum over everything"),
    ("03.3", lambda e: e.flatten(1).sum(1).mean().sqrt(), "summed over the pixels"),
    ("03.3", lambda e: e.std(), "don't subtract their mean"),
    ("03.3", lambda e: e.flatten().median().sqrt(), "a median"),
    ("03.3", lambda e: (e / 2).mean().sqrt(), "a ½ is left"),
    ("03.3", lambda e: (2 * e).mean().sqrt(), "a 2 is left"),
    ("03.3", lambda e: 1 / e.mean().sqrt(), "upside down"),
    ("03.3", lambda e: 1 / e.mean(), "1 / sigma²"),
    ("03.3", lambda e: e.mean().sqrt().log(), "that is log sigma"),
    ("03.3", lambda e: math.log(e.mean()), "that is log sigma²"),
    ("03.3", lambda e: -e.mean().sqrt(), "wrong sign"),
    ("03.3", lambda e: 2 * e.mean().sqrt(), "doubled"),
    ("03.3", lambda e: 0.1, "the same whatever goes in"),
    ("03.3", lambda e: e.mean() ** 2, "on fresh inputs"),
    ("03.3", lambda e: e.sqrt(), "asked"),
    ("03.4", reached, "the place in the list; the task asks for the step"),
    ("03.4", lambda c, t: c[below(c, t)][0], "exactly the target has reached it"),
    ("03.4", below, "exactly the target counts as reached"),
    ("03.4", lambda c, t: c[own_fall(c, t)][0], "still measured by its own fall"),
    ("03.4", broken_steps_to, "by its own fall; besides"),
    ("03.4", lambda c, t: c[np.argmin([e for _, e in c])][0], "where the error is smallest; the task"),
    ("03.4", lambda c, t: np.argmin([e for _, e in c]), "in the list where the error is smallest"),
    ("03.4", stays, "stays at the target"),
    ("03.4", lambda c, t: c[reached(c, t) - 1][0], "too early"),
    ("03.4", lambda c, t: c[reached(c, t) + 1][0], "too late"),
    ("03.4", lambda c, t: next(s for s, e in c if e >= t), "wrong way round"),
    ("03.4", lambda c, t: len([e for _, e in c if e > t]), "how many entries"),
    ("03.4", lambda c, t: [s for s, e in c if e <= t][-1], "the last step"),
    ("03.4", lambda c, t: next(e for _, e in c if e <= t), "the task asks for the step"),
    ("03.4", lambda c, t: min(c, key=lambda pair: abs(pair[1] - t))[0], "closest to the target"),
    ("03.4", lambda c, t: t, "the target comes back"),
    ("03.4", lambda c, t: reached(c, t) + 1, "counts the entries"),
    ("03.4", lambda c, t: print(end=""), "returns nothing"),
    ("03.4", lambda c, t: 10 * reached(c, t), "the place in the list"),
    ("03.4", lambda c, t: 180, "the same whatever goes in"),
    ("03.4", lambda c, t: (reached(c, t), steps_by_loop(c, t)), "where a number of steps is asked"),
    ("03.4", lambda c, t: steps_by_loop(c, t) - 10, "off by the same amount"),
    ("03.5", lambda a, b: interval(b, a), "the other way round"),
    ("03.5", pick(1, 0, 2), "in another order"),
    ("03.5", pick(0, 2, 1), "low and high are exchanged"),
    ("03.5", pick(1, 2, 0), "the mean comes first"),
    ("03.5", pick(1, 2), "the mean difference is missing"),
    ("03.5", lambda a, b: (interval(a, b)[0], interval(a, b)[2] - interval(a, b)[0]), "not its half width"),
    ("03.5", wrong_interval(sd=lambda a, b: np.std((a - b).numpy())), "divides by n - 1"),
    ("03.5", wrong_interval(sd=lambda a, b: (a.std() ** 2 + b.std() ** 2) ** 0.5), "the pairs are lost"),
    ("03.5", wrong_interval(sd=lambda a, b: (a - b).var()), "the variance is taken"),
    ("03.5", wrong_interval(sd=lambda a, b: a.std()), "one model"),
    ("03.5", wrong_interval(q=lambda n: 1.96), "1.96"),
    ("03.5", wrong_interval(q=lambda n: stats.norm.ppf(0.975)), "1.96"),
    ("03.5", wrong_interval(q=lambda n: stats.t.ppf(0.95, n - 1)), "on either side"),
    ("03.5", wrong_interval(q=lambda n: stats.t.ppf(0.975, n)), "not n"),
    ("03.5", wrong_interval(q=lambda n: stats.t.ppf(0.975, 2 * n - 2)), "2n - 2"),
    ("03.5", wrong_interval(q=lambda n: 1), "quantile is missing"),
    ("03.5", wrong_interval(root=lambda n: 1), "the root of n is missing"),
    ("03.5", wrong_interval(root=lambda n: n), "divides by its root"),
    ("03.5", wrong_interval(q=lambda n: 1.96, root=lambda n: 1), "besides, the root of n is missing"),
    ("03.5", lambda a, b: interval(a, b)[0], "the interval is missing"),
    ("03.5", lambda a, b: [2 * each for each in interval(a, b)], "doubled"),
    ("03.5", lambda a, b: (0.169, 0.165, 0.172), "the same whatever goes in"),
    ("03.5", wrong_interval(q=lambda n: stats.t.ppf(0.995, n - 1)), "99 %"),
    ("03.5", wrong_interval(q=lambda n: 3), "on fresh inputs"),
    ("03.6", lambda: 1 / blur_ratio(), "upside down"),
    ("03.6", lambda: blur_ratio() ** 0.5, "ratio of roots"),
    ("03.6", lambda: error(places().mean(0)) / error(places()[1], places()[::2]), "a third of the time"),
    ("03.6", lambda: error(places().mean(0), places()[::2]) / error(places()[1], places()[::2]),
     "both answers"),
    ("03.6", lambda: error(places()[::2].mean(0)) / error(places()[1]), "not of the two moved"),
    ("03.6", lambda: error(places()[::2].mean(0), places()[::2]) / error(places()[1], places()[::2]),
     "two places"),
    ("03.6", lambda: blur_ratio(dim=2), "dims=3"),
    ("03.6", lambda: blur_ratio(by=2), "two pixels"),
    ("03.6", lambda: error(places().mean(0)), "the soft answer's error alone"),
    ("03.6", lambda: error(places()[1]), "the sharp answer's error alone"),
    ("03.6", lambda: error(places()[1]) - error(places().mean(0)), "a difference"),
    ("03.6", lambda: 1 - blur_ratio(), "how much smaller"),
    ("03.6", lambda: (places() - places().mean(0)).abs().mean() / (places() - places()[1]).abs().mean(),
     "square them"),
    ("03.6", lambda: metrics.sharpness(places().mean(0), places()[1]), "the sharpness"),
    ("03.6", lambda: 0.5, "at a random one"),
    ("03.6", lambda: 100 * blur_ratio(), "percentage"),
    ("03.6", lambda: places().mean(0), "one number"),
    ("03.6", lambda: 0.9, "too large"),
    ("03.6", lambda: "0.74 or so", "numbers are asked for"),
    ("03.7", functools.partial(design, noise="kl_weight", kl="noise"), "the other suspect"),
    ("03.7", functools.partial(changed, kl_weight=lambda b: 0), "noise and KL change together"),
    ("03.7", functools.partial(changed, seed=lambda b: b["seed"] + 1), "the seeds differ within a pair"),
    ("03.7", functools.partial(changed, epochs=lambda b: 1), "epochs changes, too"),
    ("03.7", functools.partial(changed, reconstruction=lambda b: "squared"), "reconstruction changes, too"),
    ("03.7", of_noise(lambda v, seeds: pairs(v, seeds, "latent_dim")), "and the suspect doesn't"),
    ("03.7", aliased, "is it one dictionary"),
    ("03.7", in_place, "changes what it was given"),
    ("03.7", of_noise(lambda v, seeds: [(b, a) for a, b in pairs(v, seeds, "noise")]), "wrong order"),
    ("03.7", functools.partial(changed, noise=lambda b: 0.1), "less is not without"),
    ("03.7", functools.partial(changed, noise=lambda b: None), "less is not without"),
    ("03.7", of_noise(lambda v, seeds: pairs(v, seeds, "noise")[0]), "a single pair"),
    ("03.7", of_noise(lambda v, seeds: pairs(v, seeds, "noise")[1:]), "seeds are left out"),
    ("03.7", of_noise(lambda v, seeds: pairs(v, [v["seed"]] * len(seeds), "noise")), "the VAE's own seed"),
    ("03.7", of_noise(lambda v, seeds: pairs(v, seeds[:1] * len(seeds), "noise")),
     "one pair, run many times"),
    ("03.7", of_noise(lambda v, seeds: pairs(v, seeds[:1] + seeds[:-1], "noise")), "a seed comes twice"),
    ("03.7", of_noise(lambda v, seeds: pairs(v, [1000 + s for s in seeds], "noise")), "other seeds"),
    ("03.7", of_noise(lambda v, seeds: [({"noise": 1}, {"noise": 0})] * len(seeds)), "lack"),
    ("03.7", of_noise(lambda v, seeds: pairs({**v, "beta": 1}, seeds, "noise")), "no such setting"),
    ("03.7", of_noise(lambda v, seeds: with_own(v, seeds, epochs=1)), "differ from the VAE in epochs"),
    ("03.7", of_noise(lambda v, seeds: with_own(v, seeds, kl_weight=0.5)), "it isn't the VAE's"),
    ("03.7", of_noise(lambda v, seeds: pairs({**v, "noise": 5.0}, seeds, "noise")),
     "should have the VAE's own noise"),
    ("03.7", lambda v, seeds: design(v, seeds)["noise"], "a dictionary with the two keys"),
    ("03.7", lambda v, seeds: {"noise": design(v, seeds)["noise"]}, "the two keys"),
    ("03.7", of_noise(lambda v, seeds: [{**v, "seed": s} for s in seeds]), "a pair of dictionaries"),
    ("03.7", of_noise(lambda v, seeds: []), "no pairs"),
    ("03.7", of_noise(lambda v, seeds: {**v, "noise": 0}), "a list of pairs"),
]  # fmt: skip


(
    test_right_in_an_unusual_form,
    test_a_wrong_answer_gets_its_hint,
    test_every_single_mistake_is_made_here,
) = answers_tried("03.", RIGHT, WRONG)
