"""The ladder VAE: its Gaussians against torch's, and its bounds against what they bound."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from latentlab_helpers import losses, training
from tools.networks import ladder

SMALL = {"latent_dim": 3, "width": 4, "image_shape": (1, 8, 8)}


@pytest.fixture
def noise():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def x(noise):
    return torch.bernoulli(torch.full((5, 1, 8, 8), 0.3), generator=noise)


def made(maps=(2, 1), **other):
    """A small model whose levels do depend on each other."""
    torch.manual_seed(0)
    model = ladder.LadderVariationalAutoencoder(**{**SMALL, "maps": maps, **other})
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "expect" in name or "change" in name:
                weight.add_(0.3 * torch.randn(weight.shape))
    return model.eval()


def gaussian(noise, shape=(6, 2, 3, 3)):
    return ladder.Gaussian(*torch.randn(2, *shape, generator=noise, dtype=torch.double))


def torchs(g):
    return Independent(Normal(g.mu, (0.5 * g.logvar).exp()), g.mu.ndim - 1)


def test_gaussians_agree_with_torchs(noise):
    a, b = gaussian(noise), gaussian(noise)
    z = a.sample(noise)
    torch.testing.assert_close(a.kl(b), kl_divergence(torchs(a), torchs(b)))
    constant = 0.5 * 18 * math.log(2 * math.pi)
    torch.testing.assert_close(a.log_density(z) - constant, torchs(a).log_prob(z))
    product = a.times(b)
    difference = a.log_density(z) + b.log_density(z) - product.log_density(z)
    other = b.sample(noise)
    again = a.log_density(other) + b.log_density(other) - product.log_density(other)
    torch.testing.assert_close(difference, again, msg="a product of densities is one up to a factor")
    many = ladder.Gaussian(torch.full((40_000, 1), 2.0), torch.full((40_000, 1), math.log(9.0)))
    drawn = many.sample(noise)
    assert drawn.mean().item() == pytest.approx(2, abs=0.08) and drawn.std().item() == pytest.approx(
        3, abs=0.06
    )


@pytest.mark.parametrize("maps", [(0, 0), (2, 0), (0, 1), (2, 1)])
def test_the_elbo_is_the_mean_of_the_log_weights(maps, x, noise):
    model = made(maps)
    with torch.no_grad():
        weights = model.log_weights(x, 4000, noise)
        terms = [ladder.ladder_elbo(model, x, noise) for _ in range(800)]
    assert weights.shape == (4000, 5)
    loss = torch.stack([each["loss"] for each in terms])
    error = loss.std() / 800**0.5 + weights.mean(1).std() / 4000**0.5
    assert abs(loss.mean() + weights.mean()) < 4 * error
    levels = 1 + sum(map(bool, maps))
    assert set(terms[0]) == {"loss", "reconstruction", "kl"} | {f"kl {i + 1}" for i in range(levels)}
    one = ladder.ladder_elbo(model, x, noise, beta=2.5)
    assert one["loss"].item() == pytest.approx((one["reconstruction"] + 2.5 * one["kl"]).item())
    assert one["kl"].item() == pytest.approx(sum(one[f"kl {i + 1}"].item() for i in range(levels)))


def test_the_marginal_does_not_depend_on_the_encoder(x, noise):
    """log p(x) is the decoder's: importance samples from two encoders, and from none, agree."""
    model, other = made(), made()
    many = torch.bernoulli(torch.full((2000, 1, 8, 8), 0.3), generator=noise)
    training.fit(model, many, epochs=4, loss=ladder.ladder_elbo, lr=4e-3, progress=False)
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        for p in other.up.parameters():
            p.add_(0.03 * torch.randn(p.shape, generator=noise))
        of = [m.log_weights(x, 20_000, noise).double() for m in (model, other)]
        # without any encoder: the mean of p(x|z) over codes that the model draws itself
        logits = torch.logit(model.sample(20_000, noise).double())
        plain = torch.stack([losses.bernoulli_log_likelihood(logits, one) for one in x.double()], 1)
    marginals, errors = [], []
    for weights in (*of, plain):
        top = weights.max(0).values
        share = (weights - top).exp()
        marginals.append(share.mean(0).log() + top)
        errors.append(share.std(0) / share.mean(0) / len(share) ** 0.5)
    a, b, c = marginals
    assert (of[0].mean(0) - of[1].mean(0)).abs().max() > 0.01, "the encoders differ"
    assert ((a - b).abs() < 4 * (errors[0] + errors[1])).all()
    assert ((a - c).abs() < 4 * (errors[0] + errors[2])).all()


def test_one_level_is_the_vae_of_lesson_02(x, noise):
    model = made((0, 0))
    mu, logvar = model.encode(x)
    terms = ladder.ladder_elbo(model, x, torch.Generator().manual_seed(3))
    z = ladder.Gaussian(mu, logvar).sample(torch.Generator().manual_seed(3))
    expected = losses.bernoulli(torch.logit(model.decode(z)), x) + losses.kl_divergence(mu, logvar)
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_what_is_drawn_and_decoded(noise):
    model = made()
    z = torch.randn(3, 3, generator=noise)
    assert torch.equal(model.decode(z), model.decode(z)), "no noise in decode"
    drawn = model.sample(4, torch.Generator().manual_seed(1))
    assert drawn.shape == (4, 1, 8, 8) and 0 <= drawn.min() <= drawn.max() <= 1
    assert torch.equal(drawn, model.sample(4, torch.Generator().manual_seed(1)))
    colour = made(image_shape=(3, 8, 12))
    assert colour.sample(2).shape == (2, 3, 8, 12)


def test_all_of_it_learns(x):
    model = ladder.LadderVariationalAutoencoder(**SMALL, maps=(2, 1))
    ladder.ladder_elbo(model, x)["loss"].backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None]
    assert not silent
    history = training.fit(
        model,
        x.repeat(40, 1, 1, 1),
        epochs=12,
        loss=ladder.ladder_elbo,
        lr=4e-3,
        batch_size=20,
        progress=False,
    )
    assert history.train["loss"][-1] < 0.8 * history.train["loss"][0]


@pytest.mark.parametrize(
    "wrong", [{"maps": (1,)}, {"maps": (1, -1)}, {"width": 0}, {"latent_dim": 0}, {"image_shape": (1, 9, 8)}]
)
def test_sizes_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValueError, match=r"divisible by 4|must be 1 or more"):
        ladder.LadderVariationalAutoencoder(**{**SMALL, "maps": (2, 1), **wrong})


def test_log_variances_are_bounded_and_small_ones_left_as_they_are():
    """Else two levels that narrow each other overflow, and the loss with them."""
    raw = torch.tensor([[0.5, 1.0, 1e4, -1e4, 0.01, -0.02]], requires_grad=True)
    found = ladder.Gaussian.of(raw)
    torch.testing.assert_close(found.mu, raw[:, :3])
    wide, *small = found.logvar[0].tolist()
    assert wide == -ladder.BOUND and small == pytest.approx([0.01, -0.02], abs=1e-4)
    prior = ladder.Gaussian.of(torch.full((1, 6), -1e4))
    assert found.kl(prior).isfinite().all() and found.times(prior).logvar.isfinite().all()
