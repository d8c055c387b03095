"""The benchmark: that it measures what it says. No test here asserts on a time."""

import asyncio
import copy
import itertools
import json
import os
import re
import sys

import pytest
import torch
from torch import nn

from latentlab_helpers import datasets, devices, models, training
from tools import browser
from tools.bench import __main__ as command
from tools.bench import lag, limit, measures, report, worker


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


def test_the_limits_parts(few, monkeypatch):
    model = models.VariationalAutoencoder(3)
    monkeypatch.setattr(limit.seconds, "__defaults__", (2, 0.001))
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


@pytest.fixture(scope="module")
def examples():
    """The example's loop in this process, for both architectures; it takes long to read its data."""
    return {architecture: worker.Example(architecture, 200) for architecture in ("mlp", "conv")}


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_both_loops_train(examples, architecture):
    example, course = examples[architecture], worker.Course(architecture, 200)
    first = example.answer(seed=0)
    later = example.answer(epochs=3)
    assert len(first["seconds"]) == 1 and len(later["seconds"]) == 3
    assert later["loss"] < first["loss"] < 784
    again = example.answer(seed=0)
    assert again["loss"] > later["loss"], "a seed starts again"
    one, other = (course.answer(epochs=2, seed=3, batch_size=50) for _ in range(2))
    assert one["loss"] == other["loss"] < 784 and len(one["seconds"]) == 2


@pytest.mark.parametrize("kind", ["example", "course"])
def test_a_loop_has_a_process_of_its_own(kind):
    with measures.Worker(kind, "mlp", 200) as process:
        answers = [process.ask(seed=1), process.ask(epochs=2)]
    assert [len(answer["seconds"]) for answer in answers] == [1, 2]
    assert all(0 < answer["loss"] < 784 for answer in answers)


def test_the_example_runs_without_the_courses_settings(monkeypatch):
    seen = []
    monkeypatch.setattr(measures.subprocess, "Popen", lambda *a, env, **k: seen.append(env) or 1 / 0)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setenv("GOMP_SPINCOUNT", "6000")
    for kind in ("example", "course"):
        with pytest.raises(ZeroDivisionError):
            measures.Worker(kind, "mlp")
    example, course = seen
    assert not set(measures.THREADS) & set(example) and set(measures.THREADS) <= set(course)
    # Nothing else is missing, and the example's model doesn't reach for the course.
    assert set(course) - set(example) == set(measures.THREADS)


def test_the_examples_network_is_the_examples(examples):
    example = examples["mlp"]
    shapes = [tuple(weight.shape) for weight in example.model.parameters() if weight.ndim == 2]
    assert shapes == [(400, 784), (20, 400), (20, 400), (400, 20), (784, 400)]
    settings = example.optimizer.defaults
    assert (settings["lr"], settings["betas"], example.loader.batch_size) == (1e-3, (0.9, 0.999), 128)


def test_what_trains_beside_the_limit_trains_on_the_cpu(examples, monkeypatch):
    """Also where the course would choose another device."""
    monkeypatch.setenv("LATENTLAB_DEVICE", "meta")
    trained = []
    monkeypatch.setattr(training, "fit", lambda model, *_, **__: trained.append(model) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        worker.Course("mlp", 200).answer()
    for model in (*trained, *(example.model for example in examples.values())):
        assert {weight.device.type for weight in model.parameters()} == {"cpu"}
    assert "on the CPU" in report.table({"machine": command.machine()}).splitlines()[0]


def test_a_worker_that_dies_is_noticed():
    with pytest.raises(RuntimeError, match="a training process ended with code 1"):
        measures.Worker("nobody", "mlp")


def test_the_example_trains_until_it_has_reached_the_target(monkeypatch):
    """And what is measured beside it fills the table's rows."""

    class Scripted:
        def __init__(self, kind, architecture, n):
            self.losses = iter((110.0, 107.0, 105.0)) if kind == "example" else itertools.repeat(105.5)
            self.second = {"example": 2.0, "course": 0.5}[kind]

        def ask(self, epochs=1, **_):
            return {"seconds": [self.second] * epochs, "loss": next(self.losses)}

        __enter__, __exit__ = (lambda self: self), (lambda *_: None)

    monkeypatch.setattr(measures, "Worker", Scripted)
    monkeypatch.setattr(limit.seconds, "__defaults__", (2, 0.001))
    found = measures.measure_training(1280)
    assert found["mlp"]["example_loss"] == [110, 107, 105] and found["mlp"]["example_to_target"] == 6
    assert found["conv"]["example_over_course_to_target"]["median"] == 6 / 1.0
    shown = report.table({"machine": command.machine(), "training": found})
    assert "the example | 6 | 6 |" in shown and "| epochs that it takes | 3 | 3 |" in shown
    assert "course** | 4.0 (4.0 to 4.0) | 6.0 (6.0 to 6.0) |" in shown
    never = measures.measure_training(1280, most=2)
    assert never["mlp"]["example_to_target"] is None


def test_small_runs_of_the_other_measurements(monkeypatch, few):
    throughput = measures.measure_throughput(200)
    assert {(a, w) for a, part in throughput.items() for w in part} == {
        (a, w) for a in ("mlp", "conv") for w in ("encode", "decode")
    }
    monkeypatch.setattr(measures.datasets, "load", lambda: datasets.ImageSet(few[:200].byte(), None, ()))
    growth = measures.measure_growth((100, 450), (2, 4), (28, 32), few=50)
    assert set(growth["images"]) == {100, 450}, "of which the second comes from a file"
    assert set(growth["side"]["conv"]) == {28, 32}
    start = measures.measure_start(repeat=1)
    assert start["torch"]["median"] > start["helper"]["median"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory is shared")
def test_a_further_kernel_is_small():
    """Data and a model in each of two kernels: a further one costs its images and its share of PyTorch."""
    memory = measures.measure_kernels(2)
    (two,) = memory["kernels"].values()
    assert two["rss"] == pytest.approx(two["private"] + two["shared"])
    assert two["shared"] > 100, "libraries are there once"
    assert 55 < two["private"] < 450, "the images, 55 MB, are there for each"
    assert memory["thirty"] == pytest.approx(two["shared"] + 30 * two["private"])


def test_exponents():
    assert report.exponent({10: 1.0, 100: 50.0, 1000: 500.0}) == pytest.approx(1)
    assert report.exponent({"28": 2.0, "56": 8.0}) == pytest.approx(2)


def test_ratios_are_those_of_pairs():
    assert measures.ratios([4.0, 9.0, 10.0], [2.0, 3.0, 2.0]) == {"median": 3.0, "low": 2.0, "high": 5.0}


# --- the instruments: what needs no browser -------------------------------------------------------------


def rounds(*latencies: float, pictures: float) -> list[dict]:
    """A round for each latency, with three moves around it."""
    return [
        {
            "frame": (ms - 1, ms, ms + 5),
            "painted": (ms, ms + 2, ms + 9),
            "pictures": pictures + number,
            "moves": 70.0,
            "frames": 60.0,
        }
        for number, ms in enumerate(latencies)
    ]


@pytest.fixture
def explorer(monkeypatch):
    """What measure_explorer makes of a measurement that was thought up."""
    of = {name: rounds(10, 8, pictures=50) for name in lag.FOLLOWED}
    of[lag.BASE] = rounds(60, 80, pictures=9)
    times = [{"kernel": 200, "ready": 314.2}] + [{"kernel": 50, "ready": 90.4}] * 3
    opening = {name: dict.fromkeys(lag.MODELS, times) for name in lag.OPENED}
    del opening["pad"]["vae_mlp_16"], opening["pad"]["vae_conv_16"]
    found = {"follow": {way: of for way in lag.WAYS}, "opening": opening}
    monkeypatch.setattr(lag, "missing", lambda: None)
    monkeypatch.setattr(lag, "measure", lambda **_: found)
    return json.loads(json.dumps(measures.measure_explorer()))


def test_the_instruments_are_compared_round_by_round(explorer):
    one = explorer["follow"]["straight"]["pad, MLP, 2-D"]
    assert one["latency_ratio"] == {"median": 8, "low": 6, "high": 10}
    assert one["pictures_ratio"] == pytest.approx({"median": (50 / 9 + 5.1) / 2, "low": 5.1, "high": 50 / 9})
    assert one["latency"]["median"] == 9.5 and 13 < one["latency"]["p95"] <= 15
    assert one["painted"] == 11 and one["pictures"] == {"median": 50.5, "low": 50, "high": 51}
    assert explorer["follow"]["delayed"][lag.BASE]["latency_ratio"]["median"] == 1
    assert explorer["opening"]["draw"]["vae_conv_2"]["further"] == {"median": 90.4, "low": 90.4, "high": 90.4}


def test_the_instruments_tables(explorer, results):
    lines = report.explorer_table({**results, "explorer": explorer}).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    many = 2 * len(lag.FOLLOWED)
    assert len(rows) == 1 + many + 1 + 2 * len(lag.OPENED)
    assert {len(row) for row in rows[: 1 + many]} == {7} and {len(row) for row in rows[1 + many :]} == {5}
    assert rows[1][0] == lag.BASE and rows[1][5:] == ["1.0 (1.0 to 1.0)"] * 2
    assert rows[3] == [
        "sliders, MLP, 2-D",
        "9.5",
        "14.5",
        "11.0",
        "50.5 (50.0 to 51.0)",
        "8.0 (6.0 to 10.0)",
        "5.3 (5.1 to 5.6)",
    ]
    assert sum("100 ms of round trip" in row[0] for row in rows) == len(lag.FOLLOWED)
    cells = dict((row[0], row[1:]) for row in rows)
    assert cells["`pad`, the first time"] == ["314", "—"] * 2
    assert cells["`pad`, again"] == ["90 (90 to 90)", "—"] * 2


@pytest.mark.parametrize("what", ["a browser", "Playwright"])
def test_without_a_browser_the_part_is_left_out(monkeypatch, capsys, what):
    if what == "a browser":
        monkeypatch.setattr(lag.importlib.util, "find_spec", lambda name: name)
        monkeypatch.setattr(browser, "executable", lambda: None)
    else:
        monkeypatch.setattr(lag.importlib.util, "find_spec", lambda name: None)
    assert measures.measure_explorer() is None
    assert "left out" in (told := capsys.readouterr().out) and what.split()[-1] in told


def test_the_cells_that_are_measured_can_run():
    """All of them make what their name says, without a browser."""
    names = [*lag.MODELS, *(name.replace("vae", "ae") for name in lag.MODELS)]
    space: dict = {}
    exec(lag.SETUP.format(names=names), space)
    for cell in lag.FOLLOWED.values():
        compile(cell, "cell", "exec")
    for kind, cell in lag.OPENED.items():
        made = eval(cell.format(name="vae_mlp_2", other="ae_mlp_2"), space)
        assert kind.replace("_", "") in type(made).__name__.lower() and made.latent_dim[-1] == 2


def test_the_delay_keeps_every_byte_and_their_order():
    """Many pieces to and fro through the proxy: all arrive, in order, none before its time, ends as well."""
    seconds, pieces = 0.05, [bytes([i]) * (1 + 4000 * i) for i in range(40)]

    async def echo(reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def talk():
        clock = asyncio.get_running_loop().time
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/lab/{{}}?token=127"
        async with lag.delayed(address, seconds) as far:
            start, port, end = re.fullmatch(r"(.+:)(\d+)(/.+)", far).groups()
            assert start + end == "http://127.0.0.1:/lab/{}?token=127"
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
            begin = clock()
            for piece in pieces:
                writer.write(piece)
            first = await reader.readexactly(len(pieces[0]))
            assert clock() - begin >= 2 * seconds - 0.005  # there and back; a timer may be a little early
            writer.write_eof()
            assert first + await reader.read() == b"".join(pieces)
        writer.close()
        server.close()

    asyncio.run(asyncio.wait_for(talk(), 60))


# --- the file, the table and the page ----------------------------------------------------------------


@pytest.fixture
def results():
    return json.loads(command.RESULTS.read_text("utf-8"))


def test_the_page_quotes_the_file(results):
    page = command.PAGE.read_text("utf-8")
    for name, table in (("bench", report.table), ("explorer", report.explorer_table)):
        assert f"<!-- {name} -->\n{table(results)}\n<!-- /{name} -->" in page
    assert set(results) == {"machine", *measures.MEASURE}, "all parts were measured, on one machine"


def test_every_part_reaches_the_table_with_its_numbers(results):
    whole = report.table(results)
    for part in set(measures.MEASURE) - {"explorer"}:
        rest = {name: value for name, value in results.items() if name != part}
        assert len(report.table(rest).splitlines()) < len(whole.splitlines()), part
    changed = copy.deepcopy(results)
    changed["training"]["mlp"]["example_over_course"]["median"] = 77.777
    assert "77.78" in report.table(changed) and "77.78" not in whole


@pytest.mark.parametrize("who", ["example", "course"])
def test_what_was_not_reached_is_not_claimed(results, who):
    def cell():
        lines = report.table(results).splitlines()
        return next(line for line in lines if f"to {measures.TARGET} nats on" in line).split("|")[2].strip()

    assert cell()[0].isdigit()
    if who == "example":
        results["training"]["mlp"]["example_to_target"] = None
    else:
        results["training"]["mlp"]["course_loss"]["median"] = measures.TARGET + 0.1
    assert cell() == "—"


def test_parts_are_kept_and_machines_are_not_mixed(tmp_path, monkeypatch, capsys, results, explorer):
    results = {**results, "explorer": explorer}
    page, file = tmp_path / "speed.md", tmp_path / "bench.json"
    blocks = "<!-- bench -->\nold\n<!-- /bench -->\n<!-- explorer -->\nold table\n<!-- /explorer -->\n"
    page.write_text(f"before\n{blocks}after\n", "utf-8")
    monkeypatch.setattr(command, "RESULTS", file)
    monkeypatch.setattr(command, "PAGE", page)
    monkeypatch.setenv("LATENTLAB_DEVICE", "meta")  # which the command changes, until the test ends
    monkeypatch.setattr(command, "MEASURE", {name: (lambda n=name: results[n]) for name in command.MEASURE})

    def run(*parts):
        monkeypatch.setattr(sys, "argv", ["bench", *parts])
        assert command.main() == 0 and os.environ["LATENTLAB_DEVICE"] == "cpu", "for the notebooks, too"
        return json.loads(file.read_text("utf-8")), page.read_text("utf-8")

    assert set(run("start")[0]) == {"machine", "start"}
    found, text = run("busy", "growth")
    assert set(found) == {"machine", "start", "busy", "growth"}
    assert text.startswith("before\n") and text.endswith("after\n") and "old\n" not in text
    assert "old table" in text, "which has not been measured"
    assert report.table(found) in text
    both, text = run("explorer")
    assert report.table(both) in text and report.explorer_table(both) in text and "old table" not in text
    monkeypatch.setitem(command.MEASURE, "explorer", lambda: None)
    assert run("explorer")[0] == both, "what can't be measured here leaves all as it was"
    monkeypatch.setattr(command, "machine", lambda: {**results["machine"], "processor": "another"})
    assert set(run("busy")[0]) == {"machine", "busy"}
    before = file.read_bytes()
    with pytest.raises(SystemExit, match="2"):
        run("nonsense")
    assert "nonsense" in capsys.readouterr().err and file.read_bytes() == before


def test_the_machine_is_named():
    here = command.machine()
    assert here["processor"] and here["cores"] == os.cpu_count()
    assert here["bfloat16"] == devices.has_bfloat16()
