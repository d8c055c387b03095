"""Write the lessons, and the talk, as decks of slides: each one HTML file that needs no network.

    python course.py slides [NAME …] [--to FOLDER] [--pdf]

A deck is cut from its notebook, as that was saved: text, formulas, code and figures. Instruments are live, by
the page's front end, on models that come with the course. `talk` is the deck that presents the whole project;
its text is `talk.md`, its numbers are the results'. `--pdf` prints the decks, too, by a Chromium or Chrome.
"""

from __future__ import annotations

import argparse
import html
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat

from latentlab_helpers.files import write_whole
from tools import browser, page
from tools.slides import cut, talk, text

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS, HERE = ROOT / "notebooks", Path(__file__).resolve().parent
READY = "[...document.querySelectorAll('div.live')].every((el) => 'ready' in el.dataset)"
STATE = '<script type="application/json" id="state">'  # where the page's template has its scripts


def names() -> list[str]:
    return [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))] + ["talk"]


def reveal(file: str) -> str:
    """A file of reveal.js."""
    path = text.package("sphinx_revealjs", f"_static/revealjs/{file}", "sphinx-revealjs>=3.2")
    return path.read_text("utf-8").replace("</script", "<\\/script")


def section(slide: cut.Slide) -> str:
    level = 1 if slide.kind == "title" else 2
    shown = [piece.html for piece in slide.pieces]
    if "beside" in slide.kind:
        shown = ["<div>", shown[0], "<div>", *shown[1:], "</div></div>"]
    notes = "\n".join(piece.notes for piece in slide.pieces)
    return (
        f'<section class="{slide.kind}"><h{level}>{text.inline(slide.title)}</h{level}>'
        + "\n".join(shown)
        + f'<aside class="notes">{notes}</aside></section>'
    )


def stack(slide: cut.Slide) -> str:
    """A slide, with those below it."""
    if not slide.below:
        return section(slide)
    return "<section>" + "\n".join(map(section, [slide, *slide.below])) + "</section>"


def deck(name: str, slides: list[cut.Slide], widgets: dict) -> str:
    """A deck as one HTML file."""
    scripts = page.without_trainer(page.TEMPLATE.read_text("utf-8")).partition(STATE)
    live = (STATE + scripts[2].partition("</body>")[0]).replace('"main > div"', '"div.live"')
    shown = "\n".join(map(stack, slides))
    parts = {
        "name": name,
        "title": html.escape(f"LatentLab: {text.plain(slides[0].title)}"),
        "instruments": live if widgets else "",
        "reveal.css": reveal("dist/reveal.css"),
        "reveal.js": reveal("dist/reveal.js"),
        "notes.js": reveal("plugin/notes/notes.js"),
        "code": text.style(),
        "letters": text.letters(shown),
        "deck.css": (HERE / "deck.css").read_text("utf-8"),
        "slides": shown,
    }
    whole = (HERE / "deck.html").read_text("utf-8")
    for place, part in parts.items():
        whole = whole.replace("{{" + place + "}}", part)
    return page.write(widgets, whole)


def made(wanted: list[str]) -> dict[str, str]:
    """The decks of these names."""
    parts = {}
    for name in wanted:
        if name == "talk":
            parts[name] = talk.cut()
        else:
            parts[name] = cut.cut(nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4), name)
    shown = set().union(*(used for _, used in parts.values()))
    widgets = page.instruments() if shown else {}
    return {
        name: deck(name, slides, {key: widgets[key] for key in widgets if key in used})
        for name, (slides, used) in parts.items()
    }


def pdf(sources: list[Path]) -> Iterator[Path]:
    """Print decks, a page for each slide, and give the files."""
    from playwright.sync_api import (
        sync_playwright,
    )  # only here: who reads on a screen needs no browser's driver

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.executable(), args=browser.ARGUMENTS)
        for source in sources:
            deck = chromium.new_page(viewport={"width": 1280, "height": 720})
            deck.goto(source.as_uri() + "?print-pdf")
            deck.wait_for_function("document.querySelector('.pdf-page') && document.fonts.ready")
            deck.wait_for_function(READY)
            target = source.with_suffix(".pdf")
            deck.pdf(path=target, prefer_css_page_size=True, print_background=True)
            deck.close()
            yield target
        chromium.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python course.py slides", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all of {', '.join(names())}, unless named")
    parser.add_argument("--to", type=Path, default=ROOT / "slides", help="the folder; by default slides/")
    parser.add_argument("--pdf", action="store_true", help="print them as well")
    asked = parser.parse_args()
    wanted = [Path(name).stem for name in asked.names] or names()
    if unknown := [name for name in wanted if name not in names()]:
        print(f"there is no {', '.join(unknown)}; there are: {', '.join(names())}")
        return 2
    if asked.pdf and not (browser.executable() and importlib.util.find_spec("playwright")):
        print("--pdf needs Playwright and a Chromium or Chrome, installed or named in LATENTLAB_BROWSER")
        return 2
    folder = asked.to.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, whole in made(wanted).items():
            write_whole(folder / f"{name}.html", whole)
            print(f"{folder / name}.html: {len(whole.encode()) / 1e6:.1f} MB", flush=True)
        for printed in pdf([folder / f"{name}.html" for name in wanted]) if asked.pdf else ():
            print(printed, flush=True)
    except OSError as error:
        print(f"can't write into {folder} ({error}): name another folder with --to")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
