"""Each measure on what is known, before it judges a model: a ruler is held against known lengths first."""

from __future__ import annotations

import torch

from latentlab_helpers import metrics
from tools.claims import samples
from tools.claims.data import floats, images, judge, real
from tools.claims.measures import MAPPED, blended, generator, pairs, structure_numbers
from tools.claims.rules import JUDGES

BLURS = (0.5, 1.0, 1.5)  # standard deviations in pixels


def calibrate(name: str) -> dict[str, dict[str, float]]:
    """For each of the known cases, what each measure says."""
    return {**of_images(name), **of_codes()}


def of_images(name: str) -> dict[str, dict[str, float]]:
    """Real images, sharp and blurred, and what is no image of one thing."""
    n = samples.SAMPLES
    x, train = floats(name, "test")[:n], floats(name, "train")
    others = train[-n:]  # real ones again, of which judge A knows none
    starts, ends = pairs(name, 0)
    cases = {
        "real images": others,
        **{f"real images, blurred by {sigma:g}": samples.blurred(others, sigma) for sigma in BLURS},
        "pixel blends of two": (others + others[torch.randperm(n, generator=generator(0))]) / 2,
        "the mean image": train.mean(0, keepdim=True).expand(n, -1, -1, -1),
        "noise": torch.rand(x.shape, generator=generator(0)),
        "black": torch.zeros_like(x),
    }
    found = {}
    for case, y in cases.items():
        numbers = {"sharpness": metrics.sharpness(y, x), "SSIM": metrics.ssim(y[:MAPPED], others[:MAPPED])}
        for letter in JUDGES:
            seen, known = judge(name, letter)(y), real(name, "test", letter, n)
            numbers[f"confidence {letter}"] = seen.confidence.mean().item()
            numbers[f"Fréchet distance {letter}"] = samples.frechet_distance(seen.features, known.features)
        precision, recall = samples.precision_and_recall(
            judge(name, "A")(y).features, real(name, "test", "A", n).features
        )
        distance = metrics.nearest_real_distance(y[:500], train[: len(train) // 2]).mean().item()
        found[case] = {**numbers, "precision": precision, "recall": recall, "distance": distance}
    length, unevenness = (
        each.mean().item() for each in metrics.path_length_and_evenness(blended(starts, ends))
    )
    found["pixel blends of two"] |= {"path length": length, "unevenness": unevenness}
    for letter in JUDGES:
        seen = judge(name, letter)(floats(name, "test"))
        right = (seen.classes == images(name, "test").labels).float().mean().item()
        found["real images"][f"judge {letter} is right"] = right
    return found


def of_codes() -> dict[str, dict[str, float]]:
    """Two Gaussians whose centres are 4 standard deviations apart, and ten classes of which any two are."""
    found = {}
    for size in (2, 16):
        for classes in (2, 10):
            labels = torch.arange(20_000) % classes
            centres = polygon(classes, size, 4.0)
            codes = centres[labels] + torch.randn(len(labels), size, generator=generator(size))
            half = 10_000
            found[f"{classes} Gaussians, neighbours 4 sd apart, {size}-D"] = {
                measure.removesuffix(f", {size}-D"): value
                for measure, value in structure_numbers(
                    codes[:half], labels[:half], codes[half:], labels[half:], size, 0
                ).items()
            }
        noise, labels = torch.randn(20_000, size, generator=generator(size)), torch.arange(20_000) % 10
        numbers = structure_numbers(noise[:10_000], labels[:10_000], noise[10_000:], labels[10_000:], size, 0)
        found[f"labels dealt at random, {size}-D"] = {
            measure.removesuffix(f", {size}-D"): value for measure, value in numbers.items()
        }
    return found


def polygon(classes: int, size: int, side: float) -> torch.Tensor:
    """The corners (classes, size) of a regular polygon in the first two dimensions, `side` apart."""
    angle = 2 * torch.pi * torch.arange(classes) / classes
    radius = side / (2 * torch.sin(torch.tensor(torch.pi / classes)))
    corners = torch.zeros(classes, size)
    corners[:, 0], corners[:, 1] = radius * angle.cos(), radius * angle.sin()
    return corners
