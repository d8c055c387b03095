"""Bits-back coding: with a VAE, images become a file, and the file becomes the same images again, bit by bit.

It has two parts. `Stack` holds bits: symbols are pushed onto it and popped from it, at the price that a
distribution sets (asymmetric numeral systems). `BitsBack` lays images on a stack: it pops z by q(z|x), pushes
x by p(x|z), and pushes z by p(z). An image then costs log q(z|x) - log p(x|z) - log p(z), and the mean of
that is the negative ELBO.

Whoever unpacks must find the very same probabilities. Networks in floating point don't give them: sums differ
in their last digits between machines, numbers of threads, and batch sizes. So all numbers here are whole
multiples of 2^-16. Sums and products of whole numbers are exact in any order as long as they stay below 2^53,
up to where float64 holds every whole number, and `FixedPoint` makes sure that they do. The logistic function,
exp and the normal distribution are looked up in tables of whole numbers; a file carries a fingerprint of
tables and weights. docs/format.md describes the file for whoever writes another decoder.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special
from torch import nn

from .datasets import check_images
from .models import VariationalAutoencoder

ONE = 1 << 16  # a whole number n stands for n / 2^16
LARGEST = 1 << 10  # what leaves a layer is cut off at ±1024
EXACT = 1 << 53  # float64 holds every whole number up to here
PIXEL_BITS, POSTERIOR_BITS = 16, 24  # probabilities are multiples of 2^-16 and of 2^-24
BUCKET_BITS = 8  # the prior is cut into 2^8 buckets
FAR = 1 << 31  # the outermost edges of the buckets stand for infinity
LANES = 64  # so many images at once
LOWEST = 1 << 31  # a head of the stack lies in [2^31, 2^63)
WORD = (1 << 32) - 1

MAGIC, VERSION = b"LLBB", 1
HEADER = struct.Struct("<4sBBHIHHHI32sB")


class Stack:
    """A stack of bits, which takes symbols by their probabilities.

    To push a symbol of probability p makes the stack log2(1/p) bits longer; to pop it takes as many away.
    Probabilities are whole multiples of 2^-bits: a symbol has a `frequency`, and as its `start` the sum of
    the frequencies of the symbols before it.

    Parameters
    ----------
    lanes : int
        How many symbols can be pushed at once. Each lane has a head, a number that grows and shrinks; what
        a head can't hold goes as words of 32 bits to one pile under all of them.
    words : iterable of int
        The pile to start from, its top last.
    seed : int, optional
        When the pile is used up, popping goes on with random words. Without a seed it is an error.

    Attributes
    ----------
    heads : numpy.ndarray
        int64, (lanes,), from 2^31 to 2^63 - 1.
    words : list of int
        The pile.
    drawn : int
        How many words were random. They are the initial bits of bits-back coding.

    References
    ----------
    Duda, "Asymmetric numeral systems", arXiv:1311.2540, the range variant. Several lanes over one pile:
    Townsend, Bird and Barber, arXiv:1901.04866.

    Notes
    -----
    Taught in notebook 06.
    """

    def __init__(self, lanes: int = 1, words: Iterable[int] = (), seed: int | None = None):
        self.heads = np.full(lanes, LOWEST, dtype=np.int64)
        self.words = list(words)
        self.drawn = 0
        self._random = None if seed is None else np.random.default_rng(seed)

    @property
    def bits(self) -> float:
        """What it holds, in bits."""
        return 32 * len(self.words) + float(np.log2(self.heads / LOWEST).sum())

    def push(self, start: np.ndarray, frequency: np.ndarray, bits: int) -> None:
        """Lay one symbol on each of the first lanes.

        Parameters
        ----------
        start, frequency : numpy.ndarray
            The symbols' ranges, int64, one for each lane, or for the first few.
        bits : int
            The frequencies of all symbols sum to 2^bits; 31 at most.

        Raises
        ------
        ValueError
            For a frequency of 0.
        """
        if not frequency.all():
            raise ValueError("a symbol of probability 0 can't be pushed: no number of bits would do")
        head = self.heads[: len(start)]  # a view: what is written to it is written to the heads
        full = head >> (63 - bits) >= frequency
        self.words += (head[full] & WORD).tolist()
        head[full] >>= 32
        head[:] = (head // frequency << bits) + head % frequency + start

    def pop(self, find: Callable[[np.ndarray], tuple], n: int, bits: int) -> np.ndarray:
        """Take from each of the first n lanes the symbol that was pushed last.

        Parameters
        ----------
        find : callable
            Gives for slots, int64, (n,), the symbols with start <= slot < start + frequency, as three arrays:
            symbol, start and frequency.
        n : int
            How many lanes.
        bits : int
            As for `push`.

        Returns
        -------
        numpy.ndarray
            The symbols, (n,).

        Raises
        ------
        ValueError
            If more is popped than was pushed, and there is no seed.
        """
        head = self.heads[:n]
        slot = head & ((1 << bits) - 1)
        symbol, start, frequency = find(slot)
        head[:] = frequency * (head >> bits) + slot - start
        low = head < LOWEST
        head[low] = head[low] << 32 | self._take(int(np.count_nonzero(low)))
        return symbol

    def _take(self, n: int) -> np.ndarray:
        """The top n words of the pile."""
        if (lacking := n - len(self.words)) > 0:
            if self._random is None:
                raise ValueError("more was popped than pushed: start the stack with words, or with a seed")
            self.words[:0] = self._random.integers(1 << 32, size=lacking).tolist()
            self.drawn += lacking
        rest = len(self.words) - n
        taken = self.words[rest:]
        del self.words[rest:]
        return np.array(taken, dtype=np.int64)


class FixedPoint:
    """A VAE's networks in whole numbers, so that every machine computes the same.

    Weights are rounded to multiples of 2^-16, and so is what leaves a layer.

    Parameters
    ----------
    model : VariationalAutoencoder
        It isn't changed.

    Attributes
    ----------
    integers : list of numpy.ndarray
        int64: the layers' weights, in units of 2^-16, and biases, in units of 2^-32.

    Raises
    ------
    ValueError
        For something else than one of the course's VAEs, and for weights so large that sums might not be
        exact.

    Notes
    -----
    Used in notebook 06. The whole numbers are kept in float64, for the sake of its matrix products.
    """

    def __init__(self, model: VariationalAutoencoder):
        if not isinstance(model, VariationalAutoencoder):
            raise ValueError(f"bits-back coding needs a VAE, such as vae_conv_16, not {type(model).__name__}")
        self.latent_dim, self.image_shape = model.latent_dim, model.image_shape
        self.integers: list[np.ndarray] = []
        self._encoder, self._decoder = (
            [self._whole(layer) for layer in part] for part in (model.encoder, model.decoder)
        )

    def encode(self, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log-variance of q(z|x).

        Parameters
        ----------
        x : torch.Tensor
            Images of 0 and 1, (n, channels, height, width).

        Returns
        -------
        mu, logvar : numpy.ndarray
            int64, in units of 2^-16, (n, latent_dim).
        """
        mu, logvar = np.split(_through(self._encoder, x * ONE), 2, axis=1)
        return mu, logvar

    def decode(self, z: np.ndarray) -> np.ndarray:
        """The pixels' logits.

        Parameters
        ----------
        z : numpy.ndarray
            int64, in units of 2^-16, (n, latent_dim).

        Returns
        -------
        numpy.ndarray
            int64, in units of 2^-16, (n, pixels).
        """
        return _through(self._decoder, torch.from_numpy(z)).reshape(len(z), -1)

    def _whole(self, layer: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
        """The same layer for whole numbers."""
        if isinstance(layer, (nn.ReLU, nn.Flatten, nn.Unflatten)):
            return layer
        if not isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            raise ValueError(f"a layer {type(layer).__name__} can't be computed in whole numbers here")
        assert layer.bias is not None  # the course's models have biases everywhere
        weight = (layer.weight.detach().cpu().double() * ONE).round()  # halves to the even number
        bias = (layer.bias.detach().cpu().double() * ONE**2).round()
        self.integers += [value.numpy().astype(np.int64) for value in (weight, bias)]
        # Each number of the output is a sum over all other axes of the weights.
        output = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        sums = weight.abs().transpose(0, output).flatten(1).sum(1) * LARGEST * ONE + bias.abs()
        if sums.max() >= EXACT:
            raise ValueError("the model's weights are so large that sums of whole numbers might not be exact")
        bias = bias.reshape(-1, *[1] * (weight.ndim - 2))

        def whole(x: torch.Tensor) -> torch.Tensor:
            total = _apply(layer, weight, x) + bias
            return (total / ONE + 0.5).floor().clamp(-LARGEST * ONE, LARGEST * ONE)

        return whole


class BitsBack:
    """Images on a stack of bits, by way of a VAE.

    Parameters
    ----------
    model : VariationalAutoencoder
        One of the course's, for pixels of 0 and 1.
    bucket_bits : int
        Each latent dimension is cut into 2^bucket_bits buckets to which the prior gives equal mass.

    Attributes
    ----------
    fingerprint : bytes
        SHA-256 of all whole numbers that packing and unpacking must have in common.

    Raises
    ------
    ValueError
        As of `FixedPoint`; and for buckets that are too few or too many.

    References
    ----------
    Townsend, Bird and Barber, "Practical lossless compression with latent variables using bits back coding",
    arXiv:1901.04866.

    Notes
    -----
    Taught in notebook 06.
    """

    def __init__(self, model: VariationalAutoencoder, bucket_bits: int = BUCKET_BITS):
        if not 1 <= bucket_bits <= 16:
            raise ValueError(f"bucket_bits must be from 1 to 16, not {bucket_bits!r}")
        self.networks, self.bucket_bits = FixedPoint(model), bucket_bits
        edges = np.arange(2 * 2**bucket_bits + 1) / (2 * 2**bucket_bits)
        quantiles = _rounded(special.ndtri(edges).clip(-FAR / ONE, FAR / ONE), ONE)
        self.edges, self.centres = quantiles[::2], quantiles[1::2]
        steps = (np.arange(2048) + 0.5) / 64 - 16
        self.white = _rounded(special.expit(steps), 2**PIXEL_BITS).clip(1, 2**PIXEL_BITS - 1)
        self.rates = _rounded(np.exp(-steps / 2), ONE)  # 1 / sigma
        self.normal = _rounded(special.ndtr((np.arange(65536) + 0.5) / 4096 - 8), 2**POSTERIOR_BITS)
        self.normal[[0, -1]] = 0, 2**POSTERIOR_BITS
        shared = [*self.networks.integers, self.edges, self.centres, self.white, self.rates, self.normal]
        self.fingerprint = hashlib.sha256(b"".join(each.astype("<i8").tobytes() for each in shared)).digest()

    def push(self, stack: Stack, x: torch.Tensor) -> dict[str, np.ndarray]:
        """Lay images on a stack, one on each of its first lanes.

        Parameters
        ----------
        stack : Stack
            It has a lane for each image.
        x : torch.Tensor
            float32 images of 0 and 1 on the CPU, (n, channels, height, width).

        Returns
        -------
        dict of str to numpy.ndarray
            What each image cost in bits: ``"z"``, ``"x"``, and ``"back"``, which is negative.

        Raises
        ------
        ValueError
            For more images than lanes, and if the stack is used up and has no seed.
        """
        n = len(x)
        if n > len(stack.heads):
            raise ValueError(f"the stack has {len(stack.heads)} lanes, too few for {n} images at once")
        mu, rate = self._posterior(x)
        z = np.empty_like(mu)
        back = np.zeros(n)
        for at in range(len(z)):
            z[at] = stack.pop(partial(self._bucket, mu=mu[at], rate=rate[at]), n, POSTERIOR_BITS)
            back += np.log2(self._range(z[at], mu[at], rate[at])[1]) - POSTERIOR_BITS
        black = 2**PIXEL_BITS - self._white(z)
        pixels = x.flatten(1).numpy().T == 1
        start = np.where(pixels, black, 0)
        frequency = np.where(pixels, 2**PIXEL_BITS - black, black)
        for at in range(len(pixels)):
            stack.push(start[at], frequency[at], PIXEL_BITS)
        for bucket in z:
            stack.push(bucket, np.ones_like(bucket), self.bucket_bits)
        bits = PIXEL_BITS * len(pixels) - np.log2(frequency).sum(0)
        return {"z": np.full(n, float(self.bucket_bits * len(z))), "x": bits, "back": back}

    def pop(self, stack: Stack, n: int) -> torch.Tensor:
        """Take the images from the first n lanes of a stack, each step of `push` undone in reverse.

        Parameters
        ----------
        stack : Stack
            It is left as it was before the images were pushed.
        n : int
            How many images were pushed at once.

        Returns
        -------
        torch.Tensor
            float32, of 0 and 1, (n, channels, height, width).
        """
        z = np.empty((self.networks.latent_dim, n), dtype=np.int64)
        for at in reversed(range(len(z))):
            z[at] = stack.pop(lambda slot: (slot, slot, 1), n, self.bucket_bits)
        black = 2**PIXEL_BITS - self._white(z)
        pixels = np.empty_like(black)
        for at in reversed(range(len(pixels))):
            pixels[at] = stack.pop(partial(_pixel, black=black[at]), n, PIXEL_BITS)
        x = torch.from_numpy(pixels.T.astype(np.float32)).reshape(n, *self.networks.image_shape)
        mu, rate = self._posterior(x)
        for at in reversed(range(len(z))):
            stack.push(*self._range(z[at], mu[at], rate[at]), POSTERIOR_BITS)
        return x

    def _posterior(self, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """mu and 1/sigma of q(z|x), in units of 2^-16, (latent_dim, n)."""
        mu, logvar = self.networks.encode(x)
        return mu.T, self.rates[_step(logvar)].T

    def _white(self, z: np.ndarray) -> np.ndarray:
        """The frequency of 1 for each pixel, (pixels, n), from the buckets of z, (latent_dim, n)."""
        return self.white[_step(self.networks.decode(self.centres[z].T))].T

    def _below(self, bucket: np.ndarray, mu: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """The mass of q(z|x) in the buckets before this one, in units of 2^-24."""
        standard = (self.edges[bucket] - mu) * rate >> 16
        return self.normal[((standard >> 4) + 32768).clip(0, 65535)]

    def _range(self, bucket: np.ndarray, mu: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Start and frequency of a bucket under q(z|x)."""
        start = self._below(bucket, mu, rate)
        return start, self._below(bucket + 1, mu, rate) - start

    def _bucket(
        self, slot: np.ndarray, mu: np.ndarray, rate: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The bucket of q(z|x) that a slot lies in, found by halving; its start and frequency."""
        bucket = np.zeros_like(slot)
        for half in (1 << bit for bit in reversed(range(self.bucket_bits))):
            bucket += np.where(self._below(bucket + half, mu, rate) <= slot, half, 0)
        return bucket, *self._range(bucket, mu, rate)


def compress(
    images: torch.Tensor,
    model: VariationalAutoencoder,
    *,
    bucket_bits: int = BUCKET_BITS,
    lanes: int = LANES,
    seed: int = 0,
    name: str = "",
) -> bytes:
    """Pack images of 0 and 1 into bytes, from which `decompress` gets them back with the same model.

    Parameters
    ----------
    images : torch.Tensor
        (n, channels, height, width), of 0 and 1.
    model : VariationalAutoencoder
        One of the course's. The better its ELBO on these images, the fewer the bytes.
    bucket_bits : int
        As for `BitsBack`.
    lanes : int
        How many images are packed at once: more are faster, and each costs 8 bytes.
    seed : int
        Gives the initial bits.
    name : str
        What the file calls the model.

    Returns
    -------
    bytes
        A whole file, as docs/format.md describes it; the weights aren't in it.

    Raises
    ------
    ValueError
        For images that have other values, or another shape than the model's; for lanes that can't be.

    Notes
    -----
    Used in notebook 06.
    """
    check_images(images)
    if tuple(images.shape[1:]) != model.image_shape or not ((images == 0) | (images == 1)).all():
        shape = ", ".join(map(str, model.image_shape))
        raise ValueError(
            f"this model packs images (n, {shape}) of 0 and 1: binarize them, such as with (x > 0.5).float()"
        )
    if not 1 <= lanes < 1 << 16 or len(name.encode("utf-8")) > 255:
        raise ValueError(f"lanes must be from 1 to 65535, not {lanes!r}, and a name has 255 bytes at most")
    batches = [*_batches(len(images), lanes)]
    codec = BitsBack(model, bucket_bits)
    stack = Stack(max(part.stop - part.start for part in batches), seed=seed)
    for part in batches:
        codec.push(stack, images[part].detach().cpu().float())
    return _pack(stack, codec, len(images), name)


def decompress(data: bytes, model: VariationalAutoencoder) -> torch.Tensor:
    """Unpack what `compress` has packed.

    Parameters
    ----------
    data : bytes
        What `compress` gave.
    model : VariationalAutoencoder
        The same weights.

    Returns
    -------
    torch.Tensor
        float32, of 0 and 1, (n, channels, height, width): bit by bit what was packed.

    Raises
    ------
    ValueError
        If the data are something else, or damaged, or were packed with another model.

    Notes
    -----
    Used in notebook 06.
    """
    stack, codec, count, drawn = _unpack(data, model)
    parts = [
        codec.pop(stack, part.stop - part.start) for part in reversed([*_batches(count, len(stack.heads))])
    ]
    if len(stack.words) != drawn or (stack.heads != LOWEST).any():
        raise ValueError(
            "what is left on the stack isn't what it started from: the file was packed differently"
        )
    return torch.cat([torch.empty(0, *model.image_shape), *reversed(parts)])


def _batches(count: int, lanes: int) -> Iterator[slice]:
    """Which images are packed at once: few at first, as many as the bits of those before them can serve."""
    start = 0
    while start < count:
        n = min(lanes, 1 + start // 4, count - start)
        yield slice(start, start + n)
        start += n


def _pack(stack: Stack, codec: BitsBack, count: int, name: str) -> bytes:
    label = name.encode("utf-8")
    head = HEADER.pack(
        MAGIC, VERSION, codec.bucket_bits, len(stack.heads), count, *codec.networks.image_shape, stack.drawn,
        codec.fingerprint, len(label),
    )  # fmt: skip
    pile = np.array(stack.words, dtype="<u4").tobytes()
    body = head + label + stack.heads.astype("<i8").tobytes() + pile
    return body + struct.pack("<I", zlib.crc32(body))


def _unpack(data: bytes, model: VariationalAutoencoder) -> tuple[Stack, BitsBack, int, int]:
    if data[:4] != MAGIC:
        raise ValueError("this is no file of compress: it doesn't begin with LLBB")
    if len(data) < HEADER.size + 4 or zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise ValueError("the file is truncated or altered: its checksum is wrong. Fetch or write it again")
    _, version, bucket_bits, lanes, count, *shape, drawn, fingerprint, size = HEADER.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"the file has version {version} of the format; this course reads {VERSION}")
    codec, at = BitsBack(model, bucket_bits), HEADER.size + size
    if codec.fingerprint != fingerprint or tuple(shape) != model.image_shape:
        name = data[HEADER.size : at].decode("utf-8") or "one without a name"
        raise ValueError(f"the file was packed with other weights (it says: {name}); load those")
    stack = Stack(lanes, np.frombuffer(data[at + 8 * lanes : -4], dtype="<u4").tolist())
    stack.heads[:] = np.frombuffer(data, dtype="<i8", count=lanes, offset=at)
    return stack, codec, count, drawn


def _through(layers: list[Callable], x: torch.Tensor) -> np.ndarray:
    x = x.double()
    for layer in layers:
        x = layer(x)
    return x.numpy().astype(np.int64)


def _apply(layer: nn.Module, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A layer without its bias, as one product of matrices, whose sums of whole numbers are exact.

    PyTorch's own convolutions are free to use other algorithms, which need fractions on the way.
    """
    if isinstance(layer, nn.Linear):
        return x @ weight.T
    assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    height, width = x.shape[2:]
    ways: dict[str, Any] = {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
    }
    if isinstance(layer, nn.Conv2d):
        height, width = ((size + 2 * p - k) // s + 1 for size, k, s, p in _sizes(layer, (height, width)))
        columns = F.unfold(x, **ways)
        return (weight.flatten(1) @ columns).reshape(len(x), -1, height, width)
    columns = weight.flatten(1).T @ x.flatten(2)
    size = tuple((size - 1) * s - 2 * p + k for size, k, s, p in _sizes(layer, (height, width)))
    return F.fold(columns, size, **ways)


def _sizes(layer: nn.Conv2d | nn.ConvTranspose2d, size: tuple[int, int]) -> Iterator[tuple]:
    return zip(size, layer.kernel_size, layer.stride, layer.padding, strict=True)


def _step(value: np.ndarray) -> np.ndarray:
    """Where a table of 2048 steps from -16 to 16 has a value given in units of 2^-16."""
    return ((value >> 10) + 1024).clip(0, 2047)


def _rounded(value: np.ndarray, unit: int) -> np.ndarray:
    return np.rint(value * unit).astype(np.int64)


def _pixel(slot: np.ndarray, black: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pixel that a slot lies in: 0 comes first, and takes `black` of the 2^16."""
    pixel = slot >= black
    return pixel, np.where(pixel, black, 0), np.where(pixel, 2**PIXEL_BITS - black, black)
