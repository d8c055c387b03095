"""The tables of docs/speed.md, from what bench.json holds."""

from __future__ import annotations

import copy
import functools
import math

from tools.bench import lag
from tools.bench.measures import TARGET

BOTH = {"mlp": "MLP 784-400-20-400-784", "conv": "convolutional, 16 and 32 channels"}
FOLLOW = {
    "latency/median": "ms from input to pixels",
    "latency/p95": "95th percentile",
    "painted": "… and painted",
    "pictures": "pictures a second",
    "latency_ratio": "`interact`'s ms / these",
    "pictures_ratio": "these pictures / `interact`'s",
}
LIMITS = ("matrix products", "Adam's memory traffic", "element-wise work")
# A row's text, its place in bench.json ({} is the architecture; without it there is one number), its digits
ROWS = [
    ("**an epoch: PyTorch's example / the course, batches of 128**", "training/{}/example_over_course", 2),
    (f"**to {TARGET} nats on the test images: the example / the course**", "training/{}/to_target", 1),
    ("**an epoch: the course / the limit**", "training/{}/course_over_limit", 2),
    ("seconds an epoch: the example", "training/{}/example_epoch", 2),
    ("seconds an epoch: the course", "training/{}/course_epoch", 2),
    ("seconds an epoch: the limit, in float32", "training/{}/limit_epoch", 2),
    *((f"… of it {part}", f"training/{{}}/limit/{part}", 2) for part in LIMITS),
    ("seconds an epoch: the limit, in bfloat16", "training/{}/limit_epoch_bfloat16", 2),
    (f"seconds to {TARGET} nats: the example", "training/{}/example_to_target", 0),
    ("epochs that it takes", "training/{}/example_epochs_to_target", 0),
    ("seconds of the course's training", "training/{}/course_to_target", 1),
    ("epochs that it takes", "training/{}/course_epochs_to_target", 0),
    ("nats that it reaches", "training/{}/course_loss", 1),
    ("the last three of ten epochs / the second to the fourth", "training/late_over_early_epochs", 2),
    ("an epoch beside a busy process / alone", "busy/busy_over_idle", 2),
    ("an epoch's seconds grow with the number of images to the power", "growth/power_of_images", 2),
    ("… with the number of pixels of an image to the power", "growth/power_of_pixels/{}", 2),
    ("… from 2 to 256 latent dimensions by the factor", "growth/most_over_fewest_dimensions", 2),
    ("images encoded a second", "throughput/{}/encode", 0),
    ("images decoded a second", "throughput/{}/decode", 0),
    ("seconds to import the helper", "start/helper", 3),
    ("seconds to import PyTorch alone", "start/torch", 2),
    ("seconds to import the helper's training, PyTorch with it", "start/training", 2),
    ("MB of each of 8 kernels that hold the data and a model", "kernels/kernels/8/rss", 0),
    ("… of it private, which is what a further kernel costs", "kernels/kernels/8/private", 0),
    ("MB of 30 such kernels, extrapolated", "kernels/thirty", 0),
]


def derived(results: dict) -> dict:
    """The results, with what the table says of several of their numbers."""
    for part in (results["training"][kind] for kind in BOTH if "training" in results):
        theirs = part["example_to_target"]
        reached = theirs and part["course_loss"]["median"] <= TARGET
        part["to_target"] = part["example_over_course_to_target"] if reached else None
        part["example_epochs_to_target"] = len(part["example_loss"]) if theirs else None
    if growth := results.get("growth"):
        sizes = {int(size): seconds for size, seconds in growth["latent_dim"].items()}
        growth["power_of_images"] = exponent(growth["images"])
        growth["power_of_pixels"] = {kind: exponent(growth["side"][kind]) / 2 for kind in BOTH}
        growth["most_over_fewest_dimensions"] = sizes[max(sizes)] / sizes[min(sizes)]
    return results


def cell(entry: dict | float | None, digits: int) -> str:
    """A number, or a median with the lowest and the highest, or a dash for what isn't there."""
    if entry is None:
        return "—"
    if not isinstance(entry, dict):
        return f"{entry:,.{digits}f}"
    low, middle, high = (f"{entry[key]:.{digits}f}" for key in ("low", "median", "high"))
    return f"{middle} ({low} to {high})"


def lines(results: dict, first: str, columns: dict[str, str], rows: list[tuple[str, str, int]]) -> list[str]:
    """A table: headings by what stands for {} in a row's place; what wasn't measured has no row."""
    made = ["", f"| {' | '.join([first, *columns.values()])} |", f"|---|{'---|' * len(columns)}"]
    for text, place, digits in rows:
        cells = [""] * len(columns)
        for index, column in enumerate(columns if "{}" in place else [""]):
            keys = place.format(column).split("/")
            entry = functools.reduce(lambda found, key: found and found.get(key), keys, results)
            cells[index] = cell(entry, digits)
        if place.partition("/")[0] in results:
            made.append(f"| {' | '.join([text, *cells])} |")
    return made


def table(results: dict) -> str:
    """How fast training is, and what else was measured without a browser."""
    results, machine = derived(copy.deepcopy(results)), results["machine"]
    begin = (
        f"Measured by `python course.py bench` on {machine['processor']}, {machine['cores']} cores, "
        f"PyTorch {machine['torch']}, on the CPU: medians, in brackets the lowest and the highest."
    )
    names = sorted(results.get("notebooks", {}))
    notebooks = [(f"seconds of notebook {name[:2]}, top to bottom", f"notebooks/{name}", 0) for name in names]
    return "\n".join([begin, *lines(results, "", BOTH, ROWS + notebooks)])


def explorer_table(results: dict) -> str:
    """The tables of the instruments: how fast they follow the hand, and how fast they open."""
    machine, explorer = results["machine"], results["explorer"]
    begin = (
        f"Measured by `python course.py bench explorer` on {machine['processor']}, {machine['cores']} cores, "
        "in JupyterLab, in headless Chromium: medians, in brackets the lowest and the highest round."
    )
    far = f", {1000 * lag.ROUND_TRIP:.0f} ms of round trip added"
    follow = [
        (name + text, f"follow/{way}/{name}/{{}}", 1)
        for way, text in zip(lag.WAYS, ("", far), strict=True)
        for name in explorer["follow"][way]
    ]
    opening = [
        (f"`{name}`, {when}", f"opening/{name}/{{}}/{key}", 0)
        for name in explorer["opening"]
        for when, key in (("the first time", "first/ready"), ("again", "further"))
    ]
    tables = lines(explorer, "", FOLLOW, follow) + lines(explorer, "ms to open", lag.MODELS, opening)
    return "\n".join([begin, *tables])


def exponent(times: dict) -> float:
    """The slope of log time over log size between the two largest sizes, where fixed costs count least."""
    (a, s), (b, t) = sorted((int(size), time) for size, time in times.items())[-2:]
    return math.log(t / s) / math.log(b / a)
