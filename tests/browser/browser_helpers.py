"""An instrument in a real browser, on the page or in JupyterLab: its controls, and what it must show."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import reference
from axe_playwright_python.sync_playwright import Axe

from tools.browser import NOTEBOOK

TESTS = Path(__file__).resolve().parent
LEVEL = 1  # grey levels by which a canvas may differ from PyTorch
CODE = 1e-3  # by how much mu and logvar may

# Before anything else runs: keep the page's state in reach, and the random numbers that a click consumes. The
# window hears of a click, which may be a key's, first in the capturing phase and last in the bubbling one.
WATCH = """
const { parse } = JSON, { random } = Math;
JSON.parse = (text, revive) => {
  const value = parse(text, revive);
  if (revive && value?.["pad-vae"]) window.states = value;
  return value;
};
let numbers = null;
Math.random = () => {
  const value = random();
  numbers?.push(value);
  return value;
};
window.addEventListener("click", () => { numbers = []; }, true);
window.addEventListener("click", () => { window.consumed = numbers; numbers = null; });
"""

READ = """(el, marks) => {
  const encode = (data) => {
    let text = "";
    for (let i = 0; i < data.length; i += 4) text += String.fromCharCode(data[i], data[i + 1], data[i + 2]);
    return btoa(text);
  };
  const area = (canvas, ...box) => canvas.getContext("2d").getImageData(...box).data;
  const pictures = [...el.querySelectorAll("canvas.ll-image:not(.ll-sheet)")].map((canvas) => {
    if (!canvas.checkVisibility({ visibilityProperty: true })) return "hidden";
    const { width, height } = canvas;
    return { shape: [height, width, 3], base64: encode(area(canvas, 0, 0, width, height)) };
  });
  const maps = [...el.querySelectorAll("canvas.ll-plane, canvas.ll-strips")];
  const inside = (canvas, x, y) => x >= 1 && y >= 1 && x < canvas.width - 1 && y < canvas.height - 1;
  const brightness = marks.map((points, k) =>
    points.filter(([x, y]) => inside(maps[k], x, y))
      .map(([x, y]) => area(maps[k], Math.floor(x), Math.floor(y), 1, 1)[1]));
  return { pictures, brightness };
}"""


# A notebook's first cell: small models that are shipped.
MODELS = """
from latentlab_helpers import checkpoints, explore
ae, vae = checkpoints.load("ae_conv_2"), checkpoints.load("vae_conv_2")
wide = {name: checkpoints.load(f"{name.lower()}_conv_16") for name in ("AE", "VAE")}
"""


class Instrument:
    """One instrument. Its subclasses know how to ask for its state, and for PyTorch's pictures at it."""

    patience = 15.0  # seconds that a picture may take; a round trip to the browser is one look at it
    alike: int | None = None  # how many of its sliders, and of its class buttons, are tried; None: all

    def __init__(self, page, element, facts: dict):
        self.page, self.element, self.facts, self.kind = page, element, facts, facts["kind"]
        self.extra = {}
        self.sliders = element.locator("input[type=range]")

    def described(self) -> dict:
        raise NotImplementedError

    def problem(self, wanted: Callable[[dict], bool]) -> tuple[str, dict]:
        """What is wrong with what is seen now, in words, and what should be seen."""
        expected = self.described()
        seen = self.element.evaluate(READ, expected["marks"])
        if not wanted(expected):
            return f"its state is {_short(expected['state'])}", expected
        for i, (got, want) in enumerate(itertools.zip_longest(seen["pictures"], expected["pictures"])):
            if want == reference.ANY and got is not None:
                continue
            if not isinstance(got, dict) or not isinstance(want, dict):
                if got != want:
                    return f"picture {i} is {_named(got)}, and should be {_named(want)}", expected
                continue
            got, want = _array(got), _array(want)
            if got.shape != want.shape:
                return f"picture {i} has the shape {got.shape}, and should have {want.shape}", expected
            difference = np.abs(got.astype(int) - want).max()
            if difference > LEVEL:
                return f"picture {i} differs from PyTorch's by {difference} grey levels", expected
        for points in seen["brightness"]:
            if points and max(points) > 120:
                return f"a mark on its map is missing: {points}", expected
        placed = [*(expected["state"].get("placed") or {}).values()]
        if len(placed) != len(expected["codes"]):
            return f"{len(placed)} codes are placed, and should be {len(expected['codes'])}", expected
        for got, want in zip(placed, expected["codes"], strict=True):
            for word in ("mu", "logvar"):
                if (got[word] is None) != (want[word] is None) or not np.allclose(
                    got[word] or 0, want[word] or 0, rtol=0, atol=CODE
                ):
                    return f"its {word} is {got[word]}, and PyTorch's {want[word]}", expected
        return "", expected

    def check(self, doing: str, wanted: Callable[[dict], bool] = lambda expected: True) -> dict:
        """Wait until all pictures are what PyTorch computes, and until the state is as wanted; the state."""
        end = time.monotonic() + self.patience
        while True:
            problem, expected = self.problem(wanted)
            if not problem:
                return expected["state"]
            if time.monotonic() > end:
                raise AssertionError(f"{self.facts['title']}, {doing}: {problem}")

    # --- sliders

    def slide_to(self, k: int, value: float, doing: str, within: float = 0.0) -> None:
        """Check that slider k has come to a value, in the browser and in the state."""
        shown = self.sliders.nth(k)

        def wanted(expected):
            there, now = float(shown.input_value()), expected["values"][k]
            rounding = 1e-9 * (1 + abs(value))  # the browser keeps a slider's value as a decimal
            return abs(now - there) <= rounding and abs(now - value) <= within + rounding

        self.check(f"slider {k} {doing} to {value:.4g}", wanted)

    def check_sliders(self) -> None:
        """That each slider says which number it moves, and ends where that number's axis does."""
        facts = self.facts
        wanted = {"morph": [["t", 0, 1]], "board": [[name, -1, 1] for name in facts["singles"]]}
        if self.kind in ("sliders", "style", "pad"):
            order = facts.get("order", [0, 1])
            notes = [f" {note}" for note in facts["use"]] if "use" in facts else ["", ""]
            (low,), (high,) = facts["low"], facts["high"]
            wanted[self.kind] = [[f"z{i + 1}{notes[i]}", low[i], high[i]] for i in order]
        seen = self.sliders.evaluate_all(
            """all => all.map((one) => {
              const label = one.parentElement.querySelector(`label[for="${one.id}"]`);
              return [label.textContent, Number(one.min), Number(one.max)];
            })"""
        )
        wanted = wanted.get(self.kind, [])
        named, ends = [name for name, *_ in wanted], [end for _, *both in wanted for end in both]
        assert [name for name, *_ in seen] == named, f"{facts['title']}: its sliders are {seen}"
        # The page's numbers may be another processor's.
        assert [end for _, *both in seen for end in both] == pytest.approx(ends, abs=1e-4)

    def exercise_slider(self, k: int) -> None:
        """By the mouse and by keys: the first by all, the others, which are made like it, by two."""
        slider = self.sliders.nth(k)
        low, high = (float(slider.get_attribute(name)) for name in ("min", "max"))
        step = (high - low) / 100
        keys = [
            ("Home", low),
            ("ArrowRight", low + step),
            ("ArrowUp", low + 2 * step),
            ("PageUp", low + 12 * step),
            ("ArrowLeft", low + 11 * step),
            ("End", high),
            ("PageDown", high - 10 * step),
            ("ArrowDown", high - 11 * step),
        ]
        for key, value in keys if k == 0 else keys[:2]:
            slider.press(key)
            self.slide_to(k, value, f"by {key}")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        middle = box["height"] / 2
        slider.hover(position={"x": 0.3 * box["width"], "y": middle})
        box = slider.bounding_box()
        self.page.mouse.down()
        self.slide_to(k, low + 30 * step, "by a click", within=7 * step)
        for share in (0.4, 0.5, 0.6, 0.7):
            self.page.mouse.move(box["x"] + share * box["width"], box["y"] + middle)
        self.page.mouse.up()
        self.slide_to(k, low + 70 * step, "by dragging", within=7 * step)

    # --- buttons and choices

    def press(self, button, how: str) -> None:
        """Press a button by mouse or by a key; what it draws at random is kept."""
        self.page.evaluate("window.consumed = null")
        if how == "mouse":
            button.click()
        else:
            button.focus()
            button.press(how)
        self.page.wait_for_function("window.consumed")

    def exercise_button(self, button) -> None:
        text = button.inner_text()
        button_class = button.get_attribute("class") or ""
        for how in ("mouse", "Enter", "Space"):
            if text == "Reset":
                if self.sliders.count():
                    self.sliders.first.press("End")
                self.press(button, how)
                start = self.facts.get("start") if self.kind in ("sliders", "style", "pad") else None
                self.check(f"Reset by {how}", lambda e, start=start: self.is_reset(e, start))
            elif (
                text
                == f"Random draw from {'the prior' if self.facts['variational'][0] else 'a fitted Gaussian'}"
            ):
                self.press(button, how)
                mean = np.array(self.facts["mean"])
                # The handler's numbers come first; Jupyter takes more of them to name its message
                noise = reference.gaussian(self.page.evaluate("window.consumed"))[: len(mean)]
                z = mean + np.array(self.facts["factor"]).reshape(len(mean), len(mean)) @ noise
                self.check(f"{text} by {how}", lambda e, z=z: np.allclose(e["state"]["z"], z))
            elif text == "Sample z again":
                self.press(button, how)
                needed = 2 * reference.SAMPLES * sum(self.facts["latent_dim"])
                self.extra["noise"] = self.page.evaluate("window.consumed")[:needed]
                assert len(self.extra["noise"]) == needed, "nothing was drawn at random"
                self.check(f"{text} by {how}")
            elif text == "Clear":
                self.stroke_by_keys()
                self.press(button, how)
                self.check(f"Clear by {how}", lambda e: not any(e["state"]["image"]))
            elif "ll-class" in button_class:
                self.exercise_class(button, how)
            elif text == "another":
                self.exercise_another(button, how)
            else:
                raise AssertionError(f"{self.facts['title']} has a button that no test knows: {text}")

    def is_reset(self, expected: dict, start) -> bool:
        return (
            expected["values"] == [0] * len(expected["values"])
            if start is None
            else expected["state"]["z"] == start
        )

    def picked(self, picker: int, state: dict) -> int:
        """The digit that a picker shows: all of them stand in the state but the drawing's."""
        if self.kind == "morph":
            return state[("start", "end")[picker]]
        return state["digit"] if self.kind in ("board", "style") else self.extra.get("picked", 0)

    def exercise_another(self, button, how: str) -> None:
        picker = self.pickers().index(button.get_attribute("aria-label").split(":")[0])
        before = self.picked(picker, self.check("before another"))
        following = self.following(before, self.facts["labels"][before])
        self.press(button, how)
        self.check_picked(picker, following, f"another by {how}")

    def exercise_choice(self, select) -> None:
        picker = self.pickers().index(select.get_attribute("aria-label").split(":")[0])
        classes = sorted(set(self.facts["labels"]))
        for label, way in [(classes[-1], "mouse"), (classes[1], "typing"), (classes[2], "ArrowDown")]:
            before = self.picked(picker, self.check("before a choice"))
            if way == "mouse":  # the list that opens is the system's own, out of a test's reach
                select.select_option(str(label))
            else:
                select.focus()
                select.press(str(label) if way == "typing" else way)
            self.check_picked(picker, self.following(before, label), f"{label} chosen by {way}")

    def exercise_class(self, button, how: str) -> None:
        """The class is the large picture's, and no other button says that it is pressed."""
        everyone = self.element.locator(".ll-class")
        k = everyone.evaluate_all("(all, one) => all.indexOf(one)", button.element_handle())
        everyone.nth((k + 1) % everyone.count()).click()
        self.press(button, how)
        self.check(f"class {k} by {how}", lambda expected: expected["state"]["label"] == k)
        pressed = everyone.evaluate_all("all => all.map((one) => one.getAttribute('aria-pressed'))")
        assert [i for i, value in enumerate(pressed) if value == "true"] == [k]

    def pickers(self) -> list[str]:
        return [
            text.split(":")[0]
            for text in self.element.locator("select").evaluate_all(
                "all => all.map((one) => one.getAttribute('aria-label'))"
            )
        ]

    def following(self, index: int, label: int) -> int:
        """The next digit of a class."""
        labels = self.facts["labels"]
        return next(i % len(labels) for i in itertools.count(index + 1) if labels[i % len(labels)] == label)

    def check_picked(self, picker: int, index: int, doing: str) -> None:
        if self.kind == "draw":
            self.extra["picked"] = index
        state = self.check(doing, lambda expected: self.picked(picker, expected["state"]) == index)
        if self.kind == "style":
            assert state["z"] == pytest.approx(self.facts["styles"][index], abs=1e-4), f"{doing}: its style"
            assert state["label"] == self.facts["labels"][index], f"{doing}: its class"
        if self.kind == "draw":  # picture 1, which was right, is the picked one; it is the image now
            pictures = self.described()["pictures"]
            assert pictures[0] == pictures[1] and any(state["image"]), f"{doing}: the digit was not taken"

    # --- the pad

    def exercise_pad(self) -> None:
        plane = self.element.locator("canvas.ll-plane")
        low, high = np.array(self.facts["low"][0]), np.array(self.facts["high"][0])
        step = (high - low) / 100

        def go(z, doing, exact=False):
            near = 1e-9 * (high - low) if exact else 2 * step  # a pixel of the screen is a third of a step
            self.check(
                f"the point {doing}", lambda e: bool((np.abs(np.array(e["state"]["z"]) - z) <= near).all())
            )

        def at(x, y):
            return np.array([low[0] + x * (high[0] - low[0]), high[1] - y * (high[1] - low[1])])

        plane.scroll_into_view_if_needed()
        box = plane.bounding_box()

        def move(x, y):
            self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

        move(0.3, 0.4)
        self.page.mouse.down()
        go(at(0.3, 0.4), "by a click")
        for share in (0.4, 0.5, 0.6):
            move(share, 0.7)
        go(at(0.6, 0.7), "by dragging")
        move(1.1, -0.1)
        go(at(1, 0), "dragged beyond the edge", exact=True)
        move(0.45, 0.55)
        self.page.mouse.up()
        z = np.array(self.check("the point, let go")["z"])
        for x, y in [(0.2, 0.2), (0.5, 0.5), (0.61, 0.42), (0.99, 0.01)]:
            move(x, y)
            pointer = plane.evaluate(
                """(el, [x, y]) => { const box = el.getBoundingClientRect();
                   return [(x - box.left) / box.width, (y - box.top) / box.height]; }""",
                [box["x"] + x * box["width"], box["y"] + y * box["height"]],
            )
            self.extra["pointer"] = at(*pointer).tolist()
            go(z, "while the mouse moves over it", exact=True)
        self.extra["pointer"] = None
        plane.focus()
        for key, way in [
            ("ArrowRight", (1, 0)),
            ("ArrowLeft", (-1, 0)),
            ("ArrowUp", (0, 1)),
            ("ArrowDown", (0, -1)),
            ("PageUp", (0, 10)),
            ("PageDown", (0, -10)),
            ("End", (1000, 0)),
            ("Home", (-1000, 0)),
        ]:
            plane.press(key)
            z = np.clip(z + step * way, low, high)
            go(z, f"by {key}", exact=True)

    def touch_pad(self) -> None:
        """A tap, and a finger that moves."""
        plane = self.element.locator("canvas.ll-plane")
        low, high = np.array(self.facts["low"][0]), np.array(self.facts["high"][0])
        for path in ([(0.3, 0.4)], [(0.3, 0.4), (0.5, 0.5), (0.7, 0.3)]):
            self.touch(plane, path)
            x, y = path[-1]
            z = np.array([low[0] + x * (high[0] - low[0]), high[1] - y * (high[1] - low[1])])
            near = 0.02 * (high - low)
            self.check(
                "the point by touch",
                lambda e, z=z, near=near: bool((np.abs(np.array(e["state"]["z"]) - z) <= near).all()),
            )

    def touch(self, canvas, path) -> None:
        """A finger that goes down on a canvas, along a path of shares of its sides, and up."""
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        session = self.page.context.new_cdp_session(self.page)
        points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in path]
        for i, point in enumerate(points):
            kind = "touchMove" if i else "touchStart"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        session.detach()

    # --- the sheet

    def stroke(self, path) -> None:
        """Draw by mouse along a path of shares of the sheet's sides."""
        sheet = self.element.locator("canvas.ll-sheet")
        sheet.scroll_into_view_if_needed()
        box = sheet.bounding_box()
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in path]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point, steps=4)
        self.page.mouse.up()

    def stroke_by_keys(self) -> None:
        """Lower the pen, move it, lift it."""
        sheet = self.element.locator("canvas.ll-sheet")
        sheet.focus()
        for key in ("Space", *6 * ["ArrowDown"], *3 * ["ArrowRight"], "Space", "ArrowLeft", "ArrowUp"):
            sheet.press(key)

    def clear(self) -> None:
        self.element.get_by_role("button", name="Clear").click()
        self.check("Clear", lambda e: not any(e["state"]["image"]))

    def check_normalized(self, doing: str) -> None:
        """That what has been drawn is scaled and centred as MNIST's digits are, encoded and decoded."""
        state = self.check(doing, lambda e: any(e["state"]["image"]))
        _, height, width = self.facts["shape"]
        normalized(np.array(state["image"], np.uint8).reshape(height, width), doing)

    def exercise_sheet(self) -> None:
        for path in (
            [(0.5, 0.1), (0.5, 0.9)],
            [(0.1, 0.1), (0.2, 0.1), (0.2, 0.2), (0.1, 0.2), (0.1, 0.1)],
            [(0.95, 0.6), (0.6, 0.95), (0.9, 0.9)],
        ):
            self.clear()
            self.stroke(path)
            self.check_normalized(f"drawn by mouse along {path}")
        before = self.check("drawn")["image"]
        self.stroke([(0.3, 0.3), (0.3, 0.6)])  # a second stroke is added to the first
        self.check("a second stroke", lambda e: e["state"]["image"] != before)
        self.clear()
        self.stroke_by_keys()
        self.check_normalized("drawn by keys")

    def touch_sheet(self) -> None:
        self.clear()
        self.touch(self.element.locator("canvas.ll-sheet"), [(0.5, 0.2), (0.5, 0.5), (0.4, 0.8)])
        self.check_normalized("drawn by a finger")

    # --- all of it

    def exercise(self) -> None:
        """Every control that it has, by keyboard and by mouse; after each, the pictures are PyTorch's."""
        self.check("as it opens")
        self.check_sliders()
        if self.kind == "draw":
            again = self.element.get_by_role("button", name="Sample z again")
            self.exercise_button(again)
        for details in self.element.locator("details").all():
            summary = details.locator("summary")
            for how in ("Enter", "mouse", "Space"):
                before = details.evaluate("el => el.open")
                summary.click() if how == "mouse" else summary.press(how)
                assert details.evaluate("el => el.open") != before, f"{how} doesn't toggle the details"
            assert details.evaluate("el => el.open")
        for k in range(self.sliders.count())[: self.alike]:
            self.exercise_slider(k)
        for select in self.element.locator("select").all():
            self.exercise_choice(select)
        for canvas in self.element.locator("canvas[tabindex]").all():
            self.exercise_sheet() if "ll-sheet" in canvas.get_attribute("class") else self.exercise_pad()
        for button in self.element.locator("button:not(.ll-class)").all():
            self.exercise_button(button)
        for button in self.element.locator("button.ll-class").all()[: self.alike]:
            self.exercise_button(button)


class OnPage(Instrument):
    """An instrument of the page, beside the Python widget that it was made from."""

    patience = 5.0

    def __init__(self, page, name: str, widget):
        super().__init__(page, page.locator(f"#{name}"), reference.facts(widget))
        self.name, self.widget = name, widget
        self.element.and_(page.locator("[data-ready]")).wait_for()

    def described(self) -> dict:
        state = self.page.evaluate(
            """([name, keys]) => {
              const plain = (value) => (value instanceof DataView
                ? [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)] : value);
              const state = window.states[name];
              return Object.fromEntries(keys.map((key) => [key, plain(state[key])]));
            }""",
            [self.name, reference.STATE[self.kind]],
        )
        return reference.describe(self.widget, state, self.extra)


class InNotebook(Instrument):
    """An instrument in JupyterLab. Its state is the kernel's: a check says that Python knows of it, too."""

    alike = 2  # the same lines make the others, and the page's tests try all of them

    def __init__(self, page, model_id: str, facts: dict):
        super().__init__(page, page.locator(f".latentlab[style*='ll-{model_id}']"), facts)
        self.model_id = model_id

    def described(self) -> dict:
        return json.loads(in_kernel(self.page, f"_reference.tell({self.model_id!r}, {self.extra!r})"))


def in_kernel(page, code: str) -> str:
    """Run code in the open notebook's kernel; what it prints. An error in it raises RuntimeError."""
    printed, problem = page.evaluate(
        f"""async (code) => {{
          const {{ kernel }} = {NOTEBOOK}.sessionContext.session;
          const future = kernel.requestExecute({{ code, store_history: false }});
          let printed = "", problem = "";
          future.onIOPub = ({{ header, content }}) => {{
            if (header.msg_type === "stream" && content.name === "stdout") printed += content.text;
            if (header.msg_type === "error") problem = content.traceback.join("\\n");
          }};
          await future.done;
          return [printed, problem];
        }}""",
        code,
    )
    if problem:
        raise RuntimeError(f"{code}\n{problem}")
    return printed


def find_instruments(page) -> list[InNotebook]:
    """All instruments that the open notebook has made, in any order."""
    in_kernel(page, f"import sys; sys.path.append({str(TESTS)!r}); import reference as _reference")
    facts = json.loads(in_kernel(page, "_reference.mark()"))
    return [InNotebook(page, model_id, known) for model_id, known in facts.items()]


def _array(picture: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(picture["base64"]), np.uint8).reshape(picture["shape"])


def _named(picture) -> str:
    return "missing" if picture is None else picture if isinstance(picture, str) else "seen"


def _short(state: dict) -> str:
    return ", ".join(f"{name} = {str(value)[:200]}" for name, value in state.items())


def normalized(image: np.ndarray, what: str) -> None:
    """Check that an image is as MNIST's: its longer side 20 of 28 pixels, its centre of mass the middle."""
    side = round(20 / 28 * min(image.shape))
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    assert longer == side, f"{what}: its longer side has {longer} pixels, not {side}"
    for axis, size in enumerate(image.shape):
        centre = (image.sum(axis=1 - axis) * np.arange(size)).sum() / image.sum()
        # half a pixel, and the rounding to grey levels
        assert abs(centre - size / 2) <= 0.5 + 0.01, (
            f"{what}: its centre of mass is {centre:.3f} on axis {axis}"
        )


@contextlib.contextmanager
def no_front_end_error(page, but: str | None = None) -> Iterator[None]:
    """Fail if anything is thrown, or logged as an error, in the browser while this is open.

    but: how a message begins that is expected.
    """
    found = []

    def logged(message):
        if message.type == "error" and not (but and message.text.startswith(but)):
            found.append(message.text)

    def thrown(error):
        found.append(str(error))

    page.on("console", logged)
    page.on("pageerror", thrown)
    try:
        yield
        page.evaluate("new Promise((done) => setTimeout(done))")  # so that what was thrown before has arrived
    finally:
        page.remove_listener("console", logged)
        page.remove_listener("pageerror", thrown)
    assert not found, "the browser's console says: " + "\n".join(found)


@contextlib.contextmanager
def no_kernel_error(page) -> Iterator[None]:
    """Fail if the kernel has an error, also in a widget's callback, or writes to stderr meanwhile."""
    page.evaluate(
        f"""() => {{
          const {{ kernel }} = {NOTEBOOK}.sessionContext.session;
          window.complaints = [];
          window.complained ??= (_, {{ header, content }}) => {{
            const {{ ename, evalue, name, text }} = content;
            if (header.msg_type === "error") window.complaints.push(`${{ename}}: ${{evalue}}`);
            if (header.msg_type === "stream" && name === "stderr") window.complaints.push(text);
          }};
          kernel.iopubMessage.connect(window.complained);
        }}"""
    )
    yield
    in_kernel(page, "pass")  # its answer comes behind what the kernel had to say before
    complaints = page.evaluate(
        f"""() => {{
          {NOTEBOOK}.sessionContext.session.kernel.iopubMessage.disconnect(window.complained);
          return window.complaints;
        }}"""
    )
    assert not complaints, "the kernel says: " + "\n".join(complaints)


@contextlib.contextmanager
def offline(page, address: str) -> Iterator[None]:
    """Cut the network off, and see that nothing is asked for but what begins with an address."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.context.set_offline(True)
    yield
    assert asked and not [url for url in asked if not url.startswith(("data:", "blob:", address))]


def check_accessibility(page, context: str | None = None) -> None:
    """Fail if axe finds anything."""
    results = Axe().run(page, context=context)
    assert results.violations_count == 0, results.generate_report()


def cells_of(page) -> list:
    """The open notebook's sources, which a key that was meant for an instrument must not change."""
    return page.evaluate(f"{NOTEBOOK}.content.widgets.map((cell) => cell.model.sharedModel.getSource())")


def settled(page, look, wanted, what: str, seconds: float = 15):
    """Look, a round trip each time, until what is seen is as wanted."""
    end = time.monotonic() + seconds
    while not wanted(seen := look()):
        assert time.monotonic() < end, f"{what}: {str(seen)[:500]}"
    return seen
