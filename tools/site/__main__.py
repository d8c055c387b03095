"""Write the course as a web site, from the notebooks' saved outputs, with no network.

    python course.py site [--to FOLDER] [--without-solutions]

The page of instruments is the front door, so that a visitor's first minute is spent with a latent space, not
with text about one. Nothing is fetched when the site is built or viewed, and it works from a folder as well
as from a server. A warning, a broken link or anything remote stops it, and the site that was there stays.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from latentlab_helpers.files import write_whole
from tools import home
from tools.site import links, stage
from tools.slides import text

ROOT, HERE = Path(__file__).resolve().parents[2], Path(__file__).resolve().parent
STAMP = ".latentlab-site"  # says that a folder is one of ours, and may be replaced
NEEDS = {"myst_nb": "myst-nb>=1.3", "furo": "furo>=2025.9.25"}
SOURCE = re.compile(r'(<a [^>]*href="(?:notebooks|docs)/[^"#]*)\.(?:ipynb|md)(["#])')
NAMES = {"announcement-content": "The instruments", "sidebar-drawer": "The course", "toc-drawer": "This page"}


def render(source: Path, out: Path, address: str | None) -> None:
    """Let Sphinx write the pages; a warning is an error."""
    for name, least in NEEDS.items():
        text.package(name, "__init__.py", least)
    words = ["-b", "html", "-W", "--keep-going", "-n", "-q", "-E", "-A", f"home={address or ''}"]
    with tempfile.TemporaryDirectory() as memory:
        places = ["-d", memory, "-c", HERE, source, out]
        # A process of its own, since it sets up logging for whatever runs beside it, too.
        if subprocess.run([sys.executable, "-m", "sphinx", *words, *places], cwd=ROOT).returncode:
            raise ValueError("mend what Sphinx says above, in the page or notebook that it names")


def mended(page: str) -> str:
    """A page of Sphinx's, with what the theme leaves out for those who don't see it."""
    for kind, name in NAMES.items():
        page = page.replace(f'<aside class="{kind}', f'<aside aria-label="{name}" class="{kind}')
    return page.replace('<th class="head"><p></p></th>', "<td></td>")


def front_door(first: Path, address: str | None) -> str:
    """The page of instruments, with ways to the course; its links lead to the site's pages."""
    page = (ROOT / "latentlab.html").read_text("utf-8")
    ways = (HERE / "ways.html").read_text("utf-8").replace("{{first}}", first.as_posix())
    page = re.sub(r"<body[^>]*>", lambda body: body[0] + ways, page, count=1)
    page = re.sub(rf'"{address}/blob/main/(notebooks|docs)/', r'"\1/', page)
    return SOURCE.sub(r"\1.html\2", page)


def build(out: Path, address: str | None, solutions: bool = True) -> None:
    """Write the site into a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        chapters = stage.stage(Path(folder), address, solutions)
        render(Path(folder), out, address)
    pages = {path: mended(path.read_text("utf-8")) for path in out.rglob("*.html")}
    for path, page in pages.items():
        write_whole(path, page)
    write_whole(out / "_static" / "formulas.css", text.letters("".join(pages.values())))
    for path in (path for listed in chapters.values() for path in listed if path.suffix == ".ipynb"):
        shutil.copyfile(ROOT / path, out / path)  # beside its page, for whoever wants to run it
    write_whole(out / "index.html", front_door(chapters["Lessons"][0].with_suffix(".html"), address))
    if wrong := links.problems(out):
        raise ValueError("\n".join(["links that lead nowhere, or what would be fetched:", *wrong]))
    write_whole(out / STAMP, "written by python course.py site\n")


def replace(folder: Path, address: str | None, solutions: bool = True) -> None:
    """Put a finished site in the place of the one that was there."""
    if folder.exists() and not (folder / STAMP).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds something else: empty it, or name another folder with --to")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Built beside it, since a folder can only be moved within a file system.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as near:
        fresh, old = Path(near, "fresh"), Path(near, "old")
        build(fresh, address, solutions)
        if folder.exists():
            folder.replace(old)
        fresh.replace(folder)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python course.py site", description=__doc__.partition("\n")[0])
    parser.add_argument("--to", type=Path, default=ROOT / "site", help="the folder; by default site/")
    parser.add_argument("--without-solutions", action="store_true", help="for a class that is to solve them")
    asked = parser.parse_args()
    folder = asked.to.resolve()
    try:
        replace(folder, home.stated(), not asked.without_solutions)
    except (OSError, ValueError) as error:
        print(f"the site wasn't written: {error}")
        return 1
    pages = len(list(folder.rglob("*.html")))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder / 'index.html'}: {pages} pages, {size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
