"""The autoencoder and the variational autoencoder, alike but for the log-variance head, and a classifier.

The first two keep the sigmoid out of the decoder network: `decoder` gives logits, which the Bernoulli loss
wants, and `decode` gives pixels in [0, 1]. What goes into a loss is float32, also where training computes
its matrix products in half precision.
"""

from __future__ import annotations

import contextlib
import numbers
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import nn

from .datasets import check_images

Pair = tuple[nn.Sequential, nn.Sequential]  # encoder and decoder

DEFAULT_WIDTHS = {"mlp": (400,), "conv": (16, 32)}


class Autoencoder(nn.Module):
    """An autoencoder: images to codes, and codes back to images.

    Parameters
    ----------
    latent_dim : int
        The size of a code, 1 or more.
    architecture : str
        "mlp", fully connected layers, or "conv", 4×4 convolutions of stride 2.
    widths : sequence of int, optional
        The sizes of an MLP's hidden layers, (400,) by default; or the channels of the convolutions, (16, 32)
        by default. Each convolution halves the image: height and width must be divisible by 2 that often.
    hidden : int, optional
        The size of a fully connected layer between the convolutions and the codes; none by default.
    image_shape : tuple of int
        Channels, height and width.

    Attributes
    ----------
    config : dict
        The arguments that make this model again; checkpoints store them.

    Raises
    ------
    ValueError
        For a latent size, an architecture, widths or an image shape that can't work.

    References
    ----------
    Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313
    (2006), 504.

    Notes
    -----
    Notebook 01 writes it out.
    """

    heads = 1  # numbers that the encoder gives for each latent dimension

    def __init__(
        self,
        latent_dim: int,
        *,
        architecture: str = "mlp",
        widths: Sequence[int] | None = None,
        hidden: int | None = None,
        image_shape: Sequence[int] = (1, 28, 28),
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
        self.image_shape = image_shape
        self.config = {
            "latent_dim": self.latent_dim,
            "architecture": architecture,
            "widths": widths,
            "hidden": hidden,
            "image_shape": image_shape,
        }
        outputs = self.heads * latent_dim
        if architecture == "mlp":
            self.encoder, self.decoder = _mlp(latent_dim, outputs, widths, image_shape)
        else:
            self.encoder, self.decoder = _conv(latent_dim, outputs, widths, hidden, image_shape)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Encode images.

        Parameters
        ----------
        x : torch.Tensor
            float32 images in [0, 1], (batch, channels, height, width).

        Returns
        -------
        torch.Tensor
            Their codes, (batch, latent_dim).

        Raises
        ------
        ValueError
            For anything else, and for images that don't have the model's `image_shape`.
        """
        return self.encoder(_checked(x, self))

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Decode codes.

        Parameters
        ----------
        z : torch.Tensor
            Codes, (batch, latent_dim).

        Returns
        -------
        torch.Tensor
            Images in [0, 1], (batch, channels, height, width).

        Raises
        ------
        ValueError
            For codes of another shape, or a pair of mu and logvar.
        """
        if not isinstance(z, torch.Tensor):
            raise ValueError("decode takes one tensor of codes; of a VAE's encode(x), take mu: encode(x)[0]")
        check_codes(z, self.latent_dim)
        return torch.sigmoid(self.decoder(z))

    def forward(self, x: torch.Tensor) -> Any:
        """Reconstruct images.

        Parameters
        ----------
        x : torch.Tensor
            As for `encode`.

        Returns
        -------
        torch.Tensor
            float32 logits of the pixels, shaped like x.
        """
        return self.decoder(self.encode(x)).float()


class VariationalAutoencoder(Autoencoder):
    """A VAE: the encoder gives a Gaussian N(mu, exp(logvar)) for each image, the prior is N(0, I).

    It takes the autoencoder's arguments; only the encoder's last layer is wider, by the log-variances.

    References
    ----------
    Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114.

    Notes
    -----
    Notebook 02 writes it out.
    """

    heads = 2

    def encode(  # type: ignore[override]
        self, x: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode images.

        Parameters
        ----------
        x : torch.Tensor
            As for `Autoencoder.encode`.

        Returns
        -------
        mu, logvar : torch.Tensor
            Mean and log-variance of q(z|x), each (batch, latent_dim).

        Raises
        ------
        ValueError
            For anything else, and for images that don't have the model's `image_shape`.
        """
        mu, logvar = self.encoder(_checked(x, self)).float().chunk(2, dim=1)
        return mu, logvar

    def reparameterize(
        self, mu: torch.Tensor, logvar: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Draw z = mu + sigma · epsilon, through which gradients flow (arXiv:1312.6114, section 2.4).

        Parameters
        ----------
        mu, logvar : torch.Tensor
            Mean and log-variance of q(z|x), each (batch, latent_dim).
        generator : torch.Generator, optional
            Where the noise epsilon comes from: the same seed gives the same z.

        Returns
        -------
        torch.Tensor
            One sample for each image, (batch, latent_dim).
        """
        epsilon = torch.randn(mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
        return mu + torch.exp(0.5 * logvar) * epsilon

    def forward(
        self, x: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Reconstruct images, each from one sample of z.

        Parameters
        ----------
        x : torch.Tensor
            As for `encode`.
        generator : torch.Generator, optional
            As for `reparameterize`.

        Returns
        -------
        logits : torch.Tensor
            float32 logits of the pixels, shaped like x.
        mu, logvar : torch.Tensor
            What `encode` gives.
        """
        mu, logvar = self.encode(x)
        return self.decoder(self.reparameterize(mu, logvar, generator)).float(), mu, logvar


class Classifier(nn.Module):
    """A small convolutional classifier, by which decoded images are judged.

    Its input is float32 images in [0, 1], its output the logits of the classes, (batch, classes).

    Parameters
    ----------
    classes : int
        How many there are.
    image_shape : tuple of int
        Channels, height and width; height and width divisible by 4.

    Attributes
    ----------
    config : dict
        As for `Autoencoder`.

    Raises
    ------
    ValueError
        For an image shape that can't be halved twice.

    References
    ----------
    LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86
    (1998), 2278; here with ReLU, and pooling by maximum.

    Notes
    -----
    Introduced in notebook 03.
    """

    def __init__(self, *, classes: int = 10, image_shape: Sequence[int] = (1, 28, 28)):
        super().__init__()
        channels, height, width = self.image_shape = tuple(image_shape)
        if height % 4 or width % 4:
            raise ValueError(f"height and width must be divisible by 4, not {height}×{width}")
        self.config = {"classes": classes, "image_shape": self.image_shape}
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, kernel_size=5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * height * width // 16, 128), nn.ReLU(),
        )  # fmt: skip
        self.last = nn.Sequential(nn.Dropout(0.25), nn.Linear(128, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify images.

        Parameters
        ----------
        x : torch.Tensor
            As for `Autoencoder.encode`.

        Returns
        -------
        torch.Tensor
            float32 logits of the classes, (batch, classes).
        """
        return self.last(self.features(_checked(x, self))).float()


# What checkpoints can make again, by the name in a file's header
KINDS: dict[str, type[nn.Module]] = {
    kind.__name__: kind for kind in (Autoencoder, VariationalAutoencoder, Classifier)
}


@contextlib.contextmanager
def keeping_modes(model: nn.Module) -> Iterator[None]:
    """Give each part of a model its mode back at the end of a `with` block, also if that raised an error.

    Parameters
    ----------
    model : torch.nn.Module
        Whatever modes its parts are in, train or eval.

    Notes
    -----
    `training.fit` and `evaluating` use it.
    """
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode, without gradients, for the length of a `with` block.

    Parameters
    ----------
    model : torch.nn.Module
        Afterwards each part of it has the mode that it had before, also if the block raised an error.

    Notes
    -----
    What measures a model uses it: `training.evaluate`, `metrics`, the instruments.
    """
    with keeping_modes(model), torch.no_grad():
        model.eval()
        yield


def posterior(model: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Encode images as mu and logvar, whatever the model: the one place that unpacks what `encode` gives.

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

    Notes
    -----
    Whatever places images by their codes uses it: `metrics.embed`, the instruments.
    """
    encode: Any = model.encode
    code = encode(x)
    mu, logvar = code if isinstance(code, (tuple, list)) and len(code) == 2 else (code, None)
    if not isinstance(mu, torch.Tensor) or not isinstance(logvar, torch.Tensor | None):
        raise ValueError("encode must return a tensor of codes, or mu and logvar")
    return mu, logvar


def check_codes(z: torch.Tensor, latent_dim: int) -> None:
    """Refuse codes that a model can't decode.

    Parameters
    ----------
    z : torch.Tensor
        They should be (batch, latent_dim).
    latent_dim : int
        The size of a code.

    Raises
    ------
    ValueError
        If they have another shape.

    Notes
    -----
    `Autoencoder.decode` and `adversarial`'s generators use it.
    """
    if z.ndim != 2 or z.shape[1] != latent_dim:
        raise ValueError(f"this model decodes codes of shape (batch, {latent_dim}), not {tuple(z.shape)}")


def _checked(x: torch.Tensor, model: Autoencoder | Classifier) -> torch.Tensor:
    """Images that the model can take, or an error that says what to do."""
    check_images(x, wait=not model.training)  # in training, `fit` has looked at all of them
    if tuple(x.shape[1:]) != model.image_shape:
        shape = ", ".join(map(str, model.image_shape))
        raise ValueError(f"this model takes images of shape (batch, {shape}), not {tuple(x.shape)}")
    if x.dtype in (torch.uint8, torch.float64):
        raise ValueError(f"images must be float32 in [0, 1], not {x.dtype}: use datasets.to_float")
    return x


def _mlp(latent_dim: int, outputs: int, widths: Sequence[int], image_shape: Sequence[int]) -> Pair:
    """An encoder and a decoder of fully connected layers, ReLU between them."""
    pixels = prod(image_shape)
    encoder = nn.Sequential(nn.Flatten(), *_stack([pixels, *widths, outputs]))
    decoder = _stack([latent_dim, *reversed(widths), pixels])
    return encoder, nn.Sequential(*decoder, nn.Unflatten(1, tuple(image_shape)))


def _conv(
    latent_dim: int, outputs: int, widths: Sequence[int], hidden: int | None, image_shape: Sequence[int]
) -> Pair:
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
    nn.init.constant_(up[-1].get_parameter("bias"), -2.0)
    decoder = nn.Sequential(*_stack([latent_dim, *between, prod(small)]), nn.Unflatten(1, small), *up)
    return encoder, decoder


def _stack(sizes: Sequence[int]) -> list[nn.Module]:
    """Fully connected layers, ReLU between them."""
    layers: list[nn.Module] = [layer for i, o in pairwise(sizes) for layer in (nn.Linear(i, o), nn.ReLU())]
    return layers[:-1]  # no ReLU after the last
