"""The priors of notebook 10, against what is known in closed form."""

import math

import pytest
import torch
from scipy.stats import wasserstein_distance

from latentlab_helpers import priors

M = torch.tensor([1.0, -2.0])
S = torch.tensor([[2.0, 0.6], [0.6, 0.5]])


def best(x, t, mean=M, covariance=S):
    """The expected velocity between N(0, I) and N(m, S): linear in x, by the rule for joint Gaussians."""
    t = torch.as_tensor(t).expand(len(x), 1)[..., None]
    eye = torch.eye(len(mean), dtype=x.dtype)
    there = (1 - t) ** 2 * eye + t**2 * covariance
    across = t * covariance - (1 - t) * eye
    away = x - t[..., 0] * mean
    return mean + (across @ torch.linalg.solve(there, away[..., None])).squeeze(-1)


def draws(n, seed=0, mean=M, covariance=S):
    generator = torch.Generator().manual_seed(seed)
    return mean + torch.randn(n, len(mean), generator=generator) @ torch.linalg.cholesky(covariance).T


def test_the_least_loss_between_gaussians_is_half_pi_times_the_standard_deviations():
    expected = math.pi / 2 * torch.linalg.eigvalsh(S).sqrt().sum().item()
    values = [
        priors.flow_matching_loss(best, draws(50_000, i), torch.Generator().manual_seed(100 + i))[
            "loss"
        ].item()
        for i in range(20)
    ]
    found = torch.tensor(values)
    assert found.mean().item() == pytest.approx(expected, abs=4 * found.std().item() / 20**0.5)
    # and it is the least: anything else is worse by its mean squared distance
    off = priors.flow_matching_loss(
        lambda x, t: best(x, t) + 0.3, draws(50_000, 0), torch.Generator().manual_seed(100)
    )["loss"].item()
    assert off - values[0] == pytest.approx(2 * 0.3**2, abs=0.02)


def test_integrating_the_best_velocity_arrives_at_mean_and_covariance():
    x0 = draws(100_000, 1, torch.zeros(2), torch.eye(2)).double()
    x0 = (x0 - x0.mean(0)) @ torch.linalg.inv(
        torch.linalg.cholesky(x0.T.cov())
    ).T  # exactly N(0, I)'s moments

    def exact(x, t):
        return best(x, t, mean=M.double(), covariance=S.double())

    errors = []
    for steps in (10, 20):
        way = priors.integrate(exact, x0, steps=steps)
        assert way.shape == (steps + 1, *x0.shape) and torch.equal(way[0], x0)
        torch.testing.assert_close(way[-1].mean(0), M.double(), atol=2e-3, rtol=0)
        errors.append((way[-1].T.cov() - S).abs().max().item())
    assert torch.equal(priors.integrate(exact, x0), way), "20 steps, if nobody says how many"
    assert errors[1] < 0.01 and errors[1] < errors[0] / 3, "Heun's error falls with the square of the step"
    halfway = priors.integrate(exact, x0, steps=20)[10]
    torch.testing.assert_close(halfway.T.cov(), 0.25 * (torch.eye(2) + S).double(), atol=0.01, rtol=0)


def test_an_untrained_velocity_is_the_best_one_of_a_whitened_gaussian():
    net = priors.Velocity(2)
    x, t = draws(100), torch.rand(100, 1, generator=torch.Generator().manual_seed(0))
    white = best(x, t, mean=torch.zeros(2), covariance=torch.eye(2))
    torch.testing.assert_close(net(x, t), white)
    torch.testing.assert_close(net(x, torch.tensor(0.3)), net(x, torch.full((100, 1), 0.3)))


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_the_network_sees_points_and_says_velocities_of_variance_1(t):
    """On the way from N(0, I) to N(0, I), s² = (1 - t)² + t² is the variance."""
    net, x, s = priors.Velocity(2), draws(50), math.sqrt((1 - t) ** 2 + t**2)
    before, seen = net(x, torch.tensor(t)), []
    net.first.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    torch.nn.init.constant_(net.last.bias, 1.0)
    torch.testing.assert_close(net(x, torch.tensor(t)), before + 1 / s)
    turns = torch.tensor([t * f * math.pi for f in (1, 2, 4, 8)])
    expected = torch.cat([x / s, turns.sin().expand(50, 4), turns.cos().expand(50, 4)], dim=1)
    torch.testing.assert_close(seen[0], expected, atol=1e-5, rtol=1e-5)


def test_a_flow_that_has_learned_nothing_is_the_gaussian():
    flow = priors.FlowPrior(steps=1, lr=1e-12).fit(draws(300))
    x0 = torch.randn(50, 2, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(
        flow.flow(x0), flow.base.means[0] + x0 @ flow.base.roots[0].T, atol=0.01, rtol=0
    )
    assert torch.equal(flow.sample(50, seed=3), flow.flow(x0))
    assert torch.equal(flow.sample(50, seed=3), flow.sample(50, seed=3))
    assert not torch.equal(flow.sample(50, seed=3), flow.sample(50, seed=4))


def test_the_seed_alone_decides_what_a_flow_is():
    codes = draws(300)

    def first_weights(seed):
        torch.rand(3)  # what others have drawn makes no difference
        return priors.FlowPrior(steps=2).fit(codes, seed=seed).velocity.first.weight

    assert torch.equal(first_weights(1), first_weights(1))
    assert not torch.allclose(first_weights(1), first_weights(2), atol=0.01)


def test_weights_are_averaged_and_the_start_is_soon_forgotten(monkeypatch):
    def steps(net, loss, *, after, **_):
        for step in range(3):
            with torch.no_grad():
                net.last.bias.fill_(step + 1)
            after(step)
        return []

    monkeypatch.setattr(priors, "minimize", steps)
    learned = priors.FlowPrior().fit(draws(300)).velocity
    # 1, then 2, then 3, of which a tenth, two elevenths, and three twelfths of what was before are kept
    torch.testing.assert_close(learned.last.bias, torch.full((2,), 2.7))
    assert not any(weight.requires_grad for weight in learned.parameters())
    learned = priors.FlowPrior(average=0.0).fit(draws(300)).velocity
    torch.testing.assert_close(learned.last.bias, torch.full((2,), 3.0))


def test_a_flow_learns_what_a_gaussian_cannot_say():
    """Codes near ±1: the best velocity is known there, and a Gaussian's samples lie between."""
    sigma, generator = 0.2, torch.Generator().manual_seed(0)
    sign = torch.randint(2, (20_000, 1), generator=generator) * 2.0 - 1
    codes = sign + sigma * torch.randn(20_000, 1, generator=generator)
    gaussian = priors.MixturePrior().fit(codes)
    flow = priors.FlowPrior(steps=1000, width=64, depth=2, lr=5e-3).fit(codes)

    def exact(x, t):
        scale = gaussian.roots[0, 0, 0]  # the codes were divided by it
        means = torch.tensor([-1.0, 1.0]) / scale
        variance = (1 - t) ** 2 + (t * sigma / scale) ** 2
        weights = (-((x - t * means) ** 2) / (2 * variance)).softmax(1)
        of_each = means + (t * (sigma / scale) ** 2 - (1 - t)) / variance * (x - t * means)
        return (weights * of_each).sum(1, keepdim=True)

    u = (codes - gaussian.means[0]) / gaussian.roots[0]
    with torch.no_grad():
        least, found, linear = (
            priors.flow_matching_loss(v, u, torch.Generator().manual_seed(1))["loss"].item()
            for v in (exact, flow.velocity, priors.Velocity(1))
        )
    assert linear == pytest.approx(math.pi / 2, rel=0.03)
    assert least < found < least + 0.1 * (linear - least)
    apart = [wasserstein_distance(p.sample(5000, seed=1)[:, 0], codes[:, 0]) for p in (gaussian, flow)]
    assert apart[1] < 0.06 < 0.2 < apart[0]


def test_the_way_back_ends_at_the_noise():
    flow = priors.FlowPrior(steps=50).fit(torch.cat([draws(300), draws(300, 1) + 8]))
    x0 = torch.randn(100, 2, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(flow.inverse(flow.flow(x0)), x0, atol=0.02, rtol=0)
    assert len(flow.losses) == 50


def test_a_mixture_gives_back_what_it_was_fitted_to():
    codes = torch.cat([draws(6000), draws(2000, 1) + 10])
    mixture = priors.MixturePrior(2).fit(codes)
    drawn = mixture.sample(20_000, seed=1)
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), codes.T.cov(), atol=0.5, rtol=0.03)
    torch.testing.assert_close(mixture.weights.sort().values, torch.tensor([0.25, 0.75]), atol=0.01, rtol=0)
    left = drawn[:, 0] < 6
    assert 0.2 < left[:100].float().mean() < 0.95, "samples come in random order"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: priors.MixturePrior(0), "1 component or more"),
        (lambda: priors.MixturePrior().fit(torch.zeros(3, 2, 2)), "shape"),
        (lambda: priors.MixturePrior().fit(torch.zeros(5, 2, dtype=torch.int64)), "int64"),
        (lambda: priors.MixturePrior().fit(torch.full((5, 2), torch.nan)), "finite"),
        (lambda: priors.MixturePrior(50).fit(torch.zeros(20, 2)), "needs 51 codes"),
        (lambda: priors.FlowPrior(steps=0).fit(draws(10)), "1 step or more"),
        (lambda: priors.integrate(best, draws(3), steps=0), "1 step or more"),
    ],
)
def test_bad_input_is_told(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
