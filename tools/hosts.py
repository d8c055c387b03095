"""Look at the instruments where readers meet them, and write down what was seen.

    python course.py hosts [HOST …]     lab, notebook, voila; all of them, unless some are named: some minutes

Each host is the real one, in headless Chromium: all instruments but the trainer, twice each, are opened,
moved, left and opened again, as readers do. What was seen goes to results/hosts.json, and from there into
docs/hosts.md.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from playwright.sync_api import Error, Locator, Page, sync_playwright

from latentlab_helpers.files import write_whole
from tools import browser
from tools.browser import NOTEBOOK
from tools.quote import quote

ROOT = Path(__file__).resolve().parent.parent
RESULTS, DOCS = ROOT / "results" / "hosts.json", ROOT / "docs" / "hosts.md"
HOSTS = {
    "lab": ("JupyterLab", "jupyterlab"),
    "notebook": ("Notebook", "notebook"),
    "voila": ("Voilà", "voila"),
}
STEPS = {
    "open": "its cell is run, a control is moved",
    "two": "two views of one: the other follows",
    "again": "its cell is run again",
    "reload": "the page is loaded again",
    "restart": "the kernel is restarted",
    "reopen": "saved, closed, opened the next day",
    "third": "… and the day after that",
    "without": "… and where its kernel is missing",
    "dark": "the dark theme is chosen",
    "html": "nbconvert's HTML, without a network",
}
KINDS = {
    "Latent sliders": "explore.latent_sliders(wide['AE'])",
    "Pad": "explore.pad(vae)",
    "Morph": "explore.morph(wide)",
    "Attribute board": "explore.attribute_board(wide)",
    "Draw": "explore.draw(vae)",
    "Style board": "explore.style_board(told)",
}
MODELS = """from latentlab_helpers import checkpoints, explore
vae = checkpoints.load("vae_conv_2")
told = checkpoints.load("vae_told_conv_8")
wide = {name: checkpoints.load(f"{name.lower()}_conv_16") for name in ("AE", "VAE")}"""
PATIENCE = 60_000  # ms that an instrument may take to appear; a page, twice that
LEFT = {"Error displaying widget": "error", "Loading widget": "still waiting"}

PICTURES = """(el) => [...el.querySelectorAll("canvas.ll-image:not(.ll-sheet), canvas.ll-plane")]
  .slice(0, 3).map((canvas) => canvas.toDataURL())"""  # and not the samples, which are each view's own
DARK = "(el) => Math.max(...getComputedStyle(el).backgroundColor.match(/[\\d.]+/g).slice(0, 3)) < 64"


def write_notebook(path: Path) -> None:
    """All instruments, each shown by two cells."""
    shown = [
        cell
        for i, (_, code) in enumerate(KINDS.items())
        for cell in (f"shown_{i} = {code}\nshown_{i}", f"shown_{i}")
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in [MODELS, *shown]])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, path)


def views(page: Page, kind: str) -> Locator:
    return page.locator(f".latentlab[data-ready][aria-label^='{kind}:']")


def wait(page: Page) -> None:
    """Until two views of each are there; or not: what is there then is seen afterwards."""
    with contextlib.suppress(Error):
        for kind in KINDS:
            views(page, kind).nth(1).wait_for(timeout=PATIENCE)


def becomes(page: Page, look: Callable[[], bool]) -> bool:
    """Whether something is so within five seconds."""
    for _ in range(50):
        if look():
            return True
        page.wait_for_timeout(100)
    return False


def move(view: Locator) -> bool:
    """Whether the picture follows a control."""
    before = view.evaluate(PICTURES)
    slider = view.locator("input[type=range]").first
    if slider.count():
        at, low = float(slider.input_value()), float(slider.get_attribute("min"))
        slider.press("End" if at - low < 1e-6 else "Home")
    else:
        view.get_by_role("button", name="another").first.click()
    return becomes(view.page, lambda: view.evaluate(PICTURES) != before)


def seen(page: Page, check: Callable[[Locator], bool] = lambda found: move(found.first)) -> dict[str, str]:
    """Of each instrument, whether it is alive, or what is there in its place."""
    result = {}
    for kind in KINDS:
        found = views(page, kind)
        if found.count():
            result[kind] = "alive" if check(found) else "dead"
            continue
        left = [word for text, word in LEFT.items() if page.get_by_text(text).count()]
        still = page.locator("img[alt]").count() >= len(KINDS)
        result[kind] = (left or (["still picture"] if still else ["nothing"]))[0]
    return result


def follows(found: Locator) -> bool:
    if found.count() < 2 or not move(found.first):
        return False
    return becomes(found.page, lambda: found.nth(1).evaluate(PICTURES) == found.first.evaluate(PICTURES))


def do(page: Page, command: str, **settings: str) -> None:
    page.evaluate(f"window.jupyterapp.commands.execute('{command}', {json.dumps(settings)})")


class Found(dict):
    """What was seen at each step, which is told at once."""

    def __setitem__(self, step: str, statuses: dict[str, str]) -> None:
        super().__setitem__(step, statuses)
        print(f"  {STEPS[step]}: {cell(statuses)}", flush=True)


def in_jupyter(page: Page, path: Path, address: str) -> Found:
    """JupyterLab or Notebook, step by step."""
    found = Found()

    def close() -> None:
        do(page, "docmanager:save")
        page.evaluate(f"{NOTEBOOK}.sessionContext.shutdown()")
        page.goto("about:blank")

    def reopen() -> None:
        close()
        browser.open_notebook(page, address)
        wait(page)

    browser.open_notebook(page, address)
    browser.run_all(page)
    wait(page)
    found["open"] = seen(page)
    found["two"] = seen(page, follows)
    for i in range(len(KINDS)):
        page.evaluate(f"{NOTEBOOK}.content.activeCellIndex = {2 * i + 2}")
        do(page, "notebook:run-cell")
    wait(page)
    found["again"] = seen(page, lambda views: move(views.nth(1)))
    do(page, "docmanager:save")
    page.reload()
    wait(page)
    found["reload"] = seen(page)
    page.evaluate(f"{NOTEBOOK}.sessionContext.session.kernel.restart()")
    found["restart"] = seen(page)
    reopen()
    found["reopen"] = seen(page)
    reopen()
    found["third"] = seen(page)
    do(page, "apputils:change-theme", theme="JupyterLab Dark")
    page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")
    found["dark"] = seen(page, lambda views: views.first.evaluate(DARK))
    do(page, "apputils:change-theme", theme="JupyterLab Light")
    browser.lose_kernel(page)
    close()
    browser.open_without_kernel(page, address)
    with contextlib.suppress(Error):
        views(page, "Draw").first.wait_for(timeout=PATIENCE / 6)
    found["without"] = seen(page)
    html = path.with_suffix(".html")
    html.write_text(HTMLExporter().from_filename(str(path))[0], "utf-8")
    page.context.set_offline(True)
    page.goto(html.as_uri())
    found["html"] = seen(page)
    return found


def in_voila(page: Page, path: Path, address: str) -> Found:
    """Voilà runs the notebook for each visitor, and has no cells to run again."""
    found = Found()
    page.goto(address)
    wait(page)
    found["open"] = seen(page)
    found["two"] = seen(page, follows)
    page.reload()
    wait(page)
    found["reload"] = seen(page)
    page.goto(address + "&theme=dark")
    wait(page)
    found["dark"] = seen(page, lambda views: views.first.evaluate(DARK))
    return found


def table(results: dict) -> str:
    """What was seen, a column for each host: all that is one thing with all instruments, in a word."""
    named = {key: f"{HOSTS[key][0]} {host['version']}" for key, host in results["hosts"].items()}
    lines = [
        f"Seen by `python course.py hosts` in Chromium {results['chromium']}, with ipywidgets "
        f"{results['ipywidgets']} and anywidget {results['anywidget']}: all but the trainer.",
        "",
        f"| | {' | '.join(named.values())} |",
        f"|---|{'---|' * len(named)}",
    ]
    for step, text in STEPS.items():
        lines.append(
            f"| {text} | {' | '.join(cell(results['hosts'][key]['seen'].get(step)) for key in named)} |"
        )
    return "\n".join(lines)


def cell(statuses: dict[str, str] | None) -> str:
    if statuses is None:
        return "—"
    words = sorted(set(statuses.values()))
    if len(words) == 1:
        return words[0]
    return "; ".join(f"{word}: {', '.join(k for k, v in statuses.items() if v == word)}" for word in words)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="course.py hosts", description="Look at the instruments in real hosts."
    )
    parser.add_argument("hosts", nargs="*", metavar="HOST", help=f"{', '.join(HOSTS)}; all, unless named")
    chosen = parser.parse_args().hosts or list(HOSTS)
    if unknown := [name for name in chosen if name not in HOSTS]:
        parser.error(f"there is no host {', '.join(unknown)}; hosts are: {', '.join(HOSTS)}")
    if (chromium := browser.executable()) is None:
        print("no Chromium, Chrome or Edge was found: name one in LATENTLAB_BROWSER")
        return 1
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {"hosts": {}}
    results |= {name: importlib.metadata.version(name) for name in ("ipywidgets", "anywidget")}
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=chromium, args=browser.ARGUMENTS)
        results["chromium"] = launched.version.partition(".")[0]
        for name in chosen:
            print(f"{HOSTS[name][0]} …", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "instruments.ipynb"
                write_notebook(path)
                with browser.jupyter(Path(folder), name) as address:
                    page = launched.new_page(viewport={"width": 1200, "height": 7200})
                    page.set_default_timeout(2 * PATIENCE)
                    look = in_voila if name == "voila" else in_jupyter
                    found = look(page, path, address.format(path.name))
                    page.context.close()
            results["hosts"][name] = {"version": importlib.metadata.version(HOSTS[name][1]), "seen": found}
            results["hosts"] = {name: results["hosts"][name] for name in HOSTS if name in results["hosts"]}
            write_whole(RESULTS, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    quote(DOCS, "hosts", text := table(results))
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
