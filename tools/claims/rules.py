"""The ten claims about autoencoders and VAEs: their rules, and the verdicts that follow from measurements.

Measurements are {"ae" | "vae" | "control": {metric: [one number for each seed]}}. A control that is made from
each model itself is in "ae control" and "vae control".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from latentlab_helpers.results import mean_and_spread

Measured = Mapping[str, Mapping[str, Sequence[float]]]

NAMES = {"ae": "AE", "vae": "VAE", "control": "control"}
SIZES = (2, 4, 8, 16, 32, 64)
ATTRIBUTES = ("thickness", "slant", "width")
SEEDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Part:
    """One comparison that a claim asks for: a subject beats a reference, by a margin, for every seed.

    For every seed: if there were no difference, five seeds would agree on a given side once in 32 times.
    """

    metric: str
    subject: str
    reference: str
    lower: bool  # whether the subject must be below the reference
    margin: float  # a share of the reference's value if `relative`, else in the metric's own unit
    relative: bool

    @property
    def rule(self) -> str:
        side = "below" if self.lower else "above"
        margin = f"{self.margin:.0%}".replace("%", " %") if self.relative else f"{self.margin:g}"
        return f"{NAMES[self.subject]} {side} {NAMES[self.reference]} by {margin}"

    def agreeing(self, measured: Measured) -> tuple[int, int]:
        """How many seeds agree, and of how many."""
        sign = -1 if self.lower else 1
        pairs = zip(measured[self.subject][self.metric], self.compared_with(measured), strict=True)
        agree = [sign * (a - b) >= self.margin * (abs(b) if self.relative else 1) for a, b in pairs]
        return sum(agree), len(agree)

    def opposing(self, measured: Measured) -> int:
        """How many seeds say the contrary, by as much: the reference is ahead of the subject."""
        if self.reference == "control":
            return 0
        return replace(self, subject=self.reference, reference=self.subject).agreeing(measured)[0]

    def compared_with(self, measured: Measured) -> Sequence[float]:
        """The reference's numbers; of a control that is made from the models, the subject's own."""
        own = measured.get(f"{self.subject} control", {}) if self.reference == "control" else {}
        return own[self.metric] if self.metric in own else measured[self.reference][self.metric]

    def holds(self, measured: Measured) -> bool:
        agreeing, seeds = self.agreeing(measured)
        return agreeing == seeds > 0


@dataclass(frozen=True)
class Claim:
    """A sentence that tutorials repeat, and what must be measured for it to hold."""

    text: str
    parts: tuple[Part, ...]
    control: str = ""  # what stands in the column "control"

    def verdict(self, measured: Measured) -> str:
        """ "holds" if all parts do, "does not hold" if none does, and otherwise "holds partly"."""
        holding = sum(part.holds(measured) for part in self.parts)
        return "holds" if holding == len(self.parts) else "holds partly" if holding else "does not hold"


def _below(metric: str, subject: str, *references: str, by: float = 0.05) -> tuple[Part, ...]:
    """Times, errors, distances: what counts is a share of the reference, 5 % unless said otherwise."""
    return tuple(Part(metric, subject, reference, True, by, True) for reference in references)


def _above(metric: str, subject: str, *references: str, by: float = 0.02) -> tuple[Part, ...]:
    """Shares, indices, correlations: what counts is a difference, 0.02 unless said otherwise."""
    return tuple(Part(metric, subject, reference, False, by, False) for reference in references)


def _each(make, metrics: Sequence[str], subjects: Sequence[str], *references: str, **by) -> tuple[Part, ...]:
    return tuple(
        part for metric in metrics for who in subjects for part in make(metric, who, *references, **by)
    )


_STRUCTURE = [f"{name}, {k}-D" for k in (2, 16) for name in ("k-NN", "linear probe", "silhouette", "k-means")]
BOTH = ("ae", "vae")

CLAIMS = {
    1: Claim(
        "Both losses fall over the epochs",
        _each(_above, ["fall of the training loss", "fall of the test loss"], BOTH, "control"),
        "the same network untrained, measured twice",
    ),
    2: Claim(
        "The AE trains faster",
        _each(_below, ["steps to 95 %", "seconds to 95 %", "test MSE after 600 steps"], ["ae"], "vae"),
    ),
    3: Claim(
        "The AE's reconstructions are sharper",
        (
            *_below("test MSE, 16-D", "ae", "vae"),
            *_above("SSIM, 16-D", "ae", "vae"),
            *_above("sharpness, 16-D", "ae", "vae"),
        ),
        "PCA",
    ),
    4: Claim(
        "The VAE converges slowly, to a smoother latent space",
        (
            Part("steps to 95 %", "vae", "ae", False, 0.05, True),
            *_each(_below, ["path length, 16-D", "path unevenness, 16-D"], ["vae"], "ae"),
        ),
        "the straight pixel blend",
    ),
    5: Claim(
        "AE codes are unstructured, VAE codes cluster by class",
        _each(_above, _STRUCTURE, ["vae"], "ae"),
        "PCA",
    ),
    6: Claim(
        "PCA and t-SNE show that structure in two dimensions",
        _each(
            _above,
            [
                "trustworthiness, PCA",
                "trustworthiness, t-SNE",
                "neighbourhood hit, PCA",
                "neighbourhood hit, t-SNE",
            ],
            BOTH,
            "control",
        ),
        "a random projection of the same codes",
    ),
    7: Claim(
        "The VAE morphs a 3 into an 8 through meaningful digits",
        (
            *_above("confidence half-way", "vae", "ae", "control"),
            *_below("distance to a real digit half-way", "vae", "ae", "control"),
        ),
        "the pixel blend",
    ),
    8: Claim(
        "Nearby points in latent space are similar images",
        (
            *_each(_above, ["same digit, 2-D", "same digit, 16-D"], BOTH, "control", by=0.5),
            *_each(_below, ["pixel distance, 2-D", "pixel distance, 16-D"], BOTH, "control", by=0.2),
        ),
        "points taken at random",
    ),
    9: Claim(
        "The AE is better at compression, the VAE at generation",
        (
            *_each(_below, [f"test MSE, {size}-D" for size in SIZES], ["ae"], "vae"),
            *_each(_below, ["Fréchet distance, N(0, I)", "Fréchet distance, better sampler"], ["vae"], "ae"),
            *_each(_above, ["confidence, N(0, I)", "confidence, better sampler"], ["vae"], "ae"),
        ),
        "PCA, sampled from a Gaussian",
    ),
    10: Claim(
        "Latent directions carry visible features",
        (
            *_each(_above, [f"{name}, correlation" for name in ATTRIBUTES], BOTH, "control", by=0.1),
            *_each(_above, [f"{name}, change" for name in ATTRIBUTES], BOTH, "control", by=0.5),
        ),
        "random directions of the same length",
    ),
}


def rows(number: int, measured: Measured) -> list[str]:
    """A claim's rows of the ledger, as Markdown: itself with its verdict, then its parts."""
    claim = CLAIMS[number]
    control = f" (control: {claim.control})" if claim.control else ""
    lines = [f"| **{number}. {claim.text}: {claim.verdict(measured)}**{control} | | | | | |"]
    # Of AE and VAE against a control there are two parts with the same numbers: one line for both.
    for metric in dict.fromkeys(part.metric for part in claim.parts):
        parts = [part for part in claim.parts if part.metric == metric]
        cells = [mean_and_spread(measured[who][metric]) if metric in measured[who] else "" for who in NAMES]
        against = [part.compared_with(measured) for part in parts if part.reference == "control"]
        if metric not in measured["control"]:  # each model has its own: under one another, as the rules
            cells[-1] = "<br>".join(map(mean_and_spread, against))
        rule = "<br>".join(part.rule for part in parts)
        agreeing = "<br>".join("{} of {}".format(*part.agreeing(measured)) for part in parts)
        lines.append(f"| {metric} | {' | '.join(cells)} | {rule} | {agreeing} |")
    return lines


def ledger(measured: Measured) -> list[dict]:
    """Every claim with its verdict and its parts, as notebooks read it."""
    entries = []
    for number, claim in CLAIMS.items():
        parts = []
        for part in claim.parts:
            agreeing, seeds = part.agreeing(measured)
            found = {"agreeing": agreeing, "opposing": part.opposing(measured), "seeds": seeds}
            parts.append({"metric": part.metric, "rule": part.rule, **found, "holds": part.holds(measured)})
        said = {"number": number, "text": claim.text, "verdict": claim.verdict(measured)}
        entries.append({**said, "parts": parts, "rows": rows(number, measured)})
    return entries
