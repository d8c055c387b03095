"""The ten claims about autoencoders and VAEs: their rules, and the verdicts that follow from measurements.

Measurements are {"ae" | "vae" | "control": {metric: [one number for each seed]}}. A control that is made from
each model itself is in "ae control" and "vae control".

AE and VAE of one seed see the same batches in the same order, so seeds are pairs. A part of a claim holds if
the mean paired difference exceeds its margin: a one-sided t test of that, Holm's correction over all parts of
all claims, 5 %. So the chance that even one part of a whole ledger holds without reason is at most 5 %.
Sources: Student, Biometrika 6 (1908), 1; Holm, Scandinavian Journal of Statistics 6 (1979), 65.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scipy import stats

from latentlab_helpers.results import WORDS, mean_and_spread, rounded

Measured = Mapping[str, Mapping[str, Sequence[float]]]

NAMES = {"ae": "AE", "vae": "VAE", "control": "control"}
SIZES = (2, 4, 8, 16, 32, 64)
ATTRIBUTES = ("thickness", "slant", "width")
JUDGES = ("A", "B")
TARGETS = (0.03, 0.02, 0.015, 0.012)  # test MSE per pixel
SAMPLERS = ("N(0, I)", "one Gaussian", "mixture of 10", "mixture of 50")
SEEDS = tuple(range(1, 11))
HEADER = (
    "| claim, and what was measured | AE | VAE | control | does it hold? | difference, 95 % interval "
    "| seeds | convolutional | Fashion-MNIST |\n|---|---|---|---|---|---|---|---|---|"
)
ALPHA = 0.05  # how often, at most, anything in the ledger may hold by chance


@dataclass(frozen=True)
class Part:
    """One comparison that a claim asks for: a subject is beyond a reference, by more than a margin."""

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

    def compared_with(self, measured: Measured) -> Sequence[float]:
        """The reference's numbers; of a control that is made from the models, the subject's own."""
        own = measured.get(f"{self.subject} control", {}) if self.reference == "control" else {}
        return own[self.metric] if self.metric in own else measured[self.reference].get(self.metric, ())

    def differences(self, measured: Measured) -> list[float]:
        """Subject less reference, for each seed."""
        pairs = zip(measured[self.subject].get(self.metric, ()), self.compared_with(measured), strict=True)
        return [a - b for a, b in pairs]

    def beyond(self, measured: Measured) -> list[float]:
        """For each seed, how far the subject is beyond the margin, in the claimed direction."""
        sign = -1 if self.lower else 1
        scales = [abs(b) if self.relative else 1 for b in self.compared_with(measured)]
        pairs = zip(self.differences(measured), scales, strict=True)
        return [sign * difference - self.margin * scale for difference, scale in pairs]

    def agreeing(self, measured: Measured) -> int:
        """How many seeds, each by itself, are beyond the margin, or exactly at it."""
        return sum(value >= 0 for value in self.beyond(measured))

    def opposing(self, measured: Measured) -> int:
        """How many seeds say the contrary, by as much: the reference is ahead of the subject."""
        if self.reference == "control":
            return 0
        return replace(self, subject=self.reference, reference=self.subject).agreeing(measured)

    def chance(self, measured: Measured) -> float:
        """How often such numbers would come if the mean were just at the margin: the t test's p."""
        values = self.beyond(measured)
        if len(values) < 2 or not all(map(math.isfinite, values)):
            return 1.0
        if statistics.pstdev(values) == 0:  # no chance in it: two methods without a seed
            return float(values[0] <= 0)
        return float(stats.ttest_1samp(values, 0, alternative="greater").pvalue)

    def interval(self, measured: Measured) -> tuple[float, float, float]:
        """The mean paired difference, and the ends of its 95 % interval."""
        values = self.differences(measured)
        mean = statistics.fmean(values)
        if statistics.pstdev(values) == 0 or not math.isfinite(mean):
            return mean, mean, mean
        low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        return mean, float(low), float(high)


@dataclass(frozen=True)
class Claim:
    """A sentence that tutorials repeat, and what must be measured for it to hold."""

    text: str
    parts: tuple[Part, ...]
    control: str = ""  # what stands in the column "control"


def _below(metric: str, subject: str, *references: str, by: float = 0.05) -> tuple[Part, ...]:
    """Times, errors, distances: what counts is a share of the reference, 5 % unless said otherwise."""
    return tuple(Part(metric, subject, reference, True, by, True) for reference in references)


def _above(metric: str, subject: str, *references: str, by: float = 0.02) -> tuple[Part, ...]:
    """Shares, indices, correlations: what counts is a difference, 0.02 unless said otherwise."""
    return tuple(Part(metric, subject, reference, False, by, False) for reference in references)


def _less(metric: str, subject: str, *references: str, by: float = 0.02) -> tuple[Part, ...]:
    """Sags of shares: as `_above`, and less is better."""
    return tuple(Part(metric, subject, reference, True, by, False) for reference in references)


def _each(make, metrics: Sequence[str], subjects: Sequence[str], *references: str, **by) -> tuple[Part, ...]:
    return tuple(
        part for metric in metrics for who in subjects for part in make(metric, who, *references, **by)
    )


BOTH = ("ae", "vae")
_STRUCTURE = [f"{name}, {k}-D" for k in (2, 16) for name in ("k-NN", "linear probe", "silhouette", "k-means")]
_MAPS = [f"{name}, {way}" for name in ("trustworthiness", "continuity", "neighbourhood hit")
         for way in ("PCA", "t-SNE")]  # fmt: skip
_PACE = [f"{unit} to MSE {target:g}" for unit in ("steps", "seconds") for target in TARGETS]
_SURE = [f"confidence of judge {judge} half-way" for judge in JUDGES]
_SAGS = [f"sag of judge {judge}'s confidence" for judge in JUDGES]
_FRECHET = [f"Fréchet distance {judge}, {sampler}" for sampler in SAMPLERS for judge in JUDGES]
_SMOOTH = ["path length, 16-D", "path unevenness, 16-D"]

CLAIMS = {
    1: Claim(
        "Both losses fall over the epochs",
        _each(_above, ["fall of the training loss", "fall of the test loss"], BOTH, "control"),
        "the same network untrained, measured twice",
    ),
    2: Claim(
        "The AE trains faster",
        _each(_below, _PACE, ["ae"], "vae"),
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
            *(Part(f"steps to MSE {t:g}", "vae", "ae", False, 0.05, True) for t in TARGETS[2:]),
            *_each(_below, _SMOOTH, ["vae"], "ae"),
            *_each(_below, [f"{name}, at MSE {TARGETS[2]:g}" for name in _SMOOTH], ["vae"], "ae"),
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
        _each(_above, _MAPS, BOTH, "control"),
        "a random projection of the same codes",
    ),
    7: Claim(
        "The VAE morphs a 3 into an 8 through meaningful digits",
        (
            *_each(_above, _SURE, ["vae"], "ae", "control"),
            *_each(_less, _SAGS, ["vae"], "ae", "control"),
            *_each(_below, ["distance half-way", "sag of the distance"], ["vae"], "ae", "control"),
            *_above("confidence of judge A half-way, any classes", "vae", "ae", "control"),
            *_less("sag of judge A's confidence, any classes", "vae", "ae", "control"),
        ),
        "the pixel blend",
    ),
    8: Claim(
        "Nearby points in latent space are similar images",
        (
            *_each(_above, ["same class, 2-D", "same class, 16-D"], BOTH, "control", by=0.5),
            *_each(_below, ["pixel distance, 2-D", "pixel distance, 16-D"], BOTH, "control", by=0.2),
        ),
        "points taken at random",
    ),
    9: Claim(
        "The AE is better at compression, the VAE at generation",
        (
            *_each(_below, [f"test MSE, {size}-D" for size in SIZES], ["ae"], "vae"),
            *_each(_below, _FRECHET, ["vae"], "ae"),
            *_below("Fréchet distance A, one Gaussian, equally soft", "vae", "ae"),
            *_each(_above, [f"{name}, one Gaussian" for name in ("precision", "recall")], ["vae"], "ae"),
        ),
        "PCA, sampled from one Gaussian",
    ),
    10: Claim(
        "Latent directions carry visible features",
        (
            *_each(_above, [f"{name}, correlation" for name in ATTRIBUTES], BOTH, "control", by=0.1),
            *_each(_above, [f"{name}, change" for name in ATTRIBUTES], BOTH, "control", by=0.5),
        ),
        "ten random directions of the same length, drawn with the codes' covariance",
    ),
}


def holding(measured: Measured) -> dict[tuple[int, Part], bool | None]:
    """Which parts hold, after Holm's correction over all that were measured; None where one wasn't."""
    result: dict[tuple[int, Part], bool | None] = {}
    chances = {}
    for number, claim in CLAIMS.items():
        for part in claim.parts:
            result[number, part] = None
            seeds = len(measured[part.subject].get(part.metric, ()))
            if seeds and seeds == len(part.compared_with(measured)):
                chances[number, part] = part.chance(measured)
    going = True
    for rank, (key, chance) in enumerate(sorted(chances.items(), key=lambda item: item[1])):
        going = going and chance <= ALPHA / (len(chances) - rank)
        result[key] = going
    return result


def verdict(holds: Sequence[bool | None]) -> str:
    """ "holds" if all parts do, "does not hold" if none does, and otherwise "holds partly"."""
    tried = [one for one in holds if one is not None]
    return "holds" if all(tried) and tried else "holds partly" if any(tried) else "does not hold"


def ledger(measured: Measured, replications: Mapping[str, Measured]) -> list[dict]:
    """Every claim with its verdict and its parts, as notebooks read it, and its rows as Markdown."""
    found = holding(measured)
    again = {name: holding(other) for name, other in replications.items()}
    entries = []
    for n, claim in CLAIMS.items():
        parts = []
        for part in claim.parts:
            mean, low, high = part.interval(measured)
            parts.append(
                {
                    "metric": part.metric,
                    "rule": part.rule,
                    "text": _interval(mean, low, high),
                    "difference": mean,
                    "interval": [low, high],
                    "chance": part.chance(measured),
                    "agreeing": part.agreeing(measured),
                    "opposing": part.opposing(measured),
                    "seeds": len(part.differences(measured)),
                    "holds": found[n, part],
                    "replications": {name: holds[n, part] for name, holds in again.items()},
                }
            )
        verdicts = {name: verdict([holds[n, part] for part in claim.parts]) for name, holds in again.items()}
        said = {"number": n, "text": claim.text, "verdict": verdict([part["holds"] for part in parts])}
        entry = {**said, "replications": verdicts, "parts": parts}
        entries.append({**entry, "rows": rows(entry, claim, measured)})
    return entries


def rows(entry: dict, claim: Claim, measured: Measured) -> list[str]:
    """A claim's rows of the ledger: itself with its verdicts, then its parts."""
    control = f" (control: {claim.control})" if claim.control else ""
    title = f"| **{entry['number']}. {entry['text']}: {entry['verdict']}**{control} | | | | | | "
    lines = [f"{title}| {' | '.join(entry['replications'].values())} |"]
    # Of AE and VAE against a control there are two parts with the same numbers: one line for both.
    for metric in dict.fromkeys(part.metric for part in claim.parts):
        both = [(p, e) for p, e in zip(claim.parts, entry["parts"], strict=True) if p.metric == metric]
        cells = [mean_and_spread(measured[who][metric]) if metric in measured[who] else "" for who in NAMES]
        against = [part.compared_with(measured) for part, _ in both if part.reference == "control"]
        if metric not in measured["control"]:  # each model has its own: under one another, as the rules
            cells[-1] = "<br>".join(map(mean_and_spread, against))
        columns = [
            [f"{part.rule}: {WORDS[found['holds']]}" for part, found in both],
            [found["text"] for _, found in both],
            [f"{found['agreeing']} of {found['seeds']}" for _, found in both],
            *([WORDS[found["replications"][name]] for _, found in both] for name in entry["replications"]),
        ]
        lines.append(f"| {metric} | {' | '.join([*cells, *map('<br>'.join, columns)])} |")
    return lines


def _interval(mean: float, low: float, high: float) -> str:
    texts = [rounded(value, (high - low) / 2) for value in (mean, low, high)]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"
