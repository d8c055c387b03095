"""The instruments in JupyterLab, in a real browser: in the course's notebooks, and in small ones."""

import json
import shutil
import time
from pathlib import Path

import nbformat
import pytest
import reference
from browser_helpers import (
    WATCH,
    InNotebook,
    check_accessibility,
    find_instruments,
    in_kernel,
    no_front_end_error,
    no_kernel_error,
)
from playwright.sync_api import expect

from latentlab_helpers import checkpoints, explore
from tools import browser
from tools.browser import NOTEBOOK

ROOT = Path(__file__).resolve().parents[2]
# The numbered notebooks, and how many instruments of the package each has at least.
NOTEBOOKS = {
    "01_autoencoder": 1,
    "02_variational_autoencoder": 2,
    "04_latent_space": 2,
    "05_latent_arithmetic": 2,
}


@pytest.fixture
def lab(page, jupyter_lab, request):
    """A function that opens and runs a notebook in JupyterLab, a file or a list of cells: its instruments."""
    folder, address = jupyter_lab
    page.set_viewport_size({"width": 1200, "height": 900})
    page.add_init_script(WATCH)

    def run(source, wanted=1):
        path = folder / f"{request.node.name.replace('/', '-')}.ipynb"
        if isinstance(source, Path):
            shutil.copy(source, path)
        else:
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in source])
            notebook.metadata["kernelspec"] = {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            }
            nbformat.write(notebook, path)
        # While it starts, JupyterLab may log an error of its own; so errors count from here on
        browser.open_notebook(page, address.format(path.name))
        with no_front_end_error(page):
            browser.run_all(page)
            found = find_instruments(page)
            assert len(found) >= wanted, f"{len(found)} instruments were found, not {wanted}"
        return found

    yield run
    page.evaluate(f"() => window.jupyterapp && {NOTEBOOK}?.sessionContext.shutdown()")


def cells_of(page) -> list:
    """The open notebook's sources, which a key that was meant for an instrument must not change."""
    return page.evaluate(f"{NOTEBOOK}.content.widgets.map((cell) => cell.model.sharedModel.getSource())")


def settled(page, look, wanted, what: str, seconds: float = 15):
    """Look, a round trip each time, until what is seen is as wanted."""
    end = time.monotonic() + seconds
    while not wanted(seen := look()):
        assert time.monotonic() < end, f"{what}: {str(seen)[:500]}"
    return seen


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_of_the_course(page, lab, name):
    """Every control of every instrument in it, by keyboard and by mouse, on the models that it trained."""
    instruments = lab(ROOT / "notebooks" / f"{name}.ipynb", NOTEBOOKS[name])
    before = cells_of(page)
    with no_front_end_error(page), no_kernel_error(page):
        for instrument in instruments:
            instrument.exercise()
            check_accessibility(page, f".latentlab[style*='ll-{instrument.model_id}']")
        if name == "01_autoencoder":
            exercise_hand_built(page, instruments[0])
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
        pad.check(
            "linked to a slider", lambda e, i=i, z=moved["z"]: e["state"]["z"][i] == pytest.approx(z[i])
        )
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
        pad.check(
            "linked to a slider", lambda e, i=i, z=before["z"]: e["state"]["z"][i] == pytest.approx(z[i])
        )


MODELS = """
from latentlab_helpers import checkpoints, explore
ae, vae = checkpoints.load("ae_conv_2"), checkpoints.load("vae_conv_2")
wide = {name: checkpoints.load(f"{name.lower()}_conv_16") for name in ("AE", "VAE")}
"""


def test_every_instrument_in_a_notebook(page, lab):
    """All five kinds, of several models where they take several."""
    cells = [
        MODELS,
        "explore.latent_sliders(wide['AE'])",
        "explore.pad(ae)",
        "explore.morph(wide)",
        "explore.attribute_board({'AE': ae, **wide})",
        "explore.draw({'VAE': vae, 'wide': wide['VAE'], 'AE': wide['AE']})",
    ]
    instruments = lab(cells, 5)
    before = cells_of(page)
    with no_front_end_error(page), no_kernel_error(page):
        check_accessibility(page, ".latentlab")
        for instrument in instruments:
            instrument.exercise()
        check_accessibility(page, ".latentlab")
    assert {one.kind for one in instruments} == {"sliders", "pad", "morph", "board", "draw"}
    assert cells_of(page) == before


@pytest.mark.browser_context_args(has_touch=True)
def test_a_finger_moves_the_point_and_draws(page, lab):
    instruments = lab([MODELS, "explore.pad(vae)", "explore.draw({'AE': ae, 'VAE': vae})"], 2)
    with no_front_end_error(page), no_kernel_error(page):
        for instrument in instruments:
            instrument.touch_sheet() if instrument.kind == "draw" else instrument.touch_pad()


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
    made = [explore.pad(strange), explore.pad(strange), explore.morph({"AE": ae, "strange": strange})]
    made.append(explore.draw({"AE": ae, "strange": strange}))
said = [str(one.message) for one in caught]
""",
    *[f"made[{i}]" for i in range(4)],
]


def test_what_the_browser_cannot_compute_the_kernel_does(page, lab):
    instruments = lab(UNKNOWN, 4)
    said = json.loads(in_kernel(page, "import json\nprint(json.dumps(said))"))
    assert len(said) == 2 and "decoder" in said[0] and "encoder" in said[1] and "Softsign" in said[0], said
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


def test_an_instrument_shown_twice_shows_the_same(page, lab):
    """In the browser's own pictures, and in the kernel's."""
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
    found = lab([*UNKNOWN[:2], f"w = explore.pad({model})", "w"])
    (pad,) = [one for one in found if one.element.count()]
    page.evaluate(f"{NOTEBOOK}.content.activeCellIndex = 3")
    for doing in ("as it opened", "moved"):
        before = pad.check(doing)
        pad.element.evaluate("(el) => { el.dataset.old = '' }")
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
        expect(page.locator(".latentlab[data-ready]:not([data-old])")).to_have_count(1)
        assert pad.check(f"shown again, {doing}") == before
        pad.sliders.nth(0).press("End")


def test_a_callback_that_raises_turns_the_tests_red(page, lab):
    (pad,) = lab([MODELS, "pad = explore.pad(vae)\npad"])
    with no_kernel_error(page):
        pad.exercise_slider(0)
    in_kernel(page, "def broken(change):\n    raise ValueError('something')\npad.observe(broken, 'z')")
    with pytest.raises(AssertionError, match="the kernel says: ValueError: something"), no_kernel_error(page):
        pad.exercise_slider(0)


def test_a_wrong_weight_turns_the_tests_red(page, lab):
    """The reader's model is changed behind the instrument's back."""
    change = "import torch\nwith torch.no_grad():\n    vae.decoder[-1].bias += 0.1"
    (pad,) = lab([MODELS, "pad = explore.pad(vae)\npad", change])
    pad.patience = 0.5
    with pytest.raises(AssertionError, match=r"picture 0 differs from PyTorch's by \d+ grey levels"):
        pad.exercise_slider(0)


def test_an_error_in_the_browser_turns_the_tests_red(page, lab):
    """A widget beside the pad, whose front end doesn't bear that the point is moved."""
    (pad,) = lab(
        [
            MODELS,
            '''
import anywidget, ipywidgets, traitlets
class Broken(anywidget.AnyWidget):
    _esm = """export default {
      render({ model }) { model.on("change:value", () => { throw new Error("something") }) }
    }"""
    value = traitlets.Float().tag(sync=True)
broken, pad = Broken(), explore.pad(vae)
link = ipywidgets.jsdlink((pad, "z1"), (broken, "value"))
ipywidgets.VBox([broken, pad])
''',
        ]
    )
    with (
        pytest.raises(AssertionError, match="the browser's console says: .*something"),
        no_front_end_error(page),
    ):
        pad.sliders.nth(0).press("End")
        pad.check("moved")
