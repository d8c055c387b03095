"""Cut a notebook into slides: a rule in code, and `cuts.py` where the rule is not enough.

A heading starts a slide. Of a paragraph the slide keeps two sentences at most; all of it goes into the
speaker's notes. A figure has a slide of its own, with its caption; so has a guess, and an instrument. What a
speaker may skip (code behind a figure or a table, what a notebook folds away) goes on slides below.
"""

from __future__ import annotations

import ast
import base64
import html
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from nbformat import NotebookNode

from tools.slides import cuts, text
from tools.slides.text import HIGH, WIDE, Piece

PARTS = {
    "latent_sliders": "sliders",
    "morph": "morph",
    "attribute_board": "board",
    "style_board": "style",
    "draw": "draw",
}
LEAST = 330  # pixels that a figure has, at least
LONG = 9  # lines of code that stand beside what they print
GUESS = re.compile(r"^\*\((.*)\)\*$", re.S)
OWN = re.compile(r"^\*\*(Try it|Sources)\.\*\*\s*", re.S)
UNANSWERED = re.compile(r"^my guess[^\n]*: None[^\n]*\n|[;,] *my guess[^\n]*: None[^\n]*", re.M)


@dataclass
class Slide:
    title: str
    pieces: list[Piece] = field(default_factory=list)
    kind: str = ""  # "title", "figure", "instrument", "question", "own"; nothing for the usual one
    below: list[Slide] = field(default_factory=list)

    @property
    def free(self) -> float:
        title = 52 if text.lines(self.title, 50) > 1 else 0
        return HIGH - title - sum(piece.height for piece in self.pieces)

    @property
    def kinds(self) -> set[str]:
        return {piece.kind for piece in self.pieces}


def blocks(source: str) -> Iterator[str]:
    """The blocks of a Markdown cell; what is folded away is one."""
    folded = re.split(r"(<details>.*?</details>)", source, flags=re.S)
    for part in folded:
        if part.startswith("<details>"):
            yield part
            continue
        part = re.sub(r"(\$\$.+?\$\$)", r"\n\n\1\n\n", part, flags=re.S)
        yield from filter(None, (block.strip() for block in re.split(r"\n\s*\n", part)))


def size(output: NotebookNode) -> tuple[float, float]:
    """How large a figure is meant to be: its metadata say it, or else its pixels."""
    width, height = struct.unpack(">II", base64.b64decode(output.data["image/png"][:64])[16:24])
    stated = output.metadata.get("image/png", {})
    return stated.get("width") or width, stated.get("height") or height


def picture(output: NotebookNode, alt: str, wide: float, high: float) -> Piece:
    """A figure, as large as this room lets it be."""
    width, height = size(output)
    scale = min(wide / width, high / height, 2.2)
    shown = f'width="{scale * width:.0f}" height="{scale * height:.0f}" alt="{html.escape(alt, quote=True)}"'
    source = f"data:image/png;base64,{output.data['image/png'].strip()}"
    return Piece(f'<img src="{source}" {shown}>', scale * height + 12, "figure")


def instrument(name: str, call: str = "") -> Piece:
    """The place of an instrument, and how its keys work."""
    hint = "Models that come with the course. Arrow keys move what has the focus; Esc frees them."
    place = f'<div class="live" id="{name}" data-prevent-swipe></div><p class="hint">{hint}</p>'
    return Piece(place, HIGH, "instrument", text.rich(f"`{call}`") if call else "")


def instrument_of(function: str, alt: str) -> str:
    """The page's name for what a function of `explore` makes, told by its text; empty if it has none."""
    if function == "pad":
        return "pad-vae" if "VAE" in alt else "pad-ae"
    return PARTS.get(function, "")


def beside(output: NotebookNode) -> float:
    """The width that a figure leaves to text: all of it, below, unless the figure is narrow."""
    width, height = size(output)
    return WIDE if width > 1.45 * height else WIDE - 40 - HIGH * width / height


def show(slide: Slide, output: NotebookNode, above: bool = True) -> None:
    """Put a figure on a slide: beside its text if it is narrow, or else above the last piece, or first."""
    alt, wide = output.data.get("text/plain", ""), beside(output)
    slide.kind = "figure" if wide == WIDE else "figure beside"
    if wide == WIDE:
        free = slide.free - 12
        slide.pieces.insert(len(slide.pieces) - 1 if above else 0, picture(output, alt, WIDE, free))
    else:
        slide.pieces.insert(0, picture(output, alt, WIDE - wide - 40, HIGH))


class Cutter:
    """Fills slides with what comes, and begins another one when it is time."""

    def __init__(self, name: str):
        self.slides: list[Slide] = []
        self.cuts = cuts.CUTS.get(name, {})
        self.title, self.question = "", " "
        self.instruments: set[str] = set()

    @property
    def last(self) -> Slide:
        return self.slides[-1]

    def begin(self, kind: str = "", height: float = 0) -> Slide:
        """Begin a slide. Text that leads on to it comes along, if that leaves so many pixels."""
        carried: list[Piece] = []
        if self.slides and self.last.kind == "" and self.last.pieces[1:]:
            others = [i for i, piece in enumerate(self.last.pieces) if piece.kind != "text"]
            kept = others[-1] + 1 if others else len(self.last.pieces) - self.last.pieces[-1].leads
            carried = self.last.pieces[kept:]
            if height and sum(piece.height for piece in carried) + height <= HIGH:
                self.last.pieces = self.last.pieces[:kept]
            else:
                carried = []
        self.slides.append(Slide(self.title, carried, kind))
        return self.last

    def put(self, *pieces: Piece) -> None:
        """Put what belongs together on the slide, or on the next one."""
        height = sum(piece.height for piece in pieces)
        if self.last.kind not in ("", "title") or self.last.free < height:
            self.begin(height=height)
        self.last.pieces += pieces

    def note(self, block: str) -> None:
        """Something for the speaker, with what stood on a slide last."""
        if not self.last.pieces:
            self.last.pieces.append(Piece("", 0))
        self.last.pieces[-1].notes += text.rich(block)

    def under(self, title: str, pieces: list[Piece]) -> None:
        """Slides below the last one."""
        here = Slide(title)
        for piece in pieces:
            if here.pieces and here.free < piece.height:
                self.last.below.append(here)
                here = Slide(title)
            here.pieces.append(piece)
        self.last.below.append(here)

    # Cells of text

    def markdown(self, cell: NotebookNode, caption: bool) -> None:
        """A cell of text. After a figure its caption is already on the figure's slide."""
        parts, wanted = list(blocks(cell.source)), self.cuts.get(cell.id, {})
        if caption and parts and parts[0].startswith("*Figure"):
            self.note(parts.pop(0))
        if re.search(r"^\*\*Try it", cell.source, re.M) and not cell.source.startswith("#"):
            self.title = self.question  # a notebook ends with the answer
            self.begin()
        most = 2  # sentences of the first paragraph; one of each that follows
        for block, after in zip(parts, [*parts, ""][1:], strict=True):
            if heading := re.match(r"(#+) (.*)", block, re.S):
                self.head(len(heading[1]), " ".join(heading[2].split()))
                most = 2
                continue
            if block.startswith("<details>"):
                self.folded(block)
                continue
            if guess := GUESS.match(block):
                self.ask(guess[1])
            elif own := OWN.match(block):
                self.title = own[1]
                self.begin("own").pieces.append(text.prose(block[own.end() :]))
            elif block.startswith("$$"):
                self.put(text.formula(block))
            elif block.startswith("- "):
                self.put(text.points(block))
            elif kept := self.kept(block, wanted, most, bool(GUESS.match(after))):
                if kept.endswith(":") and self.last.kinds & {"printed", "table"}:
                    self.begin()  # it leads on to what comes
                self.put(text.prose(kept))
                most = 1
            self.note(block)

    def kept(self, block: str, wanted: dict, most: int, asked: bool) -> str:
        """Of a paragraph, what stands on the slide: what `cuts.py` says, or the rule's choice."""
        said = text.sentences(block)
        if "keep" in wanted:
            return " ".join(one for one in said if any(one.startswith(start) for start in wanted["keep"]))
        if self.last.kind == "title":  # but not what the lesson needs, nor how long it takes
            return block if block.startswith("**You will") else ""
        if self.title == self.question and len(text.plain(block)) < 6 * text.LETTERS:
            return block  # a notebook's answer
        if asked and said[-1].endswith("?"):  # the question that a guess will answer
            return text.key(" ".join(said[:-1]), 1) + " " + said[-1] if said[1:] else said[0]
        return text.key(block, most)

    def ask(self, question: str) -> None:
        """A guess, with the text that leads to it."""
        question = re.sub(r"^(A )?[Gg]uess[^:]*: *", "", " ".join(question.split()))
        if self.last.kind or self.last.kinds - {"text"} or self.last.free < 240:
            self.begin("question", 240)
        self.last.kind = "question"
        asked = text.rich(question[:1].upper() + question[1:]).replace("<p>", '<p class="asked">')
        self.last.pieces.append(Piece(asked, 240, "question"))

    def head(self, level: int, title: str) -> None:
        self.title = title
        if level > 1:
            self.begin()
            return
        self.title, _, question = title.partition(": ")
        self.question = question[:1].upper() + question[1:]
        self.begin("title").pieces.append(Piece(f'<p class="subtitle">{text.inline(question)}</p>', 240))

    def folded(self, block: str) -> None:
        """What a notebook folds away goes below."""
        title = re.search(r"<summary>(.*?)</summary>", block, re.S)
        inner = re.sub(r"</?details>|<summary>.*?</summary>", "", block, flags=re.S)
        pieces = [text.formula(part) if part.startswith("$$") else text.prose(part) for part in blocks(inner)]
        self.under(title[1] if title else "More", pieces)

    # Cells of code

    def run(self, cell: NotebookNode, caption: str) -> None:
        """A cell of code: what it made on the slide; its code there or below."""
        source, outputs = cell.source.strip(), cell.get("outputs", [])
        shown = [piece for output in outputs for piece in self.output(output)]
        figures = [output for output in outputs if "image/png" in output.get("data", {})]
        if not shown and not figures:
            for piece in self.split(source):
                self.put(piece)
            return
        tables = any(piece.kind == "table" for piece in shown)
        below = bool(figures) or tables or source.count("\n") >= LONG
        if not below:
            both = [text.code(source), *shown]
            small = [text.code(source, 0), *(p for output in outputs for p in self.output(output, 0))]
            high, low = (sum(piece.height for piece in one) for one in (both, small))
            if low <= self.last.free < high or high > HIGH:
                both = small
            self.put(*both)
        for piece in shown if below else []:
            self.put(piece)
        for figure in figures:
            self.figure(figure, source, caption)
        made = len(ast.parse(re.sub(r"^%.*", "", source, flags=re.M)).body)
        if below and made > (1 if figures or tables else 0) and self.last.kind != "instrument":
            self.under("The code", self.split(source))

    def output(self, output: NotebookNode, high: float = 380) -> list[Piece]:
        """What an output shows, but for a figure."""
        data = output.get("data", {})
        if "image/png" in data:
            return []
        if "text/markdown" in data:
            return text.tables(data["text/markdown"])
        said = output.get("text") or data.get("text/plain", "")
        said = UNANSWERED.sub("", said).rstrip()
        return [text.printed(said, high)] if said and not said.startswith(("<", "HBox(", "VBox(")) else []

    def figure(self, output: NotebookNode, source: str, caption: str) -> None:
        """A slide for a figure and its caption, or for an instrument, which is live here."""
        alt = output.data.get("text/plain", "")
        called = re.search(r"\bexplore\.(\w+)\(", source)
        name = called and instrument_of(called[1], alt)
        if name and name not in self.instruments:
            self.instruments.add(name)
            call = next(line for line in source.split("\n") if "explore." in line)
            self.begin("instrument").pieces.append(instrument(name, call))
            return
        said = re.sub(r"^\*|\*$", "", caption).strip() if caption.startswith("*Figure") else ""
        below = text.prose(" ".join(text.sentences(said)[:3]), beside(output) / 0.85)  # in smaller letters
        below.html, below.height = below.html.replace("<p>", '<p class="caption">'), 0.85 * below.height
        narrow = WIDE / beside(output)  # so many times the lines of text, beside a figure
        need = below.height + (LEAST if narrow == 1 else 0)
        taken = narrow * sum(piece.height for piece in self.last.pieces)
        if self.last.kind or self.last.kinds - {"text", "printed"} or HIGH - taken < need:
            self.begin(height=narrow * need)
        self.last.pieces.append(below)
        show(self.last, output)

    def split(self, source: str, most: int = 22) -> list[Piece]:
        """Code in pieces that fit, cut where a line is empty or, failing that, where a block ends."""
        rows = source.split("\n")
        parts = []
        while len(rows) > most:
            empty = [i for i in range(4, most) if not rows[i].strip()]
            shallow = [i for i in range(most // 2, most) if not rows[i].startswith("     ")]
            cut = (empty or shallow or [most])[-1]
            parts.append("\n".join(rows[:cut]).rstrip())
            rows = rows[cut:]
            while rows and not rows[0].strip():
                rows.pop(0)
        return [text.code(part, 400) for part in [*parts, "\n".join(rows)]]


def cut(notebook: NotebookNode, name: str) -> tuple[list[Slide], set[str]]:
    """The slides of a notebook, and the instruments on them."""
    cutter, cells, started = Cutter(name), notebook.cells, False
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        if cutter.cuts.get(cell.id, {}).get("skip"):
            continue
        if cell.cell_type == "markdown":
            started |= bool(re.search("^## ", cell.source, re.M))
            before = cells[cells.index(cell) - 1]
            drawn = [o for o in before.get("outputs", []) if "image/png" in o.get("data", {})]
            cutter.markdown(cell, bool(drawn))
        elif started and cell.source.strip():  # what runs before the first section is set-up
            first = next(blocks(after.source), "") if after and after.cell_type == "markdown" else ""
            cutter.run(cell, first)
    return [slide for slide in cutter.slides if any(piece.html for piece in slide.pieces)], cutter.instruments
