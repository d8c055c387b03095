"""The checks of lesson 05's exercises: right answers in unusual forms, and mistakes."""

import functools
import math

import numpy as np
import pytest
import torch
from judge import is_measured, judged
from torch import nn
from torch.nn import functional as F

from latentlab_helpers import attributes, checkpoints, datasets, latent, metrics

# ---- right answers, written as nobody would expect


def stepping(start, end, steps):
    rows = [start]
    while len(rows) < steps:
        rows.append(rows[-1] + (end - start) / (steps - 1))
    return rows


def turned(start, end, t):
    """Gram and Schmidt, and a turn in the plane; numpy."""
    start, end = start.double().numpy(), end.double().numpy()
    r = (1 - t) * np.linalg.norm(start) + t * np.linalg.norm(end)
    a = start / np.linalg.norm(start)
    rest = end - (end @ a) * a
    if np.linalg.norm(rest) < 1e-5 * np.linalg.norm(end):
        return r * a
    rest /= np.linalg.norm(rest)
    angle = t * np.arctan2(end @ rest, end @ a)
    return r * (np.cos(angle) * a + np.sin(angle) * rest)


class Slerp(nn.Module):
    def forward(self, a, b, t):
        omega = F.cosine_similarity(a, b, dim=0).clamp(-1 + 1e-6, 1 - 1e-6).acos()
        mixed = torch.sin((1 - t) * omega) * F.normalize(a, dim=0) + torch.sin(t * omega) * F.normalize(
            b, dim=0
        )
        return torch.lerp(a.norm(), b.norm(), t) * mixed / torch.sin(omega)


def by_topk(codes, attribute, share):
    count = int(share * len(codes) + 0.5)
    return codes[attribute.topk(count)[1]].mean(0) - codes[(-attribute).topk(count).indices].mean(0)


def in_python(codes, attribute, share):
    pairs = sorted(zip(attribute.tolist(), codes.tolist(), strict=True))
    n = round(share * len(pairs))
    low, high = (np.array([code for _, code in part]) for part in (pairs[:n], pairs[-n:]))
    return list(high.mean(axis=0) - low.mean(axis=0))


@functools.cache
def known(of):
    """What the first 1,000 test images measure; most answers need it, and it takes half a second."""
    return of(datasets.to_float(datasets.load("mnist", "test").images[:1000]))


def ratio(
    high=3,
    low=1,
    share=0.2,
    of=attributes.thickness,
    start=None,
    sign=1,
    mean=torch.nanmean,
    vector_of=None,
    some=slice(None),
    n=200,
    unit=False,
):
    images = datasets.to_float(datasets.load("mnist", "test").images[:1000])
    model = checkpoints.load("vae_mlp_16")
    with torch.no_grad():
        codes = metrics.embed(model, images)
        values = known(vector_of or of)
        push = sign * latent.attribute_vector(codes[some], values[some], share)
        push = push / push.norm() if unit else push
        base, less, more = (of(model.decode(codes[:n] + s * push)) for s in (0, low, high))
    if start == "difference":
        return (mean(more - base) - mean(less - base)).item()
    if start == "levels":
        return (mean(more) / mean(base)).item()
    base = known(of)[:200] if start == "written" else base
    if start == "ratios":
        return mean((more - base) / (less - base)).item()
    if start == "values":
        return (mean(more) / mean(less)).item()
    return (mean(more - base) / mean(less - base)).item()


def pixel_ratio():
    images = datasets.to_float(datasets.load("mnist", "test").images[:1000])
    push = latent.attribute_vector(images.flatten(1), known(attributes.thickness)).view(1, 1, 28, 28)
    base, one, three = (attributes.thickness((images[:200] + s * push).clamp(0, 1)).mean() for s in (0, 1, 3))
    return ((three - base) / (one - base)).item()


def scaled(directions, vector):
    return directions / directions.norm(dim=1, keepdim=True) * vector.norm()


def differences(codes, vector, n):
    i, j = torch.randint(len(codes), (2, n))
    return scaled(codes[i] - codes[j] + 1e-6 * torch.randn(n, codes.shape[1]), vector)


def by_numpy(codes, vector, n):
    cov = np.cov(codes.numpy(), rowvar=False)
    made = np.random.default_rng().multivariate_normal(np.zeros(len(cov)), cov, size=n)
    return made * np.linalg.norm(vector) / np.linalg.norm(made, axis=1)[:, None]


def by_eigenvectors(codes, vector, n):
    values, vectors = torch.linalg.eigh(torch.cov(codes.T))
    rows = []
    for _ in range(n):
        row = vectors @ (values.sqrt() * torch.randn(len(values)))
        rows.append(vector.norm() * row / row.norm())
    return rows


def with_own_seed(codes, vector, n):
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(n, codes.shape[1], generator=generator)
    return scaled(noise @ torch.linalg.cholesky(codes.T.cov()).T, vector)


def centred_codes(codes, vector, n):
    signs = torch.randint(2, (n, 1)) * 2 - 1
    return scaled(signs * (codes - codes.mean(0))[torch.randint(len(codes), (n,))], vector)


def centred_codes_once(codes, vector, n):
    signs = torch.randint(2, (n, 1)) * 2 - 1
    return scaled(signs * (codes - codes.mean(0))[torch.randperm(len(codes))[:n]], vector)


def centred_without_signs(codes, vector, n):
    return scaled((codes - codes.mean(0))[torch.randint(len(codes), (n,))], vector)


def by_lstsq(vector, other):
    return vector - other * torch.linalg.lstsq(other[:, None], vector[:, None]).solution[0, 0]


def by_projector(vector, other):
    u = (other / other.norm()).double()
    return (torch.eye(len(u)) - torch.outer(u, u)) @ vector.double()


def in_place(vector, other):
    vector -= torch.dot(vector, other) / other.square().sum() * other
    return vector


RIGHT = {
    "05.1": [stepping, latent.lerp, lambda a, b, n: np.linspace(a.numpy(), b.numpy(), n)],
    "05.2": [lambda t: np.hypot(1 - t, t), lambda t: (1 - 2 * t + 2 * t * t) ** 0.5,
             lambda t: torch.tensor([1 - t, t]).norm()],
    "05.3": [turned, Slerp(), functools.partial(lambda extra, *a: turned(*a), None)],
    "05.4": [by_topk, in_python, latent.attribute_vector],
    "05.5": [ratio, lambda: torch.tensor([ratio()]), lambda: np.float32(ratio())],
    "05.6": [differences, by_numpy, by_eigenvectors, with_own_seed, centred_codes, centred_codes_once],
    "05.7": [by_lstsq, by_projector, in_place],
}  # fmt: skip


@pytest.mark.parametrize(("number", "i"), [(n, i) for n, given in RIGHT.items() for i in range(len(given))])
def test_right_in_an_unusual_form(number, i):
    answer = RIGHT[number][i]
    for _ in range(1 if is_measured(number) else 3):
        result = judged(number, answer)
        assert result.status == "right", result


# ---- wrong answers


def slerp(
    start,
    end,
    t,
    unit=True,
    degrees=False,
    length=None,
    beside=None,
    clamp=True,
    divide=True,
    small=True,
    angle=torch.acos,
    eps=0.0,
):
    a, b = F.normalize(start, dim=0), F.normalize(end, dim=0)
    cosine = a @ b if unit else start @ end / (start.norm() if unit is None else 1)
    omega = angle(cosine.clamp(-1 + eps, 1 - eps) if clamp else cosine)
    if small and omega < 1e-3:
        return ((1 - t) * start.norm() + t * end.norm()) * a
    if degrees:
        omega = omega * 180 / math.pi
    left, right = {
        None: (a, b),
        "codes": (start, end),
        "swapped": (b, a),
        "one norm": (a, end / start.norm()),
    }[beside]
    made = torch.sin((1 - t) * omega) * left + torch.sin(t * omega) * right
    made = made / torch.sin(omega) if divide else made
    return made * ((1 - t) * start.norm() + t * end.norm() if length is None else length(start, end))


def bent(**how):
    return functools.partial(slerp, **how)


def hurried(start, end, t):
    omega = torch.rad2deg(torch.acos(torch.dot(start, end)))
    a, b = start / start.norm(), end / end.norm()
    return (torch.sin((1 - t) * omega) * a + torch.sin(t * omega) * b) / torch.sin(omega)


def no_fallback(start, end, t):
    return slerp(start, end, t, clamp=True, small=False)


def nlerp(start, end, t):
    line = (1 - t) * start / start.norm() + t * end / end.norm()
    return F.normalize(line, dim=0) * ((1 - t) * start.norm() + t * end.norm())


def zero_when_parallel(start, end, t):
    made = slerp(start, end, t, small=False)
    return torch.nan_to_num(made)


def no_radius_when_parallel(start, end, t):
    a, b = start / start.norm(), end / end.norm()
    return a if a @ b > 1 - 1e-6 else slerp(start, end, t)


def median_split(codes, attribute, share):
    high = attribute >= attribute.median()
    high[attribute.argsort()[(len(high) - 1) // 2]] = False
    return codes[high].mean(0) - codes[attribute <= attribute.median()].mean(0)


def groups(codes, attribute, share, high=1.0, low=1.0, mean=True, axis=0, end=None):
    order, count = torch.argsort(attribute), round(share * len(codes))
    most, least = codes[order[-count:end]], codes[order[:count]]
    reduce = torch.mean if mean else torch.sum
    return high * reduce(most, axis) - low * reduce(least, axis)


def wrongly(**how):
    return functools.partial(groups, **how)


def descending(codes, attribute, share):
    order, count = attribute.argsort(descending=True), round(share * len(codes))
    return codes[order[-count:]].mean(0) - codes[order[:count]].mean(0)


def by_index(codes, attribute, share):
    count = round(share * len(codes))
    return codes[-count:].mean(0) - codes[:count].mean(0)


def by_rank(codes, attribute, share):
    rank, count = attribute.argsort().argsort(), round(share * len(codes))
    return codes[rank[-count:]].mean(0) - codes[rank[:count]].mean(0)


def by_value(codes, attribute, share):
    low, high = attribute.min(), attribute.max()
    cut = share * (high - low)
    return codes[attribute >= high - cut].mean(0) - codes[attribute <= low + cut].mean(0)


def most_or_rest(codes, attribute, share):
    order, count = attribute.argsort(), round(share * len(codes))
    return codes[order[-count:]].mean(0) - codes[order[:-count]].mean(0)


def sorted_columns(codes, attribute, share):
    codes, count = codes.sort(0).values, round(share * len(codes))
    return codes[-count:].mean(0) - codes[:count].mean(0)


def half_share(codes, attribute, share):
    order, count = attribute.argsort(), round(share / 2 * len(codes))
    return codes[order[-count:]].mean(0) - codes[order[:count]].mean(0)


def regression(codes, attribute, share):
    a = attribute - attribute.mean()
    return (codes - codes.mean(0)).T @ a / (a @ a)


def one_image(codes, attribute, share):
    return codes[attribute.argmax()] - codes[attribute.argmin()]


def drawn(factor):
    def control(codes, vector, n):
        return scaled(torch.randn(n, codes.shape[1]) @ factor(codes.T.cov()), vector)

    return control


def unscaled(codes, vector, n):
    return torch.randn(n, codes.shape[1]) @ torch.linalg.cholesky(codes.T.cov()).T


def finished(finish):
    return lambda codes, vector, n: finish(unscaled(codes, vector, n), vector)


def codes_themselves(codes, vector, n):
    return scaled(codes[torch.randint(len(codes), (n,))], vector)


def around_the_mean(codes, vector, n):
    made = torch.distributions.MultivariateNormal(codes.mean(0), codes.T.cov()).sample((n,))
    return scaled(made, vector)


def mean_products(codes, vector, n):
    root = torch.linalg.cholesky(codes.T @ codes / (len(codes) - 1))
    return scaled((root @ torch.randn(codes.shape[1], n)).T, vector)


def leaning(codes, vector, n):
    return scaled(by_cholesky(codes, vector, n) + vector, vector)


def by_cholesky(codes, vector, n):
    return scaled(unscaled(codes, vector, n), vector)


def both_signs(codes, vector, n):
    return vector * (torch.randint(2, (n, 1)) * 2 - 1)


def orthogonal(codes, vector, n):
    made, u = unscaled(codes, vector, n), vector / vector.norm()
    return scaled(made - (made @ u)[:, None] * u, vector)


def shuffled(codes, vector, n):
    return torch.stack([vector[torch.randperm(len(vector))] for _ in range(n)])


def positive(codes, vector, n):
    return by_cholesky(codes, vector, n).abs()


def changes_codes(codes, vector, n):
    codes -= codes.mean(0)
    return by_cholesky(codes, vector, n)


WRONG = [
    ("05.1", lambda a, b, n: torch.stack([a + i / n * (b - a) for i in range(n)]), "end is never reached"),
    ("05.1", lambda a, b, n: [a + (i + 1) / n * (b - a) for i in range(n)], "start is missing"),
    ("05.1", lambda a, b, n: [torch.lerp(a, b, i / (n + 1)) for i in range(1, n + 1)], "both ends"),
    ("05.1", lambda a, b, n: [torch.lerp(a, b, i / (n - 2)) for i in range(n)], "beyond the end"),
    ("05.1", lambda a, b, n: [a + i * (b - a) for i in range(n)], "t counts the steps"),
    ("05.1", lambda a, b, n: [torch.lerp(a, b, i / n) for i in range(n + 1)], "one row too many"),
    ("05.1", lambda a, b, n: latent.lerp(b, a, n), "backwards"),
    ("05.1", lambda a, b, n: torch.stack([a + i / (n - 1) * b for i in range(n)]), "add up to 1"),
    ("05.1", lambda a, b, n: torch.stack([i / (n - 1) * (b - a) for i in range(n)]), "begin at the start"),
    ("05.1", lambda a, b, n: torch.stack([a + i / (n - 1) * (a - b) for i in range(n)]), "away from the end"),
    ("05.1", lambda a, b, n: [torch.lerp(a, b, i / (n + 1)) for i in range(n)], "not by n + 1"),
    ("05.1", lambda a, b, n: [torch.lerp(a, b, i / (n - 1)) for i in range(n - 1)], "too few, the end"),
    ("05.1", lambda a, b, n: [torch.lerp(a, b, i / (n - 1)) for i in range(1, n)], "too few, the start"),
    ("05.1", lambda a, b, n: [slerp(a, b, i / (n - 1)) for i in range(n)], "that is the arc"),
    ("05.1", lambda a, b, n: [torch.lerp(a, b, (i / (n - 1)) ** 2) for i in range(n)], "the steps grow"),
    # not in the list
    ("05.1", lambda a, b, n: latent.lerp(a, b, n).T, "transposed"),
    ("05.1", lambda a, b, n: (a + b) / 2, "shape"),
    ("05.1", lambda a, b, n: latent.lerp(a, b, n).mean(), "one row for each step"),
    ("05.1", lambda a, b, n: 2 * latent.lerp(a, b, n), "doubled"),
    ("05.2", lambda t: 1 - 2 * t + 2 * t * t, "mean square"),
    ("05.2", lambda t: 1, "lengths in different directions"),
    ("05.2", lambda t: 2**-0.5, "in the middle only"),
    ("05.2", lambda t: 1 / 2, "only in the middle"),
    ("05.2", lambda t: abs((1 - t) - t), "opposite codes"),
    ("05.2", lambda t: math.sqrt((1 - t) ** 2), "second code"),
    ("05.2", lambda t: math.sqrt(t * t), "first code"),
    ("05.2", lambda t: ((1 - t) ** 2 + t**2) ** -0.5, "other way round"),
    ("05.2", lambda t: math.sqrt(1 - t + t * t), "mixed term"),
    ("05.2", lambda t: (1 - 3 * t + 3 * t * t) ** 0.5, "lacks its sign"),
    ("05.2", lambda t: np.sin((1 - t) * np.pi / 2) + np.sin(t * np.pi / 2), "belong to the arc"),
    ("05.2", lambda t: np.sqrt(1 - 2 * t), "none is subtracted"),
    ("05.2", lambda t: t**0.5 + (1 - t) ** 0.5, "roots are added"),
    ("05.2", lambda t: 1 - math.hypot(1 - t, t), "how much it is shorter"),
    ("05.2", lambda t: (1 - t + 2 * t * t) ** 0.5, "a 2 is missing"),
    # not in the list
    ("05.2", lambda t: 2 * math.hypot(1 - t, t), "doubled"),
    ("05.2", lambda t: math.hypot(1 - t, t) * 16**0.5, "times 4"),
    ("05.2", lambda t: math.hypot(1 - t, t) - 1, "shorter; the task asks how large it is. Besides"),
    ("05.2", lambda t: math.hypot(1 - t, t) + 0.5, "off by the same amount"),
    ("05.2", lambda t: math.hypot(1 - t, t) * 784**0.5, "constant factor"),
    ("05.2", lambda t: torch.randn(4), "shape"),
    ("05.3", hurried, "wants a cosine"),
    ("05.3", bent(unit=False, clamp=True, small=False), "wants a cosine"),
    ("05.3", bent(degrees=True), "stands in degrees"),
    ("05.3", bent(length=lambda a, b: 1), "r is missing"),
    ("05.3", bent(length=lambda a, b: a.norm()), "stays the start's"),
    ("05.3", bent(length=lambda a, b: b.norm()), "end's from the beginning"),
    ("05.3", bent(length=lambda a, b: (a.norm() + b.norm()) / 2), "mean of the two"),
    ("05.3", lambda a, b, t: slerp(b, a, t, beside="swapped"), "changed places"),
    ("05.3", lambda a, b, t: slerp(a, b, t, length=lambda *ab: torch.lerp(*ab, t).norm()), "cuts the corner"),
    ("05.3", bent(beside="codes"), "counts twice"),
    ("05.3", bent(beside="codes", length=lambda a, b: 1), "no r makes"),
    ("05.3", bent(divide=False), "division by sin omega"),
    ("05.3", bent(beside="swapped"), "t = 0 is the start"),
    ("05.3", nlerp, "stretches it"),
    ("05.3", lambda a, b, t: ((1 - t) * a.norm() + t * b.norm())
     * ((1 - t) * F.normalize(a, dim=0) + t * F.normalize(b, dim=0)), "without any sine"),
    ("05.3", lambda a, b, t: (1 - t) * a + t * b, "straight line"),
    ("05.3", bent(degrees=True, length=lambda a, b: 1), "in degrees; besides, the length r is missing"),
    ("05.3", bent(unit=False, eps=1e-6), "wants a cosine"),
    ("05.3", bent(unit=False, eps=1e-4), "wants a cosine"),
    ("05.3", bent(unit=None), "wants a cosine"),
    ("05.3", bent(angle=lambda c: c, small=False), "the sine of a cosine"),
    ("05.3", bent(angle=lambda c: torch.acos(c.abs())), "sign is lost"),
    ("05.3", bent(angle=lambda c: torch.acos(c).deg2rad()), "a tiny angle"),
    ("05.3", bent(beside="one norm"), "each has its own"),
    ("05.3", no_fallback, "point the same way"),
    ("05.3", bent(clamp=False, small=False), "point the same way"),
    # not in the list
    ("05.3", zero_when_parallel, "point the same way"),
    ("05.3", no_radius_when_parallel, "with the length r"),
    ("05.3", lambda a, b, t: -slerp(a, b, t), "wrong sign"),
    ("05.3", lambda a, b, t: slerp(a, b, t).norm(), "shape"),
    ("05.3", lambda a, b, t: slerp(a, b, 0.5), "on fresh inputs"),
    ("05.3", 3, "the answer is a function"),
    ("05.4", median_split, "at the median"),
    ("05.4", lambda z, a, s: z[a > a.mean()].mean(0) - z[a <= a.mean()].mean(0), "at the mean"),
    ("05.4", by_index, "isn't used"),
    ("05.4", by_rank, "those are ranks"),
    ("05.4", by_value, "range is cut"),
    ("05.4", wrongly(low=0), "mean of the most alone"),
    ("05.4", wrongly(low=-1, high=0), "which is to be subtracted"),
    ("05.4", lambda z, a, s: groups(z, a, s, low=0) - z.mean(0), "mean of all"),
    ("05.4", most_or_rest, "all others"),
    ("05.4", wrongly(low=-1), "a direction is a difference"),
    ("05.4", lambda z, a, s: F.normalize(groups(z, a, s), dim=0), "length is gone"),
    ("05.4", half_share, "half of the share"),
    ("05.4", lambda z, a, s: latent.attribute_vector(z, a), "a fifth"),
    ("05.4", sorted_columns, "sorted for itself"),
    ("05.4", lambda z, a, s: groups(z, a, s, axis=1), "dim=0"),
    ("05.4", lambda z, a, s: groups(z, a, s, end=-1), "a slice that ends at -1"),
    ("05.4", lambda z, a, s: groups(z, a, s + 1 / len(a)), "one image too many"),
    ("05.4", lambda z, a, s: groups(z, a, s - 1 / len(a)), "one image too few"),
    ("05.4", lambda z, a, s: groups(z, a.abs(), s), "sign is lost"),
    # not in the list
    ("05.4", descending, "wrong sign"),
    ("05.4", wrongly(mean=False), "number of images in a group"),
    ("05.4", lambda z, a, s: groups(z, a, s) / 2, "halved"),
    ("05.4", lambda z, a, s: groups(z, a, s).mean(), "one vector"),
    ("05.4", regression, "on fresh inputs"),
    ("05.4", one_image, "on fresh inputs"),
    ("05.5", lambda: 3, "along a line"),
    ("05.5", lambda: 1 / ratio(), "other way round"),
    ("05.5", lambda: ratio(start="values"), "those are thicknesses"),
    ("05.5", lambda: ratio(start="written"), "as written"),
    ("05.5", lambda: ratio(start="ratios"), "mean of ratios"),
    ("05.5", lambda: ratio() - 1, "from strength 1 to 3"),
    ("05.5", lambda: ratio(high=2), "strength 2"),
    ("05.5", lambda: ratio(sign=-1), "wrong way"),
    ("05.5", lambda: ratio(of=attributes.slant), "that is slant"),
    ("05.5", lambda: ratio(of=attributes.width), "that is width"),
    ("05.5", pixel_ratio, "vector of pixels"),
    ("05.5", lambda: ratio(share=0.5), "half the images"),
    ("05.5", lambda: ratio(share=0.1), "a tenth"),
    ("05.5", lambda: ratio(some=slice(200)), "not from 200"),
    ("05.5", lambda: ratio(n=1000), "all 1,000 codes are pushed"),
    ("05.5", lambda: ratio(unit=True), "brought to length 1"),
    ("05.5", lambda: ratio(start="difference"), "a difference of the two changes"),
    ("05.5", lambda: ratio(start="levels"), "at 3 and at 0"),
    ("05.5", lambda: ratio(start="ratios", mean=torch.nanmedian), "a median of ratios"),
    ("05.5", lambda: ratio(mean=torch.nanmedian), "those are medians"),
    ("05.5", lambda: ratio(vector_of=attributes.slant), "vector for slant"),
    ("05.5", lambda: ratio(vector_of=attributes.width), "vector for width"),
    # not in the list
    ("05.5", lambda: -ratio(), "wrong sign"),
    ("05.5", lambda: 100 * ratio(), "percentage"),
    ("05.5", lambda: 9.1, "too large"),
    ("05.5", lambda: "3.5", "numbers are asked for"),
    ("05.6", lambda z, v, n: scaled(torch.randn(n, len(v)), v), "as likely as any other"),
    ("05.6", drawn(lambda c: c.diagonal().sqrt().diag()), "vary together"),
    ("05.6", lambda z, v, n: scaled(torch.randn(n, len(v)) * z.std(0), v), "vary together"),
    ("05.6", lambda z, v, n: scaled(torch.randn(n, len(v)) * z.var(0), v), "not a variance"),
    ("05.6", drawn(lambda c: c), "overdoes it"),
    ("05.6", drawn(torch.linalg.cholesky), "wrong side"),
    ("05.6", drawn(lambda c: torch.linalg.inv(torch.linalg.cholesky(c))), "inverse"),
    ("05.6", unscaled, "lengths differ"),
    ("05.6", finished(lambda d, v: F.normalize(d, dim=1)), "all have length 1"),
    ("05.6", finished(lambda d, v: 2 * scaled(d, v)), "2 times as long"),
    ("05.6", finished(lambda d, v: d * v.norm() / d.norm(dim=1).mean()), "on average only"),
    ("05.6", finished(lambda d, v: d * v.norm() / d.norm()), "taken together"),
    ("05.6", centred_without_signs, "preferred side"),
    ("05.6", codes_themselves, "codes, not directions"),
    ("05.6", around_the_mean, "codes, not directions"),
    ("05.6", leaning, "lean towards the vector"),
    ("05.6", both_signs, "along the vector itself"),
    ("05.6", orthogonal, "taken out"),
    ("05.6", lambda z, v, n: by_cholesky(z, v, 1).repeat(n, 1), "repeat"),
    ("05.6", lambda z, v, n: v.repeat(n, 1), "along the vector itself"),
    ("05.6", lambda z, v, n: mean_products(z, v, n), "subtract the mean first"),
    # not in the list
    ("05.6", shuffled, "repeat"),
    ("05.6", positive, "preferred side|lean towards"),
    ("05.6", changes_codes, "work on copies"),
    ("05.6", lambda z, v, n: by_cholesky(z, v, n).T, "transposed"),
    ("05.6", lambda z, v, n: by_cholesky(z, v, 1), "the shape"),
    ("05.6", lambda z, v, n: by_cholesky(z, v, n) / 0, "NaN or infinite"),
    ("05.6", lambda z, v, n: scaled((z - z)[:n], v), "a code minus itself"),
    ("05.6", drawn(lambda c: c @ c), "spread as the codes do"),
    ("05.6", lambda z, v, n: scaled(torch.rand(n, len(v)) - 0.5, v), "as likely as any other|spread as"),
    ("05.7", lambda v, o: v - torch.dot(v, o) * o, "isn't of length 1"),
    ("05.7", lambda v, o: v - (v * o).sum() / o.norm() * o, "norm once"),
    ("05.7", lambda v, o: v - (v @ o) / v.square().sum() * o, "vector's squared norm"),
    ("05.7", lambda v, o: v - F.cosine_similarity(v, o, dim=0) * o, "that is the cosine"),
    ("05.7", lambda v, o: v - F.cosine_similarity(v, o, dim=0) * F.normalize(o, dim=0), "is forgotten"),
    ("05.7", lambda v, o: by_lstsq(o, v), "changed places"),
    ("05.7", lambda v, o: v - (v @ o) / (v @ v) * v, "must point along other"),
    ("05.7", lambda v, o: v - o, "all of other"),
    ("05.7", lambda v, o: v - F.normalize(o, dim=0), "piece of length 1"),
    ("05.7", lambda v, o: o * (v @ o) / o.square().sum(), "subtract it from vector"),
    ("05.7", lambda v, o: v + o * (v @ o) / o.square().sum(), "added: subtract"),
    ("05.7", lambda v, o: v - 2 * o * (v @ o) / o.square().sum(), "mirrors it"),
    ("05.7", lambda v, o: F.normalize(by_lstsq(v, o), dim=0) * v.norm(), "vector's length again"),
    ("05.7", lambda v, o: F.normalize(by_lstsq(v, o), dim=0), "it has length 1"),
    ("05.7", lambda v, o: v - v * o * o / o.square().sum(), "aren't summed"),
    ("05.7", lambda v, o: v - (v * o).mean() / (o @ o) * o, "averaged"),
    ("05.7", lambda v, o: v - (v @ o) / (o @ o) * v, "along vector itself"),
    ("05.7", lambda v, o: by_lstsq(F.normalize(v, dim=0), o), "length 1 first"),
    ("05.7", lambda v, o: v - (v @ o).abs() / (o @ o) * o, "sign of the product"),
    ("05.7", lambda v, o: v - 0.5 * (v @ o) / (o @ o) * o, "half of the part"),
    # not in the list
    ("05.7", lambda v, o: -by_lstsq(v, o), "wrong sign"),
    ("05.7", lambda v, o: by_lstsq(v, o).norm(), "shape"),
    ("05.7", lambda v, o: v, "on fresh inputs"),
    ("05.7", lambda v, o: torch.zeros_like(v), "the same whatever goes in|on fresh inputs"),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(WRONG)))
def test_a_wrong_answer_gets_its_hint(i):
    number, answer, phrase = WRONG[i]
    for _ in range(1 if is_measured(number) else 2):
        result = judged(number, answer)
        assert result.status == "wrong" and any(p in result.text for p in phrase.split("|")), result
