"""Links: from the repository's to the site's, and whether all of the site's lead somewhere on it."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
COURSE = Path("course.md")  # README's page: the site's index is the page of instruments
LINK = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)"
    r"|(?<!!)\[(?P<text>(?:!\[[^\]]*\]\([^)]*\)|[^\[\]])*)\]\((?P<to>[^)\s#]*)(?P<place>#[^)\s]*)?\)",
    re.S,
)
ABROAD = re.compile(r"""@import|url\(\s*["']?(?:https?:)?//""")


def relative(target: Path, page: Path) -> str:
    return Path(os.path.relpath(target, page.parent)).as_posix()


def relink(source: str, page: Path, pages: set[Path], address: str | None) -> str:
    """Markdown whose links to what is on the site lead there. Others lead home, or become plain text."""

    def led(found: re.Match) -> str:
        if not found["to"] or urlsplit(found["to"]).scheme:  # code, a place on this page, or abroad
            return found[0]
        said, place = found["text"], found["place"] or ""
        target = Path(os.path.normpath(page.parent / found["to"]))
        if not (ROOT / target).exists():
            raise ValueError(f"{page} links to {found['to']}, which isn't there")
        if target == Path("latentlab.html"):  # as HTML, for Sphinx knows of no such page
            return f'<a href="{relative(Path("index.html"), page)}{place}">{said}</a>'
        if inside := sorted(one for one in pages if one.parent == target):  # a folder: its first page
            target = inside[0]
        if target in pages:
            target = COURSE if target == Path("README.md") else target
            return f"[{said}]({relative(target, page)}{place})"
        return f"[{said}]({address}/blob/main/{target.as_posix()})" if address else said

    return LINK.sub(led, source)


class Page(HTMLParser):
    """What a page links to, what it fetches, and the places in it that can be linked to."""

    def __init__(self, path: Path):
        super().__init__()
        self.places: set[str] = {""}
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value for name, value in attrs if value}
        self.places |= {known[name] for name in ("id", "name") if name in known}
        found = [known[name] for name in ("href", "src", "action", "poster", "data") if name in known]
        (self.links if tag in ("a", "form") else self.fetched).extend(found)


def problems(site: Path) -> list[str]:
    """Links to what isn't there, and whatever would be fetched from elsewhere."""
    pages = {path: Page(path) for path in site.rglob("*.html")}
    wrong = []
    for path, page in pages.items():
        abroad = {link for link in page.links if urlsplit(link).scheme in ("https", "http", "mailto")}
        for link in {*page.links, *page.fetched} - abroad:
            parts = urlsplit(link)
            target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                wrong.append(f"{path.relative_to(site)} fetches {link}")
            elif not target.is_file():
                wrong.append(f"{path.relative_to(site)}: there is no {link}")
            elif target in pages and unquote(parts.fragment) not in pages[target].places:
                wrong.append(f"{path.relative_to(site)}: there is no such place as {link}")
    for path in site.rglob("*.css"):
        if found := ABROAD.search(path.read_text("utf-8")):
            wrong.append(f"{path.relative_to(site)} fetches: {found[0]}")
    return sorted(wrong)
