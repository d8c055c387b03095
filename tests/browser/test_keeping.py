"""Instruments in a notebook that was saved and is opened again: alive without the kernel that made them."""

import json

import nbformat
import numpy as np
import pytest
import reference
import torch
from browser_helpers import LEVEL, MODELS, READ, settled
from nbconvert import HTMLExporter

from latentlab_helpers import checkpoints
from tools import browser
from tools.browser import NOTEBOOK

CELLS = [
    MODELS,
    "explore.pad(vae)",
    "explore.latent_sliders(wide['AE'])",
    "explore.morph(wide)",
    "explore.attribute_board(wide)",
    "explore.style_board(checkpoints.load('vae_told_conv_8'))",
    "explore.draw({'VAE': vae, 'AE': ae})",
]
KINDS = ("pad", "sliders", "morph", "board", "style", "draw")
# Each module that is made from a text begins three seconds later.
SLOW = """
const { createObjectURL } = URL;
URL.createObjectURL = (blob) => createObjectURL.call(
  URL, new Blob(["await new Promise((done) => setTimeout(done, 3000));", blob], { type: blob.type }));
"""
WIDGETS = "application/vnd.jupyter.widget-state+json"


@pytest.fixture
def book(page, jupyter_lab, request):
    book = Book(page, *jupyter_lab, f"{request.node.originalname}.ipynb")
    yield book
    book.end_kernel()


@pytest.fixture
def book_7(page, browser_type_launch_args, tmp_path):
    """The same in Notebook 7."""
    with browser.jupyter(tmp_path, "notebook") as address:
        book = Book(page, tmp_path, address, "seven.ipynb")
        yield book
        book.end_kernel()


class Book:
    """A reader's own notebook, and what the reader does with it."""

    def __init__(self, page, folder, address, name):
        page.set_viewport_size({"width": 1200, "height": 4000})  # all in sight
        self.page, self.path, self.address = page, folder / name, address.format(name)

    def write(self, cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        }
        nbformat.write(notebook, self.path)
        browser.open_notebook(self.page, self.address)
        browser.run_all(self.page)

    def do(self, command):
        self.page.evaluate(f"window.jupyterapp.commands.execute('{command}')")

    def delete(self, cell):
        self.page.evaluate(f"{NOTEBOOK}.content.activeCellIndex = {cell}")
        self.do("notebook:delete-cell")

    def next_day(self):
        """Save it, close it, end its kernel, and open it again."""
        self.do("docmanager:save")
        self.end_kernel()
        self.page.goto("about:blank")
        browser.open_notebook(self.page, self.address)

    def end_kernel(self):
        self.page.evaluate(f"() => window.jupyterapp && {NOTEBOOK}?.sessionContext.shutdown()")

    def instruments(self, count, unkept=0):
        """Those that are seen; each is ready. What isn't kept becomes an error, after two seconds."""
        ready = self.page.locator(".latentlab[data-ready]")
        settled(self.page, ready.count, lambda seen: seen == count, "instruments alive", seconds=60)
        assert self.page.get_by_text("Error displaying widget").count() <= unkept
        return ready.all()

    def keeper(self):
        """The state of the one widget that the file holds, or None; its `kept` are the others, by id."""
        held = nbformat.read(self.path, 4).metadata.get("widgets", {WIDGETS: {"state": {}}})
        state = held[WIDGETS]["state"]
        assert len(state) <= 1
        return next((entry["state"] for entry in state.values()), None)


def pictures(instrument):
    return [
        seen if isinstance(seen, str) else seen["base64"]
        for seen in instrument.evaluate(READ, [])["pictures"]
    ]


def check_pad(pad):
    """Its picture is what PyTorch decodes where its sliders say."""
    vae = reference.rounded(checkpoints.load("vae_conv_2"))

    def look():
        z = [float(one.input_value()) for one in pad.locator("input[type=range]").all()]
        with torch.no_grad():
            wanted = reference.levels(vae.decode(torch.tensor([z]))[0])
        seen = pad.evaluate(READ, [])["pictures"][0]
        one, other = (
            np.frombuffer(reference.base64.b64decode(of["base64"]), np.uint8) for of in (seen, wanted)
        )
        return np.abs(one.astype(int) - other).max()

    settled(pad.page, look, lambda far: far <= LEVEL, "the decoder's picture differs")


@pytest.mark.parametrize("host", ["book", "book_7"])
def test_instruments_live_on_day_after_day(host, request):
    """With all that was set, and without growing: in the file once, however often it is saved."""
    book = request.getfixturevalue(host)
    book.write(CELLS)
    pad = book.instruments(len(KINDS))[0]
    assert book.keeper() is None  # nothing is written but by a save
    sizes = []
    for key in ("Home", "PageUp"):
        for instrument in book.instruments(len(KINDS))[:-1]:
            instrument.locator("input[type=range]").first.press(key)
        check_pad(pad)
        before = [pictures(one) for one in book.instruments(len(KINDS))]
        book.next_day()
        instruments = book.instruments(len(KINDS))
        # A draw's samples are new each time.
        after = [pictures(one) for one in instruments]
        assert after[:-1] == before[:-1] and after[-1][:2] == before[-1][:2]
        pad = instruments[0]
        check_pad(pad)
        sizes.append(book.path.stat().st_size)
    assert max(sizes) - min(sizes) < 100  # a number may be written with fewer digits
    kept = json.loads(book.keeper()["kept"]).values()
    assert sorted(entry["state"]["kind"] for entry in kept if "kind" in entry["state"]) == sorted(KINDS)


def test_what_comes_late_is_shown_nevertheless(book):
    """ipywidgets waits two seconds for a widget, and then says that there is none."""
    book.write(CELLS[:3])
    book.page.add_init_script(SLOW)
    book.next_day()
    check_pad(book.instruments(2)[0])
    assert not book.page.evaluate(f"{NOTEBOOK}.context.model.dirty")


def test_what_no_output_shows_is_not_kept(book):
    book.write([*CELLS[:3], "explore.pad(ae)"])
    book.instruments(3)
    book.next_day()
    first = json.loads(book.keeper()["kept"])
    book.instruments(3)
    book.delete(1)
    book.next_day()
    second = json.loads(book.keeper()["kept"])
    assert set(second) < set(first)
    assert sorted(
        entry["state"].get("kind", "") for entry in second.values() if "kind" in entry["state"]
    ) == [
        "pad",
        "sliders",
    ]
    assert len(book.instruments(2)) == 2
    book.do("notebook:clear-all-cell-outputs")
    book.next_day()
    assert book.keeper() is None and "widgets" not in nbformat.read(book.path, 4).metadata


def test_an_instrument_within_other_widgets_is_kept_with_them(book):
    """And another's widget stays its own affair."""
    book.write(
        [
            MODELS,
            "import ipywidgets\nipywidgets.VBox([ipywidgets.Label('Drag the point.'), explore.pad(vae)])",
            "ipywidgets.Label('alone')",
        ]
    )
    book.instruments(1)
    book.next_day()
    (pad,) = book.instruments(1, unkept=1)  # the label that stands alone
    check_pad(pad)
    pad.locator("input[type=range]").first.press("End")
    check_pad(pad)
    assert book.page.get_by_text("Drag the point.", exact=True).is_visible()
    kept = json.loads(book.keeper()["kept"]).values()
    assert [entry["state"]["value"] for entry in kept if entry["model_name"] == "LabelModel"] == [
        "Drag the point."
    ]


def test_its_html_has_the_still_pictures_without_a_network(book):
    book.write(CELLS)
    book.instruments(len(KINDS))
    book.next_day()
    book.end_kernel()
    html = book.path.with_suffix(".html")
    html.write_text(HTMLExporter().from_filename(str(book.path))[0], "utf-8")
    book.page.context.set_offline(True)
    book.page.goto(html.as_uri())
    stills = book.page.locator("img[alt]")
    assert stills.count() == len(KINDS)
    for still in stills.all():
        assert still.is_visible() and still.evaluate("(img) => img.naturalWidth") > 100
    assert "rror" not in book.page.locator("body").inner_text().replace("squared error", "")


def test_without_a_kernel_the_instruments_are_alive(book):
    """Its kernel is missing here, and the reader wants no other; ipywidgets would wait for one for good."""
    book.write([*CELLS, "import ipywidgets\nipywidgets.Label('alone')"])
    for instrument in book.instruments(len(KINDS))[:-1]:
        instrument.locator("input[type=range]").first.press("PageUp")
    before = [pictures(one) for one in book.instruments(len(KINDS))]
    browser.lose_kernel(book.page)
    book.do("docmanager:save")
    book.end_kernel()
    browser.open_without_kernel(book.page, book.address)
    instruments = book.instruments(len(KINDS))
    after = [pictures(one) for one in instruments]
    assert after[:-1] == before[:-1] and after[-1][:2] == before[-1][:2]
    instruments[0].locator("input[type=range]").first.press("End")
    check_pad(instruments[0])
    assert book.page.get_by_text("Label(value='alone')").is_visible()  # which isn't kept
    assert not book.page.get_by_text("Loading widget").count()
    assert not book.page.evaluate(f"{NOTEBOOK}.context.model.dirty")
