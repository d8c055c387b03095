"""The instruments in JupyterLab, in a real browser, on shipped models."""

import pytest
from browser_helpers import (
    MODELS,
    cells_of,
    check_accessibility,
    in_kernel,
    no_front_end_error,
    no_kernel_error,
)


def test_every_instrument_in_a_notebook(page, lab):
    """All six kinds, of several models where they take several."""
    cells = [
        MODELS,
        "explore.latent_sliders(wide['AE'])",
        "explore.style_board(checkpoints.load('vae_told_conv_8'))",
        "explore.pad(ae)",
        "explore.morph(wide)",
        "explore.attribute_board({'AE': ae, **wide})",
        "explore.draw({'VAE': vae, 'wide': wide['VAE'], 'AE': wide['AE']})",
    ]
    instruments = lab(cells, 6)
    before = cells_of(page)
    with no_front_end_error(page), no_kernel_error(page):
        check_accessibility(page, ".latentlab")
        for instrument in instruments:
            instrument.exercise()
        check_accessibility(page, ".latentlab")
    assert {one.kind for one in instruments} == {"sliders", "style", "pad", "morph", "board", "draw"}
    assert cells_of(page) == before


@pytest.mark.browser_context_args(has_touch=True)
def test_a_finger_moves_the_point_and_draws(page, lab):
    instruments = lab([MODELS, "explore.pad(vae)", "explore.draw({'AE': ae, 'VAE': vae})"], 2)
    with no_front_end_error(page), no_kernel_error(page):
        for instrument in instruments:
            instrument.touch_sheet() if instrument.kind == "draw" else instrument.touch_pad()


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
