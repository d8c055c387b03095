"""What lesson 07 rests on: the file is of the runs that the code asks for, and each measure is right."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentlab_helpers import attributes, datasets, metrics, models
from latentlab_helpers.conditional import UNKNOWN, ConditionalVariationalAutoencoder
from tools import conditional, judging

MATRIX = {run.name: run for run in conditional.matrix()}


@pytest.fixture
def small(monkeypatch, train, test):
    """A few images in place of all."""
    few = {
        split: datasets.ImageSet(whole.images[:n], whole.labels[:n], whole.classes)
        for split, whole, n in (("train", train, 1200), ("test", test, 300))
    }
    monkeypatch.setattr(conditional.datasets, "load", lambda name, split: few[split])
    for name, n in (("NEIGHBOURS", 300), ("PROBED", 100), ("TRANSFERRED", 100), ("DRAWN", 50)):
        monkeypatch.setattr(conditional, name, n)
    return few


def test_what_is_written_has_what_lessons_compare():
    for run in json.loads(conditional.RESULTS.read_text("utf-8"))["runs"].values():
        if run["settings"]["group"] == "generators":
            assert set(run["numbers"]["judged"]) >= {"Fréchet distance A", "precision", "coverage"}


@pytest.mark.parametrize("name", [name for name, run in MATRIX.items() if run.seed == 0])
def test_each_kind_of_run_gives_finite_numbers(name, small, monkeypatch):
    monkeypatch.setattr(judging, "SAMPLES", 40)
    monkeypatch.setattr(judging, "judged", lambda images, name: {"images": float(len(images))})
    numbers = conditional.perform(replace(MATRIX[name], epochs=1))
    judged = numbers.pop("judged", {"images": 40})
    assert judged == {"images": 40} and len(numbers) > 1
    assert torch.tensor([*numbers.values()]).isfinite().all()


def test_a_share_of_each_classes_labels_is_kept():
    labels = torch.arange(1000) % 10
    known = conditional.kept(labels, 0.2, seed=1)
    assert ((known == labels) | (known == UNKNOWN)).all()
    assert torch.bincount(known[known != UNKNOWN]).tolist() == 10 * [20]
    assert not known.equal(conditional.kept(labels, 0.2, seed=2))
    assert conditional.kept(labels, 1, 0).equal(labels) and (conditional.kept(labels, 0, 0) == UNKNOWN).all()


def test_few_images_are_trained_on_for_as_many_steps(small, monkeypatch):
    seen = {}

    def fit(model, images, *, epochs, labels, **settings):
        seen[len(images)] = epochs * len(images)
        assert (labels != UNKNOWN).all() or len(images) == 1200

    monkeypatch.setattr(conditional.training, "fit", fit)
    for label in ("1 % of the labels", "half, classifier alone"):
        run = MATRIX[f"missing: {label}, seed 0"]
        conditional.trained(replace(run, epochs=2), small["train"])
    assert len(seen) == 2 and set(seen.values()) == {2400}


def test_a_classifier_alone_learns_from_labels_what_the_whole_loss_teaches_it(small):
    torch.manual_seed(0)
    model, x = ConditionalVariationalAutoencoder(2), datasets.to_float(small["train"].images[:6])
    labels = small["train"].labels[:6].clone()
    for first_unknown in (6, 2, 0):
        labels[first_unknown:] = UNKNOWN
        whole = conditional.conditional_elbo(model, x, None, labels)["classification"].item()
        alone = conditional.labels_alone(model, x, labels=labels, alpha=30)["loss"].item()
        assert alone == pytest.approx(30 * whole) and (alone > 1) == (first_unknown > 0)


def test_the_control_sees_each_label_as_seldom(small, monkeypatch):
    seen = {}

    def fit(model, images, *, epochs, labels, loss, **settings):
        seen["labels"] = epochs * int((labels != UNKNOWN).sum())
        seen["alpha"] = loss.keywords["alpha"]

    monkeypatch.setattr(conditional.training, "fit", fit)
    for label in ("1 % of the labels", "1 %, classifier alone, labels seen as seldom"):
        conditional.trained(replace(MATRIX[f"missing: {label}, seed 0"], labelled=0.1), small["train"])
        assert 230 < seen["labels"] < 250 and seen["alpha"] == 100, label


def test_the_decoder_alone_is_told():
    torch.manual_seed(0)
    model, x = conditional.DecoderAlone(3), torch.rand(2, 1, 28, 28)
    a, b = torch.tensor([1, 2]), torch.tensor([7, 8])
    assert model.encode(x, a)[0].equal(model.encode(x, b)[0])
    z = model.encode(x, a)[0]
    assert not model.decode(z, a).equal(model.decode(z, b))
    told = ConditionalVariationalAutoencoder(3)
    told.load_state_dict(model.state_dict())
    assert not told.encode(x, a)[0].equal(told.encode(x, b)[0])


class Writer(torch.nn.Module):
    """Its code is the image: it keeps the hand, whatever class it is told."""

    latent_dim = 784

    def encode(self, x, labels=None):
        return x.flatten(1), torch.zeros(len(x), 784)

    def decode(self, z, labels):
        return z.view(-1, 1, 28, 28).clamp(0, 1)


def test_a_model_that_copies_keeps_all_of_the_style_and_obeys_no_label(test, monkeypatch):
    monkeypatch.setattr(conditional, "TRANSFERRED", 300)
    monkeypatch.setattr(conditional, "ConditionalVariationalAutoencoder", Writer)
    run = replace(MATRIX["codes: 16-D, told, seed 0"], latent_dim=784)
    few = datasets.ImageSet(test.images[:300], test.labels[:300], test.classes)
    numbers = conditional.style(Writer(), run, few, few)
    for name in attributes.MEASURES:
        assert numbers[f"{name}, own code, as its own class"] == pytest.approx(1, abs=1e-6)
        assert abs(numbers[f"{name}, another digit's code, as its own class"]) < 0.25
    assert numbers["obeyed, own code, as its own class"] > 0.98
    assert numbers["obeyed, own code, as another class"] < 0.02


def test_a_plain_vae_goes_from_class_to_class_by_their_means():
    codes, labels = torch.randn(40, 3), torch.arange(40) % 10
    means = conditional.class_means(codes, labels)
    assert means[4].tolist() == pytest.approx(codes[labels == 4].mean(0).tolist())


def test_classes_neither_make_a_correlation_nor_hide_one():
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(400) % 4
    a, noise = torch.randn(2, 400, generator=generator)
    offset = torch.tensor([0.0, 50.0, -30.0, 10.0])
    other = classes.flip(0)
    assert abs(conditional.correlation(a + offset[classes], classes, noise + offset[classes], classes)) < 0.15
    kept = conditional.correlation(a + offset[classes], classes, a + offset[other], other)
    assert kept > 0.95, "each is measured from the mean of its class"
    holes = a.clone()
    holes[::7] = torch.nan
    assert np.isfinite(conditional.correlation(holes, classes, a, classes))


def test_classes_are_named_afterwards_as_they_suit_best(small, monkeypatch):
    """A classifier that is never wrong, but calls each class by the next one's name."""
    run = MATRIX["missing: all, classifier alone, seed 0"]
    torch.manual_seed(0)
    model, labels = ConditionalVariationalAutoencoder(2), small["test"].labels

    class Next(torch.nn.Module):
        def forward(self, x):
            at = [int(torch.where((images == one).flatten(1).all(1))[0][0]) for one in x]
            return 20 * torch.nn.functional.one_hot((labels[at] + 1) % 10, 10).float()

    images = datasets.to_float(small["test"].images)
    model.classifier = Next()
    numbers = conditional.missing(model, run, small["train"], small["test"])
    assert numbers["error"] == 1 and numbers["error, classes named afterwards"] == 0
    assert 9 < numbers["classes in use"] <= 10


def test_samples_are_of_all_classes_and_their_labels_are_theirs():
    torch.manual_seed(0)
    model = ConditionalVariationalAutoencoder(2)
    images, labels = conditional.drawn(model, 3, 1500)
    assert images.shape == (1500, 1, 28, 28) and torch.bincount(labels).min() > 100
    again, same = conditional.drawn(model, 3, 1500)
    assert again.equal(images) and same.equal(labels)
    z = torch.randn(1500, 2, generator=torch.Generator().manual_seed(3))
    with models.evaluating(model):
        torch.testing.assert_close(model.decode(z[1400:], labels[1400:]), images[1400:])


def test_a_vaes_code_of_all_images_is_what_metrics_gives(small):
    torch.manual_seed(0)
    plain, told = models.VariationalAutoencoder(3), ConditionalVariationalAutoencoder(3)
    images, labels = small["test"].images, small["test"].labels
    assert conditional.placed(plain, images, labels).equal(metrics.embed(plain, images))
    with models.evaluating(told):
        expected = told.encode(datasets.to_float(images), labels)[0]
    torch.testing.assert_close(conditional.placed(told, images, labels), expected)
