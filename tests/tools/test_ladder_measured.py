"""The command that trains ladders: each kind of run, on a few images."""

import base64
import io
import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from latentlab_helpers import datasets, objectives
from tools import ladder as tool
from tools.networks import ladder


@pytest.fixture
def few(monkeypatch, train, test):
    sets = {"train": train.images[:400], "test": test.images[:60]}
    monkeypatch.setattr(
        tool.datasets, "load", lambda name, split: datasets.ImageSet(sets[split], torch.zeros(0))
    )
    return sets


@pytest.mark.parametrize("run", tool.matrix(), ids=lambda run: run.name)
def test_each_run_gives_finite_numbers(run, few):
    made = tool.perform(replace(run, epochs=1, width=4))
    assert len(base64.b64decode(made.pop("samples"))) == tool.SHOWN * 28 * 28
    flat = torch.tensor([value for value in made.values() if not isinstance(value, list)])
    assert flat.isfinite().all() and made["seconds"] > 0
    assert made["log p(x)"] > -made["loss"], "more samples, a higher bound"
    levels = 1 + sum(map(bool, run.maps))
    assert sum(made[f"kl {i + 1}"] for i in range(levels)) == pytest.approx(made["kl"], rel=1e-4)


def test_the_estimate_is_the_mean_of_many_samples(few, monkeypatch):
    monkeypatch.setattr(tool, "EVERY", 3)
    torch.manual_seed(0)
    model = ladder.LadderVariationalAutoencoder(4, width=4)
    x = objectives.binarized(few["test"])
    whole = tool.log_likelihood(model, x, tool.MANY, seed=5)
    numbers = tool.measured(model, x)
    gains = whole - tool.log_likelihood(model, x, tool.FEW, seed=6)
    error = (gains.std() / len(x[:: tool.EVERY]) ** 0.5).item()
    assert abs(numbers["log p(x)"] - whole.mean().item()) < 4 * error < numbers["gain"]
    direct = tool.log_likelihood(model, x[:3], 1, seed=2)
    with torch.no_grad():
        noise = torch.Generator().manual_seed(2)
        expected = model.eval().log_weights(x[:3], 1, noise)[0].double()
    torch.testing.assert_close(direct, expected)


def test_the_page_shows_what_was_measured():
    recorded = json.loads(tool.RESULTS.read_text("utf-8"))
    shown = tool.table(recorded["runs"])
    assert f"<!-- ladder -->\n{shown}\n<!-- /ladder -->" in tool.PAGE.read_text("utf-8")
    assert all(f"| {run['settings']['label']} |" in shown for run in recorded["runs"].values())


def test_the_picture_has_a_row_of_samples_for_each_training():
    runs = json.loads(tool.RESULTS.read_text("utf-8"))["runs"]
    some = Image.open(io.BytesIO(tool.picture(dict(list(runs.items())[:1])))).convert("L")
    whole, shipped = (
        Image.open(source).convert("L") for source in (io.BytesIO(tool.picture(runs)), tool.PICTURE)
    )
    assert whole.height > 0.7 * len(runs) * some.height
    assert shipped.size == pytest.approx(whole.size, rel=0.1), "another font may be a little wider"
    assert f"(../{tool.PICTURE.relative_to(tool.ROOT).as_posix()})" in tool.PAGE.read_text("utf-8")
