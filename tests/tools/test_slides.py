"""The decks: how a notebook is cut, what reaches a slide, and that nothing has to be fetched."""

import html
import re
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from latentlab_helpers import results
from tools.slides import __main__ as slides
from tools.slides import cut, cuts, talk, text

LESSONS = [path.stem for path in sorted(slides.NOTEBOOKS.glob("*.ipynb"))]
TITLE = new_markdown_cell("# 09 · Cats: how small can a cat get?\n\nSmall.\n\n## 1 · The start")
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNgYPjPwPAfAAUBAf8="  # 2 by 2
LARGE = {"image/png": {"width": 600, "height": 300, "alt": "a cat"}}


def figure(width=600, height=300):
    data = {"image/png": PNG, "text/plain": 'a "cat"'}
    return new_output("execute_result", data, metadata={"image/png": {"width": width, "height": height}})


def code(source, *outputs, name="cell"):
    cell = new_code_cell(source, outputs=list(outputs))
    cell.id = name
    return cell


def printed(said):
    return new_output("stream", name="stdout", text=said)


def made(*cells):
    """The slides of a small notebook, without its title."""
    return cut.cut(new_notebook(cells=[TITLE, *cells]), "09_cats")[0][1:]


def kinds(slide):
    return [piece.kind for piece in slide.pieces]


@pytest.fixture
def deck(decks, name):
    return (decks / f"{name}.html").read_text("utf-8")


def test_a_heading_begins_a_slide():
    first, second = made(new_markdown_cell("One.\n\n## 2 · Two\n\nTwo."), new_markdown_cell("Three."))
    assert (first.title, second.title) == ("1 · The start", "2 · Two")
    assert "One." in first.pieces[0].html and "Three." in second.pieces[1].html


def test_of_a_paragraph_two_sentences_stand_on_the_slide_and_all_of_them_in_the_notes():
    (slide,) = made(new_markdown_cell("A cat sits. It purrs. Then **it leaps**. It lands. And so:"))
    shown, notes = slide.pieces[0].html, slide.pieces[0].notes
    assert re.findall(r"[A-Z][^.:]+", re.sub("<[^>]+>", "", shown)) == ["Then it leaps", "And so"]
    assert all(word in notes for word in ("sits", "purrs", "leaps", "lands"))


def test_a_sentence_is_not_cut_within_a_formula_emphasis_or_brackets():
    said = text.sentences(
        r"It is $p. Q$ (see Kingma et al. Then more. And more). *One. Two.* `a` is `b`. $x$ too."
    )
    assert len(said) == 4 and said[0].startswith("It is") and said[1] == "*One. Two.*"


def test_short_code_stands_beside_what_it_prints_and_long_code_below():
    (slide,) = made(code("print(1)", printed("1\n")))
    assert kinds(slide) == ["code", "printed"] and not slide.below
    (slide,) = made(code("\n".join(f"print({i})" for i in range(30)), printed("1\n")))
    assert kinds(slide) == ["printed"]
    assert [kinds(one) for one in slide.below] == [["code"], ["code"]]


def test_no_line_of_code_is_lost():
    source = "\n".join(f"line_{i} = {i}" for i in range(60))
    shown = "".join(piece.html for slide in made(code(source)) for piece in slide.pieces)
    assert [int(i) for i in re.findall(r"line_(\d+)", shown)] == list(range(60))


def test_a_figure_has_a_slide_with_its_caption_and_its_text_alternative():
    caption = new_markdown_cell("*Figure 1. A cat. It is small.*\n\nAnd then a dog.")
    first, second = made(code("plots.cat()", figure()), caption)
    assert kinds(first) == ["figure", "text"] and "Figure 1. A cat." in first.pieces[1].html
    assert 'alt="a &quot;cat&quot;"' in first.pieces[0].html and "dog" in second.pieces[0].html
    assert 'width="1216" height="608"' not in first.pieces[0].html  # it leaves room for the caption
    assert first.free >= 0 and not first.below  # a single call that draws is no code to show


def test_a_figure_is_as_large_as_its_metadata_say_and_a_narrow_one_has_its_text_beside():
    (slide,) = made(code("plots.cat()", figure(500, 500)))
    assert slide.kind == "figure beside" and 'width="560" height="560"' in slide.pieces[0].html
    (slide,) = made(code("plots.cat()", figure(100, 20)))
    assert 'width="220" height="44"' in slide.pieces[0].html  # not blown up without limit


def test_code_is_shown_without_the_text_alternative():
    shown = text.code('plots.cat(\n    x,\n    alt="A cat "\n    "on a mat.",\n)').html
    assert "alt" not in shown and "mat" not in shown and shown.count("\n") == 2


def test_a_guess_becomes_a_question_and_its_answer_the_next_slide():
    question, answer = made(
        new_markdown_cell("How far does it leap?\n\n*(Guess, in metres: one or two?)*"),
        code("print(2)", printed("2 metres\nmy guess: None\n")),
    )
    assert question.kind == "question" and "One or two?" in question.pieces[-1].html
    assert "How far" in question.pieces[0].html
    assert "2 metres" in answer.pieces[1].html and "None" not in answer.pieces[1].html


def test_what_is_folded_away_goes_below():
    source = "A cat.\n\n<details><summary>Why</summary>\n\nBecause.\n\n$$a = b$$\n\n</details>"
    (slide,) = made(new_markdown_cell(source))
    (below,) = slide.below
    assert below.title == "Why" and kinds(below) == ["text", "formula"]


def test_an_instrument_is_live_once():
    pads = [code("explore.pad(vae)", figure(), name=name) for name in ("first", "second")]
    _, used = cut.cut(new_notebook(cells=[TITLE, *pads]), "09_cats")
    assert used == {"pad-ae"}


def test_formulas_become_mathml_with_letters_that_browsers_know():
    shown = text.rich(r"`$1` and $\mathbb E \log p(x)$ over $\mathcal N(0, I)$")
    assert "<code>$1</code>" in shown and "𝔼" in shown and "𝒩" in shown and "mathvariant" not in shown


@pytest.mark.parametrize("name", LESSONS)
def test_every_formula_of_a_lesson_is_converted(name):
    notebook = nbformat.read(slides.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            shown = re.sub("<code>.*?</code>", "", text.rich(cell.source), flags=re.S)
            assert not re.search(r"\$|\\[a-z]+", shown), cell.id


def test_the_font_has_what_the_formulas_use():
    import base64
    import io

    from fontTools.ttLib import TTFont

    style = text.letters(text.rich(r"$\sqrt{\mathbb E x} \underbrace{x}_{\text{a}}$"))
    font = TTFont(io.BytesIO(base64.b64decode(re.search('base64,([^"]+)', style)[1])))
    assert {ord(letter) for letter in "√𝔼⏟𝑥a"} <= set(font.getBestCmap()) and "MATH" in font


@pytest.mark.parametrize("name", LESSONS)
def test_every_figure_of_a_lesson_is_in_its_deck(deck, name):
    notebook = nbformat.read(slides.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    figures, live = 0, {*cut.PARTS, "pad"}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            is_live = live & {*re.findall(r"\bexplore\.(\w+)\(", cell.source)}
            if "image/png" in output.get("data", {}) and not is_live:
                assert output.data["image/png"].strip() in deck, cell.id
                assert f'alt="{html.escape(output.data["text/plain"], quote=True)}"' in deck
                figures += 1
    assert figures
    called = {c for cell in notebook.cells for c in re.findall(r"\bexplore\.(\w+)\(", cell.source)}
    assert deck.count('class="live"') == len(called & live)


@pytest.mark.parametrize("name", slides.names())
def test_a_deck_is_one_file_that_fetches_nothing(deck, name):
    assert len(deck.encode()) < 4_000_000
    deck = re.sub(r"<a [^>]*>", "", deck)
    # reveal.js and its plugin, which name their home
    deck = re.sub(r"<script>.*?</script>", "", deck, flags=re.S)
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", deck)
    assert not re.search(r"@import|url\(\s*[\"']?(?!data:|[\"'])", deck)
    assert "{{" not in re.sub(r"<(script|pre|aside)\b.*?</\1>", "", deck, flags=re.S)


@pytest.mark.parametrize("name", slides.names())
def test_there_are_notes_and_no_empty_slide(deck, name):
    sections = re.findall(r"<section class=.*?</section>", deck, re.S)
    notes = [re.search(r'<aside class="notes">(.*?)</aside>', one, re.S)[1] for one in sections]
    assert sum(map(bool, notes)) > len(sections) / 2
    assert all(
        re.sub(r"<h\d>.*?</h\d>|<aside.*?</aside>|<section[^>]*>|</section>", "", one, flags=re.S).strip()
        for one in sections
    )


def test_the_side_file_names_what_is_there():
    for name, cells in cuts.CUTS.items():
        notebook = nbformat.read(slides.NOTEBOOKS / f"{name}.ipynb", as_version=4)
        sources = {cell.id: cell.source for cell in notebook.cells}
        for cell, wanted in cells.items():
            assert cell in sources, f"cuts.py: {name} has no cell {cell}"
            for start in wanted.get("keep", []):
                assert start in " ".join(sources[cell].split()), (
                    f"cuts.py: {name}, {cell} doesn't say {start!r}"
                )


def test_the_talk_types_no_result_in():
    """Beside what is read from the results there are only names: 16 dimensions, claim 3, lesson 01."""
    words = re.sub(r"\{[^}]+\}|!\[\]\(.*?\)|\$\$.*?\$\$", "", talk.SOURCE.read_text("utf-8"), flags=re.S)
    known = {"784", "01", "02", "16", "3", "8", "1", "0", "100"}
    assert set(re.findall(r"\d+(?:\.\d+)?", words)) <= known


def test_what_the_talk_says_in_words_is_so():
    known = talk.facts()
    mean, claims = known["mean"], known["claims"]
    assert known["partly"] > 5 > known["holds"]  # "most survived in part"
    assert mean["ae"]["test MSE, 16-D"] <= mean["control"]["test MSE, 64-D"]  # "sixteen … sixty-four"
    first, *later = (
        mean["vae"][f"Fréchet distance A, {way}"] < mean["ae"][f"Fréchet distance A, {way}"]
        for way in ("N(0, I)", "one Gaussian", "mixture of 10", "mixture of 50")
    )
    assert first and not any(later)  # "the lead is gone"
    assert all(part["agreeing"] == known["seeds"] for part in claims[2]["parts"] if "steps" in part["metric"])
    assert not any(part["replications"]["convolutional"] for part in claims[2]["parts"])
    assert all(part["agreeing"] == known["seeds"] for part in claims[3]["parts"])
    assert not any(
        p["holds"] for p in claims[7]["parts"] if "AE below" not in p["rule"] and "above AE" in p["rule"]
    )
    uneven = [part for part in claims[4]["parts"] if "unevenness" in part["metric"]]
    assert uneven and all(part["opposing"] == known["seeds"] for part in uneven)
    blurred = results.load("claims")["calibration"]["mnist"]
    assert blurred["real images, blurred by 0.5"]["precision"] > blurred["real images"]["precision"]


def test_the_talk_lasts_about_twenty_minutes():
    shown, used = talk.cut()
    said = sum(len(re.sub("<[^>]+>", "", piece.notes).split()) for slide in shown for piece in slide.pieces)
    assert 18 <= said / 120 <= 22 and len(used) == 1  # words a minute, with pauses and a live instrument


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("## A\n\n{claims[3][verdikt]}", "nothing was measured for {claims[3][verdikt]}"),
        ("## A\n\n![](01_autoencoder#nowhere)", "01_autoencoder has no figure in a cell 'nowhere'"),
        ("## A\n\n![](06_cats#look)", "06_cats has no figure in a cell 'look'"),
    ],
)
def test_a_talk_that_asks_for_what_isnt_there_says_so(source, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        talk.cut(source)


def called(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["slides", *map(str, words)])
    return slides.main()


def test_bad_input_is_refused_with_what_to_do(monkeypatch, capsys, tmp_path):
    assert called(monkeypatch, "06_cats") == 2
    assert "there is no 06_cats; there are: 01_autoencoder" in capsys.readouterr().out
    monkeypatch.setattr(slides.browser, "executable", lambda: None)
    assert called(monkeypatch, "talk", "--pdf", "--to", tmp_path) == 2
    assert "LATENTLAB_BROWSER" in capsys.readouterr().out and not any(tmp_path.iterdir())
    file = tmp_path / "file"
    file.write_text("in the way")
    assert called(monkeypatch, "talk", "--to", file / "folder") == 1
    assert "name another folder with --to" in capsys.readouterr().out
    monkeypatch.setattr(text.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install 'sphinx-revealjs>="):
        slides.reveal("dist/reveal.js")
