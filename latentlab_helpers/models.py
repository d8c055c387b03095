"""The autoencoder and the variational autoencoder, alike but for the log-variance head.

Taught in notebooks 01 and 02. Both keep the sigmoid out of the decoder network: `decoder` gives
logits, which the Bernoulli loss wants, and `decode` gives pixels in [0, 1]. What goes into a loss is
float32, also where training computes its matrix products in half precision.
"""

from __future__ import annotations

import contextlib
import numbers
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod

import torch
from torch import nn

DEFAULT_WIDTHS = {"mlp": (400,), "conv": (16, 32)}


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode, without gradients, and give each part of it back the mode that it had."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


class Autoencoder(nn.Module):
    """An autoencoder: images (batch, channels, height, width) to codes (batch, latent_dim) and back.

    architecture: "mlp" (`widths` are the hidden layers) or "conv" (`widths` are the channels of
    4×4 convolutions of stride 2; height and width must be divisible by 2 for each; `hidden`, if given,
    is a fully connected layer between them and the codes). Taught in notebook 01. Source: Hinton and
    Salakhutdinov, Science 313 (2006), 504.

    Raises ValueError for a latent size, an architecture, widths or an image shape that can't work.
    """

    heads = 1  # numbers that the encoder gives for each latent dimension

    def __init__(
        self,
        latent_dim: int,
        *,
        architecture: str = "mlp",
        widths: Sequence[int] | None = None,
        hidden: int | None = None,
        image_shape: tuple[int, int, int] = (1, 28, 28),
    ):
        super().__init__()
        if architecture not in DEFAULT_WIDTHS:
            raise ValueError(f"there is no architecture {architecture!r}; use 'mlp' or 'conv'")
        whole = isinstance(latent_dim, numbers.Integral) and not isinstance(latent_dim, bool)
        if not whole or latent_dim < 1:
            raise ValueError(f"latent_dim must be a whole number, 1 or more, not {latent_dim!r}")
        if isinstance(widths, int):
            raise ValueError(f"widths must be a sequence, such as ({widths},)")
        widths = tuple(DEFAULT_WIDTHS[architecture] if widths is None else widths)
        image_shape = tuple(image_shape)
        if len(image_shape) != 3 or min((*widths, *image_shape)) < 1:
            raise ValueError(
                "widths must be positive, and image_shape (channels, height, width) too, "
                f"not {widths} and {image_shape}"
            )
        if hidden is not None and (architecture != "conv" or hidden < 1):
            raise ValueError(
                "hidden is the size, 1 or more, of a layer that a convolutional model may have; an MLP's "
                f"layers are its widths (architecture {architecture!r}, hidden {hidden!r})"
            )
        self.latent_dim = int(latent_dim)
        self.architecture = architecture
        self.widths = widths
        self.hidden = hidden
        self.image_shape = image_shape
        outputs = self.heads * latent_dim
        if architecture == "mlp":
            self.encoder, self.decoder = _mlp(latent_dim, outputs, widths, image_shape)
        else:
            self.encoder, self.decoder = _conv(latent_dim, outputs, widths, hidden, image_shape)

    @property
    def config(self) -> dict:
        """The arguments that make this model again; checkpoints store them."""
        return {
            "latent_dim": self.latent_dim,
            "architecture": self.architecture,
            "widths": list(self.widths),
            "hidden": self.hidden,
            "image_shape": list(self.image_shape),
        }

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """The codes (batch, latent_dim) of images in [0, 1]."""
        return self.encoder(_checked(self, x))

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """The images in [0, 1] that the codes z (batch, latent_dim) stand for."""
        if not isinstance(z, torch.Tensor):
            raise ValueError("decode takes one tensor of codes; of a VAE's encode(x), take mu: encode(x)[0]")
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(
                f"this model decodes codes of shape (batch, {self.latent_dim}), not {tuple(z.shape)}"
            )
        return torch.sigmoid(self.decoder(z))

    def forward(self, x: torch.Tensor):
        """The logits of the reconstructions, shaped like x."""
        return self.decoder(self.encode(x)).float()


class VariationalAutoencoder(Autoencoder):
    """A VAE: the encoder gives a Gaussian N(mu, exp(logvar)) for each image, the prior is N(0, I).

    The arguments are the autoencoder's; only the encoder's last layer is wider, by the
    log-variances. Taught in notebook 02. Source: Kingma and Welling, arXiv:1312.6114.
    """

    heads = 2

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """mu and logvar of q(z|x), each (batch, latent_dim), for images in [0, 1]."""
        mu, logvar = self.encoder(_checked(self, x)).float().chunk(2, dim=1)
        return mu, logvar

    def reparameterize(
        self, mu: torch.Tensor, logvar: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """A sample z = mu + sigma · epsilon that gradients flow through (arXiv:1312.6114, 2.4)."""
        epsilon = torch.randn(mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
        return mu + torch.exp(0.5 * logvar) * epsilon

    def forward(self, x: torch.Tensor, generator: torch.Generator | None = None):
        """The logits of reconstructions from one sample of z, and mu and logvar."""
        mu, logvar = self.encode(x)
        return self.decoder(self.reparameterize(mu, logvar, generator)).float(), mu, logvar

    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """n new images in [0, 1], decoded from draws of the prior N(0, I)."""
        weight = next(self.decoder.parameters())
        z = torch.randn(n, self.latent_dim, generator=generator, device=weight.device)
        return self.decode(z)


class Classifier(nn.Module):
    """A small convolutional classifier of digits, by which decoded images are judged.

    Images (batch, channels, height, width) in [0, 1] to logits (batch, classes). Taught in notebook 03.
    Source: LeCun et al., Proceedings of the IEEE 86 (1998), 2278, with ReLU, and pooling by maximum.
    """

    def __init__(self, *, classes: int = 10, image_shape: tuple[int, int, int] = (1, 28, 28)):
        super().__init__()
        channels, height, width = self.image_shape = tuple(image_shape)
        if height % 4 or width % 4:
            raise ValueError(f"height and width must be divisible by 4, not {height}×{width}")
        self.classes = classes
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, kernel_size=5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * height * width // 16, 128), nn.ReLU(),
        )  # fmt: skip
        self.last = nn.Sequential(nn.Dropout(0.25), nn.Linear(128, classes))

    @property
    def config(self) -> dict:
        """The arguments that make this model again; checkpoints store them."""
        return {"classes": self.classes, "image_shape": list(self.image_shape)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The logits of the classes."""
        return self.last(self.features(_checked(self, x))).float()


# The kinds that checkpoints can make again, by the name in a file's header
KINDS: dict[str, type[nn.Module]] = {
    kind.__name__: kind for kind in (Autoencoder, VariationalAutoencoder, Classifier)
}


def posterior(model: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """mu and logvar of images, each (batch, latent_dim): the one place that unpacks what `encode` gives.

    Parameters
    ----------
    model : torch.nn.Module
        Any model with an `encode` that returns a tensor of codes, or mu and logvar.
    x : torch.Tensor
        Images as the model's `encode` takes them.

    Returns
    -------
    mu : torch.Tensor
        Where the images lie in the latent space: for an autoencoder its codes, for a VAE never a sample.
    logvar : torch.Tensor or None
        None for an autoencoder.

    Raises
    ------
    ValueError
        If `encode` returns anything else.
    """
    code = model.encode(x)
    parts = [*code] if isinstance(code, (tuple, list)) else [code, None]
    if len(parts) != 2 or not all(isinstance(value, torch.Tensor | None) for value in parts):
        raise ValueError("encode must return a tensor of codes, or mu and logvar")
    return parts[0], parts[1]


def _checked(model: Autoencoder | Classifier, x: torch.Tensor) -> torch.Tensor:
    """Images that the model can take, or an error that says what to do."""
    if not isinstance(x, torch.Tensor):
        raise ValueError(f"images must be a tensor (of a data set, its .images), not {type(x).__name__}")
    if tuple(x.shape[1:]) != model.image_shape or x.ndim != 4:
        raise ValueError(
            f"this model takes images of shape (batch, {', '.join(map(str, model.image_shape))}), "
            f"not {tuple(x.shape)}; a single image needs x[None], flat ones x.view(-1, "
            f"{', '.join(map(str, model.image_shape))})"
        )
    if not x.is_floating_point() or x.dtype == torch.float64:
        raise ValueError(f"images must be float32 in [0, 1], not {x.dtype}: use datasets.to_float")
    # On a GPU this look would make every training step wait; `fit` has looked at all of them.
    if len(x) and not (model.training and x.is_cuda):
        low, high = (value.item() for value in x.detach().aminmax())
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"images must lie in [0, 1], but these reach from {low:g} to {high:g}; "
                "divide uint8 values by 255 (datasets.to_float)"
            )
    return x


def _mlp(latent_dim: int, outputs: int, widths: Sequence[int], image_shape: Sequence[int]):
    """An encoder and a decoder of fully connected layers, ReLU between them."""
    pixels = prod(image_shape)
    encoder = nn.Sequential(nn.Flatten(), *_stack([pixels, *widths, outputs]))
    decoder = _stack([latent_dim, *reversed(widths), pixels])
    return encoder, nn.Sequential(*decoder, nn.Unflatten(1, tuple(image_shape)))


def _conv(
    latent_dim: int, outputs: int, widths: Sequence[int], hidden: int | None, image_shape: Sequence[int]
):
    """An encoder of 4×4 convolutions that halve the image, and a decoder that mirrors it."""
    channels, height, width = image_shape
    scale = 2 ** len(widths)
    if not widths or height % scale or width % scale:
        raise ValueError(
            f"a convolutional model with {len(widths)} widths needs at least one of them, and a height "
            f"and width divisible by {scale}, not {height}×{width}"
        )
    small = (widths[-1], height // scale, width // scale)
    down = [
        layer
        for i, o in pairwise([channels, *widths])
        for layer in (nn.Conv2d(i, o, kernel_size=4, stride=2, padding=1), nn.ReLU())
    ]
    between = [] if hidden is None else [hidden]
    encoder = nn.Sequential(*down, nn.Flatten(), *_stack([prod(small), *between, outputs]))
    up = [
        layer
        for i, o in pairwise([*reversed(widths), channels])
        for layer in (nn.ReLU(), nn.ConvTranspose2d(i, o, kernel_size=4, stride=2, padding=1))
    ]
    # One bias draws all the background: from grey, the first steps would blacken it beyond the reach of a
    # squared error's gradient. -2 are the log-odds of a dark image (MNIST's mean is 0.13).
    nn.init.constant_(up[-1].bias, -2.0)
    decoder = nn.Sequential(*_stack([latent_dim, *between, prod(small)]), nn.Unflatten(1, small), *up)
    return encoder, decoder


def _stack(sizes: Sequence[int]) -> list[nn.Module]:
    """Fully connected layers, ReLU between them."""
    layers = [layer for i, o in pairwise(sizes) for layer in (nn.Linear(i, o), nn.ReLU())]
    return layers[:-1]  # no ReLU after the last
