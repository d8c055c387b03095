"""The decks in a real browser, from files, without a network: every slide fits, and instruments live."""

import re
import subprocess
import sys

import pytest
from browser_helpers import no_front_end_error, offline

from tools.slides import __main__ as slides

PLACE = "JSON.stringify(Reveal.getIndices())"
READY = f"Reveal.isReady() && {slides.READY}"
# Of each slide, the ones below included: what reaches beyond it, is cut off, too small to read, or not drawn.
MEASURE = """() => Reveal.getSlides().map((slide) => {
  const { h, v } = Reveal.getIndices(slide), wrong = [];
  Reveal.slide(h, v, 99);
  const name = `${h}.${v ?? 0} ${slide.querySelector("h1, h2").textContent}`;
  for (const el of slide.querySelectorAll("*")) {
    if (el.closest("aside.notes") || !el.checkVisibility()) continue;
    const box = el.getBoundingClientRect(), what = `${el.tagName} ${el.className}`;
    if (box.right > 1280.5 || box.bottom > 720.5 || box.left < -0.5 || box.top < -0.5)
      wrong.push(`${what} reaches to ${Math.round(box.right)}, ${Math.round(box.bottom)}`);
    if (el.matches("pre, p, table") && el.scrollWidth > el.clientWidth + 1) wrong.push(`${what} is cut off`);
    const text = [...el.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const size = parseFloat(getComputedStyle(el).fontSize);
    if (text && size < 17.9 && !el.closest("math, option")) wrong.push(`${what}: letters of ${size} pixels`);
  }
  for (const el of slide.querySelectorAll("math"))
    if (!el.closest("aside") && el.getBoundingClientRect().height < 8) wrong.push("a formula isn't drawn");
  for (const el of slide.querySelectorAll("img"))
    if (!el.naturalWidth || !el.alt) wrong.push("a figure isn't drawn, or has no text alternative");
  return [name, wrong];
})"""


@pytest.fixture
def opened(page, decks):
    """A function that opens a deck where there is no network, and sees that it asks for nothing."""
    page.set_viewport_size({"width": 1280, "height": 720})

    def deck(name, query=""):
        page.goto((decks / f"{name}.html").as_uri() + query)
        page.wait_for_function(READY)
        return page

    with offline(page, decks.as_uri()):
        yield deck


@pytest.mark.parametrize("name", slides.names())
def test_every_slide_fits_and_every_instrument_listens(opened, name):
    with no_front_end_error(page := opened(name)):
        measured = page.evaluate(MEASURE)
        assert len(measured) == page.evaluate("Reveal.getTotalSlides()") > 15
        assert not {slide: wrong for slide, wrong in measured if wrong}
        for el in page.locator("div.live").all():
            listens(page, el)


def listens(page, el):
    """The keys move what has the focus, and not the slides, until Esc frees them."""
    page.evaluate(
        "(el) => { const { h, v } = Reveal.getIndices(el.closest('section')); Reveal.slide(h, v); }",
        el.element_handle(),
    )
    place, before = page.evaluate(PLACE), el.screenshot()
    kind = el.get_attribute("id").partition("-")[0]
    control = el.locator("canvas[tabindex]" if kind in ("pad", "draw") else "input[type=range]").first
    control.focus()
    for key in [" "] * (kind == "draw") + ["ArrowLeft"] * 3 + ["ArrowDown"]:
        page.keyboard.press(key)
    page.wait_for_timeout(50)
    assert page.evaluate(PLACE) == place, f"the keys of {kind} turn the slides"
    assert el.screenshot() != before, f"{kind} doesn't move"
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(PLACE) != place, f"Esc doesn't free the keys of {kind}"


def test_the_keys_turn_the_slides_and_show_the_notes(opened):
    with no_front_end_error(page := opened("talk")):
        page.keyboard.press("ArrowRight")
        assert page.evaluate("Reveal.getState().indexh") == 1
        notes = page.locator("section.present > aside.notes")
        assert not notes.is_visible()
        page.keyboard.press("n")
        assert notes.is_visible() and "notebook" in notes.inner_text()
        with page.context.expect_page() as window:
            page.keyboard.press("s")
        window.value.get_by_text("The task sounds simple").first.wait_for()


def test_they_are_printed_a_page_for_each_slide(opened, decks):
    """By a process of its own, as by hand: Playwright runs once in each. Some, as all are styled alike."""
    some = ["talk", "01_autoencoder", "10_better_prior"]
    count = {name: opened(name).evaluate("Reveal.getTotalSlides()") for name in some}
    code = "import sys; from pathlib import Path; from tools.slides.__main__ import pdf; "
    code += "print(*pdf([Path(name) for name in sys.argv[1:]]), sep='\\n')"
    files = [str(decks / f"{name}.html") for name in count]
    subprocess.run([sys.executable, "-c", code, *files], cwd=slides.ROOT, check=True)
    for name, pages in count.items():
        printed = (decks / f"{name}.pdf").read_bytes()
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == pages, name
        assert b"[0 0 960 540]" in printed  # points: 1280 by 720 pixels


def test_a_slide_that_overflows_turns_the_tests_red(opened):
    page = opened("talk")
    page.evaluate("document.querySelectorAll('section')[1].querySelector('li').style.marginBottom = '500px'")
    page.evaluate("document.querySelectorAll('section')[2].querySelector('p').style.fontSize = '12px'")
    (_, far), (_, small) = page.evaluate(MEASURE)[1:3]
    assert "reaches to" in far[0] and "letters of 12 pixels" in small[0]
