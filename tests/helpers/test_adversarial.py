"""The games, the penalty and the loop, each against a case whose answer is known."""

import functools
import math
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latentlab_helpers import adversarial, models, training

GAMES = (adversarial.minimax, adversarial.non_saturating, adversarial.relativistic)
normal = torch.distributions.Normal


def quantiles(mean, n=200_001):
    """Points that stand for N(mean, 1) evenly: their mean of a function is its expectation."""
    return normal(mean, 1.0).icdf((torch.arange(n, dtype=torch.float64) + 0.5) / n)


def nats(log_ratio, density, x):
    return torch.trapezoid(density.log_prob(x).exp() * log_ratio, x)


@pytest.mark.parametrize("apart", [0.0, 0.7, 3.0])
def test_the_best_discriminator_s_loss_is_log_4_less_twice_the_jensen_shannon_divergence(apart):
    p, q, x = normal(0.0, 1.0), normal(apart, 1.0), torch.linspace(-12, 15, 400_001, dtype=torch.float64)
    middle = torch.stack([p.log_prob(x), q.log_prob(x)]).logsumexp(0) - math.log(2)
    divergence = sum(nats(one.log_prob(x) - middle, one, x) for one in (p, q)) / 2

    def best(x):  # the logit of p / (p + q)
        return p.log_prob(x) - q.log_prob(x)

    for game in (adversarial.minimax, adversarial.non_saturating):
        found = game(best(quantiles(0.0)), best(quantiles(apart)))["discriminator"]
        assert found.item() == pytest.approx(math.log(4) - 2 * divergence.item(), abs=1e-5)
    assert (divergence.item() == pytest.approx(0, abs=1e-9)) == (apart == 0)


@pytest.mark.parametrize("game", [adversarial.minimax, adversarial.non_saturating])
def test_no_other_discriminator_is_better_than_the_best_one(game):
    real, fake = quantiles(0.0), quantiles(1.0)
    best = game(0.5 - real, 0.5 - fake)["discriminator"]  # log p(x) / q(x) = 1/2 - x
    for slope, offset in ((-1, 0.4), (-1, 0.6), (-0.9, 0.5), (-1.1, 0.5)):
        assert game(offset + slope * real, offset + slope * fake)["discriminator"] > best


@pytest.mark.parametrize("apart", [0.5, 2.0])
def test_the_relativistic_loss_of_gaussians_is_an_integral_over_one_difference(apart):
    """With the logit log p/q = apart²/2 - apart·x the difference of a pair is N(apart², 2 apart²)."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(2_000_000, generator=generator, dtype=torch.float64) for _ in range(2))
    found = adversarial.relativistic(-apart * real, -apart * (fake + apart))["discriminator"].item()
    d = torch.linspace(-40, 60, 200_001, dtype=torch.float64)
    wanted = nats(F.softplus(-d), normal(apart**2, 2**0.5 * apart), d).item()
    assert found == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize("logit", [-6.0, -1.0, 0.0, 2.0])
def test_the_generator_s_gradients_are_those_of_the_formulas(logit):
    """d/dlogit: of log(1 - D) it is -D, which vanishes where the generator is caught; of -log D, D - 1."""
    real, chance = torch.tensor([0.3]), 1 / (1 + math.exp(-logit))
    wanted = {
        adversarial.minimax: -chance,
        adversarial.non_saturating: chance - 1,
        adversarial.relativistic: -1 / (1 + math.exp(logit - 0.3)),
    }
    for game, slope in wanted.items():
        fake = torch.tensor([logit], requires_grad=True)
        (found,) = torch.autograd.grad(game(real, fake)["generator"], fake)
        assert found.item() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("game", GAMES)
def test_equal_players_pay_log_2_for_each_question(game):
    terms = game(torch.full((5,), 1.5), torch.full((5,), 1.5)) if game is adversarial.relativistic else game(
        torch.zeros(5), torch.zeros(5)
    )  # fmt: skip
    questions = 1 if game is adversarial.relativistic else 2
    assert terms["discriminator"].item() == pytest.approx(questions * math.log(2))


def test_the_penalty_of_a_linear_discriminator_is_its_squared_slope_and_has_its_gradient():
    slope = torch.tensor([3.0, -4.0], requires_grad=True)
    x = torch.randn(7, 2, requires_grad=True)
    penalty = adversarial.gradient_penalty(x @ slope + 5, x)
    assert penalty.item() == pytest.approx(25)
    torch.testing.assert_close(torch.autograd.grad(penalty, slope)[0], 2 * slope.detach())


def test_the_penalty_of_a_quadratic_discriminator_is_the_mean_of_what_its_matrix_makes_of_x():
    generator = torch.Generator().manual_seed(0)
    half = torch.randn(3, 3, generator=generator)
    matrix, x = half + half.T, torch.randn(50, 3, generator=generator).requires_grad_()
    logits = torch.einsum("bi,ij,bj->b", x, matrix, x) / 2
    wanted = (x.detach() @ matrix).square().sum(1).mean()
    torch.testing.assert_close(adversarial.gradient_penalty(logits, x), wanted)


def test_the_penalty_counts_all_pixels_of_an_image():
    x = torch.rand(4, 1, 28, 28, requires_grad=True)
    assert adversarial.gradient_penalty(2 * x.flatten(1).sum(1), x).item() == pytest.approx(4 * 784)


# --- the one-parameter GAN of Mescheder et al., whose fate is known --------------------------------------


class Dirac(nn.Module):
    """All its samples are one number."""

    latent_dim = 1

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(1.0))

    def decode(self, z):
        return self.theta.expand(len(z), 1)


def dirac(game, gamma, steps=2000, lr=0.05):
    """The distance to the equilibrium (0, 0), from (1, 0) on; the real data are the number 0."""
    generator, discriminator = Dirac(), nn.Sequential(nn.Linear(1, 1, bias=False), nn.Flatten(0))
    nn.init.zeros_(discriminator[0].weight)
    players = [torch.optim.SGD(player.parameters(), lr=lr) for player in (generator, discriminator)]
    radius = []
    for _ in range(steps):
        adversarial.adversarial_step(
            generator, discriminator, torch.zeros(1, 1), torch.zeros(2, 1, 1), players, loss=game, gamma=gamma
        )
        radius.append(math.hypot(generator.theta.item(), discriminator[0].weight.item()))
    return radius


@pytest.mark.parametrize("game", GAMES)
def test_the_dirac_gan_goes_round_without_a_penalty_and_converges_with_it(game):
    """Mescheder et al. 2018. The others' generator spirals in, but slower than any exponential: at the
    number 0 the relativistic game is the non-saturating one."""
    alone, damped = dirac(game, gamma=0.0), dirac(game, gamma=1.0)
    assert min(alone) > (0.8 if game is adversarial.minimax else 0.2)
    assert damped[-1] < 1e-3


def test_two_penalties_damp_the_dirac_gan_as_their_sum():
    """R1 and R2 of a linear discriminator are both psi². Around (0, 0), psi' = -theta / 2 - 2 gamma psi and
    theta' = psi / 2, whose eigenvalues have the real part -gamma."""
    gamma, lr, steps = 0.2, 0.01, 4000
    radius = dirac(adversarial.minimax, gamma, steps, lr)
    late = slice(steps // 2, None)
    t = torch.arange(steps, dtype=torch.float64)[late]
    slope = torch.linalg.lstsq(
        torch.stack([t, torch.ones_like(t)], 1), torch.tensor(radius, dtype=torch.float64)[late, None].log()
    ).solution[0].item()  # fmt: skip
    assert slope == pytest.approx(-gamma * lr, rel=0.15)


# --- the loop --------------------------------------------------------------------------------------------


def networks(seed=0):
    torch.manual_seed(seed)
    return adversarial.PointGenerator(widths=(32,)), adversarial.PointDiscriminator(widths=(32,))


def weights(*parts):
    return torch.cat([value.flatten() for part in parts for value in part.parameters()])


def one_gaussian(n=4000):
    return torch.tensor([2.0, -1.0]) + 0.5 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0))


def test_a_generator_learns_a_gaussian_s_mean_and_spread():
    generator, discriminator = networks()
    history = adversarial.fit_adversarial(
        generator,
        discriminator,
        one_gaussian(),
        steps=2000,
        gamma=0.5,
        batch_size=256,
        lr=5e-3,
        progress=False,
    )
    points = generator.decode(torch.randn(5000, 2, generator=torch.Generator().manual_seed(1))).detach()
    torch.testing.assert_close(points.mean(0), torch.tensor([2.0, -1.0]), atol=0.1, rtol=0)
    torch.testing.assert_close(points.std(0), torch.tensor([0.5, 0.5]), atol=0.1, rtol=0)
    assert set(history.train) == {"discriminator", "generator", "penalty"}
    assert {len(values) for values in history.train.values()} == {len(history.seconds)} == {50}


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    fitted = []
    for seed in (3, 3, 4):
        pair = networks()
        adversarial.fit_adversarial(*pair, one_gaussian(), steps=20, seed=seed, progress=False)
        fitted.append(weights(*pair))
    assert torch.equal(fitted[0], fitted[1]) and not torch.equal(fitted[0], fitted[2])


def test_each_player_moves_by_its_own_loss_alone():
    """A discriminator whose answers don't depend on the image leaves the generator where it is."""
    generator, discriminator = networks()
    before = weights(generator)
    players = [
        torch.optim.SGD(generator.parameters(), lr=0.1),
        torch.optim.SGD(discriminator.parameters(), lr=0.0),
    ]
    nn.init.zeros_(discriminator.encoder[0].weight)
    step = functools.partial(adversarial.adversarial_step, loss=adversarial.non_saturating, gamma=0.0)
    step(generator, discriminator, torch.ones(8, 2), torch.zeros(2, 8, 2), players)
    torch.testing.assert_close(weights(generator), before)
    generator, discriminator = networks()
    players = [
        torch.optim.SGD(generator.parameters(), lr=0.1),
        torch.optim.SGD(discriminator.parameters(), lr=0.0),
    ]
    judge, drawn = weights(discriminator), torch.randn(2, 8, 2)
    step(generator, discriminator, torch.ones(8, 2), drawn, players)
    assert torch.equal(weights(discriminator), judge)
    assert not torch.equal(weights(generator), weights(networks()[0]))


def test_the_generator_answers_a_discriminator_that_has_moved():
    """The discriminator moves first: from 0, it is its new slope that pushes the generator."""
    generator, discriminator = Dirac(), nn.Sequential(nn.Linear(1, 1, bias=False), nn.Flatten(0))
    nn.init.zeros_(discriminator[0].weight)
    players = [torch.optim.SGD(player.parameters(), lr=0.1) for player in (generator, discriminator)]
    adversarial.adversarial_step(
        generator, discriminator, torch.zeros(1, 1), torch.zeros(2, 1, 1), players,
        loss=adversarial.non_saturating, gamma=0.0,
    )  # fmt: skip
    assert discriminator[0].weight.item() == pytest.approx(-0.05)  # 0.1 · 1/2 against theta = 1
    assert generator.theta.item() == pytest.approx(1 - 0.1 * 0.05 / (1 + math.exp(-0.05)), rel=1e-6)


def test_an_interrupted_training_keeps_what_it_has_and_gives_the_modes_back(monkeypatch):
    pair, moves = networks(), iter(range(30))
    pair[0].eval()
    step = adversarial.adversarial_step

    def until(*args, **settings):
        if next(moves) == 25:
            raise KeyboardInterrupt
        return step(*args, **settings)

    monkeypatch.setattr(adversarial, "adversarial_step", until)
    before = weights(*pair)
    with pytest.warns(UserWarning, match="interrupted after 25 of 100 steps"):
        history = adversarial.fit_adversarial(*pair, one_gaussian(), steps=100, progress=False)
    assert len(history.seconds) == 12 and not torch.equal(weights(*pair), before)
    assert not pair[0].training and pair[1].training


def test_a_loss_that_explodes_is_reported():
    pair = networks()
    with pytest.raises(training.TrainingDiverged, match="lower learning rate"):
        adversarial.fit_adversarial(*pair, one_gaussian() * math.inf, steps=10, progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be a whole number"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"lr": -1.0}, "lr must be positive"),
        ({"gamma": -1.0}, "gamma 0 or more"),
        ({"images": torch.zeros(5, 2, dtype=torch.uint8)}, "or float points"),
        ({"images": torch.full((5, 1, 28, 28), 7.0)}, r"\[0, 1\]"),
    ],
)
def test_what_cannot_work_is_refused(change, message):
    settings = {"images": one_gaussian(), "steps": 1, **change}
    with pytest.raises(ValueError, match=message):
        adversarial.fit_adversarial(*networks(), progress=False, **settings)


# --- the networks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_the_players_are_the_halves_of_an_autoencoder(architecture):
    shape = (3, 16, 8)
    torch.manual_seed(0)
    generator = adversarial.Generator(5, architecture=architecture, image_shape=shape)
    torch.manual_seed(0)
    whole = models.Autoencoder(5, architecture=architecture, image_shape=shape)
    z = torch.randn(4, 5)
    assert torch.equal(generator.decode(z), whole.decode(z))
    logits = adversarial.Discriminator(architecture=architecture, image_shape=shape)(torch.rand(4, *shape))
    assert logits.shape == (4,)
    again = adversarial.Generator(**generator.config)
    again.load_state_dict(generator.state_dict())
    assert torch.equal(again.decode(z), generator.decode(z))
    assert adversarial.Discriminator(**adversarial.Discriminator(image_shape=shape).config)


@pytest.mark.parametrize("make", [adversarial.Generator, adversarial.PointGenerator])
def test_codes_of_another_size_are_refused(make):
    with pytest.raises(ValueError, match=r"codes of shape \(batch, 3\)"):
        make(3).decode(torch.zeros(2, 4))


# --- what is measured ------------------------------------------------------------------------------------


def test_the_mixture_itself_has_all_its_modes_and_as_many_points_near_them_as_a_gaussian():
    points, centres = adversarial.grid_of_gaussians(100_000, side=4, sd=0.1)
    found, near = adversarial.modes_found(points, centres, 0.1)
    assert found == len(centres) == 16
    assert near == pytest.approx(1 - math.exp(-4.5), abs=2e-3)  # the radius of a 2-D Gaussian is Rayleigh's
    assert points.std(0).tolist() == pytest.approx([(1.25 + 0.01) ** 0.5] * 2, rel=0.01)


def test_modes_that_are_missing_or_hardly_visited_do_not_count():
    points, centres = adversarial.grid_of_gaussians(5000, side=5)
    nearest = torch.cdist(points, centres).argmin(1)
    few = torch.cat([points[nearest < 10], points[nearest == 20][:5]])
    found, near = adversarial.modes_found(few, centres)
    assert found == 10 and near > 0.98
    assert adversarial.modes_found(points + 0.5, centres) == (0, 0.0)


# --- an encoder afterwards -------------------------------------------------------------------------------


def test_the_dream_loss_is_the_entropy_of_a_gaussian_for_the_exact_encoder():
    """decode(z) = z: the exact q(z|x) is a spike; for an encoder that says N(0, I) the loss is the entropy's
    cross term, dims/2 · (1 + log 2 pi)."""

    class Blind(nn.Module):
        latent_dim = 3

        def decode(self, z):
            return z

        def encode(self, x):
            return torch.zeros_like(x), torch.zeros_like(x)

    found = adversarial.dream_loss(Blind(), torch.zeros(200_000, 3), torch.Generator().manual_seed(0))["loss"]
    assert found.item() == pytest.approx(1.5 * (1 + math.log(2 * math.pi)), abs=0.01)


def test_an_encoder_that_dreams_finds_the_inverse_of_a_linear_generator():
    class Linear(nn.Module):
        latent_dim = 2

        def __init__(self):
            super().__init__()
            self.decoder, self.encoder = nn.Linear(2, 2, bias=False), nn.Linear(2, 4)
            self.decoder.weight.data = torch.tensor([[2.0, 0.0], [0.5, -1.0]])

        def decode(self, z):
            return self.decoder(z)

        def encode(self, x):
            mu, logvar = self.encoder(x).chunk(2, 1)
            return mu, logvar.clamp(min=-6)

    torch.manual_seed(0)
    model, noise = Linear(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    before = model.decoder.weight.detach().clone()
    for _ in range(1500):
        optimizer.zero_grad()
        adversarial.dream_loss(model, torch.zeros(256, 2), noise)["loss"].backward()
        optimizer.step()
    assert torch.equal(model.decoder.weight, before), "the decoder has no gradient"
    z = torch.randn(100, 2, generator=noise)
    torch.testing.assert_close(model.encode(model.decode(z))[0], z, atol=0.1, rtol=0)


def test_training_is_quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adversarial.fit_adversarial(*networks(), one_gaussian(), steps=3, progress=False)
