"""The loss doctor: what a VAE's loss weighs, sums and averages, found by probing it from outside."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .. import checkpoints
from ..explore import Pad, pad

Tensor = torch.Tensor
Probe = Callable[[Tensor, Tensor, Tensor, Tensor], float]  # reconstruction, x, mu, spread → loss
Pixelwise = Callable[[Tensor, Tensor], Tensor]

# What the names of a loss's arguments say; the first pattern that matches counts.
ROLES = {
    "model": r"^(model|vae|net|self|module)$",
    "mu": r"mu|mean(?!.*log)|^m$|^loc$",
    "logvar": r"log_?var|log_?sigma_?(sq|2)|log_?v$|^lv$|^log_s2$",
    "log sigma": r"log_?(sigma|std|stddev|scale)",
    "variance": r"var|sigma_?(sq|2)",
    "sigma": r"sigma|std|^s$|scale",
    "logits": r"logit",
    "reconstruction": r"rec|hat|out|pred|decoded|generated|prob|fake|^p_?x|tilde|^y$",
    "x": r"^x|target|inp|data|image|img|true|orig|batch|real|^y_|^t$",
}
WORDS = {"logvar": "log-variance", "log sigma": "log sigma", "sigma": "sigma", "variance": "variance"}
SPREADS = tuple(WORDS)
BATCH = 4  # images in a probe
# Shipped two-dimensional VAEs, by the beta that they were trained at
SHOWN = {
    "vae_conv_2_beta_1_16": 1 / 16,
    "vae_conv_2": 1.0,
    "vae_conv_2_beta_4": 4.0,
    "vae_conv_2_beta_16": 16.0,
    "vae_conv_2_beta_49": 49.0,
}
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


@dataclass(frozen=True)
class Diagnosis:
    """What `check.loss` has found.

    Attributes
    ----------
    beta : float
        The weight of the KL against the negative ELBO's, at the sizes that were asked about; NaN if unknown.
    likelihood : str
        What is asked of each pixel; "" if it is none that is known.
    spread : str
        What the loss takes its spread for: "logvar", "log sigma", "sigma" or "variance"; "" if unknown.
    sigma : float
        For squared errors, the standard deviation of the pixels with which this loss has beta 1; else NaN.
    reductions : dict of str to str
        "reconstruction" and "KL": what is summed, and what is averaged.
    findings : list of str
        What is wrong or worth knowing, in sentences.
    """

    beta: float
    likelihood: str
    spread: str
    sigma: float
    reductions: Mapping[str, str]
    findings: Sequence[str] = field(default_factory=list)

    def show(self) -> Pad:
        """The map of a shipped VAE that was trained at the nearest beta: its codes, and what it draws.

        Returns
        -------
        Pad
            Drag the point over the prior's range to see its samples.

        Raises
        ------
        ValueError
            If the beta is unknown, or not positive.
        """
        if not self.beta > 0:
            raise ValueError("there is nothing to train at this beta: mend the loss first")
        nearest = min(SHOWN, key=lambda name: abs(math.log(SHOWN[name] / self.beta)))
        return pad(checkpoints.load(nearest))

    def __repr__(self) -> str:
        lines = [f"beta: {self.beta:.4g}" if math.isfinite(self.beta) else "beta: can't be told"]
        lines += [f"{name}: {how}" for name, how in self.reductions.items()]
        if self.likelihood:
            lines.append(f"pixels: {self.likelihood}")
        if math.isfinite(self.sigma):
            lines.append(
                f"Gaussian pixels: beta {self.beta:.4g} with sigma 1; beta 1 with sigma {self.sigma:.4g}"
            )
        return "\n".join([*lines, *(f"- {finding}" for finding in self.findings)])


def loss(
    function: Callable[..., Any],
    *,
    takes: Sequence[str] | None = None,
    image_shape: Sequence[int] = (1, 28, 28),
    latent_dim: int = 16,
    batch_size: int = 128,
    decoder: str | None = None,
    **options: Any,
) -> Diagnosis:
    """Examine a VAE's loss by probing it: which beta, reductions and mistakes are in it?

    Parameters
    ----------
    function : callable
        Any VAE's loss of (reconstruction, x, mu, logvar), in any order if the names tell; or of the course's
        form, loss(model, x). It returns a number, one per image, a tuple or a dictionary with "loss".
    takes : sequence of str, optional
        What the arguments are, if their names don't tell: "reconstruction" (or "logits"), "x", "mu", and
        one of "logvar", "log sigma", "sigma", "variance".
    image_shape, latent_dim, batch_size
        The sizes that you train with: a hidden beta depends on them.
    decoder : str, optional
        What your decoder returns: "logits" or "probabilities".
    **options
        Further arguments of the function.

    Returns
    -------
    Diagnosis
        Its text is the report.

    Raises
    ------
    ValueError
        If the arguments' roles can't be told, or the function fails on all usual shapes, with its message.

    References
    ----------
    The weight of the KL: Higgins et al., "beta-VAE", ICLR 2017.

    Notes
    -----
    Used in the exercises of lesson 02.
    """
    roles = list(takes) if takes else _roles(function)
    spread_name = next((role for role in roles if role in SPREADS), "logvar")
    form = _form(function, roles, tuple(image_shape), options)
    probe = _prober(function, roles, form, options)
    pixels = math.prod(image_shape)
    findings: list[str] = []

    # Few images tell as much as many: how terms grow with their number and the codes' size is probed.
    few, twice, wide = (BATCH, latent_dim), (2 * BATCH, latent_dim), (BATCH, 2 * latent_dim)
    likelihood, unit = _pixel_form(probe, image_shape, few)
    batch_r = _power(_pixel_form(probe, image_shape, twice)[1], unit)
    if not likelihood:
        findings.append(_unknown_pixels(probe, image_shape, few))
    elif likelihood in NO_LIKELIHOOD:
        findings.append(NO_LIKELIHOOD[likelihood])
    spread, weight, kl_findings = _kl_form(probe, image_shape, few)
    findings += kl_findings
    batch_k, latent_k = (_power(_kl_form(probe, image_shape, sizes)[1], weight) for sizes in (twice, wide))

    squared = likelihood.startswith("squared")
    beta = math.nan
    if likelihood:
        beta = weight / unit / (2 if squared else 1) * (batch_size / BATCH) ** (batch_k - batch_r)
    each, plain = abs(unit) * BATCH**-batch_r, abs(weight) * BATCH**-batch_k * latent_dim**-latent_k
    averaged = any(math.isclose(each * pixels, nice, rel_tol=1e-2) for nice in (0.5, 1, 2))
    reductions, reasons = {}, []
    if likelihood:
        over = "mean" if averaged else "sum"
        reductions["reconstruction"] = f"{over} over pixels, {'sum' if batch_r else 'mean'} over the batch"
        reasons += [f"× {pixels} by the mean over pixels"] * averaged
    if weight:
        over = "mean" if latent_k else "sum"
        reductions["KL"] = f"{over} over latent dimensions, {'sum' if batch_k else 'mean'} over the batch"
        reasons += [f"÷ {latent_dim} by the mean over latent dimensions"] * (latent_k != 0)
        reasons += [f"{'×' if batch_k > batch_r else '÷'} {batch_size} by the batch"] * (batch_k != batch_r)
        if not math.isclose(beta, 1, rel_tol=1e-2) and math.isclose(plain, 2, rel_tol=1e-2):
            findings.append("the KL is twice the usual one: the ½ is missing")
        elif not math.isclose(beta, 1, rel_tol=1e-2) and math.isclose(plain, 0.5, rel_tol=1e-2):
            findings.append("the KL is half the usual one: a ½ too many")
    else:
        findings.append(
            "there is no KL in it: the loss doesn't depend on mu and the spread. This is an "
            "autoencoder's loss"
        )
    if weight < 0:
        findings.append("the KL has the wrong sign: training would push the clouds away from the prior")
    if unit < 0:
        findings.append("the reconstruction has the wrong sign: training would make it worse")
    if weight and likelihood and batch_r != batch_k:
        findings.append(
            f"the beta depends on the batch size ({batch_size} here): one term is averaged over it, "
            "the other summed"
        )
    if beta > 0 and not 0.99 < beta < 1.01:
        why = f" ({', '.join(reasons)})" if reasons else ""
        findings.append(f"not the negative ELBO: the KL weighs {beta:.4g} times as much as it should{why}")
    if squared and math.isfinite(beta) and beta > 0:
        findings.append("squared errors are nats only with a sigma: the beta is for sigma 1")
    if spread and spread != spread_name:
        findings.append(
            f"{WORDS[spread_name]} is taken for {WORDS[spread]}: the argument is named as the one, "
            "and the KL is that of the other"
        )
    wants = PIXELS[likelihood][1] if likelihood in PIXELS else ""
    gives = decoder or ("logits" if "logits" in roles else None)
    if wants and gives and wants != gives and likelihood not in NO_LIKELIHOOD:
        findings.append(
            "logits are taken for probabilities: apply the sigmoid first, or use "
            "binary_cross_entropy_with_logits"
            if gives == "logits"
            else "probabilities are taken for logits: a sigmoid is applied that the decoder has applied "
            "already"
        )
    single = _prober(function, roles, (*form[:2], torch.float32), options)  # the precision of training
    findings += _extremes(single, image_shape, few, wants, spread or spread_name)
    sigma = math.sqrt(abs(beta)) if squared and math.isfinite(beta) and beta > 0 else math.nan
    return Diagnosis(beta, likelihood, spread, sigma, reductions, findings)


def _roles(function: Callable[..., Any]) -> list[str]:
    """What each argument without a default is, by its name; by the usual order if no name tells."""
    usual = ["reconstruction", "x", "mu", "logvar"]
    parameters = list(inspect.signature(function).parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return usual
    needed = [p.name.lower() for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    found = [
        next((role for role, pattern in ROLES.items() if re.search(pattern, name)), "") for name in needed
    ]
    if found[:2] in (["model", "x"], ["model", ""]):
        return ["model", "x"]
    complete = sorted("spread" if r in SPREADS else "reconstruction" if r == "logits" else r for r in found)
    if complete == ["mu", "reconstruction", "spread", "x"]:
        return found
    if len(needed) == 4:
        return usual
    raise ValueError(
        f"can't tell what the arguments ({', '.join(needed)}) are: say so with takes=, such as "
        f"takes={usual}, and give the others by name"
    )


class _Fixed(nn.Module):
    """A model that returns what it was given, for losses that call a model themselves."""

    def __init__(self, outputs: tuple[Tensor, Tensor, Tensor]):
        super().__init__()
        self.outputs = outputs

    def forward(self, *_: Any, **__: Any) -> tuple[Tensor, Tensor, Tensor]:
        return self.outputs

    def encode(self, *_: Any) -> tuple[Tensor, Tensor]:
        return self.outputs[1:]


def _prober(function: Callable, roles: list[str], form: tuple, options: Mapping) -> Probe:
    flat_r, flat_x, dtype = form

    def probe(r: Tensor, x: Tensor, mu: Tensor, spread: Tensor) -> float:
        r, x = (value.flatten(1) if flat else value for value, flat in ((r, flat_r), (x, flat_x)))
        r, x, mu, spread = (value.to(dtype) for value in (r, x, mu, spread))
        if roles[0] == "model":
            made = function(_Fixed((r, mu, spread)), x, **options)
        else:
            given = {
                "x": x,
                "mu": mu,
                **dict.fromkeys(("reconstruction", "logits"), r),
                **dict.fromkeys(SPREADS, spread),
            }
            made = function(*(given[role].clone() for role in roles), **options)
        if isinstance(made, Mapping):
            made = made["loss"] if "loss" in made else next(iter(made.values()))
        if isinstance(made, tuple | list):
            made = made[0]
        return float(torch.as_tensor(made).double().mean())

    return probe


def _form(function: Callable, roles: list[str], image_shape: tuple, options: Mapping) -> tuple:
    """The shapes and the precision that the function takes: the first on which it gives a number."""
    first: Exception | None = None
    for dtype in (torch.float64, torch.float32):
        for flat_r, flat_x in ((False, False), (True, False), (True, True), (False, True)):
            r, x, mu, s = _inputs(image_shape, (3, 4), 0)
            try:
                _prober(function, roles, (flat_r, flat_x, dtype), options)(r, x, mu, s)
                return flat_r, flat_x, dtype
            except Exception as error:
                first = first or error
    raise ValueError(
        f"the loss fails on images {(3, *image_shape)} and codes (3, 4), flat or not: "
        f"{type(first).__name__}: {first}. "
        "Say what its arguments are with takes=, or set image_shape"
    )


def _inputs(image_shape: Sequence[int], sizes: tuple[int, int], seed: int) -> list[Tensor]:
    """Values at which every form is defined: pixels and spreads between 0.1 and 0.9."""
    generator = torch.Generator().manual_seed(seed)
    batch, latent_dim = sizes
    shapes = [(batch, *image_shape)] * 2 + [(batch, latent_dim)] * 2
    return [0.1 + 0.8 * torch.rand(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def _ratio(changes: list[float], wanted: list[float], rel: float = 3e-3) -> float | None:
    """The one factor between two series of numbers, or None if there is none."""
    norm = sum(w * w for w in wanted)
    if not norm:
        return None
    ratio = sum(c * w for c, w in zip(changes, wanted, strict=True)) / norm
    size = max(abs(c) for c in changes)
    fits = all(abs(c - ratio * w) <= rel * size for c, w in zip(changes, wanted, strict=True))
    return ratio if fits and size > 0 else None


def _pixel_form(probe: Probe, image_shape: Sequence[int], sizes: tuple[int, int]) -> tuple[str, float]:
    """Each pixel's form, and its factor in a mean over images of sums over pixels; "" and NaN if none."""
    base, x, mu, s = _inputs(image_shape, sizes, 1)
    # Uniform shifts tell forms apart that sums over random pixels would average out.
    others = [base * scale for scale in (0.2, 0.5, 0.8)] + [_inputs(image_shape, sizes, 2)[0] ** 3]
    start = probe(base, x, mu, s)
    changes = [probe(r, x, mu, s) - start for r in others]
    for name, (pixelwise, _) in PIXELS.items():
        wanted = [float((pixelwise(r, x) - pixelwise(base, x)).sum()) for r in others]
        ratio = _ratio(changes, wanted)
        if ratio is not None:
            return name, ratio * sizes[0]
    return "", math.nan


def _unknown_pixels(probe: Probe, image_shape: Sequence[int], sizes: tuple[int, int]) -> str:
    base, x, mu, s = _inputs(image_shape, sizes, 1)
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
            "the reconstruction is no likelihood: it isn't a sum over pixels (a root, a norm or a "
            "product is taken of all of them), so no beta can be told"
        )
    return (
        "the reconstruction is a sum over pixels, but no likelihood that is known here, so no "
        "beta can be told"
    )


def _kl_form(
    probe: Probe, image_shape: Sequence[int], sizes: tuple[int, int]
) -> tuple[str, float, list[str]]:
    """What the spread is taken for, the factor of the KL in a mean over images, and what is broken."""
    r, x, mu, s = _inputs(image_shape, sizes, 3)
    start = probe(r, x, mu, s)
    mus = [mu * scale for scale in (-1.5, 0.3, 2)]
    by_mu = [probe(r, x, m, s) - start for m in mus]
    spreads = [s * scale for scale in (0.4, 0.7, 1.2)] + [_inputs(image_shape, sizes, 4)[3]]
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
    for name, term in SPREAD_TERMS.items():
        weight = _ratio(by_spread, [float((term(t) - term(s)).sum()) for t in spreads])
        if weight is not None and weight_mu is not None and not math.isclose(weight, weight_mu, rel_tol=1e-2):
            if math.isclose(weight, -weight_mu, rel_tol=1e-2):
                findings.append(
                    "the signs of the KL's two halves differ: mu² and exp(logvar) - logvar must both "
                    "count as costs"
                )
            else:
                continue  # another form may fit both
        if weight is not None:
            return name, (weight if weight_mu is None else weight_mu) * sizes[0], findings
    for broken, message in BROKEN_SPREADS:
        weight = _ratio(by_spread, [float((broken(t) - broken(s)).sum()) for t in spreads])
        if weight is not None and (weight_mu is None or math.isclose(weight, weight_mu, rel_tol=1e-2)):
            return "", (weight if weight_mu is None else weight_mu) * sizes[0], [*findings, message]
    missing = (
        "the spread's part of the KL is missing: it depends on mu alone"
        if max(map(abs, by_spread)) <= 1e-9 * scale
        else ("the spread's part is no KL to a standard Gaussian that is known here")
    )
    return "", (weight_mu or 0.0) * sizes[0], [*findings, missing]


def _extremes(
    probe: Probe, image_shape: Sequence[int], sizes: tuple[int, int], wants: str, spread: str
) -> list[str]:
    """Where a usual value makes the loss infinite or NaN."""
    r, x, mu, s = _inputs(image_shape, (3, sizes[1]), 5)
    white = (x > 0.5).to(x)

    def fails(*values: Tensor) -> bool:
        try:
            return not math.isfinite(probe(*values))
        except Exception:  # such as PyTorch's own refusal of a probability outside [0, 1]
            return True

    found = []
    tried = {
        "probabilities": ("a probability of exactly 0 or 1", 1 - white),
        "logits": ("logits of ±200", 400 * white - 200),
    }
    if wants in tried and fails(tried[wants][1], white, mu, s):
        found.append(
            f"not finite at {tried[wants][0]}: use torch's binary_cross_entropy, or better its version with "
            "logits"
        )
    small = {"logvar": -200.0, "log sigma": -100.0, "sigma": 1e-30, "variance": 1e-30}[spread]
    if fails(r, x, mu, torch.full_like(s, small)):
        found.append(
            "not finite for a very narrow cloud: let the encoder give logvar, and take no logarithm of sigma"
        )
    return found


def _power(doubled: float, once: float) -> int:
    """The power with which a factor grows when a size is doubled; 0 if there is no factor."""
    known = math.isfinite(once) and math.isfinite(doubled) and once and doubled
    return round(math.log2(abs(doubled / once))) if known else 0
