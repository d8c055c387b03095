"""The page in a real browser, from a file: every control of every instrument, and what PyTorch says to it."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from browser_helpers import WATCH, OnPage, check_accessibility, no_front_end_error

from tools import page as static

PLACES = re.findall(r'<div id="([\w-]+)">', static.TEMPLATE.read_text("utf-8"))
# All digits of a collapsed model lie on one spot: which of them is nearest is a matter of rounding.
NAMES = [name for name in PLACES if name != "pad-collapsed"]
TOUCHED = [name for name in NAMES if name.startswith("pad") or name == "draw"]
WIDE, NARROW = {"width": 1000, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="session")
def widgets():
    """The page's instruments in Python, by their places' names."""
    return static.instruments()


@pytest.fixture(scope="session")
def written(widgets, tmp_path_factory):
    """The page as these widgets write it: another library's last digits would move the map's edges."""
    path = tmp_path_factory.mktemp("page") / "latentlab.html"
    path.write_text(static.write(widgets, static.TEMPLATE.read_text("utf-8")), "utf-8")
    return path


def opened(page, path=static.PAGE, size=WIDE):
    """Open the page, or another one that was made of it, and wait for its instruments."""
    page.set_viewport_size(size)
    page.add_init_script(WATCH)
    page.emulate_media(reduced_motion="reduce")  # then nothing learns before it is told to
    page.goto(path.as_uri())
    for name in NAMES:
        page.locator(f"#{name}[data-ready]").wait_for()
    return page


@pytest.mark.parametrize("name", NAMES)
def test_every_control_by_keyboard_and_by_mouse(page, widgets, written, name):
    with no_front_end_error(page):
        OnPage(opened(page, written), name, widgets[name]).exercise()


@pytest.mark.browser_context_args(has_touch=True)
@pytest.mark.parametrize("name", TOUCHED)
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_finger_moves_the_point_and_draws(page, widgets, name, size):
    with no_front_end_error(page):
        instrument = OnPage(opened(page, size=size), name, widgets[name])
        instrument.touch_sheet() if name == "draw" else instrument.touch_pad()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_stands_in_a_readers_way(page, widgets, size):
    """No violation that axe knows, as the page opens and with everything unfolded and drawn; no overflow."""
    opened(page, size=size)
    check_accessibility(page)
    for summary in page.locator("summary").all():
        summary.click()
    drawn = OnPage(page, "draw", widgets["draw"])
    drawn.clear()
    check_accessibility(page)
    drawn.stroke([(0.5, 0.2), (0.5, 0.8)])
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_the_page_needs_no_network(page, widgets):
    """It asks for nothing but itself, and works where there is no network at all."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.context.set_offline(True)
    with no_front_end_error(page):
        opened(page)
        for name in NAMES:
            instrument = OnPage(page, name, widgets[name])
            instrument.check("without a network")
        page.locator("#sliders").get_by_role("button", name="Random draw").click()
        OnPage(page, "sliders", widgets["sliders"]).check("without a network")
    elsewhere = [
        url for url in asked if url != static.PAGE.as_uri() and not url.startswith(("data:", "blob:"))
    ]
    assert not elsewhere


def test_without_a_browser_these_tests_are_skipped_and_say_so():
    code = (
        "import pytest; from tools import browser; browser.executable = lambda: None; "
        f"pytest.main(['-p', 'no:cacheprovider', '--color=no', {__file__!r}, '-k', 'needs_no_network'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=static.ROOT, capture_output=True, encoding="utf-8", errors="replace"
    )
    assert "no Chromium, Chrome or Edge was found" in done.stdout, done.stdout + done.stderr
    assert re.search(r"1 skipped, \d+ deselected", done.stdout), done.stdout


def test_files_without_a_browser_come_first(request):
    """Else Playwright's event loop would stand in the way of what comes after it in the same process."""
    browsing: dict[Path, bool] = {}  # in the order of the files
    for item in request.session.items:
        uses = "playwright" in getattr(item, "fixturenames", ())
        browsing[item.path] = browsing.get(item.path, False) or uses
    assert list(browsing.values()) == sorted(browsing.values())


def changed(tmp_path, change):
    """A copy of the page whose state, or whose text, went through a function."""
    text = static.PAGE.read_text("utf-8")
    start = text.index('id="state">') + len('id="state">')
    end = text.index("</script>", start)
    state = change(json.loads(text[start:end]))
    path = tmp_path / "changed.html"
    path.write_text(text[:start] + json.dumps(state).replace("<", "\\u003c") + text[end:], "utf-8")
    return path


@pytest.mark.parametrize("name", ["pad-vae", "sliders", "style", "morph", "board", "draw"])
def test_a_wrong_weight_turns_the_tests_red(page, widgets, tmp_path, name):
    """The last bias of each decoder, one number of thousands, by a tenth: some grey levels."""

    def change(state):
        for reference in state[name]["decoders"]:
            network = state[reference.removeprefix("IPY_MODEL_")]
            weights = np.frombuffer(base64.b64decode(network["weights"]["base64"]), np.float16).copy()
            weights[-1] += 0.1
            network["weights"]["base64"] = base64.b64encode(weights.tobytes()).decode()
        return state

    instrument = OnPage(opened(page, changed(tmp_path, lambda state: state)), name, widgets[name])
    instrument.check("a copy with nothing changed")
    instrument = OnPage(opened(page, changed(tmp_path, change)), name, widgets[name])
    instrument.patience = 0
    with pytest.raises(AssertionError, match=r"picture \d differs from PyTorch's by \d+ grey levels"):
        instrument.check("a copy with a changed weight")


def test_a_dead_slider_turns_the_tests_red(page, widgets):
    instrument = OnPage(opened(page), "sliders", widgets["sliders"])
    instrument.patience = 0
    page.evaluate(
        """window.addEventListener("keydown", (event) => {
          event.preventDefault();
          event.stopImmediatePropagation();
        }, true)"""
    )
    with pytest.raises(AssertionError, match="slider 0 by Home"):
        instrument.exercise_slider(0)


def test_a_dead_canvas_turns_the_tests_red(page, widgets):
    """The slider moves, and the picture stays."""
    instrument = OnPage(opened(page), "sliders", widgets["sliders"])
    instrument.patience = 0
    page.evaluate("CanvasRenderingContext2D.prototype.putImageData = () => {}")
    with pytest.raises(AssertionError, match=r"picture 0 differs from PyTorch's"):
        instrument.exercise_slider(0)


@pytest.mark.parametrize(
    "code",
    [
        "console.error('something')",
        "setTimeout(() => { throw new Error('something') })",
        "Promise.reject(new Error('something')) && 0",
        "document.querySelector('#sliders button').onclick = () => { throw new Error('something') }",
    ],
    ids=["logged", "thrown", "rejected", "in a listener"],
)
def test_an_error_in_the_browser_turns_the_tests_red(page, code):
    opened(page)
    with (
        pytest.raises(AssertionError, match="the browser's console says: .*something"),
        no_front_end_error(page),
    ):
        page.evaluate(f"() => {{ {code} }}")
        page.locator("#sliders").get_by_role("button", name="Reset").click()


def test_a_violation_turns_the_tests_red(page):
    opened(page)
    page.evaluate("document.querySelector('#sliders label').remove()")
    with pytest.raises(AssertionError, match="label"):
        check_accessibility(page, "#sliders")
