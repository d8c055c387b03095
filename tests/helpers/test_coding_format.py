"""A decoder written from docs/format.md alone: other arithmetic, other tables, none of the module's code.

It computes in Python's and NumPy's integers, image by image, and takes its tables from the standard library.
Only the test at the end knows `coding`, which packs the file.
"""

import hashlib
import math
import statistics
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from latentlab_helpers import checkpoints, coding

WEIGHTS = Path(__file__).resolve().parents[2] / "data/checkpoints/vae_conv_50_binarized.safetensors"


def rounded(value):
    return round(value)  # Python's rounds halves to the even number, too


class Tables:
    def __init__(self, b):
        normal, k = statistics.NormalDist(), 2**b
        x = [(i + 0.5) / 64 - 16 for i in range(2048)]
        self.white = [min(max(rounded(2**16 / (1 + math.exp(-t))), 1), 2**16 - 1) for t in x]
        self.rate = [rounded(2**16 * math.exp(-t / 2)) for t in x]
        steps = ((i + 0.5) / 4096 - 8 for i in range(65536))
        self.normal = [rounded(2**24 * math.erfc(-u / math.sqrt(2)) / 2) for u in steps]
        self.normal[0], self.normal[-1] = 0, 2**24
        self.edge = [-(2**31), *(rounded(2**16 * normal.inv_cdf(i / k)) for i in range(1, k)), 2**31]
        self.centre = [rounded(2**16 * normal.inv_cdf((i + 0.5) / k)) for i in range(k)]

    @staticmethod
    def place(v):
        return min(max((v >> 10) + 1024, 0), 2047)

    def mass_below(self, k, mu, logvar):
        r = self.rate[self.place(logvar)]
        return self.normal[min(max((((self.edge[k] - mu) * r) >> 20) + 32768, 0), 65535)]


class Networks:
    def __init__(self):
        self.all = {}
        for key, value in load_file(WEIGHTS).items():
            scale = 2**16 if key.endswith("weight") else 2**32
            self.all[key] = np.rint(value.astype(np.float64) * scale).astype(np.int64)

    def after(self, total, name, axes=0):
        y = (total + self.all[f"{name}.bias"].reshape(-1, *[1] * axes) + 2**15) >> 16
        return y.clip(-(2**26), 2**26)

    def linear(self, x, name):
        return self.after(self.all[f"{name}.weight"].dot(x), name)

    def down(self, x, name):
        """A convolution, tap by tap."""
        weight, padded = self.all[f"{name}.weight"], np.pad(x, ((0, 0), (1, 1), (1, 1)))
        height, width = x.shape[1] // 2, x.shape[2] // 2
        total = np.zeros((len(weight), height, width), dtype=np.int64)
        for u in range(4):
            for v in range(4):
                seen = padded[:, u : u + 2 * height : 2, v : v + 2 * width : 2]
                total += np.einsum("oi,ihw->ohw", weight[:, :, u, v], seen)
        return self.after(total, name, 2)

    def up(self, x, name):
        """A transposed convolution, tap by tap, into an image with a margin that is dropped."""
        weight = self.all[f"{name}.weight"]
        height, width = 2 * x.shape[1], 2 * x.shape[2]
        total = np.zeros((weight.shape[1], height + 2, width + 2), dtype=np.int64)
        for u in range(4):
            for v in range(4):
                total[:, u : u + height : 2, v : v + width : 2] += np.einsum(
                    "io,ihw->ohw", weight[:, :, u, v], x
                )
        return self.after(total[:, 1:-1, 1:-1], name, 2)

    def encode(self, pixels):
        x = np.array(pixels, dtype=np.int64).reshape(1, 28, 28) * 2**16
        for name in ("encoder.0", "encoder.2"):
            x = np.maximum(self.down(x, name), 0)
        x = self.linear(np.maximum(self.linear(x.ravel(), "encoder.5"), 0), "encoder.7")
        return x[:50].tolist(), x[50:].tolist()

    def decode(self, z):
        x = np.maximum(self.linear(np.array(z, dtype=np.int64), "decoder.0"), 0)
        x = np.maximum(self.linear(x, "decoder.2"), 0).reshape(64, 7, 7)
        x = self.up(np.maximum(self.up(x, "decoder.5"), 0), "decoder.7")
        return x.ravel().tolist()

    def sums_to(self, fingerprint, tables):
        order = [f"encoder.{i}" for i in (0, 2, 5, 7)] + [f"decoder.{i}" for i in (0, 2, 5, 7)]
        parts = [self.all[f"{name}.{kind}"].ravel() for name in order for kind in ("weight", "bias")]
        parts += [tables.edge, tables.centre, tables.white, tables.rate, tables.normal]
        joined = b"".join(np.array(part, dtype="<i8").tobytes() for part in parts)
        return hashlib.sha256(joined).digest() == fingerprint


class Lanes:
    def __init__(self, heads, pile):
        self.heads, self.pile = heads, pile

    def pop(self, n, b, find):
        symbols, low = [], []
        for lane in range(n):
            slot = self.heads[lane] % 2**b
            symbol, s, f = find(lane, slot)
            assert s <= slot < s + f
            self.heads[lane] = f * (self.heads[lane] >> b) + slot - s
            symbols.append(symbol)
            if self.heads[lane] < 2**31:
                low.append(lane)
        words = self.pile[len(self.pile) - len(low) :]
        del self.pile[len(self.pile) - len(low) :]
        for lane, word in zip(low, words, strict=True):
            self.heads[lane] = self.heads[lane] * 2**32 + word
        return symbols

    def push(self, b, ranges):
        for lane, (_, f) in enumerate(ranges):
            if self.heads[lane] >> (63 - b) >= f:
                self.pile.append(self.heads[lane] % 2**32)
                self.heads[lane] >>= 32
        for lane, (s, f) in enumerate(ranges):
            self.heads[lane] = self.heads[lane] // f * 2**b + self.heads[lane] % f + s


def decode(data):
    """The images in a file, as lists of pixels."""
    assert data[:4] == b"LLBB" and data[4] == 1
    assert struct.unpack("<I", data[-4:])[0] == zlib.crc32(data[:-4])
    b, (lanes,), (count,) = data[5], struct.unpack("<H", data[6:8]), struct.unpack("<I", data[8:12])
    assert struct.unpack("<3H", data[12:18]) == (1, 28, 28)
    (initial,) = struct.unpack("<I", data[18:22])
    at = 55 + data[54]
    assert data[55:at] == b"vae_conv_50_binarized"
    heads = list(struct.unpack(f"<{lanes}q", data[at : at + 8 * lanes]))
    pile = [word for (word,) in struct.iter_unpack("<I", data[at + 8 * lanes : -4])]
    tables, networks, stack = Tables(b), Networks(), Lanes(heads, pile)
    assert networks.sums_to(data[22:54], tables)

    batches, i = [], 0
    while i < count:
        batches.append((i, min(lanes, 1 + i // 4, count - i)))
        i += batches[-1][1]
    images = [None] * count
    for first, n in reversed(batches):
        z = [[0] * 50 for _ in range(n)]
        for d in reversed(range(50)):
            for lane, k in enumerate(stack.pop(n, b, lambda lane, slot: (slot, slot, 1))):
                z[lane][d] = k
        logits = [networks.decode([tables.centre[k] for k in each]) for each in z]
        found = [[0] * 784 for _ in range(n)]

        def pixel(lane, slot, p, logits=logits):
            w = tables.white[tables.place(logits[lane][p])]
            return (0, 0, 2**16 - w) if slot < 2**16 - w else (1, 2**16 - w, w)

        for p in reversed(range(784)):
            for lane, one in enumerate(stack.pop(n, 16, lambda lane, slot, p=p: pixel(lane, slot, p))):
                found[lane][p] = one
        posterior = [networks.encode(each) for each in found]
        for d in reversed(range(50)):
            ranges = []
            for lane, (mu, logvar) in enumerate(posterior):
                s, end = (tables.mass_below(z[lane][d] + i, mu[d], logvar[d]) for i in (0, 1))
                ranges.append((s, end - s))
            stack.push(24, ranges)
        images[first : first + n] = found
    assert set(stack.heads) == {2**31} and len(stack.pile) == initial
    return images


def test_a_decoder_from_the_description_alone_finds_the_same_images(test):
    name = WEIGHTS.stem
    x = torch.bernoulli(test.images[:24] / 255, generator=torch.Generator().manual_seed(0))
    data = coding.compress(x, checkpoints.load(name), lanes=3, name=name)
    assert decode(data) == x.flatten(1).long().tolist()
