"""The shapes that the course draws: the same everywhere, and what their factors say."""

import hashlib

import pytest
import torch

from latentlab_helpers import datasets, shapes


@pytest.fixture(scope="module")
def drawn():
    return shapes.draw(700, 5)


@pytest.fixture(scope="module")
def clean():
    return shapes.draw(700, 5, grain=0)


@pytest.mark.parametrize(
    "split, n, digest",
    [
        ("train", 10_000, "572bb048142cba3eca08d53ce178871afdb3d3f7c37036c1e492408f54961dba"),
        ("test", 2_000, "88f86a91ada192eaa7ca398acba7ce75b2f83a0688c4b969848ea06f08392ca0"),
    ],
)
def test_they_are_the_same_on_every_machine(split, n, digest):
    data = datasets.load("shapes", split)
    assert data.images.shape == (n, 3, 32, 32) and data.images.dtype == torch.uint8
    assert data.labels.shape == (n,) and data.labels.dtype == torch.int64 and data.classes == shapes.CLASSES
    assert hashlib.sha256(data.images.numpy().tobytes()).hexdigest() == digest


def test_another_seed_draws_others_and_classes_are_equally_frequent(drawn):
    assert not torch.equal(shapes.draw(700, 6).images, drawn.images)
    assert drawn.labels.bincount().tolist() == [100] * 7


def test_grain_is_whole_numbers_all_equally_likely_and_nothing_else_changes(drawn, clean):
    grain = drawn.images.int() - clean.images.int()
    counts = (grain + shapes.GRAIN).flatten().bincount()
    assert len(counts) == 2 * shapes.GRAIN + 1
    # 700 · 3072 values over nine levels: chi² with 8 degrees of freedom, beyond 40 once in 300,000
    expected = counts.sum() / len(counts)
    assert ((counts - expected) ** 2 / expected).sum() < 40
    assert torch.equal(drawn.labels, clean.labels)
    assert 2 ** shapes.grain_bits() == pytest.approx(len(counts)) and shapes.grain_bits(0) == 0


def test_without_grain_an_image_has_the_colours_that_its_factors_name(clean):
    for part in ("ground", "shape"):
        plain = (clean.factors[f"{part} texture"] == 0).nonzero()[:20, 0]
        for i in plain.tolist():
            x, y = (0, 0) if part == "ground" else (clean.factors["across"][i], clean.factors["down"][i])
            hollow = part == "shape" and shapes.CLASSES[clean.labels[i]] in ("ring", "crescent")
            if not hollow:
                assert torch.equal(clean.images[i, :, y, x].long(), clean.factors[f"{part} colour"][i])


def test_textures_are_as_wide_as_their_factors_say(clean):
    """Stripes along the first row of the ground, where no shape reaches."""
    for name, along in (("stripes down", (0, slice(None))), ("stripes across", (slice(None), 0))):
        which = clean.factors["ground texture"] == shapes.TEXTURES.index(name)
        for i in which.nonzero()[:20, 0].tolist():
            light = clean.images[i, 0].int()[along] - clean.factors["ground colour"][i, 0]
            width, phase = (clean.factors[f"ground {what}"][i] for what in ("width", "phase"))
            on = (torch.arange(shapes.SIDE) + phase) // width % 2
            assert torch.equal(light, shapes.CONTRAST * (2 * on - 1))


def test_the_ground_is_its_colour_and_its_pattern(clean):
    pattern, seen = shapes.ground(clean)
    colour = clean.factors["ground colour"][:, :, None, None]
    made = colour + shapes.CONTRAST * pattern.long()
    assert torch.equal(torch.where(seen, made, 0), torch.where(seen, clean.images.long(), 0))
    assert 0.5 < seen.float().mean() < 0.95
    assert pattern[clean.factors["ground texture"] == 0].abs().max() == 0


def test_a_shape_never_hides_in_its_ground(drawn):
    apart = (drawn.factors["shape colour"] - drawn.factors["ground colour"]).abs().amax(1)
    low, high = shapes.COLOURS
    assert apart.min() >= (high - low) // 2 - 2 * shapes.CONTRAST
    for part in ("shape", "ground"):
        assert drawn.factors[f"{part} colour"].min() >= low and drawn.factors[f"{part} colour"].max() < high


def test_each_class_is_another_shape():
    """The same place, size, colours and textures, and seven different images."""
    drawn = shapes.draw(7, 0, grain=0)
    one = {name: values[:1].expand(7, *values.shape[1:]).numpy() for name, values in drawn.factors.items()}
    seven = torch.from_numpy(shapes._clean(torch.arange(7).numpy(), one))
    assert all(not torch.equal(seven[a], seven[b]) for a in range(7) for b in range(a))


@pytest.mark.parametrize(
    "n, grain, what", [(0, 4, "1 image or more"), (5, 13, "from 0 to 12"), (5, -1, "from 0")]
)
def test_what_cannot_be_drawn_is_refused(n, grain, what):
    with pytest.raises(ValueError, match=what):
        shapes.draw(n, 0, grain=grain)
