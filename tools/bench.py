"""Measure how fast the course is on this machine, beside PyTorch's example and beside the limit.

    python course.py bench [PART …]     training, busy, throughput, start, kernels, growth, notebooks,
                                        explorer; all of them, unless some are named: about half an hour

What competes is measured in turns, so that a busy neighbour slows both; the numbers are medians, with the
lowest and the highest beside them. They go to results/bench.json, and from there into the README.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from latentlab_helpers import datasets, devices, metrics, models, training
from tools import lag, limit
from tools.worker import LATENT_DIM

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results" / "bench.json"
PICTURE = ROOT / "results" / "pictures" / "growth.png"
TARGET = 105.6  # nats: what PyTorch's example reaches after its ten epochs
THREADS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ratios(above: list[float], below: list[float]) -> dict[str, float]:
    """Of pairs that were measured one after the other."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


class Worker:
    """A training process of its own (tools/worker.py); it sleeps while others are measured."""

    def __init__(self, kind: str, architecture: str, n: int = 60000):
        environment = {k: v for k, v in os.environ.items() if kind != "example" or k not in THREADS}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.worker", kind, architecture, str(n)],
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
import latentlab_helpers
from latentlab_helpers import checkpoints, datasets, metrics
train, test = datasets.load("mnist", "train"), datasets.load("mnist", "test")
model = checkpoints.load("vae_mlp_16")
codes = metrics.embed(model, train.images)
"""


def measure_kernels(counts: tuple[int, ...] = (1, 2, 4, 8)) -> dict:
    """Memory of kernels that each hold the data and a model and have encoded all the images, in MB."""
    import psutil
    from jupyter_client.manager import start_new_kernel

    table, kernels = {}, []
    try:
        for count in counts:
            while len(kernels) < count:
                manager, client = start_new_kernel(kernel_name="python3", cwd=str(ROOT))
                kernels.append((manager, client))
                reply = client.execute_interactive(READER, timeout=300, output_hook=lambda message: None)
                if reply["content"]["status"] != "ok":
                    raise RuntimeError(f"a kernel stopped: {reply['content']['evalue']}")
            memory = [psutil.Process(m.provisioner.pid).memory_full_info() for m, _ in kernels]
            rss, private = (
                statistics.median(getattr(m, part) / 1e6 for m in memory) for part in ("rss", "uss")
            )
            table[count] = {"rss": rss, "private": private, "shared": rss - private}
    finally:
        for manager, client in kernels:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    # What is shared is there once; what is private is there for each.
    most = table[max(counts)]
    return {"kernels": table, "thirty": most["shared"] + 30 * most["private"]}


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
                pictures = datasets.mapped(path)
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
    """How fast the instruments follow the hand and open; tools/lag.py says how. None without a browser."""
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


def value(entry: dict | None, digits: int = 2) -> str:
    if entry is None:
        return "—"
    low, middle, high = (f"{entry[key]:.{digits}f}" for key in ("low", "median", "high"))
    return f"{middle} ({low} to {high})"


def training_rows(results: dict) -> list[tuple[str, ...]]:
    both = [results[architecture] for architecture in ("mlp", "conv")]
    reached = [
        part["example_to_target"] is not None and part["course_loss"]["median"] <= TARGET for part in both
    ]
    ratio = [
        value(part["example_over_course_to_target"], 1) if yes else "—"
        for part, yes in zip(both, reached, strict=True)
    ]
    example = [
        f"{part['example_to_target']:.0f}, {len(part['example_loss'])} epochs" if yes else "—"
        for part, yes in zip(both, reached, strict=True)
    ]
    course = [
        f"{value(part['course_to_target'], 1)}, {part['course_epochs_to_target']} epochs" for part in both
    ]
    return [
        (
            "**an epoch: PyTorch's example / the course, batches of 128**",
            *(value(part["example_over_course"]) for part in both),
        ),
        (f"**to {TARGET} nats on the test images: the example / the course**", *ratio),
        ("**an epoch: the course / the limit**", *(value(part["course_over_limit"]) for part in both)),
        ("seconds an epoch: the example", *(value(part["example_epoch"]) for part in both)),
        ("seconds an epoch: the course", *(value(part["course_epoch"]) for part in both)),
        ("seconds an epoch: the limit, in float32", *(value(part["limit_epoch"]) for part in both)),
        *((f"… of it {name}", *(f"{part['limit'][name]:.2f}" for part in both)) for name in both[0]["limit"]),
        (
            "seconds an epoch: the limit, in bfloat16",
            *(value(part["limit_epoch_bfloat16"]) for part in both),
        ),
        (f"seconds to {TARGET} nats: the example", *example),
        ("seconds of the course's training", *course),
        ("nats that it reaches", *(value(part["course_loss"], 1) for part in both)),
        ("the tenth epoch / the second", f"{results['tenth_over_second_epoch']:.2f}", ""),
    ]


def busy_rows(results: dict) -> list[tuple[str, ...]]:
    return [("an epoch beside a busy process / alone", value(results["busy_over_idle"]), "")]


def throughput_rows(results: dict) -> list[tuple[str, ...]]:
    return [
        (
            f"thousands of images {what}d a second",
            *(f"{results[architecture][what] / 1000:.0f}" for architecture in ("mlp", "conv")),
        )
        for what in ("encode", "decode")
    ]


def growth_rows(results: dict) -> list[tuple[str, ...]]:
    sides = [f"{exponent(results['side'][architecture]) / 2:.2f}" for architecture in ("mlp", "conv")]
    latent = results["latent_dim"]
    fewest, most = (pick(latent, key=int) for pick in (min, max))
    return [
        (
            "an epoch's seconds grow with the number of images to the power",
            f"{exponent(results['images']):.2f}",
            "",
        ),
        ("… with the number of pixels of an image to the power", *sides),
        (
            f"… from {fewest} to {most} latent dimensions by the factor",
            f"{latent[most] / latent[fewest]:.2f}",
            "",
        ),
    ]


def start_rows(results: dict) -> list[tuple[str, ...]]:
    return [
        ("seconds to import the helper", value(results["helper"], 3), ""),
        (
            "seconds to import PyTorch alone, and with the helper's training",
            value(results["torch"]),
            value(results["training"]),
        ),
    ]


def kernels_rows(results: dict) -> list[tuple[str, ...]]:
    most = max(results["kernels"], key=int)
    one = results["kernels"][most]
    return [
        (f"MB of each of {most} kernels that hold the data and a model", f"{one['rss']:.0f}", ""),
        ("… of it private, which is what a further kernel costs", f"{one['private']:.0f}", ""),
        ("GB of 30 such kernels, extrapolated", f"{results['thirty'] / 1000:.1f}", ""),
    ]


def notebooks_rows(results: dict) -> list[tuple[str, ...]]:
    return [
        (f"seconds of notebook {name[:2]}, top to bottom", f"{seconds:.0f}", "")
        for name, seconds in results.items()
    ]


def report(results: dict) -> str:
    """The README's table, from what bench.json holds."""
    machine = results["machine"]
    lines = [
        f"Measured by `python course.py bench` on {machine['processor']}, {machine['cores']} cores, "
        f"PyTorch {machine['torch']}: medians, in brackets the lowest and the highest.",
        "",
        "| | MLP 784-400-20-400-784 | convolutional, 16 and 32 channels |",
        "|---|---|---|",
    ]
    for part, rows in ROWS.items():
        if part in results:
            lines += [f"| {' | '.join(cells)} |" for cells in rows(results[part])]
    return "\n".join(lines)


def explorer_report(results: dict) -> str:
    """The README's tables of the instruments: how fast they follow the hand, and how fast they open."""
    machine, explorer = results["machine"], results["explorer"]
    lines = [
        f"Measured by `python course.py bench explorer` on {machine['processor']}, {machine['cores']} cores, "
        "in JupyterLab, in headless Chromium: medians, in brackets the lowest and the highest round.",
        "",
        "| | ms from input to pixels, 95th percentile | … and painted | pictures a second | "
        "`interact`'s ms / these | these pictures / `interact`'s |",
        "|---|---|---|---|---|---|",
    ]
    for way, text in zip(
        lag.WAYS, ("", f", {1000 * lag.ROUND_TRIP:.0f} ms of round trip added"), strict=True
    ):
        for name, one in explorer["follow"][way].items():
            cells = (
                name + text,
                f"{one['latency']['median']:.1f}, {one['latency']['p95']:.1f}",
                f"{one['painted']:.1f}",
                value(one["pictures"], 1),
                *(
                    "—" if name == lag.BASE else value(one[ratio], 1)
                    for ratio in ("latency_ratio", "pictures_ratio")
                ),
            )
            lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"| ms to open: the first time, again | {' | '.join(lag.MODELS.values())} |",
        f"|---|{'---|' * len(lag.MODELS)}",
    ]
    for name, models_ in explorer["opening"].items():
        found = [models_.get(model) for model in lag.MODELS]
        cells = [f"{one['first']['ready']:.0f}, {value(one['further'], 0)}" if one else "—" for one in found]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


ROWS = {
    "training": training_rows,
    "busy": busy_rows,
    "growth": growth_rows,
    "throughput": throughput_rows,
    "start": start_rows,
    "kernels": kernels_rows,
    "notebooks": notebooks_rows,
}


def exponent(times: dict) -> float:
    """The slope of log time over log size between the two largest sizes, where fixed costs count least."""
    (a, s), (b, t) = sorted((int(size), time) for size, time in times.items())[-2:]
    return math.log(t / s) / math.log(b / a)


def draw(growth: dict, path: Path) -> None:
    """Three panels: seconds an epoch against images, latent dimensions, and the side of an image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3)
    for panel, label, series in zip(
        panels,
        ("images", "latent dimensions", "side of the image in pixels"),
        (
            {"MLP": growth["images"]},
            {"MLP": growth["latent_dim"]},
            {"MLP": growth["side"]["mlp"], "convolutional": growth["side"]["conv"]},
        ),
        strict=True,
    ):
        for (name, times), mark in zip(series.items(), ("o-", "s--"), strict=False):
            sizes = sorted(times, key=int)
            panel.loglog([int(size) for size in sizes], [times[size] for size in sizes], mark, label=name)
        sizes = sorted(map(int, next(iter(series.values()))))
        everything = [time for times in series.values() for time in times.values()]
        if max(everything) < 10 * min(everything):  # next to no growth should look like it
            panel.set_yscale("linear")
            panel.set_ylim(0, 1.2 * max(everything))
        panel.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30)
        panel.minorticks_off()
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("seconds an epoch")
    panels[2].legend()
    figure.savefig(path, dpi=100, metadata={"Software": None})


def machine() -> dict:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
        "bfloat16": devices.has_bfloat16(),
    }


def processor() -> str:
    """The processor's name as Linux has it, or what Python knows."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def quote(text: str, readme: Path = ROOT / "README.md", name: str = "bench") -> None:
    """Put a table between the README's marks."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*(\n<!-- /{name} -->)", re.S)
    whole = readme.read_text("utf-8")
    readme.write_text(pattern.sub(lambda match: match[1] + text + match[2], whole), "utf-8")


def main() -> int:
    chosen = sys.argv[1:] or list(MEASURE)
    if unknown := [name for name in chosen if name not in MEASURE]:
        print(f"there is no part {', '.join(unknown)}; bench has: {', '.join(MEASURE)}")
        return 2
    here = machine()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    if results.get("machine") != here:
        results = {"machine": here}  # numbers of two machines don't mix
    for name in chosen:
        print(f"{name} …", flush=True)
        measured = MEASURE[name]()
        if measured is None:  # it couldn't, and has said why
            continue
        results[name] = measured
        # JSON's keys are texts: what is shown is what a later run will read.
        written = json.dumps(results, indent=1)
        RESULTS.write_text(written + "\n", "utf-8")
        results = json.loads(written)
    if "growth" in chosen:
        draw(results["growth"], PICTURE)
    quote(report(results))
    print(report(results))
    if "explorer" in results:
        quote(explorer_report(results), name="explorer")
        print("\n" + explorer_report(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
