"""The benchmark: that it measures what it says. No test here asserts on a time."""

import copy
import json
import os
import sys

import pytest
import torch
from PIL import Image
from torch import nn

from latentlab_helpers import models, training
from tools import bench, limit, worker


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
@pytest.mark.parametrize("kind", [models.Autoencoder, models.VariationalAutoencoder])
def test_the_limit_counts_every_product_of_a_training_step(few, architecture, kind):
    """What each piece of work returns has the shape of an output, or of a gradient that autograd finds."""
    torch.manual_seed(0)
    model, x = kind(3, architecture=architecture).eval(), few[:4] / 255
    with torch.no_grad():
        made = [work() for work in limit.products(model, x, torch.float32)]
    shapes = []
    for result in made:
        shapes += [
            tuple(t.shape) for t in (result if isinstance(result, tuple) else [result]) if t is not None
        ]
    expected, layers = [], []
    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(lambda m, i, o: layers.append((m, i[0], o)))
    model(x)
    for index, (layer, into, out) in enumerate(layers):
        expected += [tuple(out.shape), tuple(layer.weight.shape)] + ([tuple(into.shape)] if index else [])
    assert sorted(shapes) == sorted(expected)


def test_the_limits_products_are_autograds(few):
    """The gradient of a layer's weights and input, against autograd, for the same incoming gradient."""
    torch.manual_seed(0)
    model, x = models.Autoencoder(3, architecture="conv"), few[:4] / 255
    torch.manual_seed(1)
    with torch.no_grad():
        work = limit.products(model, x, torch.float32)
        results = [w() for w in work]
    down = model.encoder[0]
    torch.testing.assert_close(results[0], nn.functional.conv2d(x, down.weight, None, 2, 1))
    torch.manual_seed(1)  # the gradients that come in were drawn in this order
    incoming = torch.rand(4, 16, 14, 14)
    out = nn.functional.conv2d(x, down.weight, None, 2, 1)
    torch.testing.assert_close(results[1][1], torch.autograd.grad(out, down.weight, incoming)[0])
    assert results[1][0] is None, "an image needs no gradient"


def test_the_limits_parts(few):
    model = models.VariationalAutoencoder(3)
    part = limit.of_step(model, few[:10] / 255)
    assert set(part) == {"matrix products", "Adam's memory traffic", "element-wise work"}
    assert min(part.values()) > 0
    n = sum(weight.numel() for weight in model.parameters())
    assert limit.adam_traffic(model)().numel() * 4 * 2 == pytest.approx(28 * n, abs=8)
    assert len(limit.elementwise(model, few[:10] / 255)) == 4 + 2 * 2  # two ReLUs, both ways
    assert not any(module._forward_hooks for module in model.modules())


def test_seconds_is_the_time_of_one_call():
    calls = []
    assert limit.seconds(lambda: calls.append(1), repeat=3, at_least=0.001) < 0.001
    assert len(calls) > 3


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_both_loops_train_in_processes_of_their_own(architecture):
    with (
        bench.Worker("example", architecture, 300) as example,
        bench.Worker("course", architecture, 300) as course,
    ):
        first = example.ask()
        later = example.ask(epochs=3)
        assert len(first["seconds"]) == 1 and len(later["seconds"]) == 3
        assert later["loss"] < first["loss"] < 784
        again = example.ask(seed=0)
        assert again["loss"] > later["loss"], "a seed starts again"
        one, other = (course.ask(epochs=2, seed=3, batch_size=50) for _ in range(2))
        assert one["loss"] == other["loss"] < 784 and len(one["seconds"]) == 2


def test_the_example_runs_without_the_courses_settings(monkeypatch):
    seen = []
    monkeypatch.setattr(bench.subprocess, "Popen", lambda *a, env, **k: seen.append(env) or 1 / 0)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setenv("GOMP_SPINCOUNT", "6000")
    for kind in ("example", "course"):
        with pytest.raises(ZeroDivisionError):
            bench.Worker(kind, "mlp")
    example, course = seen
    assert not set(bench.THREADS) & set(example) and set(bench.THREADS) <= set(course)
    # Nothing else is missing, and the example's model doesn't reach for the course.
    assert set(course) - set(example) == set(bench.THREADS)


def test_the_examples_network_is_the_examples():
    example = worker.Example("mlp", 200)
    shapes = [tuple(weight.shape) for weight in example.model.parameters() if weight.ndim == 2]
    assert shapes == [(400, 784), (20, 400), (20, 400), (400, 20), (784, 400)]
    settings = example.optimizer.defaults
    assert (settings["lr"], settings["betas"], example.loader.batch_size) == (1e-3, (0.9, 0.999), 128)


def test_a_worker_that_dies_is_noticed():
    no_image = bench.Worker("course", "mlp", 0)
    with no_image, pytest.raises(RuntimeError, match="a training process ended with code 1"):
        no_image.ask()


def test_small_runs_of_the_other_measurements(monkeypatch):
    throughput = bench.measure_throughput(200)
    assert {(a, w) for a, part in throughput.items() for w in part} == {
        (a, w) for a in ("mlp", "conv") for w in ("encode", "decode")
    }
    growth = bench.measure_growth((200, 400), (2, 4), (28, 32), few=200)
    assert set(growth["images"]) == {200, 400} and set(growth["side"]["conv"]) == {28, 32}
    start = bench.measure_start(repeat=1)
    assert start["torch"]["median"] > start["helper"]["median"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory is shared")
def test_a_further_kernel_is_small():
    """Data and a model in each of two kernels: the second costs under 350 MB."""
    memory = bench.measure_kernels((1, 2))
    assert set(memory["kernels"]) == {1, 2}
    for part in memory["kernels"].values():
        assert part["rss"] == pytest.approx(part["private"] + part["shared"])
    assert memory["kernels"][2]["shared"] > 47, "the training images, at least, are shared"
    assert 0 < memory["kernels"][2]["private"] < 350
    two = memory["kernels"][2]
    assert memory["thirty"] == pytest.approx(two["shared"] + 30 * two["private"])


def test_exponents():
    assert bench.exponent({10: 1.0, 100: 50.0, 1000: 500.0}) == pytest.approx(1)
    assert bench.exponent({"28": 2.0, "56": 8.0}) == pytest.approx(2)


def test_ratios_are_those_of_pairs():
    assert bench.ratios([4.0, 9.0, 10.0], [2.0, 3.0, 2.0]) == {"median": 3.0, "low": 2.0, "high": 5.0}


# --- the file, the table and the README ----------------------------------------------------------------


@pytest.fixture
def results():
    return json.loads(bench.RESULTS.read_text("utf-8"))


def test_the_readme_quotes_the_file(results):
    readme = (bench.ROOT / "README.md").read_text("utf-8")
    quoted = readme.partition("<!-- bench -->\n")[2].partition("\n<!-- /bench -->")[0]
    assert quoted == bench.report(results)
    assert set(results) == {"machine", *bench.MEASURE}, "all parts were measured, on one machine"
    assert "growth.png" in readme and bench.PICTURE.is_file()


def test_every_number_of_the_file_reaches_the_table(results):
    """Change any part, and the table changes."""
    whole = bench.report(results)
    for part in bench.MEASURE:
        rest = {name: value for name, value in results.items() if name != part}
        assert len(bench.report(rest).splitlines()) < len(whole.splitlines()), part
    changed = copy.deepcopy(results)
    changed["training"]["mlp"]["example_over_course"]["median"] = 77.777
    assert "77.78" in bench.report(changed) and "77.78" not in whole


@pytest.mark.parametrize("who", ["example", "course"])
def test_what_was_not_reached_is_not_claimed(results, who):
    def cell():
        lines = bench.report(results).splitlines()
        return next(line for line in lines if f"to {bench.TARGET} nats on" in line).split("|")[2].strip()

    assert cell()[0].isdigit()
    if who == "example":
        results["training"]["mlp"]["example_to_target"] = None
    else:
        results["training"]["mlp"]["course_loss"]["median"] = bench.TARGET + 0.1
    assert cell() == "—"


def test_parts_are_kept_and_machines_are_not_mixed(tmp_path, monkeypatch, capsys, results):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n", "utf-8")
    file = tmp_path / "bench.json"
    monkeypatch.setattr(bench, "RESULTS", file)
    monkeypatch.setattr(bench, "PICTURE", tmp_path / "growth.png")
    monkeypatch.setattr(bench.quote, "__defaults__", (readme, "bench"))
    monkeypatch.setattr(bench, "MEASURE", {name: (lambda n=name: results[n]) for name in bench.MEASURE})
    monkeypatch.setattr(sys, "argv", ["bench", "start"])
    assert bench.main() == 0
    assert set(json.loads(file.read_text("utf-8"))) == {"machine", "start"}
    monkeypatch.setattr(sys, "argv", ["bench", "busy", "growth"])
    assert bench.main() == 0
    assert set(json.loads(file.read_text("utf-8"))) == {"machine", "start", "busy", "growth"}
    text = readme.read_text("utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert bench.report(json.loads(file.read_text("utf-8"))) in text
    with Image.open(tmp_path / "growth.png") as picture:
        assert picture.width > 500
    monkeypatch.setattr(bench, "machine", lambda: {**results["machine"], "processor": "another"})
    monkeypatch.setattr(sys, "argv", ["bench", "busy"])
    assert bench.main() == 0
    assert set(json.loads(file.read_text("utf-8"))) == {"machine", "busy"}
    before = file.read_bytes()
    monkeypatch.setattr(sys, "argv", ["bench", "nonsense"])
    assert bench.main() == 2 and "nonsense" in capsys.readouterr().out and file.read_bytes() == before


def test_the_machine_is_named():
    here = bench.machine()
    assert here["processor"] and here["cores"] == os.cpu_count()
    assert here["bfloat16"] == training.has_bfloat16()
