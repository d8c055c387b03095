from pathlib import Path

import pytest
import torch

from latentlab_helpers import checkpoints
from tools import likelihood

ROOT = Path(__file__).resolve().parents[2]


def test_the_likelihood_is_what_its_file_says(test):
    """The ELBO of all test images again; the bound on log p(x), which takes long, on a few of them."""
    stated, model = checkpoints.metadata(likelihood.NAME), checkpoints.load(likelihood.NAME)
    assert stated["recipe"].items() >= likelihood.RECIPE.items() and stated["seed"] == likelihood.SEED
    assert stated["config"].items() >= {**likelihood.CONFIG, "widths": [32, 64]}.items()
    recorded = stated["test"]
    assert recorded["images"] == 10000 and recorded["samples"] >= 1000
    again = likelihood.measure(model, test.images, samples=1)
    assert again["elbo"] == pytest.approx(recorded["elbo"], rel=1e-3)
    assert again["log_likelihood"] == pytest.approx(recorded["elbo"], abs=0.5), "one sample: the ELBO"
    assert recorded["elbo"] + 3 < recorded["log_likelihood"] < -80 and recorded["standard_error"] < 0.5
    few = likelihood.measure(model, test.images[:100], samples=300)
    gained = recorded["log_likelihood"] - recorded["elbo"]
    assert few["log_likelihood"] - few["elbo"] == pytest.approx(gained, abs=2)
    by_samples = {int(k): value for k, value in stated["first_five_hundred_images"].items()}
    assert by_samples[max(by_samples)] > by_samples[min(by_samples)], "it rises with the samples"


def test_the_likelihood_is_quoted():
    said = likelihood.sentence(checkpoints.metadata(likelihood.NAME))
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    block = f"<!-- likelihood -->\n{said}\n<!-- /likelihood -->"
    assert any(block in page.read_text("utf-8") for page in pages)
    stated = checkpoints.metadata(likelihood.NAME)
    assert stated["test"]["log_likelihood"] > likelihood.PAPER and stated["seconds"] < 20 * 60


def test_the_likelihood_command_trains_from_the_seed(few, monkeypatch, tmp_path, capsys):
    small = type("Small", (), {"images": few})
    monkeypatch.setattr(likelihood.datasets, "load", lambda *_: small)
    monkeypatch.setattr(likelihood, "RECIPE", {"epochs": 1, "batch_size": 100, "lr": 4e-3})
    monkeypatch.setattr(checkpoints, "folder", lambda: tmp_path)
    monkeypatch.setattr("sys.argv", ["likelihood", "2"])
    said = []
    monkeypatch.setattr(likelihood, "quote", lambda page, name, text: said.append((name, text)))
    assert likelihood.main() == 0
    stated = checkpoints.metadata(likelihood.NAME)
    assert str(stated["test"]) in capsys.readouterr().out and stated["test"]["samples"] == 2
    assert set(stated["first_five_hundred_images"]) == {"2", "10"}
    assert stated["recipe"]["epochs"] == 1 and stated["seconds"] > 0
    assert said == [("likelihood", likelihood.sentence(stated))]


def test_binarized_images_are_coin_flips(few):
    x = likelihood.binarized(few.byte(), torch.Generator().manual_seed(0))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    same, other = (likelihood.binarized(few.byte(), torch.Generator().manual_seed(s)) for s in (0, 1))
    assert torch.equal(x, same) and not torch.equal(x, other)
    grey = (few > 0) & (few < 255)
    assert x[grey].mean() == pytest.approx((few[grey] / 255).mean().item(), abs=0.01)
    assert torch.equal(x[~grey], few[~grey] / 255)
