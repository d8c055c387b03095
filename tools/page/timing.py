"""Measure the page's trainer beside PyTorch: `python course.py page --measure`, about three minutes.

For each seed the page is opened from disk in headless Chromium and trains its VAE of two numbers for a while;
then PyTorch, with one thread, takes as many steps of the same recipe on the same digits. The page's times are
those of a whole visit: drawing, and Chromium itself, run beside the training. The numbers go to
results/page.json, and from there into docs/speed.md.
"""

from __future__ import annotations

import json
import time
from typing import Any

import torch

from latentlab_helpers import datasets, losses, models
from latentlab_helpers.files import write_whole
from tools import browser
from tools.bench.__main__ import machine
from tools.bench.measures import ratios, spread
from tools.bench.report import cell
from tools.page import PAGE, ROOT, TRAINED
from tools.quote import quote

RESULTS, SPEED = ROOT / "results" / "page.json", ROOT / "docs" / "speed.md"
SEEDS, STEPS, BATCH, SHOWN = (1, 2, 3), 780, 128, 500
WATCH = """
window.ready = new Promise((done) => new MutationObserver((_, observer) => {
  if (!document.querySelector(".latentlab[data-ready]")) return;
  observer.disconnect();
  done(performance.now());
}).observe(document, { subtree: true, attributes: true, childList: true }));
window.frames_ = [];
requestAnimationFrame(function frame(now) { frames_.push(now); requestAnimationFrame(frame); });
"""
STEP = r"Number(/step (\d+)/.exec(document.querySelector('#trainer .ll-numbers')?.textContent)?.[1] ?? 0)"


def visit(page: Any, seed: int) -> dict[str, float]:
    """Open the page, let it train, and say how that went."""
    page.add_init_script(WATCH)
    page.goto(f'{PAGE.as_uri()}#trainer={{"seed":{seed}}}')
    ready = page.evaluate("ready")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    page.wait_for_function(f"{STEP} > 0", polling=20)
    first, start = page.evaluate(STEP), page.evaluate("performance.now()")
    page.wait_for_function(f"{STEP} >= {STEPS}", polling=20, timeout=120_000)
    last, end = page.evaluate(STEP), page.evaluate("performance.now()")
    times = [time for time in page.evaluate("frames_") if start < time < end]
    page.locator("#trainer").get_by_role("button", name="Pause").click()
    page.locator("#trainer:not(.ll-running)").wait_for()
    terms = page.evaluate("document.getElementById('trainer').latentlab.measure()")
    return {
        "steps": page.evaluate(STEP),
        "loss": terms["reconstruction"] + terms["kl"],
        "milliseconds": (end - start) / (last - first),
        "frames": 1000 * (len(times) - 1) / (times[-1] - times[0]),
        "first_paint": paint / 1000,
        "first_instrument": ready / 1000,
        "trained": end / 1000,
    }


def train(seed: int, steps: int) -> dict[str, float]:
    """As many steps of the page's recipe by PyTorch, with one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = models.VariationalAutoencoder(2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    images = datasets.load("mnist", "train").images[:TRAINED]
    start = time.perf_counter()
    for _ in range(steps):
        x = images[torch.randint(TRAINED, (BATCH,))] / 255
        loss = losses.negative_elbo(model, x)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    taken = time.perf_counter() - start
    shown = datasets.load("mnist", "test").images[:SHOWN] / 255
    with torch.no_grad():
        tested = losses.negative_elbo(model, shown)["loss"].item()
    return {"loss": tested, "milliseconds": 1000 * taken / steps}


def measure() -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    rounds = []
    with sync_playwright() as playwright:
        for seed in SEEDS:
            chromium = playwright.chromium.launch(
                executable_path=browser.executable(), args=browser.ARGUMENTS
            )
            page = visit(chromium.new_page(viewport={"width": 1280, "height": 900}), seed)
            chromium.close()
            rounds.append({"seed": seed, "page": page, "pytorch": train(seed, page["steps"])})
            print(f"  seed {seed}: {page['milliseconds']:.1f} ms a step", flush=True)
    return {"machine": machine(), "rounds": rounds}


def table(found: dict[str, Any]) -> str:
    """What was measured, with what is to be compared as ratios of pairs."""
    rounds, here = found["rounds"], found["machine"]

    def row(text: str, entry: dict[str, float], digits: int) -> str:
        return f"| {text} | {cell(entry, digits)} |"

    def of(who: str, key: str) -> list[float]:
        return [one[who][key] for one in rounds]

    def page(key: str) -> dict[str, float]:
        return spread(of("page", key))

    def ratio(key: str) -> dict[str, float]:
        return ratios(of("page", key), of("pytorch", key))

    steps = round(page("steps")["median"])
    begin = (
        f"Measured by `python course.py page --measure` on {here['processor']}, {here['cores']} cores, "
        f"PyTorch {here['torch']}, in headless Chromium: medians of {len(rounds)} seeds, in brackets the "
        "lowest and the highest."
    )
    return "\n".join([
        begin, "", "| the page | |", "|---|---|",
        row("seconds to the first paint", page("first_paint"), 2),
        row("seconds to the first instrument", page("first_instrument"), 2),
        row("frames a second while it trains", page("frames"), 0),
        row(f"seconds to step {STEPS}, from opening the page", page("trained"), 1),
        row("ms a step", page("milliseconds"), 1),
        row("its time, divided by that of PyTorch with one thread", ratio("milliseconds"), 2),
        row(f"test loss after {steps} steps, nats per image", page("loss"), 1),
        row("that loss, divided by PyTorch's after as many steps", ratio("loss"), 3),
    ])  # fmt: skip


def main() -> int:
    if not browser.executable():
        print("no Chromium, Chrome or Edge was found: name one in LATENTLAB_BROWSER")
        return 1
    found = measure()
    write_whole(RESULTS, json.dumps(found, indent=1) + "\n")
    quote(SPEED, "page", text := table(found))
    print(text)
    return 0
