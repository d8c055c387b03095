"""The file of test digits: what went in comes out again, and the rivals are given their chance."""

import hashlib
import json
import math

import numpy as np
import pytest
import torch

from latentlab_helpers import checkpoints, coding
from tools import compress


@pytest.fixture(scope="module")
def found():
    return json.loads(compress.RESULTS.read_text("utf-8"))


@pytest.fixture(scope="module")
def model():
    return checkpoints.load(compress.NAME)


def test_the_test_digits_fit_into_less_than_a_sixth_of_their_bits(found):
    assert found["digits"] == 10000
    for name, limit in (("by chance", 0.17), ("by threshold", 0.17)):
        one = found[name]
        assert one["same"] and len(set(one["threads"])) == 2
        assert (
            one["bits_per_pixel"] == pytest.approx(8 * one["bytes"] / 7840000)
            and one["bits_per_pixel"] < limit
        )
        assert one["bytes"] < min((one["rivals"] | one["informed rivals"]).values())
        *parts, whole = one["bits_per_image"].values()
        assert sum(parts) == pytest.approx(whole)
        elbo, cost, initial, frame, luck = parts
        assert initial == 32 * round(initial * 10000 / 32) / 10000 and 0 < initial < 0.1 and 0 < frame < 0.5
        assert abs(cost) < 0.1 and cost == pytest.approx(sum(one["rounding"].values()))
        assert abs(luck) < 4 * one["elbo_spread"] / math.log(2), "one draw of z, as any other"
    stated = checkpoints.metadata(compress.NAME)["test"]["elbo"]
    assert found["by chance"]["elbo"] == pytest.approx(stated, abs=5 * found["by chance"]["elbo_spread"])


def test_every_machine_writes_the_recorded_file(found, model, test):
    x = compress.binarizations(test.images)["by chance"][:100]
    data = coding.compress(x, model, lanes=4, name=compress.NAME)
    assert {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} == found["first_hundred"]


def test_the_page_says_what_was_measured(found):
    block = f"<!-- compress -->\n{compress.sentence(found)}\n<!-- /compress -->"
    assert block in compress.PAGE.read_text("utf-8")


def test_a_pixel_is_judged_by_pixels_before_it_alone(generator):
    x = torch.bernoulli(torch.full((1, 1, 9, 9), 0.5), generator=generator)
    before = compress.contexts(x)
    for at in (0, 8, 40, 77):
        changed = x.clone()
        changed.flatten()[at] = 1 - changed.flatten()[at]
        other = np.flatnonzero(compress.contexts(changed) != before)
        assert (other > at).all() and (len(other) or at == 80)
    assert len(set(compress.NEIGHBOURS)) == len(compress.NEIGHBOURS)
    assert compress.contexts(torch.ones(1, 1, 9, 9))[40] == 2 ** len(compress.NEIGHBOURS) - 1


def test_rivals_see_the_digits_and_what_is_known_helps_them(train):
    noise = torch.rand(400, 1, 28, 28, generator=torch.Generator().manual_seed(0)).round()
    sizes = compress.general(noise)
    raw = sizes.pop("one bit a pixel")
    assert raw == 400 * 98 and all(raw < size for size in sizes.values()), "noise can't be compressed"
    digits = compress.binarizations(train.images[:2400])["by threshold"]
    old, new = digits[400:], digits[:400]
    alone, after = compress.general(new), compress.informed(new, old)
    assert alone["bz2"] < raw / 2 and after["xz after the training digits"] < alone["xz"]
    assert after["each pixel by 16 neighbours"] < after["each pixel by its mean"] < raw
    known = compress.informed(new, torch.cat([old, new]))
    assert known["xz after the training digits"] < raw / 20, "it finds what it has seen"


def test_the_command_packs_unpacks_and_writes_what_it_found(few, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(compress.datasets, "load", lambda *_: type("Small", (), {"images": few[:36]}))
    monkeypatch.setattr(compress, "RESULTS", tmp_path / "coding.json")
    monkeypatch.setattr(compress, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(compress, "ELBO_SEEDS", range(2))
    monkeypatch.setattr(compress, "BUCKETS", (8,))
    (tmp_path / "page.md").write_text("<!-- compress -->\n\n<!-- /compress -->", "utf-8")
    monkeypatch.setattr("sys.argv", ["compress", "--to", str(tmp_path / "digits.llbb")])
    assert compress.main() == 0
    found = json.loads((tmp_path / "coding.json").read_text("utf-8"))
    x = compress.binarizations(few[:36])["by chance"]
    data = (tmp_path / "digits.llbb").read_bytes()
    assert found["by chance"]["same"] and len(data) == found["by chance"]["bytes"]
    assert compress.sentence(found) in (tmp_path / "page.md").read_text("utf-8")
    monkeypatch.setattr(
        "sys.argv", ["compress", "--unpack", str(tmp_path / "digits.llbb"), "--to", str(tmp_path / "x")]
    )
    assert compress.main() == 0
    bits = np.unpackbits(np.frombuffer((tmp_path / "x").read_bytes(), dtype=np.uint8))
    assert (bits == x.numpy().ravel()).all()

    (tmp_path / "coding.json").unlink()
    monkeypatch.setattr(compress, "as_bits", lambda x: b"something else")
    monkeypatch.setattr("sys.argv", ["compress"])
    assert compress.main() == 1 and "nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "coding.json").exists()
