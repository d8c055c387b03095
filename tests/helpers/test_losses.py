import math

import pytest
import torch
from torch.distributions import Bernoulli, MultivariateNormal, Normal

from latentlab_helpers import losses, metrics
from latentlab_helpers.models import Autoencoder, VariationalAutoencoder


def random_case(generator, batch=6):
    shape = (batch, 1, 28, 28)
    return torch.randn(shape, generator=generator), torch.rand(shape, generator=generator)


def test_bernoulli_is_minus_the_log_probability(generator):
    logits, x = random_case(generator)
    x = x.round()
    expected = -Bernoulli(logits=logits).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(losses.bernoulli(logits, x), expected.mean())
    torch.testing.assert_close(losses.bernoulli_log_likelihood(logits, x), -expected)


def test_mu_and_logvar_must_belong_together():
    with pytest.raises(ValueError, match="one shape"):
        losses.kl_divergence(torch.zeros(3, 2), torch.zeros(3, 1))


def test_mse_is_per_pixel():
    logits, x = torch.zeros(2, 1, 28, 28), torch.zeros(2, 1, 28, 28)
    x[0] = 1.0
    x[1, 0, 0, 0] = 0.7
    assert losses.mse(logits, x).item() == pytest.approx((784 * 0.25 + 783 * 0.25 + 0.04) / 1568)


def test_kl_equals_torchs_and_a_monte_carlo_estimate(generator):
    mu = torch.randn(3, 4, generator=generator)
    logvar = torch.randn(3, 4, generator=generator)
    q, p = Normal(mu, torch.exp(0.5 * logvar)), Normal(torch.zeros(()), torch.ones(()))
    torch.testing.assert_close(
        losses.kl_per_dimension(mu, logvar), torch.distributions.kl_divergence(q, p), rtol=1e-4, atol=1e-5
    )
    n = 200_000
    z = mu + torch.exp(0.5 * logvar) * torch.randn(n, 3, 4, generator=generator)
    draws = (q.log_prob(z) - p.log_prob(z)).sum(-1).mean(-1)
    error = draws.std().item() / math.sqrt(n)
    assert abs(losses.kl_divergence(mu, logvar).item() - draws.mean().item()) < 4 * error
    assert losses.kl_divergence(torch.zeros(5, 2), torch.zeros(5, 2)).item() == 0


def test_kl_is_summed_over_dimensions_and_averaged_over_the_batch():
    mu, logvar = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.zeros(2, 2)
    assert losses.kl_divergence(mu, logvar).item() == pytest.approx(1.0)


def test_the_elbo_is_its_terms_with_beta_on_the_kl_alone(generator):
    model, (_, x) = VariationalAutoencoder(3), random_case(generator)

    def at(beta, reconstruction=losses.bernoulli):
        noise = torch.Generator().manual_seed(1)
        return losses.negative_elbo(model, x, noise, beta=beta, reconstruction=reconstruction)

    one, four = at(1.0), at(4.0)
    torch.testing.assert_close(one["loss"], one["reconstruction"] + one["kl"])
    torch.testing.assert_close(four["loss"], one["reconstruction"] + 4 * one["kl"])
    noise = torch.Generator().manual_seed(1)
    logits, mu, logvar = model(x, noise)
    torch.testing.assert_close(one["reconstruction"], losses.bernoulli(logits, x))
    torch.testing.assert_close(one["kl"], losses.kl_divergence(mu, logvar))

    def dark(logits, x):
        return logits.sum() / len(x)

    torch.testing.assert_close(at(1.0, dark)["reconstruction"], dark(logits, x))


def test_a_classifiers_loss_is_the_cross_entropy():
    logits = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    labels = torch.tensor([0, 1, 1])
    terms = losses.classification_loss(lambda x: logits, None, None, labels)
    by_hand = -logits.log_softmax(1)[torch.arange(3), labels].mean()
    torch.testing.assert_close(terms["loss"], by_hand)
    assert terms["accuracy"] == pytest.approx(2 / 3)


def test_an_autoencoders_loss_is_the_reconstruction(generator):
    model, (_, x) = Autoencoder(3), random_case(generator)
    torch.testing.assert_close(losses.autoencoder_loss(model, x)["loss"], losses.mse(model(x), x))
    bernoulli = losses.autoencoder_loss(model, x, reconstruction=losses.bernoulli)["loss"]
    torch.testing.assert_close(bernoulli, losses.bernoulli(model(x), x))


class LinearGaussian:
    """p(z) = N(0, I), p(x|z) = N(Wz + b, s²): everything about it is known in closed form."""

    def __init__(self, generator):
        self.W = torch.randn(5, 3, generator=generator, dtype=torch.float64)
        self.b = torch.randn(5, generator=generator, dtype=torch.float64)
        self.s = 0.7
        self.x = torch.randn(8, 5, generator=generator, dtype=torch.float64) * 2 + self.b
        covariance = self.W @ self.W.T + self.s**2 * torch.eye(5, dtype=torch.float64)
        self.exact = MultivariateNormal(self.b, covariance).log_prob(self.x)
        precision = torch.eye(3, dtype=torch.float64) + self.W.T @ self.W / self.s**2
        self.mu = (self.x - self.b) @ self.W @ torch.linalg.inv(precision) / self.s**2
        # the best independent Gaussians: not the posterior, whose dimensions are correlated
        self.logvar = -precision.diagonal().log().expand_as(self.mu)

    def log_likelihood(self, z):
        return Normal(z @ self.W.T + self.b, self.s).log_prob(self.x).sum(-1)

    def bound(self, k, generator, repeats):
        values = [
            losses.importance_weighted_bound(self.log_likelihood, self.mu, self.logvar, k, generator)
            for _ in range(repeats)
        ]
        return torch.stack(values)


def test_the_importance_weighted_bound_rises_to_the_exact_log_likelihood(generator):
    model = LinearGaussian(generator)
    means, errors = [], []
    for k, repeats in [(1, 4000), (5, 2000), (50, 1000), (2000, 100)]:
        bounds = model.bound(k, generator, repeats).mean(1)
        means.append(bounds.mean().item())
        errors.append(bounds.std().item() / math.sqrt(repeats))
    exact = model.exact.mean().item()
    for lower, higher, error in zip(means, means[1:], errors, strict=False):
        assert higher > lower - 4 * error
    assert means[-1] - means[0] > 20 * errors[0], "the gap must be there to be closed"
    assert all(mean < exact + 4 * error for mean, error in zip(means, errors, strict=True))
    assert means[-1] == pytest.approx(exact, abs=0.02)


def test_with_one_sample_the_bound_is_the_elbo(generator):
    model = LinearGaussian(generator)
    bounds = model.bound(1, generator, 20_000).mean(1)
    sigma2 = model.logvar.exp()
    residual = model.x - model.mu @ model.W.T - model.b
    expected = -(residual.square().sum(1) + (sigma2 * model.W.square().sum(0)).sum(1)) / (2 * model.s**2)
    expected = expected - 5 * math.log(model.s * math.sqrt(2 * math.pi))
    elbo = expected.mean() - losses.kl_divergence(model.mu, model.logvar)
    assert abs(bounds.mean() - elbo) < 4 * bounds.std() / math.sqrt(len(bounds))


def test_with_the_exact_posterior_every_bound_is_exact(generator):
    """With one latent dimension the posterior is an independent Gaussian, and the weights don't vary."""
    model = LinearGaussian(generator)
    model.W = model.W[:, :1]
    covariance = model.W @ model.W.T + model.s**2 * torch.eye(5, dtype=torch.float64)
    model.exact = MultivariateNormal(model.b, covariance).log_prob(model.x)
    precision = 1 + model.W.square().sum() / model.s**2
    model.mu = (model.x - model.b) @ model.W / model.s**2 / precision
    model.logvar = -precision.log().expand_as(model.mu)
    for k in (1, 3, 250):
        torch.testing.assert_close(model.bound(k, generator, 1)[0], model.exact)


def test_chunks_do_not_change_the_bound():
    model = LinearGaussian(torch.Generator().manual_seed(1))
    whole, pieces = (
        losses.importance_weighted_bound(
            model.log_likelihood, model.mu, model.logvar, 120, torch.Generator().manual_seed(2), chunk=chunk
        )
        for chunk in (120, 24)
    )
    torch.testing.assert_close(whole, pieces)


def test_the_bound_needs_a_sample():
    model = LinearGaussian(torch.Generator())
    for k, chunk in ((0, 10), (10, -1)):
        with pytest.raises(ValueError, match="k must be 1 or more"):
            losses.importance_weighted_bound(model.log_likelihood, model.mu, model.logvar, k, chunk=chunk)


def test_log_likelihood_of_a_model(few):
    """With k = 1 its mean is the ELBO; with more samples it is higher; the seed fixes it."""
    torch.manual_seed(0)
    model = VariationalAutoencoder(4)
    with torch.no_grad():
        model.encoder[-1].weight.mul_(5)
    x = few[:200]
    single = torch.stack([metrics.log_likelihood(model, x, 1, seed=seed).mean() for seed in range(40)])
    with torch.no_grad():
        elbos = torch.stack(
            [
                -losses.negative_elbo(model, x / 255, torch.Generator().manual_seed(seed))["loss"]
                for seed in range(40)
            ]
        )
    error = math.sqrt((single.var() + elbos.var()).item() / 40)
    assert abs(single.mean() - elbos.mean()) < 4 * error
    bounds = metrics.log_likelihood(model, x, 50, seed=3)
    assert bounds.shape == (200,) and bounds.mean() > single.max()
    assert torch.equal(bounds, metrics.log_likelihood(model, x, 50, seed=3))
