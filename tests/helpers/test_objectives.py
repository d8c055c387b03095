import math
from functools import partial

import pytest
import torch
from torch.distributions import Bernoulli, ContinuousBernoulli, Independent, MultivariateNormal, Normal

from latentlab_helpers import losses, metrics, objectives, training
from latentlab_helpers.models import VariationalAutoencoder, evaluating

LOGITS = torch.tensor([-30.0, -8.0, -0.6, -0.4, -1e-3, 0.0, 1e-6, 0.2, 0.49999, 0.50001, 3.0, 30.0])


def case(generator, batch=4):
    shape = (batch, 1, 28, 28)
    return torch.randn(shape, generator=generator), torch.rand(shape, generator=generator)


def test_binarized_pixels_are_white_with_the_probability_of_their_grey(generator):
    greys = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(20_000, 3)
    drawn = objectives.binarized(greys, generator)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert drawn.mean(0).tolist() == pytest.approx([0, 0.2, 1], abs=0.015)


@pytest.mark.parametrize("logit", LOGITS.tolist())
def test_the_normalizer_makes_the_density_integrate_to_1(logit):
    x = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    log_density = (
        logit * x - math.log1p(math.exp(logit)) + objectives.log_normalizer(torch.tensor(logit).double())
    )
    # the trapezoid misses l² h² / 12 of it, 2e-9 at most; the series, near 0, single precision's last digit
    assert torch.trapezoid(log_density.exp(), x).item() == pytest.approx(1, rel=2e-7)


def test_continuous_bernoulli_is_pytorchs(generator):
    logits, x = case(generator)
    known = ContinuousBernoulli(logits=logits.double())
    expected = -known.log_prob(x.double()).sum((1, 2, 3)).mean()
    torch.testing.assert_close(
        objectives.continuous_bernoulli(logits, x).double(), expected, rtol=1e-5, atol=1e-3
    )
    away = logits.abs() > 0.1  # nearer, PyTorch's own mean is a coarse series
    torch.testing.assert_close(
        objectives.continuous_bernoulli_mean(logits)[away].double(), known.mean[away], rtol=1e-5, atol=1e-6
    )


def test_the_normalizer_and_its_gradient_are_good_at_every_logit():
    """log C grows by 1/l - 1/sinh(l): in double precision from that, in single precision from autograd."""
    logits = LOGITS.clone().requires_grad_()
    objectives.log_normalizer(logits).sum().backward()
    wide = LOGITS.double()
    small = wide.abs() < 1e-2
    exact = torch.where(
        small, wide / 6, 1 / torch.where(small, 1, wide) - 1 / torch.sinh(torch.where(small, 1, wide))
    )
    torch.testing.assert_close(logits.grad.double(), exact, rtol=1e-5, atol=1e-7)
    assert objectives.log_normalizer(torch.zeros(1)).item() == pytest.approx(math.log(2))
    assert objectives.log_normalizer(torch.tensor([200.0, -200.0])).tolist() == pytest.approx(
        [math.log(200)] * 2
    )


def test_the_mean_is_the_normalizers_slope_and_the_probability_together():
    """An exponential family: the derivative of log(1 + exp(l)) - log C(l) is the mean."""
    logits = LOGITS.double().requires_grad_()
    (torch.nn.functional.softplus(logits) - objectives.log_normalizer(logits)).sum().backward()
    torch.testing.assert_close(
        objectives.continuous_bernoulli_mean(LOGITS.double()), logits.grad, rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 28, 28)])
def test_gaussian_pixels_are_minus_the_log_density(generator, shape):
    logits, x = case(generator)
    pixels = objectives.GaussianPixels(shape, sigma=0.3)
    with torch.no_grad():
        pixels.logvar += torch.randn(shape, generator=generator)
    known = Normal(torch.sigmoid(logits), pixels.sigma)
    torch.testing.assert_close(pixels(logits, x), -known.log_prob(x).sum((1, 2, 3)).mean())


def test_the_learned_variance_is_the_mean_squared_error(few):
    model = VariationalAutoencoder(4)
    model.pixels = objectives.GaussianPixels()
    loss = partial(losses.negative_elbo, reconstruction=model.pixels)
    for weights in (*model.encoder.parameters(), *model.decoder.parameters()):
        weights.requires_grad_(False)
    x = few[:100].float() / 255
    optimizer = torch.optim.Adam([model.pixels.logvar], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss(model, x, torch.Generator().manual_seed(0))["loss"].backward()
        optimizer.step()
    with torch.no_grad():
        mse = losses.mse(model(x, torch.Generator().manual_seed(0))[0], x).item()
    assert model.pixels.sigma.item() ** 2 == pytest.approx(mse, rel=1e-3)


def test_sigma_stops_at_its_floor_and_need_not_be_learned():
    pixels = objectives.GaussianPixels(sigma=0.1, floor=0.05)
    with torch.no_grad():
        pixels.logvar.fill_(-100)
    assert pixels.sigma.item() == pytest.approx(0.05)
    assert not objectives.GaussianPixels(learned=False).logvar.requires_grad
    with pytest.raises(ValueError, match="at least the floor"):
        objectives.GaussianPixels(sigma=0.01, floor=0.1)
    with pytest.raises(ValueError, match="positive"):
        objectives.GaussianPixels(floor=0)


def test_free_bits_are_free_and_no_more(generator):
    model, (_, x) = VariationalAutoencoder(5), case(generator)
    with torch.no_grad():
        per_dimension = losses.kl_per_dimension(*model.encode(x)).mean(0)
    limit = per_dimension.median().item()

    def terms(loss):
        return loss(model, x, torch.Generator().manual_seed(1))

    plain, free = terms(losses.negative_elbo), terms(partial(objectives.free_bits, nats=limit))
    extra = (limit - per_dimension).clamp(min=0).sum()
    torch.testing.assert_close(free["loss"], plain["loss"] + extra)
    torch.testing.assert_close(free["kl"], plain["kl"])
    torch.testing.assert_close(terms(partial(objectives.free_bits, nats=0))["loss"], plain["loss"])
    with pytest.raises(ValueError, match="0 or more"):
        terms(partial(objectives.free_bits, nats=-1))


def test_below_the_limit_the_kl_has_no_gradient(generator):
    model, (_, x) = VariationalAutoencoder(5), case(generator)
    bias = model.encoder[-1].bias
    for nats, moves in ((1e3, False), (0.0, True)):
        model.zero_grad()
        objectives.free_bits(model, x, torch.Generator().manual_seed(1), nats=nats, reconstruction=nothing)[
            "loss"
        ].backward()
        assert bool(bias.grad is not None and bias.grad.abs().max() > 0) == moves


def nothing(logits, x):
    return 0 * logits.sum()


def reference_bound(model, x, k, draws, seed):
    """The importance-weighted bound by PyTorch's distributions, with draws of their own."""
    torch.manual_seed(seed)
    with evaluating(model):
        mu, logvar = model.encode(x)
        q = Independent(Normal(mu, torch.exp(0.5 * logvar)), 1)
        prior = MultivariateNormal(torch.zeros(mu.shape[1]), torch.eye(mu.shape[1]))
        values = []
        for _ in range(draws):
            z = q.sample((k,))
            pixels = Independent(Bernoulli(logits=model.decoder(z.view(-1, z.shape[-1]))), 3)
            given = pixels.log_prob(x.repeat(k, 1, 1, 1)).view(k, -1)
            values.append((given + prior.log_prob(z) - q.log_prob(z)).logsumexp(0) - math.log(k))
    return torch.stack(values)


@pytest.mark.parametrize("k", [1, 5])
def test_the_bound_is_that_of_another_implementation_within_monte_carlo_error(few, k):
    torch.manual_seed(0)
    model = VariationalAutoencoder(3, widths=(40,))
    x, draws = objectives.binarized(few[:20], torch.Generator().manual_seed(0)), 400
    training.fit(model, few[:2000], epochs=2, progress=False)
    theirs = reference_bound(model, x, k, draws, seed=1).mean(1)
    noise = torch.Generator().manual_seed(2)
    with evaluating(model):
        ours = torch.stack(
            [-objectives.importance_weighted_loss(model, x, noise, k=k)["loss"] for _ in range(draws)]
        )
    error = (theirs.var() / draws + ours.var() / draws).sqrt().item()
    assert abs(theirs.mean().item() - ours.mean().item()) < 4 * error
    assert 0 < error < 0.3, "small enough to tell k from k + 1"


def test_the_loss_is_the_bound_that_metrics_measure(few):
    torch.manual_seed(0)
    model, x = VariationalAutoencoder(3), objectives.binarized(few[:7], torch.Generator().manual_seed(0))
    loss = objectives.importance_weighted_loss(model, x, torch.Generator().manual_seed(5), k=6)["loss"]
    bound = metrics.log_likelihood(model, x, 6, seed=5)  # 6 is within one chunk, so both draw the same noise
    torch.testing.assert_close(-loss.detach(), bound.mean())


def test_gradients_go_through_the_weights_as_by_hand(generator):
    """The bound's gradient is the weighted mean of the log weights' gradients, by the normalized weights."""
    torch.manual_seed(0)
    model, x = VariationalAutoencoder(2, widths=(9,)), torch.rand(3, 1, 28, 28, generator=generator).round()
    objectives.importance_weighted_loss(model, x, torch.Generator().manual_seed(1), k=4)["loss"].backward()
    ours = [weights.grad.clone() for weights in model.parameters()]
    model.zero_grad()
    mu, logvar = model.encode(x)
    epsilon = torch.randn(4, *mu.shape, generator=torch.Generator().manual_seed(1))
    z = mu + torch.exp(0.5 * logvar) * epsilon
    prior, q = Normal(0.0, 1.0), Normal(mu, torch.exp(0.5 * logvar))
    given = losses.bernoulli_log_likelihood(model.decoder(z.flatten(0, 1)).unflatten(0, (4, 3)), x)
    log_weights = given + (prior.log_prob(z) - q.log_prob(z)).sum(-1)
    weights = log_weights.softmax(0).detach()
    (-(weights * log_weights).sum(0).mean()).backward()
    for mine, other in zip(ours, model.parameters(), strict=True):
        torch.testing.assert_close(mine, other.grad, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="1 or more"):
        objectives.importance_weighted_loss(model, x, k=0)
