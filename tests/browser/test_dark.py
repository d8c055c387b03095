"""Light or dark as the host is: in JupyterLab by its theme, on the page by the system's."""

import pytest
from browser_helpers import MODELS, check_accessibility
from playwright.sync_api import expect

from tools.page import PAGE

CELLS = [
    MODELS,
    "explore.latent_sliders(wide['AE'])",
    "explore.pad(ae)",
    "explore.morph(wide)",
    "explore.attribute_board(wide)",
    "explore.draw({'VAE': vae, 'wide': wide['VAE']})",
]
BRIGHT = """(el) => {
  const [red, green, blue, alpha = 1] = getComputedStyle(el).backgroundColor.match(/[\\d.]+/g).map(Number);
  return alpha < 1 ? null : (red + green + blue) / 3 / 255;
}"""


@pytest.fixture
def theme(page):
    """A function that chooses JupyterLab's theme; the light one comes back."""

    def choose(name):
        page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{ theme: '{name}' }})")
        expect(page.locator(f"body[data-jp-theme-name='{name}']")).to_have_count(1)

    yield choose
    choose("JupyterLab Light")


def test_in_a_dark_jupyterlab_instruments_are_dark_and_can_be_read(page, lab, theme):
    page.set_viewport_size({"width": 1200, "height": 4000})
    one, *_ = instruments = lab(CELLS, 5)
    assert one.element.evaluate(BRIGHT) == 1
    theme("JupyterLab Dark")
    for instrument in instruments:
        assert instrument.element.evaluate(BRIGHT) < 0.2
        assert instrument.element.evaluate("(el) => getComputedStyle(el).colorScheme") == "dark"
    check_accessibility(page, ".latentlab")
    one.element.get_by_role("button").first.hover()
    check_accessibility(page, ".latentlab")


def test_a_dark_system_has_dark_instruments_on_the_page(page):
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")  # at which the training doesn't begin
    page.goto(PAGE.as_uri())
    expect(page.locator(".latentlab[data-ready]")).to_have_count(9)  # eight, and the training's map
    shown = page.locator(".latentlab").all()
    assert all(one.evaluate(BRIGHT) < 0.2 for one in shown)
    check_accessibility(page)
    page.emulate_media(color_scheme="light")
    assert all(one.evaluate(BRIGHT) == 1 for one in shown)
