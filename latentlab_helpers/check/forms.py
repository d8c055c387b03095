"""What the loss doctor recognises: likelihoods of pixels, KL terms, sums and means, by how a loss changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from .probes import Probe, Tensor, drawn

Pixelwise = Callable[[Tensor, Tensor], Tensor]
# What a loss may ask of each pixel of the decoder's output r and the image x, and what r must be
PIXELS: dict[str, tuple[Pixelwise, str]] = {
    "Bernoulli, from probabilities": (lambda r, x: -(x * r.log() + (1 - x) * (1 - r).log()), "probabilities"),
    "Bernoulli, from logits": (lambda r, x: F.softplus(r) - x * r, "logits"),
    "squared error": (lambda r, x: (r - x).square(), ""),
    "squared error of a sigmoid": (lambda r, x: (r.sigmoid() - x).square(), "logits"),
    "absolute error": (lambda r, x: (r - x).abs(), ""),
    "Bernoulli from logits, of what went through a sigmoid already": (
        lambda r, x: F.softplus(r.sigmoid()) - x * r.sigmoid(), "logits"),
    "cross-entropy with image and reconstruction exchanged": (
        lambda r, x: -(r * x.log() + (1 - r) * (1 - x).log()), "probabilities"),
    "the white half of a cross-entropy": (lambda r, x: -x * r.log(), "probabilities"),
    "the black half of a cross-entropy": (lambda r, x: -(1 - x) * (1 - r).log(), "probabilities"),
}  # fmt: skip
NO_LIKELIHOOD = {
    "Bernoulli from logits, of what went through a sigmoid already": "the sigmoid is applied twice: the loss "
    "function that takes logits must get logits, so leave your own sigmoid out",
    "cross-entropy with image and reconstruction exchanged": "image and reconstruction are exchanged in the "
    "cross-entropy: the reconstruction is the input, the image is the target",
    "the white half of a cross-entropy": "half of the cross-entropy is missing: black pixels cost nothing, "
    "so an all-white image would be perfect. Add -(1 - x) log(1 - p)",
    "the black half of a cross-entropy": "half of the cross-entropy is missing: white pixels cost nothing. "
    "Add -x log p",
}
PRIOR = {"logvar": 0.0, "log sigma": 0.0, "sigma": 1.0, "variance": 1.0}  # the spread of a standard Gaussian
# The KL of one latent dimension without the square of mu, less constants, by what the spread s is taken for
SPREAD_TERMS: dict[str, Callable[[Tensor], Tensor]] = {
    "logvar": lambda s: (s.exp() - s) / 2,
    "log sigma": lambda s: ((2 * s).exp() - 2 * s) / 2,
    "sigma": lambda s: (s.square() - s.square().log()) / 2,
    "variance": lambda s: (s - s.log()) / 2,
}
BROKEN_SPREADS: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (lambda s: s.exp() / 2, "the term -logvar is missing: nothing keeps sigma from shrinking to 0"),
    (lambda s: -s / 2, "the term exp(logvar) is missing: a cloud could grow without limit"),
    (lambda s: (s.exp() + s) / 2, "logvar has the wrong sign in the KL: its term must be -logvar"),
    (lambda s: ((0.5 * s).exp() - s) / 2, "exp(logvar / 2) is sigma; the KL wants sigma², exp(logvar)"),
    (lambda s: ((2 * s).exp() - s) / 2, "exp(logvar) is sigma² already, and is squared once more"),
    (lambda s: (s - s.square().log()) / 2, "sigma isn't squared in the KL"),
    (lambda s: (s.square() - s.log()) / 2, "log sigma² is 2 log sigma: the 2 is missing"),
    (lambda s: (s.square() - s) / 2, "logvar must be exponentiated, not squared, to give sigma²"),
]


def _ratio(changes: list[float], wanted: list[float], rel: float = 3e-3) -> float | None:
    """The one factor between two series of numbers, or None if there is none."""
    norm = sum(w * w for w in wanted)
    if not norm:
        return None
    ratio = sum(c * w for c, w in zip(changes, wanted, strict=True)) / norm
    size = max(abs(c) for c in changes)
    fits = all(abs(c - ratio * w) <= rel * size for c, w in zip(changes, wanted, strict=True))
    return ratio if fits and size > 0 else None


def pixel_form(probe: Probe, image_shape: Sequence[int], sizes: tuple[int, int]) -> tuple[str, float]:
    """Each pixel's form, and its factor in a mean over images of sums over pixels; "" and NaN if none."""
    base, x, mu, s = drawn(image_shape, sizes, 1)
    # Uniform shifts tell forms apart that sums over random pixels would average out.
    others = [base * scale for scale in (0.2, 0.5, 0.8)] + [drawn(image_shape, sizes, 2)[0] ** 3]
    start = probe(base, x, mu, s)
    changes = [probe(r, x, mu, s) - start for r in others]
    for name, (pixelwise, _) in PIXELS.items():
        wanted = [float((pixelwise(r, x) - pixelwise(base, x)).sum()) for r in others]
        ratio = _ratio(changes, wanted)
        if ratio is not None:
            return name, ratio * sizes[0]
    return "", math.nan


def nearer_mean(factor: float, count: int) -> bool:
    """Whether a factor is nearer to a mean's than to a sum's."""
    return abs(math.log(factor * count)) < abs(math.log(factor)) if factor > 0 else False


def averages(
    probe: Probe, image_shape: Sequence[int], sizes: tuple[int, int], unit: float, each: float
) -> bool:
    """Whether pixels are averaged: their factor falls as the image grows, and isn't scaled back."""
    if any(math.isclose(each, nice, rel_tol=1e-2) for nice in (0.5, 1, 2)):
        return False
    try:
        grown = pixel_form(probe, (*image_shape[:-1], 2 * image_shape[-1]), sizes)[1]
        return power(grown, unit) == -1
    except Exception:  # an image's size that stands in the code
        return nearer_mean(each, math.prod(image_shape))


def unknown_pixels(probe: Probe, image_shape: Sequence[int], sizes: tuple[int, int]) -> str:
    """What can be said of a reconstruction term that isn't in `PIXELS`."""
    base, x, mu, s = drawn(image_shape, sizes, 1)
    there, back = base * 0.5, base.clone()
    half = base.shape[-1] // 2
    back[..., :half] = there[..., :half]
    rest = base.clone()
    rest[..., half:] = there[..., half:]
    start = probe(base, x, mu, s)
    whole = probe(there, x, mu, s) - start
    if whole == 0:
        return "the reconstruction isn't in it: the loss doesn't depend on the decoder's output"
    parts = probe(back, x, mu, s) + probe(rest, x, mu, s) - 2 * start
    if not math.isclose(whole, parts, rel_tol=1e-3):
        return (
            "the reconstruction is no likelihood: it isn't a sum over pixels (a root, a norm, a "
            "logarithm or a product is taken of all of them), so no beta can be told"
        )
    return (
        "the reconstruction is a sum over pixels, but no likelihood that is known here, so no "
        "beta can be told"
    )


def meets_the_prior(
    probe: Probe, image_shape: Sequence[int], sizes: tuple[int, int], spread: str, weight: float, rel: float
) -> bool:
    """Whether the KL falls to the prior by as much as its form says."""
    r, x, mu, s = drawn(image_shape, sizes, 3)
    prior, term = torch.full_like(s, PRIOR[spread]), SPREAD_TERMS[spread]
    fall = probe(r, x, mu, s) - probe(r, x, torch.zeros_like(mu), prior)
    wanted = weight / sizes[0] * float((mu.square() / 2 + term(s) - term(prior)).sum())
    return math.isclose(fall, wanted, rel_tol=max(1e-2, rel))


def kl_form(
    probe: Probe,
    image_shape: Sequence[int],
    sizes: tuple[int, int],
    *,
    likely: str = "logvar",
    rel: float = 3e-3,
    far: float = 0.0,
) -> tuple[str, float, list[str]]:
    """What the spread is taken for, the factor of the KL in a mean over images, and what is broken."""
    r, x, mu, s = drawn(image_shape, sizes, 3)
    mu, close = mu + far, max(1e-2, rel)
    start = probe(r, x, mu, s)
    mus = [mu * scale for scale in (-1.5, 0.3, 2)]
    by_mu = [probe(r, x, m, s) - start for m in mus]
    spreads = [s * scale for scale in (0.4, 0.7, 1.2)] + [drawn(image_shape, sizes, 4)[3]]
    by_spread = [probe(r, x, mu, t) - start for t in spreads]
    scale = max(map(abs, by_mu + by_spread))
    if scale <= 1e-9 * max(1.0, abs(start)):
        return "", 0.0, []
    findings = []
    weight_mu = _ratio(by_mu, [float((m.square() - mu.square()).sum() / 2) for m in mus])
    if weight_mu is None:
        findings.append(
            "mu isn't squared in the KL"
            if max(map(abs, by_mu)) > 1e-6 * scale
            else "the term mu² is missing in the KL"
        )
    for name in sorted(SPREAD_TERMS, key=lambda name: name != likely):
        term = SPREAD_TERMS[name]
        weight = _ratio(by_spread, [float((term(t) - term(s)).sum()) for t in spreads], rel)
        if (
            weight is not None
            and weight_mu is not None
            and not math.isclose(weight, weight_mu, rel_tol=close)
        ):
            if math.isclose(weight, -weight_mu, rel_tol=close):
                findings.append(
                    "the signs of the KL's two halves differ: mu² and exp(logvar) - logvar must both "
                    "count as costs"
                )
            else:
                continue  # another form may fit both
        if weight is not None:
            return name, (weight if weight_mu is None else weight_mu) * sizes[0], findings
    for broken, message in BROKEN_SPREADS:
        weight = _ratio(by_spread, [float((broken(t) - broken(s)).sum()) for t in spreads], rel)
        if weight is not None and (weight_mu is None or math.isclose(weight, weight_mu, rel_tol=close)):
            return "", (weight if weight_mu is None else weight_mu) * sizes[0], [*findings, message]
    missing = (
        "the spread's part of the KL is missing: it depends on mu alone"
        if max(map(abs, by_spread)) <= 1e-9 * scale
        else ("the spread's part is no KL to a standard Gaussian that is known here")
    )
    return "", (math.nan if weight_mu is None else weight_mu) * sizes[0], [*findings, missing]


def power(doubled: float, once: float) -> int:
    """The power with which a factor grows when a size is doubled; 0 if there is no factor."""
    known = math.isfinite(once) and math.isfinite(doubled) and once and doubled
    return round(math.log2(abs(doubled / once))) if known else 0
