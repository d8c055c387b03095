"""What `python course.py harder` measures: its file is of the runs that the code asks for, and its measures
know what is known."""

import json
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image

from latentlab_helpers import datasets, shapes
from tools import harder
from tools.experiments import settings

MATRIX = {run.name: run for run in harder.matrix()}


@pytest.fixture
def small(monkeypatch):
    """A few images of each set, and coloured noise in place of CIFAR-10."""
    noise = torch.randint(0, 256, (600, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    labels = torch.arange(600) % 10
    known = {
        "cifar10": datasets.ImageSet(noise, labels, tuple("abcdefghij")),
        "shapes": datasets.load("shapes", "train"),
        "fashion": datasets.load("fashion", "train"),
    }

    def few(name, split):
        if (name, split) == ("shapes", "test"):
            return datasets.load(name, split)  # whose factors are drawn with it
        whole = known[name]
        part = slice(0, 300) if split == "train" else slice(100, 550)
        return datasets.ImageSet(whole.images[part], whole.labels[part], whole.classes)

    monkeypatch.setattr(harder, "images", few)
    monkeypatch.setattr(harder, "FEW", 20)
    monkeypatch.setattr(
        harder, "SIZES", {"shapes": (300, 2000), "fashion": (300, 450), "cifar10": (150, 450)}
    )
    for cached in (harder.judge, harder.known):
        cached.cache_clear()
    yield
    for cached in (harder.judge, harder.known):
        cached.cache_clear()


def test_every_seed_has_runs():
    assert {run.seed for run in MATRIX.values()} == set(harder.SEEDS)


def test_where_cifar10_came_from_is_written():
    written = json.loads(harder.RESULTS.read_text("utf-8"))
    assert written["cifar10"] in ("torchvision", "a folder of images")


def finite(value):
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    return all(map(finite, value)) if isinstance(value, list) else math.isfinite(value)


@pytest.mark.parametrize(
    "name",
    [
        "known: fashion, seed 0",
        "likelihoods: fashion, perceptual, seed 0",
        "likelihoods: fashion, perceptual, untrained features, seed 0",
        "likelihoods: shapes, AE, seed 0",
        "likelihoods: shapes, Gaussian, learned, seed 0",
        "colour: shapes, VAE, colour, seed 0",
        "colour: cifar10, VAE, grey, seed 0",
        "claims: AE, 16-D, seed 0",
        "claims: VAE, 2-D, seed 0",
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_kind_of_run_gives_finite_numbers(name, small):
    numbers = harder.perform(replace(MATRIX[name], epochs=1))
    assert finite(numbers) and numbers["seconds"] > 0
    if "bits per dimension" in numbers:
        assert numbers["bits per dimension"] > (shapes.grain_bits() if "shapes" in name else 0)


def test_a_share_is_one_for_the_image_and_none_for_the_mean(generator):
    x = torch.rand(50, 3, 8, 8, generator=generator)
    assert harder.explained(x, x) == 1
    assert harder.explained(x.mean(0).expand_as(x), x) == pytest.approx(0, abs=1e-6)
    smooth, detail = harder.bands(x)
    torch.testing.assert_close(smooth + detail, x)
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(detail, 4), torch.zeros(50, 3, 2, 2))


def test_contrast_is_that_of_the_texture():
    x = datasets.to_float(datasets.load("shapes", "test").images)
    assert harder.contrast(x) == pytest.approx([1, 1, 1, 1], abs=0.02)
    grey = x.mean((2, 3), keepdim=True)
    assert harder.contrast(grey.expand_as(x)) == pytest.approx([0, 0, 0, 0], abs=0.02)
    assert harder.contrast((x + grey) / 2) == pytest.approx([0.5] * 4, abs=0.02)


def test_png_knows_a_plain_image_and_not_noise(generator):
    plain = torch.full((5, 3, 32, 32), 77, dtype=torch.uint8)
    noise = torch.randint(0, 256, (5, 3, 32, 32), generator=generator).byte()
    assert harder.png_bits(plain) < 0.4 and 8 < harder.png_bits(noise) < 8.6


def test_a_folder_of_images_is_read_by_class(tmp_path):
    for label, name in enumerate(("ant", "bee")):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("RGB", (32, 32), (10 * label, i, 0)).save(tmp_path / name / f"{i:04d}.png")
    found = harder.from_folder(tmp_path)
    assert found.classes == ("ant", "bee") and found.labels.tolist() == [0, 1] * 3
    assert found.images[:, 1, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(datasets.DataError, match="no images"):
        harder.from_folder(tmp_path / "nowhere")


def test_a_quantized_code_takes_fewer_nats_in_wider_steps():
    torch.manual_seed(0)
    model = harder.models.Autoencoder(4, image_shape=(3, 32, 32))
    x = datasets.to_float(shapes.draw(300, 0).images)
    fine, coarse = (harder.quantized(model, x, gain) for gain in (0.1, 2.0))
    assert coarse["nats"] < fine["nats"] <= 4 * math.log(300)


def test_verdicts_are_by_the_ledgers_rules_and_say_what_was_tried():
    runs = {}
    for seed in harder.SEEDS:
        for run in (run for run in MATRIX.values() if run.group == "claims" and run.seed == seed):
            ahead = run.kind == "ae"
            numbers = {f"test MSE, {run.latent_dim}-D": (0.01 if ahead else 0.02) + 1e-4 * seed}
            if run.latent_dim == 16:
                numbers |= {
                    "SSIM, 16-D": 0.5 + 1e-3 * seed,
                    "sharpness, 16-D": 0.4 - 0.1 * ahead - 1e-3 * seed,
                }
            runs[run.name] = {"settings": settings(run), "numbers": numbers}
    found = {entry["number"]: entry for entry in harder.verdicts(runs)}
    held = {part["metric"]: part["holds"] for part in found[3]["parts"]}
    assert held == {"test MSE, 16-D": True, "SSIM, 16-D": False, "sharpness, 16-D": False}
    assert found[3]["verdict"] == "holds partly" and found[10]["verdict"] == "not tried"
    assert found[9]["of"] > len(found[9]["parts"]) == 3


def test_verdicts_wait_for_all_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(harder, "RESULTS", tmp_path / "harder.json")
    runs = {
        run.name: {"settings": settings(run), "numbers": {f"test MSE, {run.latent_dim}-D": 0.01}}
        for run in MATRIX.values()
        if run.group == "claims"
    }
    for some in (dict(list(runs.items())[:-1]), runs):
        harder.RESULTS.write_text(json.dumps({"runs": some}))
        harder.judge_claims()
        assert ("verdicts" in json.loads(harder.RESULTS.read_text())) == (len(some) == len(runs))
