"""The site in a real browser, from files, without a network: each page is for everybody, and search finds."""

import functools
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_helpers import no_front_end_error, offline

from tools.site import __main__ as tool
from tools.site import stage

PAGES = [path.with_suffix("").as_posix() for listed in stage.chapters(True).values() for path in listed]
PAGES += ["course", "index", "search"]
DARK = [
    "course",
    "docs/ledger",
    "notebooks/03_loss_comparison",
    "notebooks/exercises/01_autoencoder",
    "search",
]
# What is wider than the screen; on a narrow one the theme would let .content scroll.
WIDE = """() => [document.documentElement, ...document.querySelectorAll(".content")]
  .filter((el) => el.scrollWidth > el.clientWidth).map((el) => `${el.className} ${el.scrollWidth}`)"""
# What scrolls by itself, and can't be scrolled by keys.
UNREACHED = """() => [...document.querySelectorAll("article *")]
  .filter((el) => el.scrollWidth > el.clientWidth && /auto|scroll/.test(getComputedStyle(el).overflowX))
  .filter((el) => el.tabIndex < 0).map((el) => el.outerHTML.slice(0, 200))"""
FOUND = "#search-results li"


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The site of a course that has no address yet."""
    folder = tmp_path_factory.mktemp("site") / "made"
    tool.build(folder, None)
    return folder


@pytest.fixture
def opened(page, site):
    """A function that opens a page where there is no network, and sees that it asks for nothing."""

    def look(name, query="", width=1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto((site / f"{name}.html").as_uri() + query)
        return page

    with offline(page, site.as_uri()):
        yield look


def check(page, **options):
    """Fail if axe finds anything. It gathers that alone, for time's sake; from a file it can't load more."""
    results = Axe().run(page, options={"resultTypes": ["violations"], "preload": False, **options})
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_passes_axe_and_fits_a_phone(opened, name):
    with no_front_end_error(page := opened(name)):
        check(page)
        assert page.title().endswith("LatentLab") or name == "index"
        page.set_viewport_size({"width": 360, "height": 800})
        assert not page.evaluate(WIDE)
        page.evaluate("new Promise(requestAnimationFrame)")  # behind what listens to the new size
        assert not page.evaluate(UNREACHED)


@pytest.mark.parametrize("name", DARK)
def test_a_dark_page_can_be_read(opened, page, name):
    page.emulate_media(color_scheme="dark")
    opened(name)
    red = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert int(red) < 50
    check(page, runOnly=["color-contrast"])


def test_a_page_that_axe_complains_of_turns_the_tests_red(opened):
    page = opened("docs/hosts")
    page.evaluate("document.querySelector('article p').style.color = '#ccc'")
    page.evaluate("document.querySelector('article').insertAdjacentHTML('beforeend', '<img src=\"data:,\">')")
    with pytest.raises(AssertionError, match=r"(?s)color-contrast.*image-alt"):
        check(page)
    page.set_viewport_size({"width": 360, "height": 800})
    page.evaluate("document.querySelector('article p').style.width = '500px'")
    assert page.evaluate(WIDE)


def test_from_the_front_door_to_the_course_and_back(opened):
    page = opened("index")
    page.wait_for_function("document.querySelectorAll('main > div[data-ready]').length >= 6")
    page.get_by_role("link", name="The course").click()
    assert page.title() == "LatentLab"
    opened("notebooks/exercises/01_autoencoder", width=360)
    page.locator("aside.announcement-content a").click()
    assert page.url.endswith("/index.html")


@pytest.mark.parametrize("width", [1280, 360])
def test_search_finds_from_a_file(opened, width):
    with no_front_end_error(page := opened("search", width=width)):
        field = page.get_by_role("textbox", name="Words")
        field.fill("posterior collapse")
        field.press("Enter")
        page.locator(FOUND).first.wait_for()
        titles = page.locator(f"{FOUND} > a").all_inner_texts()
        assert any(title.startswith("02 · Variational autoencoder") for title in titles)
        check(page)


def test_search_on_a_server_shows_where_the_words_stand(page, site):
    serve = functools.partial(SimpleHTTPRequestHandler, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with no_front_end_error(page):
            page.goto(f"http://127.0.0.1:{server.server_port}/search.html?q=posterior+collapse")
            page.locator(f"{FOUND} .context").first.wait_for()
        server.shutdown()


def test_pictures_are_drawn_and_formulas_have_their_font(opened):
    page = opened("notebooks/02_variational_autoencoder")
    drawn = page.evaluate("[...document.querySelectorAll('article img')].map((el) => el.naturalWidth)")
    assert len(drawn) >= 8 and all(drawn)
    page.evaluate("document.fonts.ready")
    fonts = page.evaluate("[...document.fonts].map((font) => `${font.family} ${font.status}`)")
    assert [font.replace('"', "") for font in fonts] == ["Formulas loaded"]


def test_a_course_without_an_address_has_no_button_that_leads_nowhere(site):
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r'class="launch">\s*<a href="http|Run in|colab\.research|None/blob', text), path
