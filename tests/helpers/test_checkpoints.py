import pytest
import torch
from safetensors import safe_open

from latentlab_helpers import checkpoints, datasets, models
from tools import bench, likelihood, weights

FIELDS = {"model", "config", "recipe", "seed", "versions", "test_by_epoch", "test"}


@pytest.mark.parametrize("name", weights.MODELS)
def test_shipped_weights_reach_what_their_file_says(name, test):
    stated = checkpoints.metadata(name)
    assert set(stated) == FIELDS
    assert weights.measure(checkpoints.load(name), test) == pytest.approx(stated["test"], rel=1e-3)
    last = stated["test_by_epoch"]["loss"][-1]
    assert stated["test"]["loss"] == pytest.approx(last, rel=1e-3), "float16 must not cost anything"
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


def test_every_recipe_has_its_file_and_every_file_its_recipe():
    assert checkpoints.names() == sorted([*weights.MODELS, likelihood.NAME])


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


def test_the_readme_quotes_the_likelihood():
    readme = (bench.ROOT / "README.md").read_text("utf-8")
    said = likelihood.sentence(checkpoints.metadata(likelihood.NAME))
    assert f"<!-- likelihood -->\n{said}\n<!-- /likelihood -->" in readme
    stated = checkpoints.metadata(likelihood.NAME)
    assert stated["test"]["log_likelihood"] > likelihood.PAPER and stated["seconds"] < 20 * 60


def test_the_likelihood_command_trains_from_the_seed(few, monkeypatch, tmp_path, capsys):
    small = type("Small", (), {"images": few})
    monkeypatch.setattr(likelihood.datasets, "load", lambda *_: small)
    monkeypatch.setattr(likelihood, "RECIPE", {"epochs": 1, "batch_size": 100, "lr": 4e-3})
    monkeypatch.setattr(checkpoints, "folder", lambda: tmp_path)
    monkeypatch.setattr("sys.argv", ["likelihood", "2"])
    said = []
    monkeypatch.setattr(likelihood, "quote", lambda text, name: said.append((name, text)))
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


@pytest.mark.parametrize("kind", [models.Autoencoder, models.VariationalAutoencoder])
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_there_and_back(tmp_path, kind, architecture):
    model = kind(3, architecture=architecture, widths=(8, 16), image_shape=(3, 16, 16))
    path = checkpoints.save(model, tmp_path / "new folder" / "mine", note={"any": ["JSON", 1.5]})
    again = checkpoints.load(path)
    assert type(again) is kind and again.config == model.config and not again.training
    for key, value in model.state_dict().items():
        assert again.state_dict()[key].dtype == torch.float32
        assert torch.equal(again.state_dict()[key], value.half().float())
    assert checkpoints.metadata(path)["note"] == {"any": ["JSON", 1.5]}
    assert [p.name for p in path.parent.iterdir()] == ["mine.safetensors"]


def test_a_dot_in_a_name_is_part_of_it(tmp_path):
    for beta in ("0.5", "0.25"):
        torch.manual_seed(int(float(beta) * 100))
        model = models.Autoencoder(2)
        path = checkpoints.save(model, tmp_path / f"vae_beta{beta}")
        assert path.name == f"vae_beta{beta}.safetensors"
    for path in (tmp_path / "vae_beta0.25", tmp_path / "vae_beta0.25.safetensors"):
        assert torch.equal(checkpoints.load(path).decoder[0].bias, model.decoder[0].bias.half().float())
    assert len(list(tmp_path.iterdir())) == 2


def test_a_class_of_ones_own_is_refused(tmp_path):
    own = type("Autoencoder", (models.Autoencoder,), {})
    with pytest.raises(ValueError, match="class of your own"):
        checkpoints.save(own(2), tmp_path / "mine")
    with pytest.raises(ValueError, match="config is written by save itself"):
        checkpoints.save(models.Autoencoder(2), tmp_path / "mine", config={})
    assert not list(tmp_path.iterdir())


def test_weights_are_loaded_onto_the_device_that_is_asked_for():
    assert next(checkpoints.load("ae_mlp_2", device="meta").parameters()).device.type == "meta"


def test_an_unknown_name_says_which_exist():
    for ask in (checkpoints.load, checkpoints.metadata):
        with pytest.raises(ValueError, match="'vae_mlp_3'.*ae_mlp_2.*vae_mlp_2"):
            ask("vae_mlp_3")


@pytest.mark.parametrize("damage", ["truncate", "empty", "alter"])
def test_a_damaged_file_says_what_to_do(tmp_path, damage):
    whole = (checkpoints.folder() / "ae_mlp_2.safetensors").read_bytes()
    path = tmp_path / "ae_mlp_2.safetensors"
    path.write_bytes({"truncate": whole[:9999], "empty": b"", "alter": b"\xff" * 64 + whole[64:]}[damage])
    for ask in (checkpoints.load, checkpoints.metadata):
        with pytest.raises(ValueError, match="truncated or altered.*git checkout"):
            ask(path)


def test_weights_that_are_not_finite_are_not_written_over_good_ones(tmp_path):
    model = models.Autoencoder(2)
    path = checkpoints.save(model, tmp_path / "mine")
    good = path.read_bytes()
    for bad in (float("nan"), 1e6):
        with torch.no_grad():
            model.decoder[0].bias[0] = bad
        with pytest.raises(ValueError, match="not all finite in float16"):
            checkpoints.save(model, path)
    assert path.read_bytes() == good


def test_a_file_without_a_header_of_the_courses(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="not written by checkpoints.save"):
        checkpoints.load(path)
