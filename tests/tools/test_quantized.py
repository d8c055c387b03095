"""The VQ-VAE of notebook 10, and the prior of its codes."""

import math

import pytest
import torch

from latentlab_helpers import datasets, training
from tools.networks import quantized

X = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def small(entries=5):
    torch.manual_seed(0)
    return quantized.QuantizedAutoencoder(entries, size=3, widths=(4,), image_shape=(1, 8, 8))


def test_each_vector_is_replaced_by_its_nearest_entry():
    model = small().eval()
    logits, vectors, entries = model(X)
    brute = torch.cdist(vectors.flatten(0, 2), model.codebook).argmin(1).view(6, 4, 4)
    codes = model.encode(X)
    assert torch.equal(codes, brute) and codes.dtype == torch.int64
    assert torch.equal(entries, model.codebook[codes])
    torch.testing.assert_close(model.decode(codes), torch.sigmoid(logits))


def test_the_gradient_passes_as_if_nothing_had_been_replaced():
    model = small().eval()
    logits, vectors, entries = model(X)
    vectors.retain_grad()
    logits.square().sum().backward()
    z = entries.detach().movedim(-1, 1).requires_grad_()
    model.decoder(z).square().sum().backward()
    torch.testing.assert_close(vectors.grad, z.grad.movedim(1, -1))
    assert vectors.grad.abs().sum() > 0


def test_entries_come_to_be_the_means_of_what_they_replace():
    model = small(2)
    model.codebook = torch.tensor([[0.0, 0, 0], [9.0, 9, 9]])
    vectors = torch.cat([torch.full((30, 3), 1.0), torch.full((10, 3), 8.0)])
    for _ in range(800):
        codes = torch.cdist(vectors, model.codebook).argmin(1)
        model._move(vectors, codes)
    torch.testing.assert_close(model.codebook.sort(0).values, torch.tensor([[1.0] * 3, [8.0] * 3]))


def test_an_idle_entry_is_moved_onto_a_vector():
    model = small(2)
    model.codebook = torch.tensor([[0.0, 0, 0], [1e6, 1e6, 1e6]])
    vectors = torch.randn(40, 3)
    for _ in range(5):
        model._move(vectors, torch.cdist(vectors, model.codebook).argmin(1))
    assert len(torch.cdist(vectors, model.codebook).argmin(1).unique()) == 2


def test_it_learns_digits_with_all_of_its_codebook():
    images = datasets.load("mnist", "train").images[:2000]
    torch.manual_seed(0)
    model = quantized.QuantizedAutoencoder(16, size=4, widths=(8, 16))
    history = training.fit(model, images, epochs=8, loss=quantized.quantized_loss, progress=False)
    assert history.train["reconstruction"][-1] < 150 < history.train["reconstruction"][0]
    assert len(model.encode(datasets.to_float(images)).unique()) >= 14


def chain(n, seed):
    """Codes of 2 by 2 whose next number is the last plus one, but for one time in four."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(5, (n, 4), generator=generator)
    for i in range(1, 4):
        jump = torch.rand(n, generator=generator) < 0.25
        codes[:, i] = torch.where(jump, codes[:, i], (codes[:, i - 1] + 1) % 5)
    return codes.view(n, 2, 2)


def prior_of_chains(steps=600):
    model = quantized.QuantizedAutoencoder(5, size=3, widths=(4,), image_shape=(1, 4, 4))
    model.codebook = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    return quantized.CodePrior(model, hidden=160, steps=steps)


def test_a_prediction_sees_only_what_comes_before_it():
    prior = prior_of_chains()
    codes = chain(1, 0)
    before = prior(codes)
    for place in range(4):
        other = codes.clone().view(-1)
        other[place] = (other[place] + 1) % 5
        moved = (prior(other.view(1, 2, 2)) - before).abs().sum(2)[0] > 0
        assert not moved[: place + 1].any()
        assert place == 3 or moved[place + 1 :].all()


def test_a_prior_of_codes_learns_a_chain_to_its_entropy():
    prior = prior_of_chains().fit(chain(20_000, 1))
    kept = 0.75 + 0.25 / 5  # a jump may land on the next number, too
    step = -kept * math.log(kept) - (1 - kept) * math.log((1 - kept) / 4)
    least = (math.log(5) + 3 * step) / 4
    with torch.no_grad():
        test = chain(20_000, 2)
        found = torch.nn.functional.cross_entropy(prior(test).flatten(0, 1), test.flatten()).item()
    assert least - 0.02 < found < least + 0.03
    drawn = prior.sample(5000, seed=1).view(5000, 4)
    follows = (drawn[:, 1:] == (drawn[:, :-1] + 1) % 5).float().mean(0)
    torch.testing.assert_close(follows, torch.full((3,), kept), atol=0.04, rtol=0)
    assert torch.equal(drawn, prior.sample(5000, seed=1).view(5000, 4))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: quantized.QuantizedAutoencoder(1), "2 entries or more"),
        (lambda: quantized.QuantizedAutoencoder(8, image_shape=(1, 27, 28)), "divisible by 4"),
        (lambda: small().decode(torch.zeros(1, 3, 3, dtype=torch.int64)), "shape"),
        (lambda: small().decode(torch.zeros(1, 4, 4)), "float32"),
        (lambda: small().decode(torch.full((1, 4, 4), 5)), "entries 0 to 4"),
    ],
)
def test_bad_input_is_told(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
