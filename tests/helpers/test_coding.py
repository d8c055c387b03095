"""Bits-back coding: what goes in comes out, at the price that the distributions set, on every machine."""

import math
import struct
import zlib

import mpmath
import numpy as np
import pytest
import torch

from latentlab_helpers import checkpoints, coding, models, training


@pytest.fixture(scope="module")
def digits(few):
    return (few[:100] > 127).float()


@pytest.fixture(scope="module")
def model():
    return checkpoints.load("vae_conv_16")


def table(frequencies):
    """Where symbols with these frequencies start, and which one a slot belongs to."""
    starts = np.cumsum(frequencies) - frequencies

    def find(slot):
        symbol = np.searchsorted(starts, slot, side="right") - 1
        return symbol, starts[symbol], frequencies[symbol]

    return starts, find


@pytest.mark.parametrize("lanes", [1, 7, 64])
@pytest.mark.parametrize("bits", [1, 8, 24, 31])
def test_symbols_come_back_in_reverse_at_the_price_of_their_probabilities(lanes, bits):
    random = np.random.default_rng(bits)
    cuts = np.unique(random.integers(1, 2**bits, size=9))
    frequencies = np.diff(np.concatenate([[0], cuts, [2**bits]])).astype(np.int64)
    starts, find = table(frequencies)
    symbols = random.choice(len(frequencies), size=(3000 // lanes, lanes), p=frequencies / 2**bits)
    stack = coding.Stack(lanes)
    for row in symbols:
        stack.push(starts[row], frequencies[row], bits)
    price = (bits - np.log2(frequencies[symbols])).sum()
    # A head of 2^31 is coarse for frequencies of 31 bits.
    assert stack.bits == pytest.approx(price, rel=1e-3 if bits < 31 else 3e-3)
    assert all(0 <= word < 2**32 for word in stack.words)
    for row in symbols[::-1]:
        assert (stack.pop(find, lanes, bits) == row).all()
    assert not stack.words and (stack.heads == 2**31).all()


def test_what_was_popped_can_be_pushed_back(few):
    """The other order, which bits-back coding needs: any bits are a sample of any distribution."""
    starts, find = table(np.array([1, 200, 50, 5], dtype=np.int64))
    words = np.random.default_rng(0).integers(1 << 32, size=400).tolist()
    stack = coding.Stack(5, words)
    popped = [stack.pop(find, 5, 8) for _ in range(400)]
    shares = np.bincount(np.concatenate(popped), minlength=4) / 2000
    assert shares == pytest.approx(np.array([1, 200, 50, 5]) / 256, abs=0.03)
    for symbol in popped[::-1]:
        stack.push(starts[symbol], np.array([1, 200, 50, 5])[symbol], 8)
    assert stack.words == words and (stack.heads == 2**31).all()


def even(slot):
    """Each slot is a symbol of its own."""
    return slot, slot, np.ones_like(slot)


def test_a_stack_that_is_used_up_goes_on_with_random_words_or_says_so():
    with pytest.raises(ValueError, match="more was popped than pushed"):
        coding.Stack(3).pop(even, 3, 8)
    stack, other = coding.Stack(3, seed=5), coding.Stack(3, seed=5)
    popped = [stack.pop(even, 2, 16) for _ in range(4)]
    assert stack.drawn == 4 and np.ptp(popped) > 0, "two words for each of two lanes"
    assert np.array_equal(popped, [other.pop(even, 2, 16) for _ in range(4)])
    for symbol in popped[::-1]:
        stack.push(symbol, np.ones_like(symbol), 16)
    assert len(stack.words) == stack.drawn and (stack.heads == 2**31).all()


def test_an_image_costs_what_its_stack_grows_by_and_the_mean_is_the_elbo(model, digits):
    codec, stack = coding.BitsBack(model), coding.Stack(25, seed=0)
    before, costs = [], []
    for part in digits.split(25):
        before.append((stack.heads.copy(), stack.bits - 32 * stack.drawn))
        costs.append(codec.push(stack, part))
    total = sum(values.sum() for cost in costs for values in cost.values())
    assert stack.bits - 32 * stack.drawn == pytest.approx(total, rel=1e-3)
    assert all((cost["back"] < 0).all() and (cost["x"] > 0).all() for cost in costs)
    nats = total * math.log(2) / len(digits)
    elbo = np.mean([training.evaluate(model, digits, seed=seed)["loss"] for seed in range(20)])
    assert nats == pytest.approx(elbo, rel=0.01)
    for part, (heads, bits) in zip(digits.split(25)[::-1], before[::-1], strict=True):
        assert torch.equal(codec.pop(stack, 25), part)
        assert (stack.heads == heads).all() and stack.bits - 32 * stack.drawn == pytest.approx(bits)
    assert len(stack.words) == stack.drawn, "the initial bits are left"


@pytest.mark.parametrize("count, lanes", [(1, 64), (2, 1), (40, 5), (100, 64)])
def test_images_come_back_bit_by_bit(model, digits, count, lanes):
    data = coding.compress(digits[:count], model, lanes=lanes)
    assert torch.equal(coding.decompress(data, model), digits[:count])
    assert data == coding.compress(digits[:count].bool().double(), model, lanes=lanes), "the same file"


@pytest.mark.parametrize("shape, latent_dim", [((3, 8, 12), 5), ((1, 28, 28), 2)])
def test_no_image_is_too_strange(shape, latent_dim, generator):
    """Noise, other channels and sizes, another architecture, weights that nobody has trained."""
    torch.manual_seed(1)
    model = models.VariationalAutoencoder(latent_dim, image_shape=shape)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(20)  # mu far outside of the prior, pixels surer than a table can say
    x = torch.bernoulli(torch.full((20, *shape), 0.5), generator=generator)
    for bucket_bits in (1, 8, 16):
        data = coding.compress(x, model, bucket_bits=bucket_bits)
        assert torch.equal(coding.decompress(data, model), x)


def test_whole_numbers_are_the_same_for_any_batch_and_any_threads(model, digits):
    networks = coding.FixedPoint(model)
    mu, logvar = networks.encode(digits)
    logits = networks.decode(mu)
    threads = torch.get_num_threads()
    try:
        for n, size in ((1, 1), (2, 37), (3, 100)):
            torch.set_num_threads(n)
            parts = [networks.encode(part) for part in digits.split(size)]
            assert (np.concatenate([part[0] for part in parts]) == mu).all()
            assert (np.concatenate([part[1] for part in parts]) == logvar).all()
            again = [networks.decode(part) for part in np.array_split(mu, -(-100 // size))]
            assert (np.concatenate(again) == logits).all()
    finally:
        torch.set_num_threads(threads)


def test_whole_numbers_are_close_to_the_model(model, digits):
    networks = coding.FixedPoint(model)
    with models.evaluating(model):
        wanted = model.encode(digits)
        logits = model.decoder(wanted[0]).flatten(1)
    mu, logvar = networks.encode(digits)
    for whole, value in ((mu, wanted[0]), (logvar, wanted[1]), (networks.decode(mu), logits)):
        assert np.abs(whole / 2**16 - value.numpy()).max() < 0.01 and value.abs().max() > 0.1


def test_tables_are_the_exact_values_rounded_and_far_from_any_doubt(model):
    """By another library, with 40 digits: a float64 that is off by 1e-6 of a unit gives the same tables."""
    codec = coding.BitsBack(model)
    with mpmath.workdps(40):
        steps = [mpmath.mpf(2 * i + 1) / 128 - 16 for i in range(2048)]
        half = [mpmath.mpf(2 * i + 1) / 8192 - 8 for i in range(0, 65536, 16)]
        quantiles = [mpmath.sqrt(2) * mpmath.erfinv(mpmath.mpf(2 * k) / 512 - 1) for k in range(1, 512)]
        exact = {
            "white": [2**16 / (1 + mpmath.exp(-t)) for t in steps],
            "rates": [2**16 * mpmath.exp(-t / 2) for t in steps],
            "normal": [2**24 * mpmath.ncdf(t) for t in half],
            "quantiles": [2**16 * q for q in quantiles],
        }
        rounded = {key: np.array([int(mpmath.nint(v)) for v in values]) for key, values in exact.items()}
        doubt = min(abs(abs(v - mpmath.floor(v)) - 0.5) for values in exact.values() for v in values)
    assert doubt > 1e-6
    assert (codec.white == rounded["white"].clip(1, 65535)).all() and (codec.rates == rounded["rates"]).all()
    assert (codec.normal[16::16] == rounded["normal"][1:]).all()
    assert codec.normal[0] == 0 and codec.normal[-1] == 2**24 and (np.diff(codec.normal) >= 0).all()
    assert (codec.centres == rounded["quantiles"][::2]).all()
    assert (codec.edges[1:-1] == rounded["quantiles"][1::2]).all() and codec.edges[-1] == -codec.edges[
        0
    ] == 2**31


def test_other_weights_are_refused(model, digits):
    data = coding.compress(digits[:9], model, name="the one")
    other = models.VariationalAutoencoder(**model.config)
    with pytest.raises(ValueError, match="packed with other weights .*the one"):
        coding.decompress(data, other)
    with pytest.raises(ValueError, match="packed with other weights"):
        coding.decompress(data, models.VariationalAutoencoder(2))


def test_foreign_and_damaged_files_are_refused(model, digits):
    data = coding.compress(digits[:40], model)
    for foreign in (b"", b"GIF89a and so on", digits[:40].numpy().tobytes()):
        with pytest.raises(ValueError, match="no file of compress"):
            coding.decompress(foreign, model)
    for at in range(4, len(data), 97):
        with pytest.raises(ValueError, match="truncated or altered"):
            coding.decompress(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], model)
        with pytest.raises(ValueError, match="truncated or altered"):
            coding.decompress(data[:at], model)

    def sealed(body):
        return body + struct.pack("<I", zlib.crc32(body))

    with pytest.raises(ValueError, match="version 2"):
        coding.decompress(sealed(data[:4] + b"\2" + data[5:-4]), model)
    at = len(data) // 2  # somebody else's coder, with a right checksum and a wrong bit
    with pytest.raises(ValueError, match="isn't what it started from|more was popped|probability 0"):
        coding.decompress(sealed(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 : -4]), model)


def test_what_cannot_be_packed_is_refused(model, digits):
    with pytest.raises(ValueError, match="of 0 and 1: binarize"):
        coding.compress(digits * 0.5, model)
    with pytest.raises(ValueError, match=r"images \(n, 1, 28, 28\) of 0 and 1"):
        coding.compress(digits[:, :, 2:], model)
    with pytest.raises(ValueError, match="needs a VAE, .* not Autoencoder"):
        coding.compress(digits, models.Autoencoder(2))
    with pytest.raises(ValueError, match="bucket_bits must be from 1 to 16"):
        coding.compress(digits, model, bucket_bits=0)
    with pytest.raises(ValueError, match="lanes must be from 1 to 65535, not 0"):
        coding.compress(digits, model, lanes=0)
    with pytest.raises(ValueError, match="2 lanes, too few for 3 images"):
        coding.BitsBack(model).push(coding.Stack(2, seed=0), digits[:3])
    strange = models.VariationalAutoencoder(2)
    strange.decoder.append(torch.nn.Tanh())
    with pytest.raises(ValueError, match="a layer Tanh can't"):
        coding.FixedPoint(strange)
    large = models.VariationalAutoencoder(2)
    with torch.no_grad():
        large.encoder[1].weight.mul_(1e4)
    with pytest.raises(ValueError, match="so large that sums"):
        coding.FixedPoint(large)
