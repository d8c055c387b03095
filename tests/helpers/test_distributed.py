"""Several processes train as one. They are started by torchrun, on this machine's CPU."""

import os
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from latentlab_helpers import checkpoints, datasets, devices, distributed, training

ROOT = Path(__file__).resolve().parents[2]
# bfloat16 rounds each process's share of a gradient: without it, float32 alone is to blame for a difference.
ENVIRONMENT = {**os.environ, "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1", "LATENTLAB_DEVICE": "cpu"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
MODELS = ["AE", "VAE"]


def start(*command, **settings):
    settings |= {"env": ENVIRONMENT, "capture_output": True, "text": True, "timeout": 300}
    return subprocess.run([str(part) for part in command], **settings)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What one process has trained, what each of two has, and what the two wrote on the screen."""
    script, folder = Path(__file__).with_name("together.py"), tmp_path_factory.mktemp("together")
    alone = start(sys.executable, script, folder)
    assert alone.returncode == 0, alone.stderr
    both = start(*TORCHRUN, "--standalone", "--nproc_per_node", 2, script, folder)
    assert both.returncode == 0, both.stderr
    return *(torch.load(folder / name) for name in ("0-of-1.pt", "0-of-2.pt", "1-of-2.pt")), both.stderr


def same(found, expected, **tolerance):
    torch.testing.assert_close(found["weights"], expected["weights"], **tolerance)
    for series in ("train", "test"):
        assert set(found[series]) == set(expected[series])
        for name, values in expected[series].items():
            assert found[series][name] == pytest.approx(values, rel=1e-5), f"{series}: {name}"


@pytest.mark.parametrize("model", MODELS)
def test_two_processes_learn_what_one_learns(trained, model):
    """Three epochs of eleven steps, the last with one image; the loss on images that weren't trained on."""
    alone, *both, _ = trained
    assert len(alone[model]["test"]["loss"]) == 3
    for found in both:
        same(found[model], alone[model], rtol=0, atol=1e-4)
    assert torch.equal(*(found[model]["weights"] for found in both)), "and the same, to the last bit"


@pytest.mark.parametrize("model", MODELS)
def test_nothing_but_rounding_tells_them_apart(trained, model):
    """In double precision, with labels: the same to twelve digits."""
    alone, first, _, _ = trained
    name = f"{model} in double"
    assert set(alone[name]["train"]) >= {"loss", "labels"} == set(alone[name]["test"]) - {"reconstruction"}
    same(first[name], alone[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", [f"{model} with convolutions" for model in MODELS] + ["noise of all kinds"])
def test_other_models_and_losses(trained, model):
    same(trained[1][model], trained[0][model], rtol=0, atol=1e-4)


def test_an_interruption_of_one_stops_both_after_the_same_epoch(trained):
    alone, *both, _ = trained
    for found in (alone, *both):
        stopped = found["interrupted"]
        assert stopped["epochs"] == 1 and stopped["handler"]
        assert stopped["warning"].startswith("interrupted after 1 of 3 epochs")
        torch.testing.assert_close(stopped["weights"], alone["interrupted"]["weights"], rtol=0, atol=1e-4)
        assert torch.equal(found["resumed"]["weights"], found["VAE"]["weights"]), (
            "and it goes on to the same end"
        )
        assert found["resumed"]["train"] == found["VAE"]["train"]


def test_all_notice_that_the_loss_is_no_longer_finite(trained):
    for found in trained[:3]:
        assert found["diverged"]["message"].startswith("TrainingDiverged: ") and found["diverged"]["finite"]


def test_processes_that_cannot_train_together_say_why(trained):
    expected = [
        "ValueError: a batch of 1 can't be shared by 2 processes: make batch_size 2 or more",
        "'seed': 0}, process 1 has .* 'seed': 1}",
        "torch.randn and torch.rand, .*; bernoulli doesn't",
        "a loss must return named terms",
        r"the model is on meta, its process on cpu: model.to\(world.device\)",
    ]
    for found in trained[1:3]:
        for message, pattern in zip(found["messages"], expected, strict=True):
            assert re.search(pattern, message), message


def test_one_process_alone_shows_a_bar(trained):
    assert trained[3].count("0/1 [00:00<?, ?epoch/s]") == 1


def test_the_script_of_the_docs_on_two_machines(tmp_path):
    """Both are this one: two torchruns meet at an address, as the page says it."""
    page = (ROOT / "docs" / "devices.md").read_text("utf-8")
    (script,) = re.findall(r"```python\n(.+?)```", page, re.S)
    (line,) = re.findall(r"^    torchrun (--nnodes 2 .*HOST:29500 )train.py$", page, re.M)
    for usual, small in (("train.images", "train.images[:2000]"), ("epochs=10", "epochs=1")):
        assert script.count(f"{usual},") == 1
        script = script.replace(f"{usual},", f"{small},")
    (tmp_path / "train.py").write_text(script, "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    line = line.replace("HOST:29500", address).replace("--nproc_per_node 4", "--nproc_per_node 1")
    command = [*TORCHRUN, *line.split(), "train.py"]
    with ThreadPoolExecutor(2) as machines:
        ended = list(machines.map(lambda _: start(*command, cwd=tmp_path), range(2)))
    assert [done.returncode for done in ended] == [0, 0], ended
    (said,) = [done.stdout for done in ended if done.stdout]
    found = float(said.removesuffix(" nats an image\n"))
    model, test = checkpoints.load(tmp_path / "my_vae"), datasets.load("mnist", "test")
    assert training.evaluate(model, test.images)["loss"] == pytest.approx(found, rel=1e-5) and found < 250


def test_a_process_without_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(distributed, "default_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match="this machine has 2: start torchrun with --nproc_per_node 2"):
        distributed.join().__enter__()


def test_a_script_that_python_starts_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with distributed.join() as world:
        assert (world.rank, world.size, world.device) == (0, 1, devices.default_device())
        assert not torch.distributed.is_initialized()
