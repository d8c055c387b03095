"""What lesson 08 rests on: the file is of the runs that the code asks for, and each kind can be made."""

import base64
import json
from dataclasses import replace

import pytest
import torch

from latentlab_helpers import adversarial, datasets
from tools import gan, judging

MATRIX = {run.name: run for run in gan.matrix()}


@pytest.fixture(scope="module")
def written():
    return json.loads(gan.RESULTS.read_text("utf-8"))


def test_only_one_thing_changes_between_two_rows():
    """Loss or penalty: network, steps, batches and learning rate are the same in all rows of a group."""
    controls = ("twice the steps", "a quarter of the rate", "four times the steps")
    for group, others, seeds in (("mixture", None, gan.POINT_SEEDS), ("generators", "VAE", gan.SEEDS)):
        runs = [run for run in MATRIX.values() if run.group == group and run.game != others]
        runs = [run for run in runs if not run.label.endswith(controls)]
        assert len({(run.steps, run.batch_size, run.lr) for run in runs}) == 1
        assert {run.seed for run in runs} == set(seeds)
    assert {run.gamma for run in MATRIX.values() if run.group == "mixture"} == {0.0, gan.POINT_GAMMA}
    assert {run.gamma for run in MATRIX.values() if run.group == "generators"} == {0.0, gan.GAMMA}


def test_every_game_is_written(written):
    games = {
        run["settings"]["label"] for run in written["runs"].values() if run["settings"]["group"] == "mixture"
    }
    assert games >= {game + end for game in gan.GAMES for end in ("", ", penalty")}


def test_what_is_compared_between_lessons_is_there(written):
    for run in written["runs"].values():
        if run["settings"]["group"] == "generators":
            numbers = run["numbers"]
            assert {"Fréchet distance A", "coverage", "sharpness"} <= numbers["judged"].keys()
            assert 0.3 < numbers["seconds"] / judging.BUDGET < 1.1
            assert sum(numbers["share of each digit"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("label", ["minimax", "relativistic, penalty"])
def test_a_mixture_is_counted(label, monkeypatch):
    run = replace(next(run for run in MATRIX.values() if run.label == label), steps=5)
    made = gan.mixture(run)
    assert 0 <= made["modes"] <= 25 and 0 <= made["near"] <= 1 and made["seconds"] > 0


@pytest.fixture
def small(monkeypatch, train, test):
    """A few images in place of all, and judges that know nothing."""
    sets = {"train": train, "test": test}
    few = {
        split: datasets.ImageSet(whole.images[:200], whole.labels[:200], whole.classes)
        for split, whole in sets.items()
    }

    class Judge:
        def __call__(self, images):
            class Seen:
                classes = (images.flatten(1).sum(1) * 1000).long() % 10

            return Seen

    monkeypatch.setattr(gan.datasets, "load", lambda name, split: few[split])
    monkeypatch.setattr(gan, "floats", lambda name, split: datasets.to_float(few[split].images))
    monkeypatch.setattr(gan, "judge", lambda name, letter: Judge())
    monkeypatch.setattr(gan.judging, "judged", lambda images: {"coverage": images.mean().item()})
    monkeypatch.setattr(gan, "SAMPLES", 200)
    return few


@pytest.mark.parametrize("label", ["GAN, original", "GAN, R3", "VAE, N(0, I)"])
def test_each_kind_of_generator_is_trained_and_measured(label, small):
    run = replace(next(run for run in MATRIX.values() if run.label == label), steps=2)
    made = gan.digits(run)
    assert sum(made["share of each digit"]) == pytest.approx(1) and 0 <= made["digits found"] <= 10
    pixels = torch.frombuffer(bytearray(base64.b64decode(made["samples"])), dtype=torch.uint8)
    assert len(pixels) == gan.SHOWN * 784
    again = gan.digits(run)
    assert made["samples"] == again["samples"], "the same seed, the same samples"
    assert made["samples"] != gan.digits(replace(run, seed=1))["samples"]


def test_a_generator_that_knows_images_by_heart_is_found_out(small):
    learned = datasets.to_float(small["train"].images)
    found = gan.nearest(learned)
    assert found["samples"] == 0 and found["least of the test images"] > 1
    noisy = gan.nearest((learned + 0.1 * torch.randn(learned.shape)).clamp(0, 1))
    assert 0 < noisy["samples"] < found["test images"]


def test_the_games_are_the_modules(monkeypatch):
    """Each label plays its own game, with its own penalty."""
    played = {}

    def fit(generator, discriminator, data, **settings):
        played[settings["loss"], settings["gamma"]] = settings["seed"]

    monkeypatch.setattr(gan.adversarial, "fit_adversarial", fit)
    for run in MATRIX.values():
        if run.group == "mixture" and run.seed == 2:
            gan.mixture(run)
    games = (adversarial.minimax, adversarial.non_saturating, adversarial.relativistic)
    assert played == {(game, gamma): 2 for game in games for gamma in (0.0, gan.POINT_GAMMA)}
