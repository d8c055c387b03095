"""What the bench measures, part by part. What competes is measured in turns, and compared in pairs."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from latentlab_helpers import datasets, devices, metrics, models, training
from tools.bench import lag, limit
from tools.bench.worker import LATENT_DIM

ROOT = Path(__file__).resolve().parents[2]
TARGET = 105.6  # nats: what PyTorch's example reaches after its ten epochs
THREADS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ratios(above: list[float], below: list[float]) -> dict[str, float]:
    """Of pairs that were measured one after the other."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


class Worker:
    """A training process of its own (worker.py), on the CPU; it sleeps while others are measured."""

    def __init__(self, kind: str, architecture: str, n: int = 60000):
        environment = {k: v for k, v in os.environ.items() if kind != "example" or k not in THREADS}
        environment["LATENTLAB_DEVICE"] = "cpu"  # the limit is this processor's
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.worker", kind, architecture, str(n)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def ask(self, **question) -> dict:
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a training process ended with code {self.process.wait()}; see above")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def measure_training(n: int = 60000, seeds: int = 5, most: int = 15) -> dict:
    """The example's loop, the course's and the limit, in turns, for the MLP and the convolutional VAE."""
    result = {}
    for architecture, epochs in (("mlp", 3), ("conv", 2)):
        with Worker("example", architecture, n) as example, Worker("course", architecture, n) as course:
            torch.manual_seed(0)
            model = models.VariationalAutoencoder(LATENT_DIM, architecture=architecture)
            x = datasets.to_float(datasets.load().images[:128])
            example_epochs, same_batch, runs, limits, halves = [], [], [], [], []
            example_loss = []
            while len(example_epochs) < most and (not example_loss or example_loss[-1] > TARGET):
                answer = example.ask()
                example_epochs += answer["seconds"]
                example_loss.append(answer["loss"])
                same_batch += course.ask(batch_size=128)["seconds"]
                limits.append(limit.of_step(model, x))
                if devices.has_bfloat16():
                    halves.append(limit.of_step(model, x, torch.bfloat16))
                if len(runs) < seeds:
                    runs.append(course.ask(epochs=epochs, seed=len(runs)))
                print(
                    f"  {architecture}, epoch {len(example_epochs)}: {example_loss[-1]:.1f} nats", flush=True
                )
            while len(runs) < seeds:
                runs.append(course.ask(epochs=epochs, seed=len(runs)))
            steps = -(-n // 128)
            limit_epochs = [steps * sum(part.values()) for part in limits]
            result[architecture] = {
                "example_epoch": spread(example_epochs),
                "example_loss": example_loss,
                "example_to_target": sum(example_epochs) if example_loss[-1] <= TARGET else None,
                "course_epoch": spread(same_batch),
                "course_epochs_to_target": epochs,
                "course_loss": spread([run["loss"] for run in runs]),
                "course_to_target": spread([sum(run["seconds"]) for run in runs]),
                "limit": {
                    name: steps * statistics.median(part[name] for part in limits) for name in limits[0]
                },
                "limit_epoch": spread(limit_epochs),
                "limit_epoch_bfloat16": spread([steps * sum(p.values()) for p in halves]) if halves else None,
                "example_over_course": ratios(example_epochs, same_batch),
                "course_over_limit": ratios(same_batch, limit_epochs),
                "example_over_course_to_target": spread(
                    [sum(example_epochs) / sum(run["seconds"]) for run in runs]
                ),
            }
    with Worker("course", "mlp", n) as course:
        ten = course.ask(epochs=10, batch_size=128)["seconds"]
    result["tenth_over_second_epoch"] = ten[-1] / ten[1]
    return result


def measure_busy(n: int = 60000, pairs: int = 3) -> dict:
    """An epoch with an idle machine, and with one process that never stops computing."""
    idle, busy = [], []
    with Worker("course", "mlp", n) as course:
        course.ask()
        for _ in range(pairs):
            idle += course.ask()["seconds"]
            other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            try:
                busy += course.ask()["seconds"]
            finally:
                other.kill()
                other.wait()
    return {"idle": spread(idle), "busy": spread(busy), "busy_over_idle": ratios(busy, idle)}


def measure_throughput(n: int = 10000) -> dict:
    """Images encoded and codes decoded a second, a thousand at a time."""
    images = datasets.load("mnist", "test").images[:n]
    result = {}
    for architecture in ("mlp", "conv"):
        model = models.VariationalAutoencoder(16, architecture=architecture)
        codes = metrics.embed(model, images)

        def decode(model=model, codes=codes):
            with models.evaluating(model):
                for z in codes.split(1000):
                    model.decode(z)

        result[architecture] = {
            "encode": n / limit.seconds(lambda model=model: metrics.embed(model, images), repeat=5),
            "decode": n / limit.seconds(decode, repeat=5),
        }
    return result


def measure_start(repeat: int = 7) -> dict:
    """Seconds that an import adds to starting Python."""

    def start(code: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
        return time.perf_counter() - begin

    lines = {
        "helper": "import latentlab_helpers",
        "torch": "import torch",
        "training": "import latentlab_helpers; latentlab_helpers.training",
    }
    times: dict[str, list[float]] = {name: [] for name in lines}
    for _ in range(repeat):
        empty = start("pass")
        for name, code in lines.items():
            times[name].append(start(code) - empty)
    return {name: spread(values) for name, values in times.items()}


READER = """
import os
from latentlab_helpers import checkpoints, datasets, metrics
train, test = datasets.load("mnist", "train"), datasets.load("mnist", "test")
model = checkpoints.load("vae_mlp_16")
codes = metrics.embed(model, train.images)
"""


def measure_kernels(count: int = 8) -> dict:
    """Memory of kernels that each hold the data and a model and have encoded all the images, in MB."""
    import psutil
    from jupyter_client.manager import run_kernel

    with contextlib.ExitStack() as kernels:
        numbers = []
        for _ in range(count):
            client = kernels.enter_context(run_kernel(kernel_name="python3", cwd=str(ROOT)))
            asked = {"number": "os.getpid()"}
            reply = client.execute_interactive(READER, user_expressions=asked, timeout=300)["content"]
            if reply["status"] != "ok":
                raise RuntimeError(f"a kernel stopped: {reply['evalue']}")
            numbers.append(int(reply["user_expressions"]["number"]["data"]["text/plain"]))
        memory = [psutil.Process(number).memory_full_info() for number in numbers]
    rss, private = (statistics.median(getattr(one, part) / 1e6 for one in memory) for part in ("rss", "uss"))
    shared = rss - private  # is there once; what is private is there for each
    one = {"rss": rss, "private": private, "shared": shared}
    return {"kernels": {count: one}, "thirty": shared + 30 * private}


def measure_growth(
    images: tuple[int, ...] = (1000, 4000, 16000, 60000, 1000000),
    latents: tuple[int, ...] = (2, 8, 32, 128, 256),
    sizes: tuple[int, ...] = (28, 48, 64, 96, 128),
    few: int = 6000,
) -> dict:
    """Seconds an epoch against the number of images, the latent size, and the side of an image.

    The largest number of images comes from a file that is mapped, not loaded; the larger images are MNIST's,
    enlarged.
    """
    mnist = datasets.load().images
    small = mnist[:few]

    def epoch(pictures: torch.Tensor, latent_dim: int = LATENT_DIM, architecture: str = "mlp") -> float:
        torch.manual_seed(0)
        shape = tuple(pictures.shape[1:])
        model = models.VariationalAutoencoder(latent_dim, architecture=architecture, image_shape=shape)
        return training.fit(model, pictures, epochs=1, progress=False).seconds[0]

    epoch(small)
    result: dict = {"images": {}, "latent_dim": {}, "side": {"mlp": {}, "conv": {}}}
    with tempfile.TemporaryDirectory() as folder:
        for n in images:
            pictures = mnist[:n]
            if n > len(mnist):
                path = Path(folder) / "images.npy"
                stacked = np.lib.format.open_memmap(path, "w+", np.uint8, (n, *mnist.shape[1:]))
                for start in range(0, n, len(mnist)):
                    stacked[start : start + len(mnist)] = mnist[: n - start]
                del stacked
                pictures = torch.from_numpy(np.load(path, mmap_mode="r+"))
            result["images"][n] = epoch(pictures)
            print(f"  {n} images: {result['images'][n]:.2f} s", flush=True)
            del pictures
    for latent_dim in latents:
        result["latent_dim"][latent_dim] = statistics.median(epoch(small, latent_dim) for _ in range(3))
    for side in sizes:
        enlarged = torch.nn.functional.interpolate(small[:1000].float(), (side, side), mode="bilinear").byte()
        for architecture in ("mlp", "conv"):
            epoch_s = statistics.median(epoch(enlarged, architecture=architecture) for _ in range(3))
            result["side"][architecture][side] = epoch_s
        print(f"  images of {side} × {side}: {result['side']}", flush=True)
    return result


def measure_notebooks() -> dict:
    """Seconds that each notebook takes from top to bottom."""
    from tools import build

    result = {}
    for path in sorted(build.NOTEBOOKS.glob("*.ipynb")):
        start = time.perf_counter()
        build.execute(path)
        result[path.stem] = time.perf_counter() - start
        print(f"  {path.stem}: {result[path.stem]:.0f} s", flush=True)
    return result


def measure_explorer(**less) -> dict | None:
    """How fast the instruments follow the hand and open; lag.py says how. None without a browser."""
    if why := lag.missing():
        print(f"  left out: {why}", flush=True)
        return None
    found = lag.measure(**less)
    return {
        "follow": {way: summary(subjects) for way, subjects in found["follow"].items()},
        "opening": {
            name: {
                model: {
                    "first": times["first"],
                    "further": spread([time["ready"] for time in times["further"]]),
                    "further_kernel": spread([time["kernel"] for time in times["further"]]),
                }
                for model, times in of_models.items()
            }
            for name, of_models in found["opening"].items()
        },
    }


def summary(subjects: dict[str, list[dict]]) -> dict:
    """All moves together, the rates of the rounds, and what is to be compared round by round."""
    base = subjects[lag.BASE]
    result = {}
    for name, rounds in subjects.items():
        moves = [ms for one in rounds for ms in one["frame"]]
        medians = ([statistics.median(one["frame"]) for one in some] for some in (base, rounds))
        result[name] = {
            "latency": {"median": statistics.median(moves), "p95": float(np.quantile(moves, 0.95))},
            "painted": statistics.median(ms for one in rounds for ms in one["painted"]),
            **{rate: spread([one[rate] for one in rounds]) for rate in ("pictures", "moves", "frames")},
            "latency_ratio": ratios(*medians),
            "pictures_ratio": ratios([one["pictures"] for one in rounds], [one["pictures"] for one in base]),
        }
    return result


MEASURE = {
    "training": measure_training,
    "busy": measure_busy,
    "throughput": measure_throughput,
    "start": measure_start,
    "kernels": measure_kernels,
    "growth": measure_growth,
    "notebooks": measure_notebooks,
    "explorer": measure_explorer,
}
