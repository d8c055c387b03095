"""How fast the instruments follow the hand, beside `interact` with matplotlib, in JupyterLab in Chromium.

`python course.py bench explorer` runs it. One notebook holds the instruments, and what a tutorial would
write instead: two FloatSliders, a function that decodes with vae_mlp_2, and plt.imshow, with its axes (the
usual, and what the ratios compare with) and without (most of matplotlib's time goes into ticks). It is
opened twice, once straight and once through a proxy that holds everything back by 50 ms each way; in each
round all of them are measured, one by one. Driver, server, kernel and headless browser share the machine.

The mouse is the browser's own: Chromium makes the events (DevTools' Input.dispatchMouseEvent), so they pass
through hit testing, the coalescing of moves and the alignment to frames, as a hand's do.

- From input to pixels, in ms: the mouse is down on the control and moves once, at a random moment; from the
  timestamp that the browser gave this event to the first animation frame (a requestAnimationFrame callback)
  that has another picture. A canvas has another picture when its pixels, read back, are others; `interact`
  when its <img> has another source, and has loaded it. `painted` goes on to the end of this frame's work in
  the page: style, layout, paint. What compositor and screen add comes on top for both. The next move waits
  for the picture.
- Pictures a second: the mouse goes to and fro over the control for some seconds, moves 125 times a second
  and waits for nothing; counted are the animation frames whose picture isn't the one of the frame before.
  The browser makes 60 frames a second at most. `moves` and `frames` tell how many reached the page: while
  they are more than the pictures, it isn't the driver that was measured.
- Opening, in ms: in a new kernel and a new page, whose first cell has loaded the models, from the moment at
  which JupyterLab is told to run the instrument's cell to the frame in which the instrument is ready; then
  the same cell again and again. `kernel` is the part until the kernel has said that the cell is done.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import importlib.util
import random
import statistics
import tempfile
import urllib.parse
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from tools import browser

MODELS = {
    "vae_mlp_2": "MLP, 2-D",
    "vae_mlp_16": "MLP, 16-D",
    "vae_conv_2": "convolutional, 2-D",
    "vae_conv_16": "convolutional, 16-D",
}
SETUP = """
import ipywidgets, torch
import matplotlib.pyplot as plt
from latentlab_helpers import checkpoints, explore
models = {{name: checkpoints.load(name) for name in {names}}}
"""
INTERACT = """
def show(z1, z2):
    with torch.no_grad():
        image = models["vae_mlp_2"].decode(torch.tensor([[z1, z2]]))
    plt.imshow(image[0, 0], cmap="gray")
    plt.show()

slider = ipywidgets.FloatSlider
ipywidgets.interact(show, z1=slider(min=-3, max=3), z2=slider(min=-3, max=3));
"""
SLIDERS = "explore.latent_sliders(models[{name!r}])"
PAD = "explore.pad(models[{name!r}])"
BASE = "`interact` and matplotlib, MLP, 2-D"
FOLLOWED = {
    BASE: INTERACT,
    f"{BASE}, axes off": INTERACT.replace("plt.show()", 'plt.axis("off")\n    plt.show()'),
}
FOLLOWED |= {f"sliders, {text}": SLIDERS.format(name=name) for name, text in MODELS.items()}
FOLLOWED |= {f"pad, {text}": PAD.format(name=name) for name, text in MODELS.items() if name.endswith("_2")}
BOTH = "{{'AE': models[{other!r}], 'VAE': models[{name!r}]}}"
OPENED = {
    "latent_sliders": SLIDERS,
    "pad": PAD,
    "morph": f"explore.morph({BOTH})",
    "attribute_board": f"explore.attribute_board({BOTH})",
    "draw": f"explore.draw({BOTH})",
}
WAYS = ("straight", "delayed")
ROUND_TRIP = 0.1  # seconds
RATE = 125  # moves a second, as a usual mouse sends them

PROBE = Path(__file__).with_name("probe.js").read_text("utf-8").partition("\n")[2]  # below its comment
PROBE = PROBE.replace("NOTEBOOK", browser.NOTEBOOK)


@contextlib.asynccontextmanager
async def delayed(address: str, seconds: float) -> AsyncIterator[str]:
    """The address by another port; what is sent that way arrives `seconds` later, in order."""
    loop = asyncio.get_running_loop()
    port = urllib.parse.urlsplit(address).port

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line: collections.deque[bytes] = collections.deque()

        def deliver() -> None:
            data = line.popleft()
            with contextlib.suppress(OSError):  # the other end may be gone
                writer.write(data) if data else writer.write_eof()

        data = b"."
        while data:  # an end is an empty piece
            data = await reader.read(1 << 16)
            line.append(data)
            loop.call_later(seconds, deliver)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far, end = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pass_on(reader, end), pass_on(far, writer))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    yield address.replace(f":{port}/", f":{server.sockets[0].getsockname()[1]}/", 1)
    server.close()


def write(path: Path, *cells: str) -> None:
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, path)


class Hand:
    """The mouse on the one control of a cell that a picture is to follow: hold it, move it, let go.

    DevTools' own command, because Playwright's mouse, while a button is down, looks for a drag and drop after
    each move, with a few scripts in the page that is being measured.
    """

    @classmethod
    async def on(cls, page, devtools, index: int) -> Hand:
        self = cls()
        self.page, self.devtools, self.selector = page, devtools, f"[data-lag='{index}']"
        await page.evaluate(
            f"i => {{ const n = {browser.NOTEBOOK}.content; n.scrollToItem(i, 'start'); "
            "n.widgets[i].node.dataset.lag = i }",
            index,
        )
        cell = page.locator(self.selector)
        await cell.locator("img, .latentlab[data-ready]").last.wait_for()
        track = cell.locator(".noUi-target, .ll-plane, input[type=range]").first
        handle = track.locator(".noUi-handle") if await track.locator(".noUi-handle").count() else track
        await track.scroll_into_view_if_needed()
        box, grip = await track.bounding_box(), await handle.bounding_box()
        self.x, self.y = (grip[a] + grip[size] / 2 for a, size in (("x", "width"), ("y", "height")))
        self.low, self.high = (box["x"] + share * box["width"] for share in (0.15, 0.85))
        return self

    async def send(self, kind: str, x: float) -> None:
        held = {"button": "left", "buttons": int(kind != "mouseReleased"), "clickCount": 1}
        await self.devtools.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": self.y, **held})
        self.x = x

    async def __aenter__(self):
        await self.devtools.send("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": self.x, "y": self.y})
        await self.send("mousePressed", self.x)
        await self.send("mouseMoved", (self.low + self.high) / 2)
        return self

    async def __aexit__(self, *_):
        await self.send("mouseReleased", self.x)

    async def singles(self, count: int, warm: int = 3) -> list[list[float]]:
        """The ms to the frame with the new picture, and to its end, of so many moves."""
        await asyncio.sleep(0.5)
        answers, step = [], (self.high - self.low) / 12
        for _ in range(warm + count):
            step = -step if not self.low <= self.x + step <= self.high else step
            await self.page.evaluate("selector => lag.single(selector)", self.selector)
            # What the last move left to do; then any moment of a frame
            await asyncio.sleep(random.uniform(0.05, 0.1))
            await self.send("mouseMoved", self.x + step)
            answers.append(await self.page.evaluate("lag.answer"))
        if None in answers:
            raise RuntimeError(f"{answers.count(None)} of {len(answers)} moves brought no new picture")
        return answers[warm:]

    async def drag(self, seconds: float, sweep: float = 1.2) -> dict[str, float]:
        """Pictures, moves and frames a second, while the mouse goes to and fro, `sweep` seconds each way."""
        await self.page.evaluate("selector => lag.start(selector)", self.selector)
        clock, sent = asyncio.get_running_loop().time, []
        begin = clock()
        while (gone := clock() - begin) < seconds:
            x = self.low + abs((gone / sweep + 0.5) % 2 - 1) * (self.high - self.low)
            sent.append(asyncio.ensure_future(self.send("mouseMoved", x)))
            await asyncio.sleep(len(sent) / RATE - (clock() - begin))
        rates = await self.page.evaluate("lag.stop()")
        await asyncio.gather(*sent)
        return rates


@contextlib.asynccontextmanager
async def opened(chromium, address: str, command: str) -> AsyncIterator:
    """A new page with a notebook, after a command to JupyterLab that runs cells; its kernel ends with it."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    await page.goto(address, timeout=60_000)
    await page.wait_for_function(
        f"window.jupyterapp && {browser.NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'",
        timeout=60_000,
    )
    await page.evaluate(PROBE)
    await page.evaluate(f"window.jupyterapp.commands.execute('notebook:{command}')")
    outputs = f"{browser.NOTEBOOK}.content.widgets.flatMap(w => w.model.outputs?.toJSON() ?? [])"
    if wrong := await page.evaluate(f"{outputs}.filter(o => o.output_type === 'error').map(o => o.evalue)"):
        raise RuntimeError(f"a cell says: {wrong[0]}")
    yield page
    await page.evaluate(f"{browser.NOTEBOOK}.sessionContext.shutdown()")
    await context.close()


async def follow(chromium, address: str, rounds: int, singles: int, seconds: float) -> dict:
    """By way and subject, a list of rounds, each with the ms of every single move and the rates of a drag."""
    found: dict = {way: {name: [] for name in FOLLOWED} for way in WAYS}
    async with contextlib.AsyncExitStack() as stack:
        far = await stack.enter_async_context(delayed(address, ROUND_TRIP / 2))
        pages = {}
        for way, base in zip(WAYS, (address, far), strict=True):
            visit = opened(chromium, base.format(f"{way}.ipynb"), "run-all-cells")
            page = await stack.enter_async_context(visit)
            pages[way] = page, await page.context.new_cdp_session(page)
        for number in range(rounds):
            for way, (page, devtools) in pages.items():
                await page.bring_to_front()
                for index, name in enumerate(FOLLOWED, start=1):
                    async with await Hand.on(page, devtools, index) as hand:
                        frame, painted = zip(*await hand.singles(singles), strict=True)
                        rates = await hand.drag(seconds)
                    found[way][name].append({"frame": frame, "painted": painted, **rates})
                    print(
                        f"  round {number + 1}, {way}, {name}: {statistics.median(frame):.1f} ms, "
                        f"{rates['pictures']:.1f} pictures a second",
                        flush=True,
                    )
    return found


async def opening(chromium, address: str, folder: Path, models: Iterable[str], further: int) -> dict:
    """By instrument and model, the times of the first opening in a kernel and a page, and of further ones."""
    found: dict = {name: {} for name in OPENED}
    for model in models:
        setup = SETUP.format(names=[model, model.replace("vae", "ae")])
        for name, cell in OPENED.items():
            if name == "pad" and not model.endswith("_2"):
                continue
            write(folder / "opening.ipynb", setup, cell.format(name=model, other=model.replace("vae", "ae")))
            async with opened(chromium, address.format("opening.ipynb"), "run-cell") as page:
                await asyncio.sleep(1)  # a reader reads, and JupyterLab finishes
                times = []
                for _ in range(1 + further):
                    times.append(await page.evaluate("lag.open(1)"))
                    await asyncio.sleep(0.3)
            found[name][model] = times
            print(f"  {name}, {model}: {times[0]['ready']:.0f} ms, the first in its kernel", flush=True)
    return found


def missing() -> str | None:
    """Why nothing can be measured here."""
    if not importlib.util.find_spec("playwright"):
        return "Playwright is not installed"
    return None if browser.executable() else "no browser was found (LATENTLAB_BROWSER names one)"


def measure(
    rounds: int = 3, singles: int = 30, seconds: float = 4, further: int = 5, models=tuple(MODELS)
) -> dict:
    """What `follow` and `opening` find, with a server, a browser and a folder of their own."""
    return asyncio.run(_measure(rounds, singles, seconds, further, models))


async def _measure(rounds: int, singles: int, seconds: float, further: int, models: Iterable[str]) -> dict:
    from playwright.async_api import async_playwright

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for way in WAYS:
            write(folder / f"{way}.ipynb", SETUP.format(names=list(MODELS)), *FOLLOWED.values())
        with browser.jupyter(folder) as address:
            async with async_playwright() as playwright:
                chromium = await playwright.chromium.launch(
                    executable_path=browser.executable(), args=browser.ARGUMENTS
                )
                return {
                    "opening": await opening(chromium, address, folder, models, further),
                    "follow": await follow(chromium, address, rounds, singles, seconds),
                }
