"""From Markdown, LaTeX and Python to what stands on a slide, and how much room it takes there."""

from __future__ import annotations

import base64
import contextlib
import html
import importlib.util
import io
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mistune
from fontTools import subset
from fontTools.ttLib import TTFont
from latex2mathml.converter import convert
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

WIDE, HIGH = 1216, 560  # pixels of a slide of 1280 × 720 below its title
SMALL = 18  # the smallest letters
LETTERS = 92  # of running text, in a line as wide as the slide
FORMULA = re.compile(r"(`[^`]*`)|\$\$(.+?)\$\$|\$([^$]+?)\$", re.S)
ENDS = re.compile(r"(?<=[.!?:])(?<!al\.)(?<!no\.)(?<!e\.g\.)(?:[)*\"”]*)\s+(?=[*\"“(]*[A-Z$`])")
RELATIVE = re.compile(r'<a href="(?!https?:)[^"]*">(.*?)</a>', re.S)

_markdown: Callable[[str], str] = mistune.create_markdown(
    renderer=mistune.HTMLRenderer(escape=False), plugins=["table"]
)


@dataclass
class Piece:
    """Something that stands on a slide, and its height in pixels."""

    html: str
    height: float
    kind: str = "text"
    notes: str = ""  # what the speaker may say of it

    @property
    def leads(self) -> bool:
        """Whether it is a sentence that leads on to what comes."""
        return self.html.rstrip().endswith(":</p>")


def mathml(latex: str, display: str) -> str:
    """A formula as browsers draw it: their MathML knows no variants of letters, and no space behind a log."""
    made = convert(latex, display=display)
    made = re.sub(r'<mi mathvariant="([a-z-]+)">([A-Z])</mi>', _letter, made)
    return re.sub(r"(<mi>(?:log|ln|sin)</mi>)(?!<mo)", r'\1<mspace width="0.17em"/>', made)


def _letter(found: re.Match) -> str:
    kinds = {"double-struck": "DOUBLE-STRUCK", "script": "SCRIPT"}
    for family in ("MATHEMATICAL ", ""):
        with contextlib.suppress(KeyError):
            return f"<mi>{unicodedata.lookup(f'{family}{kinds[found[1]]} CAPITAL {found[2]}')}</mi>"
    return found[0]


def rich(source: str) -> str:
    """Markdown as HTML, its formulas as MathML; a link stays if it leads out of the folder."""
    formulas: list[str] = []

    def aside(found: re.Match) -> str:
        if found[1]:  # code, in which a dollar is a dollar
            return found[0]
        formulas.append(mathml(found[2] or found[3], "block" if found[2] else "inline"))
        return f"\ue000{len(formulas) - 1}\ue001"

    text = _markdown(FORMULA.sub(aside, source))
    text = re.sub("\ue000(\\d+)\ue001", lambda found: formulas[int(found[1])], text)
    return RELATIVE.sub(r"\1", text)


def inline(source: str) -> str:
    """The same, for a title: without a paragraph around it."""
    return re.sub(r"^<p>|</p>$", "", rich(source).strip())


def plain(source: str) -> str:
    """What a reader sees of some Markdown, roughly: it is only counted."""
    source = re.sub(r"\]\([^)]*\)|[*`\[\]]|<[^>]+>", "", source)
    return re.sub(r"\$([^$]+)\$", lambda found: re.sub(r"\\[a-zA-Z]+", "x", found[1]), source)


def lines(source: str, letters: int = LETTERS) -> int:
    return max(1, math.ceil(len(plain(source)) / letters))


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph; one that ends within emphasis or a formula takes the next along."""
    result: list[str] = []
    place = 0
    text = " ".join(paragraph.split())
    for end in ENDS.finditer(text):
        part = text[place : end.end()]
        if part.count("$") % 2 or part.count("**") % 2 or part.replace("**", "").count("*") % 2:
            continue
        if part.count("(") > part.count(")"):
            continue
        result.append(part.strip())
        place = end.end()
    return [*result, text[place:].strip()] if text[place:].strip() else result


def key(paragraph: str, most: int = 2) -> str:
    """What its slide keeps of a paragraph: sentences in bold, the first, and one that leads on to code."""
    said = sentences(paragraph)
    order = [i for i, one in enumerate(said) if "**" in one]
    order += [len(said) - 1] if said[-1].endswith(":") else []
    order += [i for i, one in enumerate(said) if not one.startswith("(")]
    kept = sorted(list(dict.fromkeys(order))[:most])
    last, after = said[kept[-1]], kept[-1] + 1
    if (last.endswith("?") or len(plain(last)) < 50) and after < len(said) and said[after][0] != "(":
        kept.append(after)  # a question, or a few words, say too little by themselves
    while len(kept) > 1 and len(plain(" ".join(said[i] for i in kept))) > 4 * LETTERS:
        kept.pop(0 if said[kept[-1]].endswith(":") else -1)
    return " ".join(said[i] for i in kept)


def prose(source: str, wide: float = WIDE) -> Piece:
    return Piece(rich(source), 38 * lines(source, round(LETTERS * wide / WIDE)) + 14)


def points(source: str) -> Piece:
    """A list, each of its items one bullet."""
    items = re.split(r"^- ", source, flags=re.M)[1:]
    return Piece(rich(source), sum(36 * lines(item, LETTERS - 3) + 8 for item in items) + 10)


def formula(source: str) -> Piece:
    """A formula with a line of its own, in smaller letters if it is long."""
    line = re.sub(r"_\{\\text\{.*?\}\}", "", source)  # what stands below a brace
    line = re.sub(r"\\(underbrace|big|left|right|math\w+|text|hat|[tq]?frac|q?quad|[;,!])", "", line)
    symbols = len(re.sub(r"\\(log|sin)|\\[a-zA-Z]+|[{}$\s_^]", lambda found: found[1] or "", line))
    size = max(SMALL, min(34, round(1.8 * WIDE / max(symbols, 1))))
    tall = source.count("underbrace") // 2 + source.count("frac") + source.count(r"\sum")
    return Piece(
        f'<div class="formula" style="font-size:{size}px">{rich(source)}</div>',
        84 + 26 * min(tall, 3),
        "formula",
    )


def monospaced(rows: list[str], high: float) -> int:
    """The largest letters in which lines fit into a slide's width, and into so many pixels of its height."""
    fits = (size for size in (24, 22, 20) if max(map(len, rows)) * 0.61 * size < WIDE - 30)
    return next((size for size in fits if len(rows) * 1.3 * size < high), SMALL)


def code(source: str, high: float = 300) -> Piece:
    """Code, without the text alternative of what it draws: that stands where the drawing does."""
    source = re.sub(r'\n *alt=("[^"\n]*"\s*)+,?', "", source)
    shown = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n")
    return mono(shown, source.split("\n"), "code", high)


def printed(text: str, high: float = 380) -> Piece:
    """What a cell printed."""
    return mono(html.escape(text), text.split("\n"), "printed", high)


def mono(shown: str, rows: list[str], kind: str, high: float) -> Piece:
    size = monospaced(rows, high)
    made = f'<pre class="{kind}" style="font-size:{size}px">{shown}</pre>'
    return Piece(made, 1.3 * size * len(rows) + 36, kind)


def tables(source: str, high: float = 480) -> list[Piece]:
    """A Markdown table, with its head again on each slide that it needs."""
    rows = source.strip().split("\n")
    tall = [35 + 24 * (lines(row.split("|")[1].strip(), 30) - 1) for row in rows]
    parts, filled = [rows[:2]], 0
    for row, height in zip(rows[2:], tall[2:], strict=True):
        if filled + height > high:
            parts.append(rows[:2])
            filled = 0
        parts[-1] = [*parts[-1], row]
        filled += height
    heights = [40 + 16 + sum(tall[rows.index(row)] for row in part[2:]) for part in parts]
    return [
        Piece(rich("\n".join(part)), height, "table") for part, height in zip(parts, heights, strict=True)
    ]


def package(name: str, file: str, least: str) -> Path:
    """A file that an installed package brings along; the package itself is not loaded."""
    found = importlib.util.find_spec(name)
    path = Path(found.submodule_search_locations[0], file) if found else None
    if not path or not path.is_file():
        raise SystemExit(f"{name} isn't installed: pip install {least!r}")
    return path


def letters(shown: str) -> str:
    """A font for the formulas: of STIX Two Math what they use, so that they look the same everywhere."""
    used = set(html.unescape("".join(re.findall(r"<math.*?</math>", shown, re.S))))
    font = TTFont(package("ziamath", "fonts/STIXTwoMath-Regular.ttf", "ziamath>=0.12"))
    options = subset.Options(flavor="woff")
    cutter = subset.Subsetter(options)
    # A single letter is set in italics, which are characters of their own; and a root is an element.
    unsaid = {*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C), 0x210E, ord("√")}
    cutter.populate(unicodes=unsaid | set(map(ord, used)) | set(range(0x20, 0x7F)))
    cutter.subset(font)
    font.flavor, file = "woff", io.BytesIO()
    font.save(file)
    data = base64.b64encode(file.getvalue()).decode()
    return f'@font-face {{ font-family: "Formulas"; src: url("data:font/woff;base64,{data}"); }}'


def style() -> str:
    """The colours of code."""
    return HtmlFormatter(style="default").get_style_defs(".code")
