"""Pack the test digits into a file with the course's VAE, unpack it elsewhere, and measure what it took.

    python course.py compress [--to FILE]              measures, and writes results/coding.json
    python course.py compress --unpack FILE --to BITS  gets the digits out of a file, eight pixels a byte

The digits are binarized once, as for `python course.py likelihood`, whose model packs them. A second
process unpacks the file, with another number of threads; its digits are compared bit by bit. The same digits
go through PNG, bz2 and xz; through xz after it has seen the training digits, because the VAE has, too; and
through a model of a pixel by its neighbours, which was counted on the training digits.
"""

from __future__ import annotations

import argparse
import bz2
import hashlib
import io
import json
import lzma
import math
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import special

from latentlab_helpers import checkpoints, coding, datasets, losses, models, training
from latentlab_helpers.files import write_whole
from tools import likelihood
from tools.quote import quote
from tools.weights import versions

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "results" / "coding.json", ROOT / "docs" / "format.md"
NAME, ELBO_SEEDS, BUCKETS, SOME = likelihood.NAME, range(8), (4, 6, 8, 10, 12), 1000
# The neighbours that are known when a pixel comes, in rows and columns from it
NEIGHBOURS = [
    *((0, x) for x in (-1, -2, -3)),
    *((-1, x) for x in range(-3, 4)),
    *((-2, x) for x in range(-2, 3)),
    (-3, 0),
]


def binarizations(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """The digits in 0 and 1, by chance as the literature has them, and by a threshold."""
    generator = torch.Generator().manual_seed(likelihood.SEED)
    return {
        "by chance": likelihood.binarized(images, generator),
        "by threshold": (datasets.to_float(images) > 0.5).float(),
    }


def as_bits(x: torch.Tensor) -> bytes:
    """Eight pixels a byte, images one after the other."""
    return np.packbits(x.numpy().astype(np.uint8)).tobytes()


def packed(x: torch.Tensor, model: models.VariationalAutoencoder, folder: Path) -> tuple[bytes, dict]:
    """The digits as a file, and what it took; a process of its own gets them back."""
    packed_file, bits_file = folder / "digits.llbb", folder / "digits.bits"
    start = time.perf_counter()
    data = coding.compress(x, model, name=NAME)
    seconds = {"pack": time.perf_counter() - start}
    write_whole(packed_file, data)
    threads = 2 if torch.get_num_threads() == 1 else 1
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "tools.compress", "--unpack", packed_file, "--to", bits_file],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        check=True,
    )
    seconds["unpack in a process of its own"] = time.perf_counter() - start
    stack, codec, _, drawn = coding._unpack(data, model)
    elbos = [-training.evaluate(model, x, seed=seed)["loss"] for seed in ELBO_SEEDS]
    n, elbo, rounded = len(x), float(np.mean(elbos)), rounding(x, model, codec)
    bits = {
        "negative ELBO": -elbo / math.log(2),
        "rounding and buckets": sum(rounded.values()),
        "initial bits": 32 * drawn / n,
        "heads, header, checksum": (8 * len(data) - stack.bits) / n,
    }
    file = 8 * len(data) / n
    return data, {
        "bytes": len(data),
        "bits_per_pixel": file / x[0].numel(),
        "same": bits_file.read_bytes() == as_bits(x),
        "threads": [torch.get_num_threads(), threads],
        "elbo": elbo,
        "elbo_spread": float(np.std(elbos, ddof=1)),
        # The z that were popped are one draw; another would make another file.
        "bits_per_image": {**bits, "luck with z": file - sum(bits.values()), "file": file},
        "rounding": rounded,
        "initial_bits": 32 * drawn,
        "seconds": seconds,
    }


def rounding(
    x: torch.Tensor, model: models.VariationalAutoencoder, codec: coding.BitsBack
) -> dict[str, float]:
    """What whole numbers cost beside the ELBO, in bits an image: by differences, in which no chance is left.

    The KL of the buckets' masses is summed over all buckets, and compared with the closed form. Then z is
    drawn and moved to the centre of its bucket: how much worse is it for the pixels? At the centre, how much
    do their rounded probabilities cost? Buckets make another model, whose ELBO may even be better.
    """
    totals = dict.fromkeys(("posterior in buckets", "z in the middle of its bucket", "pixels"), 0.0)
    noise = torch.Generator().manual_seed(0)
    every = np.arange(2**codec.bucket_bits + 1)[:, None, None]
    with models.evaluating(model):
        for part in x.split(200):
            mu, logvar = model.encode(part)
            mass = np.diff(codec._below(every, *codec._posterior(part)), axis=0) / 2**coding.POSTERIOR_BITS
            kl = special.xlogy(mass, mass * 2**codec.bucket_bits).sum()
            totals["posterior in buckets"] += kl - losses.kl_per_dimension(mu, logvar).sum().item()
            z = model.reparameterize(mu, logvar, noise)
            bucket = np.searchsorted(codec.edges[1:-1], z.numpy() * coding.ONE, side="right")
            centre = torch.from_numpy(codec.centres[bucket] / coding.ONE).float()
            one, other = (
                losses.bernoulli(model.decoder(code), part).item() * len(part) for code in (z, centre)
            )
            totals["z in the middle of its bucket"] += other - one
            white = codec._white(bucket.T).T.reshape(part.shape) / 2**coding.PIXEL_BITS
            totals["pixels"] -= np.log(np.where(part == 1, white, 1 - white)).sum() + other
    return {name: float(nats / math.log(2) / len(x)) for name, nats in totals.items()}


def png(pixels: np.ndarray, **settings) -> int:
    """The bytes of a picture, white on black, one bit a pixel."""
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8) * 255).convert("1").save(file, "PNG", optimize=True, **settings)
    return len(file.getvalue())


def general(x: torch.Tensor) -> dict[str, int]:
    """The bytes that general-purpose compressors need; of two ways to hand over the digits, the better."""
    digits = x.numpy()[:, 0].astype(bool)
    side = math.isqrt(len(digits))
    sheet = (
        digits[: side**2]
        .reshape(side, side, *digits.shape[1:])
        .swapaxes(1, 2)
        .reshape(side * digits.shape[1], -1)
    )
    ways = [np.packbits(digits).tobytes(), digits.tobytes()]  # a bit a pixel, or a byte

    def better(compressor: Callable[[bytes], bytes]) -> int:
        return min(len(compressor(way)) for way in ways)

    return {
        "one bit a pixel": len(ways[0]),
        "PNG, one for each digit": sum(map(png, digits)),
        "PNG, one for all": min(png(sheet), png(digits.reshape(-1, digits.shape[-1]))),
        "zlib": better(lambda data: zlib.compress(data, 9)),
        "xz": better(lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)),
        "bz2": better(bz2.compress),
    }


def informed(x: torch.Tensor, train: torch.Tensor) -> dict[str, int]:
    """The bytes needed by what knows the training digits, as the VAE does."""
    before, digits = as_bits(train), as_bits(x)
    size = max(len(before) + len(digits), 4096)  # the smallest that xz takes
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": size}]

    def xz(data: bytes) -> int:
        return len(lzma.compress(data, filters=filters))

    share = (train.sum(0) + 0.5) / (len(train) + 1)
    alone = torch.where(x == 1, share, 1 - share).log2().sum()
    ones, seen = np.zeros(1 << len(NEIGHBOURS)), np.zeros(1 << len(NEIGHBOURS))
    for part in train.split(5000):
        context = contexts(part)
        seen += np.bincount(context, minlength=len(seen))
        ones += np.bincount(context, weights=part.numpy().ravel(), minlength=len(ones))
    chance = ((ones + 0.5) / (seen + 1))[contexts(x)]
    neighbours = np.log2(np.where(x.numpy().ravel() == 1, chance, 1 - chance)).sum()
    return {
        "xz after the training digits": xz(before + digits) - xz(before),
        "each pixel by its mean": math.ceil(-float(alone) / 8),
        f"each pixel by {len(NEIGHBOURS)} neighbours": math.ceil(-float(neighbours) / 8),
    }


def contexts(x: torch.Tensor) -> np.ndarray:
    """For each pixel its neighbours above and to the left, as the bits of a number."""
    digits = x.numpy()[:, 0].astype(np.int64)
    padded = np.pad(digits, ((0, 0), (3, 0), (3, 3)))
    height, width = digits.shape[1:]
    code = np.zeros_like(digits)
    for row, column in NEIGHBOURS:
        code = 2 * code + padded[:, 3 + row : 3 + row + height, 3 + column : 3 + column + width]
    return code.ravel()


def floating_point(x: torch.Tensor, model: models.VariationalAutoencoder) -> dict[str, float]:
    """How often float32 gives another logit to an image alone than among others, and whole numbers do."""
    networks = coding.FixedPoint(model)
    with models.evaluating(model):
        z, _ = model.encode(x)
        together = model.decoder(z)
        alone = torch.cat([model.decoder(each[None]) for each in z])
    whole = networks.decode((z * coding.ONE).round().long().numpy())
    again = np.concatenate([networks.decode(each[None]) for each in (z * coding.ONE).round().long().numpy()])
    return {
        "images": len(x),
        "float32": (together != alone).double().mean().item(),
        "whole numbers": float((whole != again).mean()),
    }


def measure(to: Path | None = None) -> dict:
    model = checkpoints.load(NAME)
    test, train = (datasets.load("mnist", split).images for split in ("test", "train"))
    weights = (checkpoints.folder() / f"{NAME}{checkpoints.SUFFIX}").stat().st_size
    found: dict = {"model": NAME, "digits": len(test), "weights": weights, "versions": versions()}
    train_x = binarizations(train)
    with tempfile.TemporaryDirectory() as folder:
        for name, x in binarizations(test).items():
            data, result = packed(x, model, Path(folder))
            print(f"{name}: {result}", flush=True)
            if to and name == "by chance":
                write_whole(to, data)
            found[name] = result | {"rivals": general(x), "informed rivals": informed(x, train_x[name])}
            print(f"{found[name]['rivals']} {found[name]['informed rivals']}", flush=True)
    x = binarizations(test)["by chance"]
    chance = found["by chance"]
    best = min(chance["rivals"].values())
    # Against those that need no weights, either
    found["digits_to_pay_for_the_weights"] = math.ceil(weights / ((best - chance["bytes"]) / len(test)))
    found["buckets"] = {
        str(bits): 8 * len(coding.compress(x[:SOME], model, bucket_bits=bits)) / x[:SOME].numel()
        for bits in BUCKETS
    }
    found["floating_point"] = floating_point(x[:SOME], model)
    first = coding.compress(x[:100], model, lanes=4, name=NAME)
    found["first_hundred"] = {"bytes": len(first), "sha256": hashlib.sha256(first).hexdigest()}
    return found


def sentence(found: dict) -> str:
    """What docs/format.md says of it."""
    one, other = found["by chance"], found["by threshold"]
    sizes = {"bits-back coding": one["bytes"], **one["rivals"], **one["informed rivals"]}
    weights, digits = found["weights"], found["digits_to_pay_for_the_weights"]
    rival = min(one["rivals"], key=one["rivals"].get)
    best, size = min((other["rivals"] | other["informed rivals"]).items(), key=lambda item: item[1])
    elbo, cost, initial, frame, luck, file = one["bits_per_image"].values()
    rows = [
        f"| {name} | {size:,} | {one['bits_per_pixel'] * size / one['bytes']:.4f} |"
        for name, size in sorted(sizes.items(), key=lambda item: item[1])
    ]
    lines = [
        f"Measured by `python course.py compress` on {found['digits']:,} test digits, binarized by chance.",
        "",
        "| | bytes | bits a pixel |",
        "|---|---|---|",
        *rows,
        "",
        f"Of the file's {file:.2f} bits an image, {elbo:.2f} are the negative ELBO, {-one['elbo']:.2f} nats.",
        f"Rounding and buckets cost {cost:+.2f} bits, the initial bits {initial:+.3f}, and heads, header and",
        f"checksum (less what the heads hold) {frame:+.2f}; the draw of z made a difference of {luck:+.2f}.",
        "",
        f"The weights, {weights:,} bytes, are not in the file: both sides must have them. Counted with them,",
        f"the VAE is ahead of {rival} after {digits:,} digits. Binarized by a threshold, "
        "the test digits take",
        f"{other['bytes']:,} bytes, {other['bits_per_pixel']:.4f} bits a pixel; {best} takes {size:,}.",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="course.py compress", description=__doc__.partition("\n")[0])
    parser.add_argument("--unpack", type=Path, metavar="FILE")
    parser.add_argument("--to", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    if chosen.unpack:
        if not chosen.to:
            parser.error("say with --to where the digits go")
        write_whole(chosen.to, as_bits(coding.decompress(chosen.unpack.read_bytes(), checkpoints.load(NAME))))
        return 0
    found = measure(chosen.to)
    if not all(found[name]["same"] for name in ("by chance", "by threshold")):
        print("what came out of the file is not what went in: nothing was written")
        return 1
    write_whole(RESULTS, json.dumps(found, indent=1) + "\n")
    quote(PAGE, "compress", sentence(found))
    print(sentence(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
