"""Handwriting in numbers: how thick, how slanted and how wide it is.

An image without ink, no pixel of which reaches half of white, has NaN for all three.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import torch
import torch.nn.functional as F

from .datasets import check_images, to_float
from .files import shipped

INK = 0.5  # half of white: the edge of a stroke, and the least that an image with ink holds
HAZE = 0.1  # less is background: decoders leave it a little grey, which would look like wide writing


def thickness(images: torch.Tensor) -> torch.Tensor:
    """Measure the mean width of the stroke: twice the distance from its middle line to its edge.

    Parameters
    ----------
    images : torch.Tensor
        (n, 1, height, width), white writing on black; uint8, or floats in [0, 1].

    Returns
    -------
    torch.Tensor
        float32 (n,), on the CPU: pixels; NaN also for a dot that is barely half white.

    Raises
    ------
    ValueError
        For anything else.

    References
    ----------
    Castro et al., "Morpho-MNIST", arXiv:1809.10780, whose enlarged image in black and white, skeleton and
    distances these are.

    Notes
    -----
    It is right to a few percent on the whole, but only to half a pixel for a single bar along the grid.
    Notebook 05 uses it.
    """
    from scipy.ndimage import distance_transform_edt, find_objects  # heavy both, and needed only here
    from skimage.morphology import skeletonize

    scale = 4  # MNIST's strokes are 1 to 4 pixels wide: too few pixels to tell them apart
    images = F.pad(_ink(images).cpu(), (1, 1, 1, 1))  # black around it: a stroke may end at the border
    large = F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)
    widths = []
    for shape in (large[:, 0] >= INK).numpy():
        (box,) = find_objects(shape.astype(np.uint8)) or [()]
        ink = np.pad(shape[box], 1)  # the black around it takes time, and changes nothing
        middle = distance_transform_edt(ink)[skeletonize(ink)]
        widths.append(2 * middle.mean() / scale if len(middle) else np.nan)
    return torch.tensor(widths, dtype=torch.float32)


def slant(images: torch.Tensor) -> torch.Tensor:
    """Measure how far the writing leans, by the angle of the shear that would set it upright.

    Parameters
    ----------
    images : torch.Tensor
        As for `thickness`.

    Returns
    -------
    torch.Tensor
        float32 (n,), on the CPU: degrees; "/" is positive, "|" is 0, "\\\\" is negative.

    Raises
    ------
    ValueError
        For images of another shape or range.

    References
    ----------
    Castro et al., "Morpho-MNIST", arXiv:1809.10780.

    Notes
    -----
    The angle comes from the second moments of the ink. A horizontal bar, which has no slant, gets 0.
    Notebook 05 uses it.
    """
    ink = _ink(images)[:, 0]
    height, width = ink.shape[1:]
    x, y = torch.arange(width, device=ink.device), torch.arange(height, device=ink.device)
    mass = ink.sum((1, 2))
    across = x - ((ink.sum(1) @ x.float()) / mass)[:, None]
    down = y - ((ink.sum(2) @ y.float()) / mass)[:, None]
    mu11 = torch.einsum("nyx,nx,ny->n", ink, across, down)
    mu02 = torch.einsum("nyx,ny->n", ink, down.square())
    return torch.atan2(-mu11, mu02).rad2deg().cpu()  # y counts downwards


def width(images: torch.Tensor) -> torch.Tensor:
    """Measure how wide the writing is as it stands, but for the outermost 2 % of its ink on each side.

    Parameters
    ----------
    images : torch.Tensor
        As for `thickness`.

    Returns
    -------
    torch.Tensor
        float32 (n,), on the CPU: pixels from the left edge of the ink to its right one.

    Raises
    ------
    ValueError
        As for `thickness`.

    References
    ----------
    After Castro et al., "Morpho-MNIST", arXiv:1809.10780, who set the digit upright first.

    Notes
    -----
    The outermost ink would let a stray pixel decide. So a bar 3 pixels wide measures 2.9.
    Notebook 05 uses it.
    """
    columns = _ink(images)[:, 0].sum(1).cpu()
    share = F.pad(columns.cumsum(1) / columns.sum(1, keepdim=True), (1, 0))  # left of each pixel's edge
    left, right = (_crossing(share, quantile) for quantile in (0.02, 0.98))
    return right - left


def measured(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Measure all attributes, or look them up for MNIST's first test images, where that would take a second.

    Parameters
    ----------
    images : torch.Tensor
        As for `thickness`.

    Returns
    -------
    dict of str to torch.Tensor
        float32 (n,), on the CPU: thickness, slant and width.

    Notes
    -----
    `python course.py attributes` writes down what is looked up. `explore.attribute_board` uses it.
    """
    known = json.loads(shipped("results/attributes.json").read_text("utf-8"))
    if hashlib.sha256(images.cpu().numpy().tobytes()).hexdigest() == known["sha256"]:
        return {name: torch.tensor(known[name]) for name in MEASURES}
    return {name: measure(images) for name, measure in MEASURES.items()}


MEASURES = {"thickness": thickness, "slant": slant, "width": width}


def _crossing(share: torch.Tensor, quantile: float) -> torch.Tensor:
    """Where rising shares (n, edges) reach the quantile, on straight lines between the edges."""
    after = (share < quantile).sum(1, keepdim=True).clamp(1, share.shape[1] - 1)
    low, high = share.gather(1, after - 1), share.gather(1, after)
    return (after - 1 + (quantile - low) / (high - low))[:, 0]


def _ink(images: torch.Tensor) -> torch.Tensor:
    """The images as floats without haze; those without ink are NaN."""
    check_images(images)
    if images.shape[1] != 1:
        raise ValueError(f"handwriting has one channel: (n, 1, height, width), not {tuple(images.shape)}")
    images = to_float(images.detach())
    ink = images.where(images >= HAZE, 0)
    return ink.where(ink.amax((1, 2, 3), keepdim=True) >= INK, torch.nan)
