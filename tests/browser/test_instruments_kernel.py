"""The instruments in JupyterLab when the kernel computes, errs or is late; two views; a cell run again."""

import json
import re

import pytest
from browser_helpers import (
    MODELS,
    InNotebook,
    check_accessibility,
    in_kernel,
    no_front_end_error,
    no_kernel_error,
)
from playwright.sync_api import expect

from tools.browser import NOTEBOOK

UNKNOWN = [
    MODELS,
    """
import copy, warnings
from torch import nn
strange = copy.deepcopy(vae)  # what the browser doesn't know, at both ends
strange.encoder.append(nn.Softsign())
strange.decoder.insert(0, nn.Softsign())
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    made = [explore.pad(strange), explore.morph({"AE": ae, "strange": strange})]
    made.append(explore.draw({"AE": ae, "strange": strange}))
said = [str(one.message) for one in caught if one.category is UserWarning]
""",
    *[f"made[{i}]" for i in range(3)],
]


def test_what_the_browser_cannot_compute_the_kernel_does(page, lab):
    instruments = lab(UNKNOWN, 3)
    said = json.loads(in_kernel(page, "import json\nprint(json.dumps(said))"))
    parts = [text.removeprefix("the kernel computes the ").split()[0] for text in said]
    assert parts == ["decoder", "decoder", "encoder", "decoder"], said
    assert all("Softsign" in text for text in said)
    with no_front_end_error(page), no_kernel_error(page):
        for instrument in instruments:
            instrument.exercise()


def test_an_error_of_the_kernel_stands_in_the_instrument(page, lab):
    (pad,) = lab(
        [
            MODELS,
            """
import warnings
warnings.simplefilter("ignore")
class Fragile(type(vae)):
    def decode(self, z):
        if (z > 5).any():
            raise ValueError("too far")
        return super().decode(z) ** 1.1  # which the browser doesn't do
vae.__class__ = Fragile
pad = explore.pad(vae)
pad
""",
        ]
    )
    problem = pad.element.get_by_role("alert")
    expect(problem).to_be_hidden()
    with pytest.raises(AssertionError, match="the kernel says: ValueError: too far"), no_kernel_error(page):
        in_kernel(page, "pad.z = [5.5, 0]")
        expect(problem).to_have_text("The kernel couldn't compute this: too far")
    check_accessibility(page, ".latentlab")
    in_kernel(page, "pad.z = [1.5, 0]")
    expect(problem).to_be_hidden()
    pad.check("back where it works")


def test_a_late_answer_puts_nothing_beside_a_cleared_sheet(page, lab):
    (draw,) = lab(
        [
            MODELS,
            """
import time, warnings
from torch import nn
warnings.simplefilter("ignore")
class Slow(type(vae)):
    def encode(self, x):
        time.sleep(0.5)
        return super().encode(x)
vae.__class__ = Slow
vae.encoder.append(nn.Softsign())  # which the browser doesn't know
draw = explore.draw(vae)
draw
""",
        ]
    )
    draw.check("as it opens")
    with no_front_end_error(page), no_kernel_error(page):
        draw.stroke([(0.5, 0.2), (0.5, 0.8)])
        draw.element.get_by_role("button", name="Clear").click()
        for _ in range(3):  # until the kernel has answered to what was drawn, and heard what came of it
            in_kernel(page, "pass")
        state = draw.check("cleared")
        assert not any(state["image"]) and not state["placed"]


def test_an_instrument_shown_twice_shows_the_same(page, lab):
    """In the browser's own pictures, and in the kernel's."""
    # All in sight: older versions of JupyterLab take away what is scrolled out of it.
    page.set_viewport_size({"width": 1200, "height": 3500})
    found = lab([*UNKNOWN[:2], "w = explore.pad(ae)\nw", "w", "made[0]", "made[0]"])
    pads = [one for one in found if one.element.count() == 2]
    assert len(pads) == 2
    for pad in pads:
        views = [InNotebook(page, pad.model_id, pad.facts) for _ in range(2)]
        for i, view in enumerate(views):
            view.element = pad.element.nth(i)
            view.sliders = view.element.locator("input[type=range]")
        for view in views:
            view.check("as it opens")
        for view in views:
            view.sliders.nth(0).press("ArrowRight")
            for other in views:
                other.check("one of two was moved")


@pytest.mark.parametrize("model", ["ae", "strange"])
def test_an_instrument_shown_again_is_as_it_was(page, lab, model):
    """Its cell is run a second time, before and after it was moved."""
    quiet = "warnings.simplefilter('ignore')"  # the kernel computes one of them, and says so
    found = lab([*UNKNOWN[:2], f"{quiet}\nw = explore.pad({model})", "w"])
    (pad,) = [one for one in found if one.element.count()]
    page.evaluate(f"{NOTEBOOK}.content.activeCellIndex = 3")
    for doing in ("as it opened", "moved"):
        before = pad.check(doing)
        pad.element.evaluate("(el) => { el.dataset.old = '' }")
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
        expect(page.locator(".latentlab[data-ready]:not([data-old])")).to_have_count(1)
        assert pad.check(f"shown again, {doing}") == before
        pad.sliders.nth(0).press("End")


TRAINING = [
    f"""{MODELS}
import torch
from latentlab_helpers import datasets, losses, training
train, epochs = datasets.load("mnist", "train").images[:2000], 1
watched = type(vae)(latent_dim=2)
""",
    """
with explore.trainer(watched, losses.negative_elbo) as live:
    history = training.fit(watched, train, loss=live, epochs=epochs, progress=False)
""",
]


def test_a_training_is_seen_and_stopped_and_the_model_keeps_what_it_has(page, lab):
    lab(TRAINING, 1)
    shown = page.locator(".latentlab[data-ready]")
    expect(shown).to_have_count(1)
    expect(shown.get_by_text("Ended: 20 steps, 2,000 images seen")).to_be_visible()
    assert json.loads(in_kernel(page, "print(len(history.seconds))")) == 1
    check_accessibility(page, ".latentlab")
    stop = shown.get_by_role("button", name="Stop")
    expect(stop).to_be_disabled()
    with no_front_end_error(page):
        in_kernel(page, "epochs = 2000")
        page.evaluate(f"{NOTEBOOK}.content.activeCellIndex = 1")
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-cell')")
        expect(shown.get_by_text(re.compile(r"^[\d,]{2,} steps"))).to_be_visible(timeout=30_000)
        drawn = "document.querySelector('.latentlab[data-ready] canvas').toDataURL()"
        before = page.evaluate(drawn)
        page.wait_for_function(f"(before) => {drawn} !== before", arg=before, timeout=60_000)  # the map moves
        stop.click()
        expect(shown.get_by_text(re.compile("^Ended: "))).to_be_visible(timeout=30_000)
    told = "len(history.seconds), int(history.state is not None), live.shot['step'], int(watched.training)"
    epochs, resumable, step, mode = json.loads(in_kernel(page, f"print([{told}])"))
    # The stop may come behind an epoch's last step, before `fit` has noted the epoch.
    assert resumable and 20 * epochs <= step <= 20 * (epochs + 1) < 40_000 and mode
