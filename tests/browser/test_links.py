"""Python, linked sliders and the hand move the same point: in JupyterLab, with the kernel and without it."""

import json
from pathlib import Path

import nbformat
import pytest
import reference
from browser_helpers import (
    MODELS,
    InNotebook,
    cells_of,
    check_accessibility,
    in_kernel,
    no_front_end_error,
    no_kernel_error,
    settled,
)
from playwright.sync_api import expect

from latentlab_helpers import checkpoints, explore
from tools.browser import NOTEBOOK

ROOT = Path(__file__).resolve().parents[2]


def cells_of_notebook_01() -> list[str]:
    """Its hand-built sliders, the pad and the link between them, as they stand there, on a shipped model."""
    wanted = ("sliders", "pad", "pad-check")
    notebook = nbformat.read(ROOT / "notebooks" / "01_autoencoder.ipynb", as_version=4)
    cells = {cell.id: cell.source for cell in notebook.cells}
    before = """
import torch
from ipywidgets import FloatSlider, HBox, Image, VBox, jsdlink
from latentlab_helpers import checkpoints, datasets, explore, metrics, plots
test = datasets.load("mnist", "test")
autoencoder = checkpoints.load("ae_conv_2")
codes = metrics.embed(autoencoder, test.images[:1000])
"""
    return [before, *(cells[name] for name in wanted)]


def test_the_hand_built_sliders_of_notebook_01(page, lab):
    """The kernel's picture follows them, and so does the pad that they are linked to."""
    (pad,) = lab(cells_of_notebook_01())
    before = cells_of(page)
    with no_front_end_error(page), no_kernel_error(page):
        exercise_hand_built(page, pad)
        check_accessibility(page, ".latentlab")
    assert cells_of(page) == before


def exercise_hand_built(page, pad) -> None:
    """Notebook 01's own two sliders, which the kernel follows with a picture, and the pad by a link."""

    def look():
        shown = page.evaluate(
            """async () => {
              const png = await (await fetch(document.querySelector("img.widget-image").src)).arrayBuffer();
              return btoa(String.fromCharCode(...new Uint8Array(png)));
            }"""
        )
        decoded = "plots.to_png(autoencoder.decode(torch.tensor([[z1.value, z2.value]]))[0])"
        state = f"[z1.value, z2.value, z1.max, z2.max, __import__('base64').b64encode({decoded}).decode()]"
        *numbers, wanted = json.loads(in_kernel(page, f"print(__import__('json').dumps({state}))"))
        return {"z": numbers[:2], "high": numbers[2:], "right": shown == wanted}

    before = look()
    for i, handle in enumerate(page.locator(".widget-slider .noUi-handle").all()):
        handle.press("ArrowRight")
        moved = settled(
            page,
            look,
            lambda now, i=i, old=before["z"][i]: now["right"] and now["z"][i] > old,
            f"slider {i} by a key",
        )
        pad.check("linked to a slider", lambda e, i=i: e["state"]["z"][i] == pytest.approx(look()["z"][i]))
        track = page.locator(".widget-slider .noUi-target").nth(i)
        box = track.bounding_box()
        handle.hover()
        page.mouse.down()
        page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2, steps=5)
        page.mouse.up()
        before = settled(
            page,
            look,
            lambda now, i=i, old=moved["z"][i]: now["right"] and old < now["z"][i] < now["high"][i],
            f"slider {i} by mouse",
        )
        # Now, since the kernel may have been seen halfway through the drag
        pad.check("linked to a slider", lambda e, i=i: e["state"]["z"][i] == pytest.approx(look()["z"][i]))


LINKED = [
    MODELS,
    "pad = explore.pad(vae)\npad",
    """
import ipywidgets
there = ipywidgets.FloatSlider(min=-3, max=3, step=0.1, description="there")
both = ipywidgets.FloatSlider(min=-3, max=3, step=0.1, description="both ways")
links = ipywidgets.jsdlink((there, "value"), (pad, "z1")), ipywidgets.jslink((both, "value"), (pad, "z2"))
ipywidgets.VBox([there, both])
""",
    "seen = []\npad.observe(lambda change: seen.append(change['new']), 'z')",
]


def test_python_and_the_hand_move_the_same_point(page, lab):
    (pad,) = lab(LINKED)
    with no_front_end_error(page), no_kernel_error(page):
        for code, z in [
            ("pad.z = [1.5, -0.25]", [1.5, -0.25]),
            ("pad.z1 = -2.0", [-2, -0.25]),
            ("pad.z2 = 0.75", [-2, 0.75]),
            ("for i in range(50): pad.z = [i / 25, 1.0]", [1.96, 1]),
            ("for i in range(50): pad.z1 = -i / 25", [-1.96, 1]),
            ("for i in range(50): pad.z, pad.z2 = [i / 25, 1.0], -i / 25", [1.96, -1.96]),
        ]:
            in_kernel(page, code)
            for i in range(2):
                expect(pad.sliders.nth(i)).to_have_attribute("aria-valuetext", f"{z[i]:.2f}")
            pad.check(code, lambda e, z=z: e["state"]["z"] == z)
            assert json.loads(in_kernel(page, "print([pad.z1, pad.z2])")) == z
        pad.exercise_slider(0)
        z = pad.check("moved by hand")["z"]
        assert json.loads(in_kernel(page, "print([*seen[-1], pad.z1, pad.z2])")) == z + z


def test_moves_are_not_lost_on_messages_that_are_on_their_way(page, lab):
    """Two keys at once, as soon as Python knows of the last: the echo of that one must not undo these."""
    (pad,) = lab([MODELS, "pad = explore.pad(vae)\npad"])
    slider, low = pad.sliders.nth(0), pad.facts["low"][0][0]
    with no_front_end_error(page), no_kernel_error(page):
        for i in range(40):
            slider.press("End")
            slider.press("Home")
            pad.slide_to(0, low, f"by End and Home, the {i + 1}th time,")


def test_linked_sliders_move_the_point(page, lab):
    """By keys; the one that is linked both ways follows the hand on the pad, too."""
    (pad,) = lab(LINKED)

    def value(name):
        return float(in_kernel(page, f"print({name}.value)"))

    with no_front_end_error(page), no_kernel_error(page):
        for i, name in enumerate(("there", "both")):
            handle = page.locator(".widget-slider .noUi-handle").nth(i)
            before = value(name)
            handle.press("ArrowRight")
            now = settled(
                page, lambda name=name: value(name), lambda now, old=before: now != old, f"{name} by a key"
            )
            pad.check("by a link", lambda e, i=i, now=now: e["state"]["z"][i] == pytest.approx(now))
        pad.sliders.nth(1).press("Home")
        pad.slide_to(1, pad.facts["low"][0][1], "by Home")
        low = max(-3, pad.facts["low"][0][1])
        settled(
            page, lambda: value("both"), lambda now: now == pytest.approx(low), "the slider linked both ways"
        )


class Alone(InNotebook):
    """An instrument whose kernel can't be asked: the state is the sliders', and PyTorch is this process's."""

    def __init__(self, pad, widget):
        super().__init__(pad.page, pad.model_id, pad.facts)
        self.widget = widget

    def described(self):
        z = self.sliders.evaluate_all("all => all.map((one) => Number(one.value))")
        return reference.describe(self.widget, {"z": z}, self.extra)


@pytest.mark.parametrize("kernel", ["busy", "dead"])
def test_a_hand_and_a_link_need_no_kernel(page, lab, kernel):
    (pad,) = lab(LINKED)
    pad = Alone(pad, explore.pad(checkpoints.load("vae_conv_2")))
    pad.check("before")
    if kernel == "busy":
        page.evaluate(f"""() => {{
          const {{ kernel }} = {NOTEBOOK}.sessionContext.session;
          window.future = kernel.requestExecute({{ code: "while True: pass" }});
        }}""")
        page.wait_for_function(f"{NOTEBOOK}.sessionContext.session.kernel.status === 'busy'")
    else:
        page.evaluate(f"() => {NOTEBOOK}.sessionContext.shutdown()")
    # ipywidgets says of every change that it can't send it to a kernel that isn't there
    with no_front_end_error(page, but="Could not send widget sync message" if kernel == "dead" else None):
        pad.exercise_slider(0)
        pad.exercise_pad()
        for i, handle in enumerate(page.locator(".widget-slider .noUi-handle").all()):
            before = float(handle.get_attribute("aria-valuenow"))
            handle.press("ArrowRight")
            pad.check("by a link", lambda e, i=i, z=before + 0.1: e["state"]["z"][i] == pytest.approx(z))
    if kernel == "busy":
        page.evaluate(f"() => {NOTEBOOK}.sessionContext.session.kernel.interrupt()")
        page.evaluate("() => window.future.done.then(() => 0)")
