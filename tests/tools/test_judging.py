"""The judge of samples, on what is known: real images, one class alone, blurred images, noise."""

import pytest
import torch

from tools import judging
from tools.claims import data


@pytest.fixture(scope="module", autouse=True)
def quick_judges():
    """They have seen a sixth of their images, twice, and look at fewer samples."""
    fit = data.training.fit

    def less(model, images, *, labels, epochs, **more):
        return fit(model, images[:5000], labels=labels[:5000], epochs=2, **more)

    for cached in (data.judge, data.real):
        cached.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data.training, "fit", less)
        patch.setattr(judging, "SAMPLES", 2000)
        yield
    for cached in (data.judge, data.real):
        cached.cache_clear()


@pytest.fixture(scope="module")
def real():
    x = data.floats("mnist", "train")
    return x[len(x) // 2 :]


def test_coverage_counts_the_modes_that_samples_reach():
    random = torch.Generator().manual_seed(0)
    known = torch.randn(400, 2, generator=random) * 0.1
    known[200:] += 10
    fresh = torch.randn(400, 2, generator=random) * 0.1
    assert judging.coverage(fresh, known) < 0.52, "half of the modes, half of the images"
    fresh[200:] += 10
    assert judging.coverage(fresh, known) > 0.9
    assert judging.coverage(fresh + 100, known) == 0
    lone = torch.full((400, 2), 5.0)  # between the modes: a ball that is too large would take it in
    assert judging.coverage(lone, known) == 0


def test_real_images_are_the_floor(real):
    floor = judging.floor()
    labels = data.images("mnist", "train").labels[30_000:]
    ones = real[labels == 1]
    one_class = judging.judged(ones.repeat(2, 1, 1, 1)[: judging.SAMPLES])
    themselves = judging.judged(data.floats("mnist", "test")[: judging.SAMPLES].flip(0))
    assert themselves["Fréchet distance A"] == pytest.approx(0, abs=0.1)
    for letter in "AB":
        distance = f"Fréchet distance {letter}"
        assert 0 < 10 * floor[distance] < one_class[distance]
    assert floor["classes covered"] > 9.8 and floor["coverage"] > 0.9 and floor["recall"] > 0.8
    assert one_class["classes covered"] < 1.2 and one_class["coverage"] < 0.3


def test_another_number_of_samples_is_refused(real):
    with pytest.raises(ValueError, match="draw as many"):
        judging.judged(real[:100])
