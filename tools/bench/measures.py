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
    """A training process of its own (worker.py); it sleeps while others are measured."""

    def __init__(self, kind: str, architecture: str, n: int = 60000):
        environment = {k: v for k, v in os.environ.items() if kind != "example" or k not in THREADS}
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


def measure_training(n: int = 60000, most: int = 15) -> dict:
    """The example's loop, the course's and the limit, in turns, for the MLP and the convolutional VAE."""
    result = {}
    steps = -(-n // 128)
    x = datasets.to_float(datasets.load().images[:128])
    for architecture, epochs in (("mlp", 3), ("conv", 2)):
        torch.manual_seed(0)
        model = models.VariationalAutoencoder(LATENT_DIM, architecture=architecture)
        losses, example, course, limits, halves, runs = [], [], [], [], [], []
        with Worker("example", architecture, n) as theirs, Worker("course", architecture, n) as ours:
            while not losses or (losses[-1] > TARGET and len(losses) < most):
                answer = theirs.ask()
                losses.append(answer["loss"])
                example += answer["seconds"]
                course += ours.ask(batch_size=128)["seconds"]
                limits.append(limit.of_step(model, x))
                if devices.has_bfloat16():
                    halves.append(sum(limit.of_step(model, x, torch.bfloat16).values()))
                runs.append(ours.ask(epochs=epochs, seed=len(runs)))
                print(f"  {architecture}, epoch {len(losses)}: {losses[-1]:.1f} nats", flush=True)
        to_target = [sum(run["seconds"]) for run in runs]
        limit_epochs = [steps * sum(part.values()) for part in limits]
        result[architecture] = {
            "example_epoch": spread(example),
            "example_loss": losses,
            "example_to_target": sum(example) if losses[-1] <= TARGET else None,
            "course_epoch": spread(course),
            "course_epochs_to_target": epochs,
            "course_loss": spread([run["loss"] for run in runs]),
            "course_to_target": spread(to_target),
            "limit": {name: steps * statistics.median(part[name] for part in limits) for name in limits[0]},
            "limit_epoch": spread(limit_epochs),
            "limit_epoch_bfloat16": spread([steps * half for half in halves]) if halves else None,
            "example_over_course": ratios(example, course),
            "course_over_limit": ratios(course, limit_epochs),
            "example_over_course_to_target": spread([sum(example) / seconds for seconds in to_target]),
        }
    with Worker("course", "mlp", n) as ours:
        ten = ours.ask(epochs=10, batch_size=128)["seconds"]
    late, early = (
        statistics.median(ten[-3:]),
        statistics.median(ten[1:4]),
    )  # a neighbour disturbs single epochs
    return {**result, "late_over_early_epochs": late / early}


def measure_busy(n: int = 60000, pairs: int = 3) -> dict:
    """An epoch with an idle machine, and with one process that never stops computing."""
    idle, busy = [], []
    with Worker("course", "mlp", n) as course:
        course.ask()
        for _ in range(pairs):
            idle += course.ask()["seconds"]
            with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
                try:
                    busy += course.ask()["seconds"]
                finally:
                    other.kill()
    return {"idle": spread(idle), "busy": spread(busy), "busy_over_idle": ratios(busy, idle)}


def measure_throughput(n: int = 10000) -> dict:
    """Images encoded and codes decoded a second, a thousand at a time."""
    images = datasets.load("mnist", "test").images[:n]
    result = {}
    for architecture in ("mlp", "conv"):
        model = models.VariationalAutoencoder(16, architecture=architecture)
        codes = metrics.embed(model, images).split(1000)
        with models.evaluating(model):
            work = {
                "encode": lambda model=model: metrics.embed(model, images),
                "decode": lambda model=model, codes=codes: [model.decode(z) for z in codes],
            }
            result[architecture] = {name: n / limit.seconds(call, repeat=5) for name, call in work.items()}
    return result


def measure_start(repeat: int = 7) -> dict:
    """Seconds that an import adds to starting Python."""

    lines = {
        "nothing": "",
        "helper": "import latentlab_helpers",
        "torch": "import torch",
        "training": "import latentlab_helpers; latentlab_helpers.training",
    }
    times: dict[str, list[float]] = {name: [] for name in lines}
    for _ in range(repeat):
        for name, code in lines.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
            times[name].append(time.perf_counter() - begin)
    empty = times.pop("nothing")
    return {
        name: spread([a - b for a, b in zip(values, empty, strict=True)]) for name, values in times.items()
    }


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

    def epoch(
        pictures: torch.Tensor, latent_dim: int = LATENT_DIM, kind: str = "mlp", times: int = 3
    ) -> float:
        shape, seconds = tuple(pictures.shape[1:]), []
        for _ in range(times):
            torch.manual_seed(0)
            model = models.VariationalAutoencoder(latent_dim, architecture=kind, image_shape=shape)
            seconds += training.fit(model, pictures, epochs=1, progress=False).seconds
        return statistics.median(seconds)

    epoch(small, times=1)
    side: dict = {"mlp": {}, "conv": {}}
    result: dict = {"images": {}, "latent_dim": {dim: epoch(small, dim) for dim in latents}, "side": side}
    with tempfile.TemporaryDirectory() as folder:
        for n in images:
            pictures = mnist[:n] if n <= len(mnist) else _mapped(mnist, n, Path(folder) / "images.npy")
            result["images"][n] = epoch(pictures, times=1)
            print(f"  {n} images: {result['images'][n]:.2f} s", flush=True)
            del pictures
    for size in sizes:
        enlarged = torch.nn.functional.interpolate(small[:1000].float(), (size, size), mode="bilinear").byte()
        for kind, found in side.items():
            found[size] = epoch(enlarged, kind=kind)
        print(f"  images of {size} × {size}: {side}", flush=True)
    return result


def _mapped(images: torch.Tensor, n: int, path: Path) -> torch.Tensor:
    """The images again and again until they are n, in a file that is mapped into memory."""
    stacked = np.lib.format.open_memmap(path, "w+", np.uint8, (n, *images.shape[1:]))
    for start in range(0, n, len(images)):
        stacked[start : start + len(images)] = images[: n - start]
    stacked.flush()
    return torch.from_numpy(stacked)


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
    for by_model in found["opening"].values():
        for model, (first, *again) in by_model.items():
            further = {key: spread([one[key] for one in again]) for key in ("ready", "kernel")}
            by_model[model] = {
                "first": first,
                "further": further["ready"],
                "further_kernel": further["kernel"],
            }
    return {**found, "follow": {way: summary(subjects) for way, subjects in found["follow"].items()}}


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


PARTS = (measure_training, measure_busy, measure_throughput, measure_start)
PARTS += (measure_kernels, measure_growth, measure_notebooks, measure_explorer)
MEASURE = {part.__name__.removeprefix("measure_"): part for part in PARTS}
