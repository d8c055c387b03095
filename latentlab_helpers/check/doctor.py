"""The loss doctor: what a VAE's loss weighs, sums and averages, found by probing it from outside."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from .. import checkpoints
from ..explore import Pad, pad
from .forms import (
    NO_LIKELIHOOD,
    PIXELS,
    averages,
    kl_form,
    meets_the_prior,
    nearer_mean,
    pixel_form,
    power,
    unknown_pixels,
)
from .probes import SPREADS, WORDS, Probe, Tensor, drawn, form_of, prober, roles_of, steady

BATCH = 4  # images in a probe
DRAWS = 32  # of a loss that draws random numbers
FAR = 10.0  # how far from the prior no floor of a KL reaches
# Shipped two-dimensional VAEs, by the beta that they were trained at
SHOWN = {
    "vae_conv_2_beta_1_16": 1 / 16,
    "vae_conv_2": 1.0,
    "vae_conv_2_beta_4": 4.0,
    "vae_conv_2_beta_16": 16.0,
    "vae_conv_2_beta_49": 49.0,
}


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
        form, loss(model, x). It returns a number, one per image, a tuple with that first, or a dictionary or
        dataclass with "loss".
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
    roles, findings = (list(takes), []) if takes else roles_of(function, options)
    spread_name = next((role for role in roles if role in SPREADS), "logvar")
    form = form_of(function, roles, (tuple(image_shape), latent_dim), options)
    probe = prober(function, roles, form, options)
    pixels = math.prod(image_shape)
    findings += _refusals(function, roles, form, options, image_shape, latent_dim)

    # Few images tell as much as many: how terms grow with their number and the codes' size is probed.
    few, twice, wide = (BATCH, latent_dim), (2 * BATCH, latent_dim), (BATCH, 2 * latent_dim)
    likelihood, unit = pixel_form(probe, image_shape, few)
    batch_r = power(pixel_form(probe, image_shape, twice)[1], unit)
    if not likelihood:
        findings.append(unknown_pixels(probe, image_shape, few))
    elif likelihood in NO_LIKELIHOOD:
        findings.append(NO_LIKELIHOOD[likelihood])

    start = drawn(image_shape, few, 3)
    draws = [prober(function, roles, form, options, seed=seed) for seed in range(DRAWS)]
    noisy = not math.isclose(draws[0](*start), draws[1](*start), rel_tol=1e-9)
    kl_probe = steady(draws) if noisy else probe
    if noisy:
        findings.append("it draws random numbers: what is told here is of a mean over draws")
    how: dict[str, Any] = {"likely": spread_name, "rel": 0.1 if noisy else 3e-3}
    spread, weight, kl_findings = kl_form(kl_probe, image_shape, few, **how)
    if kl_findings:  # a floor under the KL would hide it from probes that are near the prior
        far = {**how, "far": FAR}
        further = kl_form(kl_probe, image_shape, few, **far)
        if further[1] and not further[2]:
            how, (spread, weight, kl_findings) = far, further
    findings += kl_findings
    known = spread and weight and not kl_findings
    if known and not meets_the_prior(kl_probe, image_shape, few, spread, weight, how["rel"]):
        findings.append(
            "close to the prior the KL isn't the usual one: it has a floor (free bits) or a target, "
            "and the beta holds far from it"
        )
    batch_k = power(kl_form(kl_probe, image_shape, twice, **how)[1], weight)
    plain = abs(weight) * BATCH**-batch_k
    try:
        latent_k = power(kl_form(kl_probe, image_shape, wide, **how)[1], weight)
    except Exception:  # such as a prior of a fixed size
        latent_k = -1 if nearer_mean(plain, latent_dim) else 0

    squared = likelihood.startswith("squared")
    beta = math.nan
    if likelihood:
        beta = weight / unit / (2 if squared else 1) * (batch_size / BATCH) ** (batch_k - batch_r)
    each, plain = abs(unit) * BATCH**-batch_r, plain * latent_dim**-latent_k
    reductions: dict[str, str] = {}
    reasons: list[tuple[float, str]] = []  # factors of the beta
    if likelihood:
        averaged = averages(probe, image_shape, few, unit, each)
        over = "mean" if averaged else "sum"
        reductions["reconstruction"] = f"{over} over pixels, {'sum' if batch_r else 'mean'} over the batch"
        reasons += [(pixels, f"× {pixels} by the mean over pixels")] * averaged
        if squared and math.isclose(each * (pixels if averaged else 1), 1, rel_tol=1e-2):
            reasons.append((1 / 2, "÷ 2 by the Gaussian's ½, which is missing"))
    if weight and math.isfinite(weight):
        over = "mean" if latent_k else "sum"
        reductions["KL"] = f"{over} over latent dimensions, {'sum' if batch_k else 'mean'} over the batch"
        reasons += [(1 / latent_dim, f"÷ {latent_dim} by the mean over latent dimensions")] * (latent_k != 0)
        if batch_k != batch_r:
            sign = "×" if batch_k > batch_r else "÷"
            reasons.append((batch_size ** (batch_k - batch_r), f"{sign} {batch_size} by the batch"))
        if not math.isclose(beta, 1, rel_tol=1e-2) and math.isclose(plain, 2, rel_tol=1e-2):
            findings.append("the KL is twice the usual one: the ½ is missing")
        elif not math.isclose(beta, 1, rel_tol=1e-2) and math.isclose(plain, 0.5, rel_tol=1e-2):
            findings.append("the KL is half the usual one: a ½ too many")
    elif weight == 0:
        findings.append(_no_kl(function, roles, form, options, image_shape, few))
    if weight < 0:
        findings.append("the KL has the wrong sign: training would push the clouds away from the prior")
    if unit < 0:
        findings.append("the reconstruction has the wrong sign: training would make it worse")
    if weight and math.isfinite(weight) and likelihood and batch_r != batch_k:
        findings.append(
            f"the beta depends on the batch size ({batch_size} here): one term is averaged over it, "
            "the other summed"
        )
    if beta > 0 and not 0.99 < beta < 1.01:
        rest = beta / math.prod(factor for factor, _ in reasons)
        why = [text for _, text in reasons]
        if why and not math.isclose(rest, 1, rel_tol=1e-2):
            why.append(f"× {rest:.4g} by its own factors")
        because = f" ({', '.join(why)})" if why else ""
        findings.append(
            f"with sigma 1 the KL weighs {beta:.4g} times as much as in the negative ELBO{because}; it is "
            f"the negative ELBO of Gaussian pixels with sigma {math.sqrt(beta):.4g}"
            if squared
            else f"not the negative ELBO: the KL weighs {beta:.4g} times as much as it should{because}"
        )
    elif squared and beta > 0:
        findings.append("squared errors are nats only with a sigma: the beta is for sigma 1")
    if likelihood.startswith("absolute") and beta > 0:
        findings.append("absolute errors are nats only with a scale: the beta is for Laplace's scale 1")
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
    single = prober(function, roles, (*form[:2], torch.float32), options)  # the precision of training
    findings += _extremes(single, image_shape, few, wants, spread or spread_name)
    sigma = math.sqrt(abs(beta)) if squared and math.isfinite(beta) and beta > 0 else math.nan
    return Diagnosis(beta, likelihood, spread, sigma, reductions, findings)


def _refusals(
    function: Callable,
    roles: list[str],
    form: tuple,
    options: Mapping,
    image_shape: Sequence[int],
    latents: int,
) -> list[str]:
    """Whether torch.distributions' checks, which the probes switch off, let grey pixels through."""
    probe = prober(function, roles, form, options, checks=True)
    r, x, mu, s = drawn(image_shape, (3, latents), 0)
    try:
        probe(r, (x > 0.5).to(x), mu, s)
    except Exception:
        return []
    try:
        probe(r, x, mu, s)
    except Exception:
        return [
            "it takes binary images only: torch.distributions refuses grey pixels, unless validate_args=False"
        ]
    return []


def _no_kl(
    function: Callable,
    roles: list[str],
    form: tuple,
    options: Mapping,
    image_shape: Sequence[int],
    sizes: tuple[int, int],
) -> str:
    r, x, mu, s = drawn(image_shape, sizes, 3)
    for part in range(1, 4):
        probe = prober(function, roles, form, options, part=part)
        try:
            if not math.isclose(probe(r, x, mu, s), probe(r, x, 2 * mu, s), rel_tol=1e-9):
                return (
                    "there is no KL in the first of its results, only in another: if your training adds them "
                    "up, examine a function that returns the sum"
                )
        except Exception:  # no such part, or one that is no number
            continue
    return "there is no KL in it: the loss doesn't depend on mu and the spread. This is an autoencoder's loss"


def _extremes(
    probe: Probe, image_shape: Sequence[int], sizes: tuple[int, int], wants: str, spread: str
) -> list[str]:
    """Where a usual value makes the loss infinite or NaN."""
    r, x, mu, s = drawn(image_shape, (3, sizes[1]), 5)
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
            "not finite for a very narrow cloud: "
            + (
                "compute the KL from logvar itself, not by way of sigma"
                if spread in ("logvar", "log sigma")
                else "let the encoder give logvar, and take no logarithm of sigma"
            )
        )
    return found
