import math
import re

import numpy as np
import pytest
import torch

from latentlab_helpers import attributes, datasets

MEASURES = [attributes.thickness, attributes.slant, attributes.width]


def stroke(thick, lean=0.0, length=18.0, middle=(13.5, 13.5)):
    """An antialiased straight stroke with round ends: (1, 1, 28, 28), leaning right by so many degrees."""
    y, x = np.mgrid[:28, :28].astype(float)
    x, y = x - middle[0], y - middle[1]
    right, down = math.sin(math.radians(lean)), -math.cos(math.radians(lean))
    along = np.clip(x * right + y * down, -length / 2, length / 2)
    distance = np.hypot(x - along * right, y - along * down)
    return torch.tensor(np.clip(thick / 2 - distance + 0.5, 0, 1), dtype=torch.float32)[None, None]


THICK = [2.0, 2.5, 3.0, 4.0, 5.0, 6.0]
LEAN = [-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0]


PLACES = [(13.5, 13.5), (14.0, 13.75), (12.2, 14.9), (13.9, 13.1), (12.8, 14.3)]


@pytest.mark.parametrize("lean", [-30, -10, 0, 20, 90])
def test_a_strokes_thickness_is_measured_whatever_its_slant(lean):
    measured = torch.stack(
        [attributes.thickness(torch.cat([stroke(t, lean, 16, place) for t in THICK])) for place in PLACES]
    )
    # The enlarged pixels are a quarter wide, so a single stroke along them can be two of those off.
    torch.testing.assert_close(measured, torch.tensor(THICK).expand(5, 6), rtol=0, atol=0.5)
    torch.testing.assert_close(measured.mean(0), torch.tensor(THICK), rtol=0.08, atol=0)
    assert (measured.mean(0).diff() > 0.3).all()


def test_thickness_does_not_depend_on_the_length():
    measured = attributes.thickness(torch.cat([stroke(3.0, 10, length) for length in (10, 14, 20)]))
    torch.testing.assert_close(measured, torch.full((3,), 3.0), rtol=0.05, atol=0)


def test_the_edge_of_a_stroke_is_where_it_is_half_white():
    """So a grey stroke that just reaches it is thin, and blur, which moves no edge, changes little."""
    image = stroke(4.0, 10)
    blurred = torch.nn.functional.avg_pool2d(image, 3, stride=1, padding=1)
    assert attributes.thickness(blurred).item() == pytest.approx(4, rel=0.08)
    assert attributes.thickness(image * 0.6) < attributes.thickness(image)


def test_a_stroke_that_the_border_cuts_off_ends_there():
    bar = torch.zeros(1, 1, 28, 28)
    bar[..., :4] = 1
    assert attributes.thickness(bar).item() == pytest.approx(4, rel=0.1)
    assert attributes.thickness(torch.ones(1, 1, 28, 28)).isfinite().all()


@pytest.mark.parametrize("thick", [2.0, 3.0, 4.0])
@pytest.mark.parametrize("middle", [(13.5, 13.5), (11.3, 14.9)])
def test_a_strokes_slant_is_measured_whatever_its_thickness_and_place(thick, middle):
    """Moments take a little off thick strokes: their round ends lean nowhere."""
    measured = attributes.slant(torch.cat([stroke(thick, lean, 20, middle) for lean in LEAN]))
    torch.testing.assert_close(measured, torch.tensor(LEAN), rtol=0, atol=1.5)
    assert (measured.diff() > 0).all()


def test_slant_is_a_shears_angle():
    """An upright cross sheared by tan(20°): the moments of a shear are exact, whatever is drawn."""
    shifts = torch.arange(-6, 7) * math.tan(math.radians(20))
    image = torch.zeros(1, 1, 28, 28)
    for row, shift in zip(range(7, 20), reversed(shifts), strict=True):
        whole = math.floor(shift)
        for column in (10, 11, 12, 16):
            image[0, 0, row, column + whole] += 0.9 * (1 - (shift - whole))
            image[0, 0, row, column + whole + 1] += 0.9 * (shift - whole)
    image = image.clamp(max=1)
    assert attributes.slant(image).item() == pytest.approx(20, abs=1)
    assert attributes.slant(image.flip(3)).item() == pytest.approx(-20, abs=1)
    assert attributes.slant(stroke(1.0, 90)).item() == pytest.approx(0, abs=0.1)


def two_bars(apart, rows=slice(4, 24), left=5):
    image = torch.zeros(1, 1, 28, 28)
    image[..., rows, left] = image[..., rows, left + apart - 1] = 1
    return image


def test_width_spans_the_ink_but_for_two_percent_at_each_side():
    apart = [4, 8, 12, 18]
    measured = attributes.width(torch.cat([two_bars(n) for n in apart]))
    # Each bar holds half of the ink: 2 % of it is 0.04 of the bar's one pixel.
    torch.testing.assert_close(measured, torch.tensor(apart) - 0.08, rtol=0, atol=1e-4)
    for other in (two_bars(12, slice(8, 14)), two_bars(12, left=1)):
        torch.testing.assert_close(attributes.width(other), measured[2:3])
    block = torch.zeros(1, 1, 28, 28)
    block[..., 10:15] = 1
    assert attributes.width(block).item() == pytest.approx(0.96 * 5, abs=1e-4)
    leaning = attributes.width(torch.cat([stroke(3.0, lean) for lean in LEAN[3:]]))
    assert (leaning.diff() > 1).all(), "as it stands, a leaning stroke is wider"


def test_haze_and_a_stray_pixel_do_not_make_writing_wide_or_slanted():
    image = two_bars(8)
    dirty = image.clamp(min=0.05)
    dirty[0, 0, 0, 27] = 0.6
    for measure in (attributes.width, attributes.slant):
        hazy = image.clamp(min=0.05)
        torch.testing.assert_close(measure(hazy), measure(image))
    assert abs(attributes.width(dirty) - attributes.width(image)) < 0.1


@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_takes_bytes_and_says_that_no_ink_is_no_number(measure):
    images = torch.cat([stroke(3.0, 10), torch.zeros(1, 1, 28, 28), stroke(3.0) * 0.45, stroke(4.0, -10)])
    measured = measure(images)
    assert measured.dtype == torch.float32 and measured.shape == (4,)
    assert measured.isnan().tolist() == [False, True, True, False]
    torch.testing.assert_close(
        measure((images * 255).round().byte()), measured, rtol=0.01, atol=0.1, equal_nan=True
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_images_that_are_none_are_refused(measure):
    """What is no image is refused as everywhere; and handwriting is in black and white."""
    for bad in (torch.zeros(28, 28), torch.full((1, 1, 28, 28), 255.0), np.zeros((1, 1, 28, 28))):
        with pytest.raises(ValueError) as everywhere:
            datasets.check_images(bad)
        with pytest.raises(ValueError, match=f"^{re.escape(str(everywhere.value))}$"):
            measure(bad)
    with pytest.raises(ValueError, match=r"one channel: \(n, 1, height, width\), not \(2, 3, 28, 28\)"):
        measure(torch.zeros(2, 3, 28, 28))


@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_leaves_gradients_and_its_images_alone(measure):
    images = stroke(3.0, 10).requires_grad_()
    assert not measure(images).requires_grad
    grey = (stroke(3.0, 10) * 0.9).clamp(min=0.05)
    before = grey.clone()
    measure(grey)
    assert torch.equal(grey, before)


def test_real_digits_have_plausible_handwriting(train):
    """Strokes of a pen, most of them upright; and ones are the narrowest digit."""
    images, labels = train.images[:300], train.labels[:300]
    thick, slant, width = (measure(images) for measure in MEASURES)
    assert thick.quantile(0.1) > 1.5 and thick.quantile(0.9) < 4.5
    assert slant.abs().median() < 20 and slant.isfinite().all()
    assert width[labels == 1].mean() < 0.7 * width[labels == 0].mean()
