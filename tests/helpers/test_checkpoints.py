import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from latentlab_helpers import checkpoints, models
from latentlab_helpers.models import Autoencoder, Classifier, VariationalAutoencoder

SMALL = {"widths": (8,), "image_shape": (1, 4, 4)}
ASK = [checkpoints.load, checkpoints.metadata]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """The reader's working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder, header, model=None):
    """A file with whatever header, and the weights of a small autoencoder, or of another model."""
    weights = {name: value.half() for name, value in (model or Autoencoder(2, **SMALL)).state_dict().items()}
    path = folder / "strange.safetensors"
    entries = (
        header if header is None else {"latentlab": header if isinstance(header, str) else json.dumps(header)}
    )
    save_file(weights, path, entries)
    return path


@pytest.mark.parametrize("kind", [Autoencoder, VariationalAutoencoder])
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


def test_a_classifier_there_and_back(tmp_path):
    model = Classifier(classes=7, image_shape=(3, 8, 8)).eval()
    again = checkpoints.load(checkpoints.save(model, tmp_path / "judge"))
    x = torch.rand(2, 3, 8, 8)
    assert again.config == model.config
    torch.testing.assert_close(again(x), model(x), atol=1e-2, rtol=0)


def test_the_same_weights_make_the_same_file(tmp_path):
    model = Autoencoder(2, **SMALL)
    a, b = (checkpoints.save(model, tmp_path / name, seed=0).read_bytes() for name in "ab")
    assert a == b
    assert len(a) < 2 * sum(weight.numel() for weight in model.parameters()) + 1500, "two bytes a weight"


def test_what_is_saved_under_a_bare_name_is_found_under_it(desk):
    model = Autoencoder(2, **SMALL)
    assert (desk / checkpoints.save(model, "mine", note=1)).samefile(desk / "mine.safetensors")
    for name in ("mine", "mine.safetensors", Path("mine"), desk / "mine"):
        assert checkpoints.metadata(name)["note"] == 1
        assert torch.equal(checkpoints.load(name).decoder[0].bias, model.decoder[0].bias.half().float())
    assert "mine" not in checkpoints.names(), "these are the course's"


def test_a_readers_own_file_goes_before_the_courses(desk):
    assert checkpoints.metadata("ae_mlp_2")["config"]["widths"] == [400]
    assert "seed" in checkpoints.metadata("ae_mlp_2.safetensors")
    checkpoints.save(Autoencoder(2, **SMALL), "ae_mlp_2")
    assert checkpoints.load("ae_mlp_2").config["widths"] == (8,)


@pytest.mark.parametrize("ask", ASK)
def test_an_unknown_name_says_where_it_was_looked_for(ask, desk):
    with pytest.raises(ValueError, match="'vae_mlp_3'.*ae_mlp_2.*vae_mlp_2") as raised:
        ask("vae_mlp_3")
    assert str(Path.cwd() / "vae_mlp_3.safetensors") in str(raised.value)
    # A path says where the file is: the course's folder is no place to look.
    with pytest.raises(ValueError, match="no weights .*elsewhere"):
        ask("elsewhere/ae_mlp_2")


def test_a_dot_in_a_name_is_part_of_it(tmp_path):
    for beta in ("0.5", "0.25"):
        model = Autoencoder(2, **SMALL)
        path = checkpoints.save(model, tmp_path / f"vae_beta{beta}")
        assert path.name == f"vae_beta{beta}.safetensors"
    for path in (tmp_path / "vae_beta0.25", tmp_path / "vae_beta0.25.safetensors"):
        assert torch.equal(checkpoints.load(path).decoder[0].bias, model.decoder[0].bias.half().float())
    assert len(list(tmp_path.iterdir())) == 2


def test_what_load_could_not_make_again_is_refused(tmp_path):
    own = type("Autoencoder", (models.Autoencoder,), {})
    for model in (own(2), torch.nn.Linear(2, 2)):
        with pytest.raises(ValueError, match="class of your own"):
            checkpoints.save(model, tmp_path / "mine")
    with pytest.raises(ValueError, match="writes the model's config itself"):
        checkpoints.save(Autoencoder(2), tmp_path / "mine", config={})
    with pytest.raises(TypeError, match="not JSON serializable"):
        checkpoints.save(Autoencoder(2), tmp_path / "mine", loss=torch.zeros(3))
    assert not list(tmp_path.iterdir())


def test_weights_are_loaded_onto_the_device_that_is_asked_for():
    assert next(checkpoints.load("ae_mlp_2", device="meta").parameters()).device.type == "meta"


def test_the_courses_weights_have_names():
    assert {"ae_mlp_2", "vae_mlp_2", "classifier"} <= set(checkpoints.names())
    assert checkpoints.names() == sorted(checkpoints.names())


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize("damage", ["truncate", "empty", "alter"])
def test_a_damaged_file_says_what_to_do(tmp_path, damage, ask):
    path = checkpoints.save(Autoencoder(2), tmp_path / "mine")
    whole = path.read_bytes()
    path.write_bytes({"truncate": whole[:9999], "empty": b"", "alter": b"\xff" * 64 + whole[64:]}[damage])
    with pytest.raises(ValueError, match="truncated or altered.*git checkout.*save yours again"):
        ask(path)


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "no JSON",
        "3",
        {"config": {}},
        {"model": "Autoencoder"},
        {"model": 3, "config": {}},
        {"model": "Autoencoder", "config": [2]},
    ],
)
def test_a_file_that_save_did_not_write(tmp_path, header, ask):
    with pytest.raises(ValueError, match="not written by checkpoints.save"):
        ask(written(tmp_path, header))


@pytest.mark.parametrize("name", ["nn", "evaluating", "Sequential", "_conv", "autoencoder", ""])
def test_a_header_makes_none_but_the_courses_models(tmp_path, name):
    path = written(tmp_path, {"model": name, "config": {"latent_dim": 2}})
    with pytest.raises(ValueError, match=f"of a '{name}'; the course has: Autoencoder, Variational"):
        checkpoints.load(path)
    assert checkpoints.metadata(path)["model"] == name


def test_another_model_needs_an_entry_and_no_code(tmp_path, monkeypatch):
    own = type("Own", (Autoencoder,), {})
    monkeypatch.setitem(models.KINDS, "Own", own)
    again = checkpoints.load(checkpoints.save(own(2, **SMALL), tmp_path / "own"))
    assert type(again) is own and again.latent_dim == 2


def without(model, key):
    weights = model.state_dict()
    del weights[key]
    return type("Weights", (), {"state_dict": lambda self: weights})()


def test_weights_that_do_not_fit_the_model_are_refused(tmp_path):
    """Keys that are missing, keys that the model doesn't have, other shapes, and settings that aren't any."""
    header = {"model": "Autoencoder", "config": {"latent_dim": 2, **SMALL}}
    assert checkpoints.load(written(tmp_path, header)).latent_dim == 2
    deeper = Autoencoder(2, widths=(8, 8), image_shape=(1, 4, 4))
    for model, what in [
        (without(Autoencoder(2, **SMALL), "decoder.2.bias"), "Missing key.*decoder.2.bias"),
        (deeper, "Unexpected key"),
        (Autoencoder(3, **SMALL), "size mismatch"),
    ]:
        with pytest.raises(ValueError, match=r"(?s)strange.*doesn't fit the Autoencoder.*" + what):
            checkpoints.load(written(tmp_path, header, model))
    for config in ({"latent_dim": 0}, {"latent_dim": 2, "depth": 3}, {}):
        with pytest.raises(ValueError, match="doesn't fit the Autoencoder"):
            checkpoints.load(written(tmp_path, {**header, "config": config}))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e6])
def test_weights_that_are_not_finite_are_not_written_over_good_ones(tmp_path, bad):
    model = Autoencoder(2, **SMALL)
    path = checkpoints.save(model, tmp_path / "mine")
    good = path.read_bytes()
    with torch.no_grad():
        model.decoder[0].bias[0] = bad
    with pytest.raises(ValueError, match="mine.safetensors was not written.*not all finite in float16"):
        checkpoints.save(model, path)
    assert path.read_bytes() == good


def test_a_file_is_written_by_the_one_that_writes_whole(tmp_path, monkeypatch):
    """What `files.write_whole` promises holds for weights, too."""
    asked = []
    monkeypatch.setattr(checkpoints, "write_whole", lambda path, content: asked.append((path, content)))
    checkpoints.save(Autoencoder(2, **SMALL), tmp_path / "mine")
    ((path, content),) = asked
    assert path == tmp_path / "mine.safetensors" and not path.exists()
    path.write_bytes(content)
    assert checkpoints.load(path).latent_dim == 2
