"""What lesson 06 rests on: the file is of the runs that the code asks for, and a stopped command goes on."""

import json
import sys
from dataclasses import replace

import pytest
import torch

from latentlab_helpers import datasets, metrics
from tools import objectives

MATRIX = {run.name: run for run in objectives.matrix()}


@pytest.fixture(scope="module")
def written():
    return json.loads(objectives.RESULTS.read_text("utf-8"))


@pytest.fixture
def small(monkeypatch, train, test):
    """A few images in place of all."""
    sets = {"train": train, "test": test}
    few = {
        split: datasets.ImageSet(whole.images[:n], whole.labels[:n], whole.classes)
        for (split, whole), n in zip(sets.items(), (600, 200), strict=True)
    }
    monkeypatch.setattr(objectives.datasets, "load", lambda name, split: few[split])
    monkeypatch.setattr(objectives, "SAMPLES", 500)
    objectives.known.cache_clear()
    yield few
    objectives.known.cache_clear()


def test_every_group_is_written_and_what_the_paper_reports(written):
    groups = {run["settings"]["group"] for run in written["runs"].values()}
    assert groups == {"sizes", "likelihoods", "collapse", "bounds"}
    assert written["paper"] == objectives.PAPER


@pytest.mark.parametrize(
    "label",
    [
        "4-D",
        "masked, annealing",
        "masked, free bits",
        "plain",
        "continuous Bernoulli, beta 4",
        "Gaussian by pixel, beta 1",
        "squared error, beta 0.03",
    ],
)
def test_each_kind_of_run_gives_finite_numbers(label, small):
    run = replace(next(run for run in MATRIX.values() if run.label == label), epochs=1)
    made = objectives.perform(run)
    flat = torch.tensor([v for v in made.values() if not isinstance(v, list)])
    assert flat.isfinite().all()
    if "kl by dimension" in made:
        assert sum(made["kl by dimension"]) == pytest.approx(made["kl"], rel=1e-3)


def test_the_bounds_estimate_is_the_mean_of_many_samples(small, monkeypatch):
    """A twentieth of the images measured well, all of them quickly, against all of them measured well."""
    run = replace(MATRIX["bounds: IWAE, k = 5, seed 0"], epochs=3, k=2)
    made, measure = {}, metrics.log_likelihood

    def keep(model, x, k, **settings):
        made["model"], made["x"] = model, x if k == 100 else made["x"]
        return measure(model, x, k, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(objectives.metrics, "log_likelihood", keep)
        numbers = objectives.perform(run)
    whole = measure(made["model"], made["x"], 5000, seed=7).double().mean().item()
    assert abs(numbers["log p(x)"] - whole) < 4 * numbers["standard error of the gain"] + 0.1
    assert numbers["elbo"] < numbers["log p(x)"]


def test_another_images_code_costs_nothing_where_the_code_is_not_used(small):
    torch.manual_seed(0)
    model = objectives.MAKE["masked"](4)
    with torch.no_grad():
        for layer in (model.decoder.alone[0], model.decoder.of_code):
            layer.weight.zero_()
    x = objectives.coins(small["test"])
    terms = objectives.training.evaluate(model, x)
    assert objectives.shuffled(model, x) == pytest.approx(terms["reconstruction"], rel=1e-5)


def test_the_command_goes_on_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    path, done = tmp_path / "objectives.json", []
    some = [run for run in objectives.matrix() if run.group == "collapse"][:3]

    def perform(run):
        done.append(run.name)
        if len(done) == 3:
            raise KeyboardInterrupt
        return {"seconds": 1.0}

    monkeypatch.setattr(objectives, "RESULTS", path)
    monkeypatch.setattr(objectives, "matrix", lambda: some)
    monkeypatch.setattr(objectives, "perform", perform)
    monkeypatch.setattr(sys, "argv", ["objectives", "collapse"])
    with pytest.raises(KeyboardInterrupt):
        objectives.main()
    assert list(json.loads(path.read_text("utf-8"))["runs"]) == [run.name for run in some[:2]]
    assert objectives.main() == 0 and done[3:] == [some[2].name]
    assert list(json.loads(path.read_text("utf-8"))["runs"]) == [run.name for run in some]
    changed = [replace(some[0], epochs=99), *some[1:]]
    monkeypatch.setattr(objectives, "matrix", lambda: changed)
    assert objectives.main() == 0 and done[4:] == [some[0].name], "other settings make a result stale"
    monkeypatch.setattr(sys, "argv", ["objectives", "everything"])
    with pytest.raises(SystemExit):
        objectives.main()
    assert "no group everything" in capsys.readouterr().err
