"""What an image of 256 grey levels costs in bits, and losses for images that have colour and texture.

A density has no bits: only the probability of a whole number of grey levels has. Dequantization makes such
numbers continuous, so that a density can be held against them; the discretized logistic is a probability from
the beginning. Taught in notebook 09.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from .datasets import check_images, to_float
from .models import Classifier

LEVELS = 256


def bits_per_dimension(nats: float, dimensions: int, *, density: bool = False) -> float:
    """Turn nats per image into bits for each value of each pixel.

    Parameters
    ----------
    nats : float
        -log p(x), or its bound, the negative ELBO.
    dimensions : int
        Channels × height × width.
    density : bool
        Whether p is a density of `dequantized` images. A grey level is 1/256 wide there, so its
        probability is the mean density over that width, divided by 256: 8 bits more.

    Returns
    -------
    float
        Bits per dimension; 8 is what an image takes as it is.

    Raises
    ------
    ValueError
        For fewer than one dimension.

    References
    ----------
    Theis, van den Oord and Bethge, "A note on the evaluation of generative models", arXiv:1511.01844,
    section 3.1.

    Notes
    -----
    Taught in notebook 09.
    """
    if dimensions < 1:
        raise ValueError(f"an image has 1 dimension or more, not {dimensions}")
    return (nats / dimensions + density * math.log(LEVELS)) / math.log(2)


def dequantized(images: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
    """Add uniform noise, as wide as one grey level.

    The mean log-density of what comes out is a lower bound on the log-probability of what went in.

    Parameters
    ----------
    images : torch.Tensor
        uint8, or floats in [0, 1] that are whole numbers divided by 255.
    generator : torch.Generator, optional
        Where the noise comes from.

    Returns
    -------
    torch.Tensor
        float32 in [0, 1), of the same shape: level k lies between k/256 and (k + 1)/256.

    References
    ----------
    Uria, Murray and Larochelle, "RNADE", arXiv:1306.0186; Theis et al., arXiv:1511.01844, section 3.1.

    Notes
    -----
    Taught in notebook 09.
    """
    levels = (to_float(images) * (LEVELS - 1)).round()
    noise = torch.rand(levels.shape, generator=generator, device=levels.device)
    # 8 bits of level and 16 of noise are all that float32 keeps: more would round up to the next level.
    return (levels + (noise * 2**16).floor() / 2**16) / LEVELS


class DiscretizedLogistic(nn.Module):
    """-log p(x|z) of whole grey levels: a logistic distribution, cut into 256 pieces.

    Level k has the mass between k - ½ and k + ½; levels 0 and 255 have the tails as well. A part of the
    model, as `objectives.GaussianPixels` is: ``model.pixels = DiscretizedLogistic()``, and the loss is
    ``negative_elbo(model, x, generator, reconstruction=model.pixels)``.

    Parameters
    ----------
    shape : tuple of int
        (1, 1, 1) for one scale, (channels, 1, 1) for one a channel.
    scale : float
        Where it starts, in the unit of the pixels, [0, 1]. The standard deviation is 1.81 times as much.
    floor : float
        What it can't fall below.

    Attributes
    ----------
    log_scale : torch.nn.Parameter
        Its logarithm, before the floor.

    Raises
    ------
    ValueError
        For a scale below the floor, or one that isn't positive.

    References
    ----------
    Kingma et al., "Improving variational inference with inverse autoregressive flow", arXiv:1606.04934,
    section 5.2; Salimans et al., "PixelCNN++", arXiv:1701.05517, section 2.1.

    Notes
    -----
    Taught in notebook 09.
    """

    def __init__(self, shape: tuple[int, ...] = (1, 1, 1), *, scale: float = 0.1, floor: float = 1e-3):
        super().__init__()
        if not 0 < floor <= scale:
            raise ValueError(f"scale must be positive, and at least the floor, not {scale:g} and {floor:g}")
        self.floor = floor
        self.log_scale = nn.Parameter(torch.full(shape, math.log(scale)))

    @property
    def scale(self) -> torch.Tensor:
        """The scale, floor included, of the shape that was asked for."""
        return self.log_scale.exp().clamp(min=self.floor)

    def log_probability(self, logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The log-probability of each value of each pixel.

        Parameters
        ----------
        logits : torch.Tensor
            What the decoder gives, (batch, channels, height, width); their sigmoid is the middle.
        x : torch.Tensor
            Images in [0, 1] of the same shape; they are rounded to a whole grey level.

        Returns
        -------
        torch.Tensor
            In nats, shaped like x.
        """
        level = (x * (LEVELS - 1)).round()
        middle, scale = torch.sigmoid(logits), self.scale
        below = ((level - 0.5) / (LEVELS - 1) - middle) / scale
        above = ((level + 0.5) / (LEVELS - 1) - middle) / scale
        # s(b) - s(a) = s(b) s(-a) (1 - exp(a - b)) for the sigmoid s: no difference of two numbers near 1
        width = torch.log(-torch.expm1(-1 / ((LEVELS - 1) * scale)))
        left = torch.where(level == LEVELS - 1, 0.0, F.logsigmoid(above))
        right = torch.where(level == 0, 0.0, F.logsigmoid(-below))
        inside = (level > 0) & (level < LEVELS - 1)
        return left + right + torch.where(inside, width, 0.0)

    def forward(self, logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Measure images.

        Parameters
        ----------
        logits, x : torch.Tensor
            As for `log_probability`.

        Returns
        -------
        torch.Tensor
            A scalar, in nats per image, never negative.
        """
        return -self.log_probability(logits, x).sum() / len(x)

    def sample(self, logits: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw images: what the likelihood says an image looks like, its noise included.

        Parameters
        ----------
        logits : torch.Tensor
            As for `log_probability`.
        generator : torch.Generator, optional
            Where the noise comes from.

        Returns
        -------
        torch.Tensor
            Shaped like the logits: whole grey levels divided by 255.
        """
        u = torch.rand(logits.shape, generator=generator, device=logits.device).clamp(1e-6, 1 - 1e-6)
        drawn = torch.sigmoid(logits) + self.scale * torch.logit(u)
        return (drawn * (LEVELS - 1)).round().clamp(0, LEVELS - 1) / (LEVELS - 1)


class PerceptualDistance:
    """How far images are apart to a classifier: in its features, and in their pixels.

    It is no likelihood, so what it adds to a KL is no ELBO, and has no bits. Each part, the pixels and each
    layer, is divided by its variance over real images, so that all count alike, and that the mean image has
    about the same distance in each. The result is that of a Gaussian likelihood whose variance is the data's,
    without its constant, times `weight`.

    Parameters
    ----------
    classifier : models.Classifier
        Where the features come from. A copy is kept, which no training changes.
    images : torch.Tensor
        Real images, from which the variances are taken; uint8, or floats in [0, 1].
    layers : sequence of int
        Which of ``classifier.features`` are looked at; by default both convolutions, after their ReLU.
    weight : float
        By what the distance is multiplied, against the KL.

    Raises
    ------
    ValueError
        For images that can't be, for a layer that doesn't exist, or one that says the same of all images.

    References
    ----------
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics based on deep networks",
    arXiv:1602.02644; Hou et al., "Deep feature consistent variational autoencoder", arXiv:1610.00291.

    Notes
    -----
    Taught in notebook 09.
    """

    def __init__(
        self,
        classifier: Classifier,
        images: torch.Tensor,
        *,
        layers: Sequence[int] = (2, 5),
        weight: float = 1.0,
    ):
        check_images(images)
        if not layers or min(layers) < 0 or max(layers) >= len(classifier.features):
            last = len(classifier.features) - 1
            raise ValueError(f"layers must be some of 0 to {last}, not {tuple(layers)}")
        self.layers, self.weight = tuple(layers), weight
        self.features = copy.deepcopy(classifier.features).eval().requires_grad_(False)
        with torch.no_grad():
            device = next(self.features.parameters()).device
            parts = self._parts(to_float(images.to(device)))
            self.variances = [part.var(0).mean().item() for part in parts]
        if min(self.variances) == 0:
            raise ValueError("a layer says the same of all images; take more of them, or another layer")

    def _parts(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The pixels, and what each of the layers makes of them."""
        parts = [x]
        for number, layer in enumerate(self.features[: max(self.layers) + 1]):
            x = layer(x)
            if number in self.layers:
                parts.append(x)
        return parts

    def __call__(self, logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Measure images.

        Parameters
        ----------
        logits : torch.Tensor
            What the decoder gives, (batch, channels, height, width); their sigmoid is the image.
        x : torch.Tensor
            Images in [0, 1] of the same shape.

        Returns
        -------
        torch.Tensor
            A scalar, per image.
        """
        self.features.to(x.device)
        pairs = zip(self._parts(torch.sigmoid(logits)), self._parts(x), self.variances, strict=True)
        each = [(made - real).square().mean() / variance for made, real, variance in pairs]
        return self.weight * 0.5 * x[0].numel() * torch.stack(each).mean()
