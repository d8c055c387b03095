"""The page: that it is the one that this repository makes, small, and without anything to fetch."""

import base64
import contextlib
import json
import re
import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch

from latentlab_helpers import attributes, explore
from tools import attributes as attributes_tool
from tools import page

SAVED = page.PAGE.read_text("utf-8")
STATE = re.compile(r'(<script type="application/json" id="state">)(.*?)(</script>)', re.S)


def parts(text):
    """The text around the state, and the state."""
    return STATE.sub(r"\1\3", text), json.loads(STATE.search(text)[2])


def differences(old, new, path=""):
    """Where two states differ: numbers by more than another machine's rounding, anything else at all."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        if old.keys() == {"base64"}:
            return [] if same_bytes(old, new, path) else [path]
        return [place for key in old for place in differences(old[key], new[key], f"{path}/{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            p for i, (a, b) in enumerate(zip(old, new, strict=True)) for p in differences(a, b, f"{path}/{i}")
        ]
    if isinstance(old, float) and isinstance(new, float):
        return [] if old == pytest.approx(new, abs=1e-3) else [path]
    return [] if old == new else [path]


def same_bytes(old, new, path):
    old, new = (base64.b64decode(value["base64"]) for value in (old, new))
    if re.search(r"/(codes|vectors|factor)\b", path) and len(old) == len(
        new
    ):  # float32, computed when it is written
        return np.allclose(*(np.frombuffer(value, np.float32) for value in (old, new)), atol=1e-3)
    if path == "/training/kernels":  # another assembler's; test_tab.py has the text that they were made of
        return True
    if path == "/training/images":  # another zlib's
        with contextlib.suppress(zlib.error):
            return zlib.decompress(old) == zlib.decompress(new)
        return False
    return old == new


@pytest.fixture(scope="module")
def fresh():
    """The page as it is written now, by a process of its own, as `python course.py page` would."""
    code = "from tools import page; print(page.write(page.instruments(), page.TEMPLATE.read_text('utf-8')))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=page.ROOT, check=True, capture_output=True, encoding="utf-8"
    )
    return done.stdout.removesuffix("\n")


def test_the_page_is_not_stale(fresh):
    (saved_text, saved_state), (text, state) = parts(SAVED), parts(fresh)
    message = "the page is stale: python course.py page"
    assert saved_text == text, message
    assert not differences(saved_state, state), message


def test_a_stale_page_is_noticed(fresh):
    text, state = parts(fresh)
    assert differences(state, state) == []
    for path, change in {
        "/morph/names/0": lambda s: s["morph"]["names"].__setitem__(0, "Ae"),
        "/sliders/z/3": lambda s: s["sliders"]["z"].__setitem__(3, s["sliders"]["z"][3] + 0.01),
        "": lambda s: s.pop("draw"),
    }.items():
        changed = json.loads(json.dumps(state))
        change(changed)
        assert differences(changed, state) == [path]
    for name, part in state.items():
        for key in ("weights", "images"):
            if key in part:
                changed = json.loads(json.dumps(state))
                raw = bytearray(base64.b64decode(part[key]["base64"]))
                raw[len(raw) // 2] ^= 1
                changed[name][key]["base64"] = base64.b64encode(raw).decode()
                assert differences(changed, state) == [f"/{name}/{key}"]


def test_the_page_is_one_file_and_fetches_nothing():
    assert len(SAVED.encode()) <= page.LIMIT == 4_000_000
    text, state = parts(SAVED)
    assert {part["kind"] for part in state.values() if "kind" in part} == {
        "sliders",
        "style",
        "pad",
        "morph",
        "board",
        "draw",
    }
    assert not re.search(r"""(?:src|href)=["'](?!data:|notebooks/|docs/|#|https://github\.com/)""", text)
    assert not re.search(r"\bimport\b[^;\n]*['\"]|\bfetch\(|XMLHttpRequest|@import|url\((?!data:)", text)
    for name in re.findall(r'href="notebooks/([^"]+)"', text):
        assert (page.ROOT / "notebooks" / name).is_file()
    for notebook in ("01", "02", "04", "05", "07"):
        assert re.search(rf"notebooks/{notebook}_\w+\.ipynb", text)


def test_it_is_linked_from_the_readme_and_the_notebooks():
    assert "](latentlab.html)" in (page.ROOT / "README.md").read_text("utf-8")
    for number in ("01", "02", "04", "05", "07"):
        (path,) = (page.ROOT / "notebooks").glob(f"{number}_*.ipynb")
        assert "](../latentlab.html)" in path.read_text("utf-8")


def test_the_attributes_that_come_along_are_those_of_the_images(test, monkeypatch, tmp_path):
    images, written = test.images[: explore.POOL], tmp_path / "attributes.json"
    known = json.loads(attributes_tool.RESULTS.read_text("utf-8"))
    assert list(attributes.MEASURES) == ["thickness", "slant", "width"]
    for name, values in attributes.measured(images).items():
        assert values.tolist() == pytest.approx(known[name])
        torch.testing.assert_close(values, getattr(attributes, name)(images), atol=1e-3, rtol=0)
        few = attributes.measured(images[:9])[name]
        torch.testing.assert_close(few, getattr(attributes, name)(images[:9]))
    monkeypatch.setattr(attributes_tool, "RESULTS", written)
    attributes_tool.main()
    fresh = json.loads(written.read_text("utf-8"))
    assert fresh.pop("sha256") == known.pop("sha256") and fresh.keys() == known.keys()
    assert all(fresh[name] == pytest.approx(known[name], abs=2e-3) for name in fresh)


def test_a_page_that_is_too_large_is_not_written(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(page, "instruments", dict)
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.html")
    monkeypatch.setattr(page, "LIMIT", 1000)
    assert page.main() == 1 and "stays as it was" in capsys.readouterr().out and not page.PAGE.exists()
