"""A VQ-VAE, whose codes are maps of whole numbers, and an autoregressive prior of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from latentlab_helpers.losses import Terms, bernoulli
from latentlab_helpers.priors import minimize

LR = 2e-3  # of the prior


class QuantizedAutoencoder(nn.Module):
    """A VQ-VAE: an image becomes a small map, at each place of which stands the number of a codebook's entry.

    The encoder's vector at each place is replaced by its nearest entry. Backwards the gradient passes as if
    nothing had been replaced. An entry is the moving mean of the vectors that were replaced by it; one that
    is hardly used is moved onto a vector of the batch.

    Parameters
    ----------
    entries : int
        Of the codebook, 2 or more.
    size : int
        Numbers in an entry.
    widths : sequence of int
        Channels of the convolutions, each of which halves the image.
    image_shape : sequence of int
        Channels, height and width; divisible by 2 as often as there are widths.
    keep : float
        The share of a moving mean that a step keeps.

    Attributes
    ----------
    codebook : torch.Tensor
        (entries, size).
    map_shape : tuple of int
        Height and width of a code.

    Raises
    ------
    ValueError
        For a codebook of fewer than two entries, or an image that can't be halved so often.

    References
    ----------
    Van den Oord, Vinyals and Kavukcuoglu, "Neural discrete representation learning", arXiv:1711.00937; the
    moving means in its appendix A.1.

    Notes
    -----
    Notebook 10 shows what it came to.
    """

    codebook: torch.Tensor
    counts: torch.Tensor
    sums: torch.Tensor

    def __init__(
        self,
        entries: int = 64,
        *,
        size: int = 8,
        widths: Sequence[int] = (16, 32),
        image_shape: Sequence[int] = (1, 28, 28),
        keep: float = 0.98,
    ):
        super().__init__()
        channels, height, width = self.image_shape = tuple(image_shape)
        scale = 2 ** len(widths)
        if entries < 2 or not widths or height % scale or width % scale:
            raise ValueError(
                f"a codebook needs 2 entries or more, and {len(widths)} widths need a height and width "
                f"divisible by {scale}: not {entries} and {height}×{width}"
            )
        self.map_shape, self.keep = (height // scale, width // scale), keep
        down = [
            layer
            for i, o in pairwise([channels, *widths])
            for layer in (nn.Conv2d(i, o, kernel_size=4, stride=2, padding=1), nn.ReLU())
        ]
        self.encoder = nn.Sequential(*down, nn.Conv2d(widths[-1], size, kernel_size=3, padding=1))
        up = [
            layer
            for i, o in pairwise([*reversed(widths), channels])
            for layer in (nn.ReLU(), nn.ConvTranspose2d(i, o, kernel_size=4, stride=2, padding=1))
        ]
        nn.init.constant_(up[-1].get_parameter("bias"), -2.0)  # the log-odds of a dark image
        self.decoder = nn.Sequential(nn.Conv2d(size, widths[-1], kernel_size=3, padding=1), *up)
        self.register_buffer("codebook", torch.randn(entries, size))
        self.register_buffer("counts", torch.zeros(entries))
        self.register_buffer("sums", torch.zeros(entries, size))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Encode images.

        Parameters
        ----------
        x : torch.Tensor
            float32 images in [0, 1], (batch, channels, height, width).

        Returns
        -------
        torch.Tensor
            Their codes, int64 (batch, map height, map width), each the number of an entry.
        """
        return self._nearest(self.encoder(x).movedim(1, -1).float())

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Decode codes.

        Parameters
        ----------
        codes : torch.Tensor
            int64, (batch, map height, map width).

        Returns
        -------
        torch.Tensor
            Images in [0, 1], (batch, channels, height, width).

        Raises
        ------
        ValueError
            For codes of another shape, or numbers of no entry.
        """
        if codes.shape[1:] != self.map_shape or codes.is_floating_point():
            raise ValueError(
                f"this model decodes whole numbers of shape (batch, {self.map_shape[0]}, "
                f"{self.map_shape[1]}), not {codes.dtype} of shape {tuple(codes.shape)}"
            )
        if len(codes) and not 0 <= codes.min() <= codes.max() < len(self.codebook):
            raise ValueError(f"the codebook has entries 0 to {len(self.codebook) - 1}")
        return torch.sigmoid(self.decoder(self.codebook[codes].movedim(-1, 1)))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Reconstruct images; in training, move the codebook.

        Parameters
        ----------
        x : torch.Tensor
            As for `encode`.

        Returns
        -------
        logits : torch.Tensor
            float32 logits of the pixels, shaped like x.
        vectors, entries : torch.Tensor
            The encoder's vectors, and the entries that replaced them: (batch, map height, map width, size).
        """
        vectors = self.encoder(x).movedim(1, -1).float()
        with torch.autocast(x.device.type, enabled=False):  # distances need all of float32
            codes = self._nearest(vectors)
            entries = self.codebook[codes]
            straight = vectors + (entries - vectors).detach()  # the entry's value, the vector's gradient
            if self.training:
                self._move(vectors.detach().flatten(0, 2), codes.flatten())
        return self.decoder(straight.movedim(-1, 1)).float(), vectors, entries

    def _nearest(self, vectors: torch.Tensor) -> torch.Tensor:
        # |v - e|² but for |v|², which is the same for all entries
        distances = self.codebook.square().sum(1) - 2 * vectors @ self.codebook.T
        return distances.argmin(-1)

    @torch.no_grad()
    def _move(self, vectors: torch.Tensor, codes: torch.Tensor) -> None:
        chosen = F.one_hot(codes, len(self.codebook)).to(vectors.dtype)
        self.counts.lerp_(chosen.sum(0), 1 - self.keep)
        self.sums.lerp_(chosen.T @ vectors, 1 - self.keep)
        idle = self.counts < 0.02 * len(vectors) / len(self.codebook)
        fresh = vectors[torch.arange(len(self.codebook), device=vectors.device) * 97 % len(vectors)]
        self.codebook = torch.where(idle[:, None], fresh, self.sums / self.counts[:, None].clamp(min=1e-9))
        # A fresh entry counts as one that is used as often as the average.
        usual = torch.full_like(self.counts, len(vectors) / len(self.codebook))
        self.sums = torch.where(idle[:, None], fresh * usual[:, None], self.sums)
        self.counts = torch.where(idle, usual, self.counts)


def quantized_loss(
    model: nn.Module, x: torch.Tensor, generator: torch.Generator | None = None, *, commitment: float = 20.0
) -> Terms:
    """The loss of a VQ-VAE: the reconstruction, and how far the encoder's vectors are from their entries.

    Parameters
    ----------
    model : torch.nn.Module
        model(x) gives logits, vectors and entries.
    x : torch.Tensor
        Images in [0, 1].
    generator : torch.Generator, optional
        Not needed; `training.fit` calls all losses alike.
    commitment : float
        The weight of the distance.

    Returns
    -------
    dict of str to torch.Tensor
        {"loss", "reconstruction", "commitment"}: the reconstruction in nats per image, the commitment as the
        mean square of a number of a vector.

    References
    ----------
    Van den Oord, Vinyals and Kavukcuoglu, arXiv:1711.00937, equation 3.

    Notes
    -----
    Notebook 10 shows what it came to.
    """
    logits, vectors, entries = model(x)
    expected, distance = bernoulli(logits, x), F.mse_loss(vectors, entries)
    return {"loss": expected + commitment * distance, "reconstruction": expected, "commitment": distance}


class MaskedLinear(nn.Linear):
    """A fully connected layer without the connections whose mask, bool (outputs, inputs), is false."""

    def __init__(self, mask: torch.Tensor):
        super().__init__(mask.shape[1], mask.shape[0])
        self.mask = mask.float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


class CodePrior(nn.Module):
    """An autoregressive prior of the codes of a `QuantizedAutoencoder`: each number given those before it.

    A network with masks, as in notebook 06: row by row, an output sees what comes before its place.

    Parameters
    ----------
    model : QuantizedAutoencoder
        Its codebook says which entries are near each other.
    hidden : int
        Units of each of the two hidden layers.
    steps : int
        Of the training.

    Attributes
    ----------
    losses : list of float
        Of each step: the cross-entropy, in nats a place.

    References
    ----------
    Germain et al., "MADE: Masked autoencoder for distribution estimation", arXiv:1502.03509; as a prior of
    codes, with a PixelCNN: arXiv:1711.00937, section 3.2.

    Notes
    -----
    Notebook 10 shows what it came to.
    """

    def __init__(self, model: QuantizedAutoencoder, *, hidden: int = 980, steps: int = 2000):
        super().__init__()
        self.entries, self.steps = model.codebook.clone(), steps
        (k, size), self.map_shape = self.entries.shape, model.map_shape
        self.places = self.map_shape[0] * self.map_shape[1]
        place = torch.arange(self.places)
        unit = torch.arange(hidden) % self.places  # unit m sees the places below m, and is seen from m on
        into, out = place.repeat_interleave(size), place.repeat_interleave(k)
        self.first = MaskedLinear(into < unit[:, None])
        self.second = MaskedLinear(unit <= unit[:, None])
        self.last = MaskedLinear(unit <= out[:, None])
        self.across = MaskedLinear(into < out[:, None])

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Predict each number from those before it.

        Parameters
        ----------
        codes : torch.Tensor
            int64, (batch, map height, map width).

        Returns
        -------
        torch.Tensor
            Logits, (batch, places, entries).
        """
        x = self.entries[codes].flatten(1)
        h = F.relu(self.second(F.relu(self.first(x))))
        return (self.last(h) + self.across(x)).unflatten(1, (self.places, -1))

    def fit(self, codes: torch.Tensor, *, seed: int = 0, batch_size: int = 100) -> CodePrior:
        """Learn from codes.

        Parameters
        ----------
        codes : torch.Tensor
            int64, (n, map height, map width).
        seed : int
            Fixes the first weights, and the order of the codes.
        batch_size : int
            Codes a step.

        Returns
        -------
        CodePrior
            Itself.
        """
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            for layer in (self.first, self.second, self.last, self.across):
                layer.reset_parameters()
        generator = torch.Generator().manual_seed(seed)

        def loss() -> torch.Tensor:
            batch = codes[torch.randint(len(codes), (batch_size,), generator=generator)]
            return F.cross_entropy(self(batch).flatten(0, 1), batch.flatten())

        self.losses = minimize(self, loss, steps=self.steps, lr=LR)
        return self

    def sample(self, n: int, seed: int = 0) -> torch.Tensor:
        """Draw codes, place by place.

        Parameters
        ----------
        n : int
            How many.
        seed : int
            The same seed gives the same codes.

        Returns
        -------
        torch.Tensor
            int64, (n, map height, map width).
        """
        generator = torch.Generator().manual_seed(seed)
        codes = torch.zeros(n, *self.map_shape, dtype=torch.int64)
        flat = codes.view(n, -1)
        with torch.no_grad():
            for place in range(flat.shape[1]):
                probabilities = self(codes)[:, place].softmax(1)
                flat[:, place] = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
        return codes
