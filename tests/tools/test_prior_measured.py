"""What lesson 10 rests on: the file is of the runs that the code asks for, and each run does what it says."""

import json
from dataclasses import replace

import pytest
import torch

from latentlab_helpers import datasets
from tools import judging, prior

MATRIX = {run.name: run for run in prior.matrix()}


@pytest.fixture(scope="module")
def written():
    return json.loads(prior.RESULTS.read_text("utf-8"))


@pytest.fixture
def small(monkeypatch, train, test):
    """A few images in place of all, and judges who keep what they see."""
    sets = {"train": train, "test": test}
    few = {
        split: datasets.ImageSet(whole.images[:n], whole.labels[:n], whole.classes)
        for (split, whole), n in zip(sets.items(), (600, 200), strict=True)
    }
    seen = []
    monkeypatch.setattr(prior.datasets, "load", lambda name, split: few[split])
    monkeypatch.setattr(prior, "SAMPLES", 100)
    monkeypatch.setattr(prior, "LOOKED_AT", 50)
    monkeypatch.setattr(prior, "ITERATIONS", 3)
    monkeypatch.setattr(judging, "judged", lambda images: seen.append(images) or {"images": len(images)})
    prior.trained.cache_clear()
    yield seen
    prior.trained.cache_clear()


def quick(label, seed=0):
    """A run of the matrix, cut short."""
    (run,) = (run for run in prior.matrix() if (run.label, run.seed) == (label, seed))
    components = min(run.components, 5)
    return replace(run, epochs=1, steps=min(run.steps, 5), components=components)


def test_every_group_is_written(written):
    groups = {run["settings"]["group"] for run in written["runs"].values()}
    assert groups == {"generators", "floors", "rivals"}


def test_each_generator_learns_within_its_budget(written):
    for name, run in written["runs"].items():
        if run["settings"]["group"] == "generators":
            assert 0 < run["numbers"]["seconds"] < judging.BUDGET, name


@pytest.mark.parametrize(
    "label",
    [
        "AE-16, flow",
        "AE-16, mixture of 50",
        "AE-32, one Gaussian",
        "VAE-16, N(0, I)",
        "VampPrior VAE-16, its prior",
        "VQ-VAE, autoregressive",
        "VQ-VAE, training codes",
    ],
)
def test_a_run_draws_images_of_its_own_seed(small, label):
    numbers = prior.perform(quick(label))
    assert numbers["judged"] == {"images": 100} and numbers["seconds"] > numbers["sampler's seconds"] >= 0
    assert small[0].shape == (100, 1, 28, 28) and 0 <= small[0].min() <= small[0].max() <= 1
    prior.trained.cache_clear()
    prior.perform(quick(label))
    prior.perform(quick(label, seed=1))
    assert torch.equal(small[0], small[1]) and not torch.equal(small[1], small[2])


def test_a_copy_is_at_no_distance_and_new_digits_at_the_usual_one(small):
    assert prior.perform(quick("AE-16, training codes"))["nearest training code"] == pytest.approx(
        0, abs=1e-3
    )
    usual = prior.perform(quick("AE-16, test images"))["nearest training code"]
    assert usual == pytest.approx(1, abs=0.5)
    far = torch.full((60, 16), 50.0)
    model = prior.trained("AE-16", 0, 1)
    codes = prior.encoded(model.model, prior.datasets.load("mnist", "test").images)
    assert prior.nearness(far, model.codes, codes) > 2


def test_the_floor_is_redrawn_test_images(small):
    prior.perform(quick("AE-16, test images"))
    model = prior.trained("AE-16", 0, 1).model
    images = datasets.to_float(prior.datasets.load("mnist", "test").images[:100])
    with torch.no_grad():
        torch.testing.assert_close(small[0], model.decode(model.encode(images)))
