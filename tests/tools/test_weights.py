import pytest
import torch
from safetensors import safe_open

from latentlab_helpers import checkpoints, datasets
from tools import likelihood, weights

FIELDS = {"model", "config", "recipe", "seed", "versions", "test_by_epoch", "test"}


@pytest.mark.parametrize("name", weights.MODELS)
def test_shipped_weights_reach_what_their_file_says(name, test):
    stated = checkpoints.metadata(name)
    assert set(stated) == FIELDS
    assert weights.measure(checkpoints.load(name), test) == pytest.approx(stated["test"], rel=1e-3)
    term = "reconstruction" if name in weights.BETAS else "loss"  # the loss of which is another one's
    last = stated["test_by_epoch"][term][-1]
    assert stated["test"][term] == pytest.approx(last, rel=1e-3), "float16 must not cost anything"
    assert len(stated["test_by_epoch"]["loss"]) == stated["recipe"]["epochs"]


def test_the_classifier_is_fit_to_judge():
    assert checkpoints.metadata("classifier")["test"]["accuracy"] > 0.99


@pytest.mark.parametrize("name", weights.MODELS)
def test_shipped_weights_are_small_and_follow_the_recipe(name):
    path = checkpoints.folder() / f"{name}.safetensors"
    assert path.stat().st_size < 3e6
    stated = checkpoints.metadata(name)
    kind, config = weights.MODELS[name]
    assert stated["model"] == kind.__name__ and stated["config"].items() >= config.items()
    assert stated["recipe"].items() >= weights.RECIPE.items() and stated["seed"] == weights.SEED
    assert {"python", "torch", "torchvision", "numpy"} <= set(stated["versions"])
    with safe_open(path, "pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.float16}


@pytest.mark.parametrize("name", ["vae_mlp_2", "classifier"])
def test_the_weights_command_trains_from_the_seed(name, train, few, monkeypatch, tmp_path, capsys):
    """Twice the same file, from a small data set; and what it prints is what it wrote."""
    small = datasets.ImageSet(few, train.labels[: len(few)])
    monkeypatch.setattr(weights.datasets, "load", lambda *args: small)
    monkeypatch.setitem(weights.RECIPE, "epochs", 2)
    for folder in ("a", "b"):
        monkeypatch.setattr(checkpoints, "folder", lambda folder=folder: tmp_path / folder)
        monkeypatch.setattr("sys.argv", ["weights", name])
        assert weights.main() == 0
    a, b = ((tmp_path / folder / f"{name}.safetensors").read_bytes() for folder in "ab")
    assert a == b
    stated = checkpoints.metadata(name)["test"]
    assert f"{stated}" in capsys.readouterr().out
    assert weights.measure(checkpoints.load(name), small) == pytest.approx(stated, rel=1e-6)
    monkeypatch.setattr("sys.argv", ["weights", "nothing"])
    assert weights.main() == 2 and "vae_mlp_2" in capsys.readouterr().out


def test_every_recipe_has_its_file_and_every_file_its_recipe():
    assert checkpoints.names() == sorted([*weights.MODELS, likelihood.NAME])
