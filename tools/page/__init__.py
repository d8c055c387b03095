"""Write the page: all instruments in one HTML file, which needs no Python, no kernel and no network.

    python course.py page

The front end is the notebooks', on the state that their widgets would send; in `page.html` a few lines stand
in for Jupyter.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import zlib
from pathlib import Path
from typing import Any

import torch
from ipywidgets import Widget, widget_serialization

from latentlab_helpers import attributes, checkpoints, datasets, explore, metrics, results
from latentlab_helpers.files import write_whole
from tools import home
from tools.page import kernels

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "latentlab.html"
TEMPLATE = HERE / "page.html"
LIMIT = 4_000_000  # bytes
TRAINED = 10_000  # training images on the page, from which it learns
MEASURED = 5000  # training images, from which the board's vectors come
VERDICTS = {"holds": "holds", "holds partly": "in part", "does not hold": "was not shown"}
HOST = {"layout", "tabbable", "tooltip"}  # what ipywidgets keeps for Jupyter


@functools.cache
def measured() -> dict[str, torch.Tensor]:
    """What the first training images measure, which takes seconds."""
    return attributes.measured(datasets.load("mnist", "train").images[:MEASURED])


def instruments() -> dict[str, explore.Instrument]:
    """The page's instruments, by the name that the template has for their place."""
    ae, vae = ({n: checkpoints.load(f"{kind}_conv_{n}") for n in (2, 16)} for kind in ("ae", "vae"))
    test, train = datasets.load("mnist", "test"), datasets.load("mnist", "train")
    both = {"AE": ae[16], "VAE": vae[16]}
    few = train.images[:MEASURED]
    vectors = {
        name: explore.attribute_vectors(metrics.embed(model, few), measured()) for name, model in both.items()
    }
    return {
        "pad-vae": explore.pad(vae[2], test),
        "pad-ae": explore.pad(ae[2], test),
        "pad-collapsed": explore.pad({"VAE at beta 49": checkpoints.load("vae_conv_2_beta_49")}, test),
        "sliders": explore.latent_sliders(vae[16], test, start=metrics.embed(vae[16], test.images[1:2])[0]),
        "morph": explore.morph(both, test),
        "board": explore.attribute_board(both, test, vectors=vectors),
        "style": explore.style_board({"told VAE": checkpoints.load("vae_told_conv_8")}, test, digit=0),
        "draw": explore.draw({"AE": ae[2], "VAE": vae[2]}, test),
    }


def state(widgets: dict[str, Widget]) -> dict[str, dict]:
    """What the widgets hold, and all that they refer to, under names that don't change from run to run."""
    names = {widget.model_id: name for name, widget in widgets.items()}
    result = {}

    def plain(value):
        if isinstance(value, bytes):
            return {"base64": base64.b64encode(value).decode()}
        if isinstance(value, str) and value.startswith("IPY_MODEL_"):
            return "IPY_MODEL_" + collect(widget_serialization["from_json"](value, None))
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    def collect(widget) -> str:
        name = names.setdefault(widget.model_id, f"{type(widget).__name__.lower()}-{len(names)}")
        if name not in result:
            kept = sorted(key for key in widget.keys if key[0] != "_" and key not in HOST)
            result[name] = {}  # before what it refers to
            result[name].update({key: plain(value) for key, value in widget.get_state(kept).items()})
        return name

    for widget in widgets.values():
        collect(widget)
    return result


def claims() -> str:
    """The ten claims, each to be guessed: what the ledger says of it comes with the answer."""
    shown = []
    for entry in results.load("claims")["ledger"]:
        again = [f"{entry['verdict']} on MNIST"]
        again += [f"{verdict} on {name}" if name[0].isupper() else f"{verdict} with convolutions"
                  for name, verdict in entry["replications"].items()]  # fmt: skip
        said = html.escape("; ".join(again).replace("does not hold", "not shown") + ".", quote=True)
        radios = "".join(
            f'<label><input type="radio" name="claim-{entry["number"]}" value="{value}"> {words}</label>'
            for value, words in VERDICTS.items()
        )
        shown.append(
            f'<fieldset data-verdict="{entry["verdict"]}" data-said="{said}">'
            f"<legend>{html.escape(entry['text'])}</legend>{radios}<output></output></fieldset>"
        )
    return "\n".join(shown)


@functools.cache
def training() -> dict[str, Any]:
    """What the page learns from, and with: images, the attributes' fifths among them, and the kernels."""
    images = datasets.load("mnist", "train").images
    marks = []  # 1 for the fifth with the least of an attribute, 2 for that with the most
    for value in measured().values():
        order, count = value.argsort(stable=True), round(0.2 * MEASURED)
        mark = torch.zeros(MEASURED, dtype=torch.uint8)
        mark[order[:count]], mark[order[-count:]] = 1, 2
        marks.append(mark)
    binary = {
        "images": zlib.compress(images[:TRAINED].numpy().tobytes(), 9),
        "fifths": torch.stack(marks).numpy().tobytes(),
        "kernels": kernels.assembled(),
    }
    packed = {name: {"base64": base64.b64encode(value).decode()} for name, value in binary.items()}
    source = hashlib.sha256(kernels.text().encode()).hexdigest()  # assemblers may differ
    return {**packed, "measured": MEASURED, "source": source}


def without_trainer(template: str) -> str:
    """The template for another page of instruments, on which nothing is trained."""
    return template.replace("{{work}}", "").replace("{{tab}}", "").replace(":not(.first)", "")


def joined(*names: str) -> str:
    return "\n".join((HERE / name).read_text("utf-8") for name in names)


def write(widgets: dict[str, Widget], template: str) -> str:
    """The page: the template with the style, the module and the state in their places."""
    address = home.stated()
    held: dict[str, Any] = state(widgets)
    parts = {
        "notebooks": f"{address}/blob/main/notebooks" if address else "notebooks",
        "docs": f"{address}/blob/main/docs" if address else "docs",
        "css": explore.Instrument._css,
        "module": explore.front_end(),
    }
    if "{{work}}" in template:
        held["training"] = training()
        parts |= {
            "work": f'<script id="work">\n{joined("learner.js", "worker.js")}\n</script>',
            "tab": joined("share.js", "network.js", "questions.js", "tab.js"),
            "count": f"{TRAINED:,}",
            "claims": claims(),
        }
    parts["state"] = json.dumps(held, separators=(",", ":")).replace("<", "\\u003c")
    for name, text in parts.items():
        template = template.replace("{{" + name + "}}", text)
    return template


def main() -> int:
    text = write(instruments(), TEMPLATE.read_text("utf-8"))
    size = len(text.encode())
    if size > LIMIT:
        print(f"the page would have {size:,} bytes, more than {LIMIT:,}: {PAGE.name} stays as it was")
        return 1
    write_whole(PAGE, text)
    print(f"{PAGE.name}: {size / 1e6:.2f} MB")
    return 0
