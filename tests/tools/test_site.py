"""The site: what becomes a page, where its links lead, and what keeps it from being written."""

import re
import sys
from html import unescape
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.site import __main__ as tool
from tools.site import links, stage

ROOT = tool.ROOT
HOME = "https://github.com/owner/name"
NOTEBOOKS = [path.relative_to(ROOT) for path in sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb"))]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNgYPjPwPAfAAUBAf8="  # 2 by 2


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of a course that has an address."""
    folder = tmp_path_factory.mktemp("site") / "made"
    tool.build(folder, HOME)
    return folder


def read(site, page):
    return (site / page).with_suffix(".html").read_text("utf-8")


# --- what is on it


def test_every_notebook_and_every_page_of_the_docs_is_on_it(site):
    pages = [*NOTEBOOKS, *(path.relative_to(ROOT) for path in ROOT.glob("docs/**/*.md")), Path("data/README")]
    assert len(NOTEBOOKS) >= 15 and len(pages) >= 24
    for page in [*pages, Path("course"), Path("search"), Path("index")]:
        assert (site / page).with_suffix(".html").is_file()
    for path in NOTEBOOKS:  # and the notebook itself
        assert (site / path).read_bytes() == (ROOT / path).read_bytes()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=str)
def test_figures_have_their_text_alternatives_and_their_widths(site, path):
    """Figures are drawn with two pixels for one; a picture of an instrument is as wide as its pixels."""
    width = r'width(?:="|: )(\d+)(?:"|px)'  # an attribute, and before docutils 0.22 a style
    shown = [
        (unescape(re.search(r'alt="([^"]*)"', image)[1]), (re.findall(width, image) or [None])[0])
        for image in re.findall(r"<img [^>]*>", read(site, path))
    ]
    outputs = [
        output.metadata["image/png"]
        for cell in nbformat.read(ROOT / path, as_version=4).cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    saved = [(made["alt"], str(made["width"]) if "width" in made else None) for made in outputs]
    assert shown == saved and (saved or path.parent.name != "notebooks")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=str)
def test_a_notebook_shows_what_it_printed_and_says_where_to_run_it(site, path):
    page = read(site, path)
    seen = re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", "", page)))
    for cell in nbformat.read(ROOT / path, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert " ".join(output.get("text", "").split()) in seen, cell.id
    assert f'href="https://colab.research.google.com/github/owner/name/blob/main/{path.as_posix()}"' in page
    assert f'href="https://mybinder.org/v2/gh/owner/name/HEAD?urlpath=lab/tree/{path.as_posix()}"' in page
    assert f'<a href="{path.name}" download>' in page
    assert "widget-view" not in page and "$$" not in page


@pytest.mark.parametrize("path", NOTEBOOKS[:5], ids=str)
def test_a_table_that_a_cell_shows_is_a_table(site, path):
    shown = re.findall(r"<td><p>(.*?)</p></td>", read(site, path))
    cells = nbformat.read(ROOT / path, as_version=4).cells
    said = [
        output.data.get("text/markdown") for c in cells for output in c.get("outputs", []) if "data" in output
    ]
    rows = [row for table in said if table for row in table.splitlines()[2:]]
    assert [unescape(part) for part in shown] == [
        part for row in rows for part in row.strip("| ").split(" | ")
    ]
    assert rows or path.name[:2] in ("01", "02")


def test_each_still_picture_of_an_instrument_leads_to_the_live_one(site):
    for path in NOTEBOOKS:
        cells = nbformat.read(ROOT / path, as_version=4).cells
        drawn = [c for c in cells if "explore." in c.source and "image/png" in str(c.get("outputs"))]
        assert read(site, path).count('<p class="still">') == len(drawn), path
    for place in ("pad-vae", "trainer"):
        assert f'<a href="../index.html#{place}">' in read(site, "notebooks/02_variational_autoencoder.ipynb")


def test_folded_parts_stay_folded_and_formulas_are_mathml(site):
    page = read(site, "notebooks/02_variational_autoencoder.ipynb")
    assert page.count("<details>") > 1 and page.count("<math ") > 50
    assert '@font-face { font-family: "Formulas"' in (site / "_static" / "formulas.css").read_text()


def test_code_has_its_colours(site):
    page = read(site, "notebooks/01_autoencoder.ipynb")
    assert "highlight-python" in page and '<span class="kn">import</span>' in page


def test_the_page_of_instruments_is_the_front_door(site):
    page = read(site, "index")
    saved = (ROOT / "latentlab.html").read_text("utf-8")
    assert saved.partition('<script type="application/json"')[2] in page
    assert 'href="course.html"' in page and 'href="notebooks/01_autoencoder.html"' in page
    assert ".ipynb" not in re.sub("<script.*?</script>", "", page, flags=re.S)
    for path in site.rglob("*.html"):
        up = links.relative(site / "index.html", path)
        assert path.name == "index.html" or f'<a href="{up}">' in path.read_text("utf-8")


def test_a_page_that_knows_its_home_leads_to_the_sites_pages_all_the_same(monkeypatch, tmp_path):
    page = '<body class="x"><a class="y" href="{}/01_autoencoder.ipynb#z">One</a> <a href="{}">Home</a>'
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    for address, base in [(None, "notebooks"), (HOME, f"{HOME}/blob/main/notebooks")]:
        (tmp_path / "latentlab.html").write_text(page.format(base, HOME))
        made = tool.front_door(Path("notebooks/01_autoencoder.html"), address)
        assert made.startswith('<body class="x">\n<nav ') and f'<a href="{HOME}">Home' in made
        assert '<a class="y" href="notebooks/01_autoencoder.html#z">' in made


def test_a_class_gets_no_solutions(tmp_path):
    found = stage.stage(tmp_path, None, solutions=False)
    texts = {
        path: path.read_text("utf-8") for path in tmp_path.rglob("*.*") if path.suffix in (".md", ".ipynb")
    }
    assert "Solutions" not in found and len(found["Exercises"]) >= 5
    assert tmp_path / "docs/teaching/concept_test.md" in texts
    for path, text in texts.items():
        assert "solutions" not in path.parts and "key" not in path.stem
        assert "BEGIN SOLUTION" not in text and "](notebooks/solutions" not in text, path


def test_what_is_for_the_repository_alone_is_left_out(site):
    assert "Download raw" in (ROOT / "README.md").read_text("utf-8") and "Download raw" not in read(
        site, "course"
    )


# --- links


def led(link, page="docs/teaching/README.md", address=None):
    pages = {Path("README.md"), Path("docs/ledger.md"), *NOTEBOOKS}
    return links.relink(link, Path(page), pages, address)


@pytest.mark.parametrize(
    ("link", "made"),
    [
        ("[a](../ledger.md#b)", "[a](../ledger.md#b)"),
        ("[a](../../README.md)", "[a](../../course.md)"),
        ("[a](../../latentlab.html)", '<a href="../../index.html">a</a>'),
        ("[![x](y.png)](../../latentlab.html)", '<a href="../../index.html">![x](y.png)</a>'),
        ("[a](../../notebooks/exercises)", "[a](../../notebooks/exercises/01_autoencoder.ipynb)"),
        ("[a](../../LICENSE)", "a"),
        ("[a](#b) [a](https://b.org/LICENSE)", "[a](#b) [a](https://b.org/LICENSE)"),
        ("`[a](../../LICENSE)`", "`[a](../../LICENSE)`"),
        ("```\n[a](../../LICENSE)\n```", "```\n[a](../../LICENSE)\n```"),
        ("![a](../../LICENSE)", "![a](../../LICENSE)"),
    ],
)
def test_a_link_leads_to_the_site_or_becomes_plain_text(link, made):
    assert led(link) == made


def test_a_link_to_what_is_not_on_the_site_leads_home():
    assert (
        led("[a](../../tools/claims/rules.py)", address=HOME)
        == f"[a]({HOME}/blob/main/tools/claims/rules.py)"
    )
    with pytest.raises(ValueError, match=r"docs/teaching/README.md links to cats.md, which isn't there"):
        led("[a](cats.md)")


def test_broken_and_remote_links_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="here">A</h1><a href="#here">1</a><a href="b.html#there">2</a><a href="https://x.org">3</a>'
        '<a href="#nowhere">4</a><a href="c.html">5</a><img src="https://x.org/i.png">'
        '<script src="//x.org/s.js"></script><link rel="stylesheet" href="s.css"><img src="data:,">'
    )
    (tmp_path / "b.html").write_text('<a name="there"></a><a href="a.html#gone">6</a>')
    (tmp_path / "s.css").write_text("a { background: url('data:,') } b { background: url(//x.org/f.png) }")
    assert links.problems(tmp_path) == [
        "a.html fetches //x.org/s.js",
        "a.html fetches https://x.org/i.png",
        "a.html: there is no c.html",
        "a.html: there is no such place as #nowhere",
        "b.html: there is no such place as a.html#gone",
        "s.css fetches: url(//",
    ]


# --- what stops it


def saved(folder, *cells):
    path = folder / "notebooks" / "09_cats.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Cats"), *cells]), path)
    return path.relative_to(folder)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([], "saved with no output: python course.py build notebooks/09_cats.ipynb"),
        ([new_output("error", ename="E", evalue="", traceback=[])], "an error among its outputs"),
        (
            [new_output("execute_result", {"image/png": PNG}, metadata={"image/png": {}})],
            "a text alternative",
        ),
    ],
)
def test_a_notebook_that_would_make_a_poor_page_is_refused(monkeypatch, tmp_path, outputs, message):
    monkeypatch.setattr(stage, "ROOT", tmp_path)
    path = saved(tmp_path, new_code_cell("cat", outputs=outputs))
    with pytest.raises(ValueError, match=message):
        stage.notebook(path, {path}, None)


@pytest.fixture
def small(monkeypatch):
    """A function that makes the course one page of this text."""

    def course(text):
        def staged(folder, address, solutions):
            (folder / "course.md").write_text("# Cats\n\n" + text)
            return {"Lessons": [NOTEBOOKS[0]]}

        monkeypatch.setattr(tool.stage, "stage", staged)

    return course


def called(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["site", *map(str, words)])
    return tool.main()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a dog](dog.md)", "dog.md"),
        (r"$\dog{x}$", "this formula isn't understood"),
    ],
)
def test_a_warning_stops_it_and_the_site_that_was_there_stays(
    small, monkeypatch, capfd, tmp_path, text, said
):
    old = tmp_path / "site"
    old.mkdir()
    (old / tool.STAMP).touch()
    (old / "index.html").write_text("as it was")
    small(text)
    assert called(monkeypatch, "--to", old) == 1
    out, err = capfd.readouterr()
    assert said in err and "mend what Sphinx says above" in out
    assert (old / "index.html").read_text() == "as it was" and list(tmp_path.iterdir()) == [old]


def test_a_site_takes_the_place_of_the_one_before(monkeypatch, tmp_path):
    def build(out, address, solutions):
        out.mkdir()
        (out / tool.STAMP).touch()
        (out / f"{solutions}.html").write_text("")

    monkeypatch.setattr(tool, "build", build)
    folder = tmp_path / "new" / "site"
    assert called(monkeypatch, "--to", folder) == 0
    assert called(monkeypatch, "--to", folder, "--without-solutions") == 0
    assert {path.name for path in folder.iterdir()} == {tool.STAMP, "False.html"}
    assert list(folder.parent.iterdir()) == [folder]


def test_another_folder_is_left_alone(monkeypatch, capsys, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    assert called(monkeypatch, "--to", tmp_path) == 1
    assert "holds something else: empty it, or name another folder with --to" in capsys.readouterr().out
    assert called(monkeypatch, "--to", tmp_path / "thesis.tex") == 1
    assert (tmp_path / "thesis.tex").read_text() == "precious" and len(list(tmp_path.iterdir())) == 1


def test_without_sphinx_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(tool.text.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install 'myst-nb>="):
        tool.render(tmp_path, tmp_path / "out", None)
    listed = (ROOT / "pyproject.toml").read_text("utf-8")
    assert all(f'"{least}"' in listed for least in tool.NEEDS.values())


def test_the_workflow_publishes_what_the_command_writes():
    """`on` is read as true: YAML 1.1 takes it for a boolean."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "site.yml").read_text("utf-8"))
    assert workflow[True] == {"push": {"branches": ["main"]}, "workflow_dispatch": None}
    assert workflow["permissions"] == {"contents": "read", "pages": "write", "id-token": "write"}
    assert not workflow["concurrency"]["cancel-in-progress"]
    steps = workflow["jobs"]["build"]["steps"]
    (command,) = (step["run"] for step in steps if "run" in step)
    (upload,) = (step for step in steps if "upload-pages-artifact" in step.get("uses", ""))
    folder = command.removeprefix("python course.py site --to ").strip('"')
    assert folder == "$RUNNER_TEMP/site" and upload["with"]["path"] == "${{ runner.temp }}/site"
    publish = workflow["jobs"]["publish"]
    assert publish["needs"] == "build" and publish["environment"]["name"] == "github-pages"
    assert publish["steps"][0]["uses"].startswith("actions/deploy-pages@")
