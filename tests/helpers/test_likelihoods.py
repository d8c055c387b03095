"""Bits per dimension, likelihoods of 256 grey levels, and the distance of features."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from latentlab_helpers import likelihoods, models, shapes, training
from latentlab_helpers.losses import negative_elbo
from latentlab_helpers.objectives import GaussianPixels


@pytest.fixture(scope="module")
def images():
    return shapes.draw(300, 0).images


def test_an_image_as_it_is_takes_eight_bits():
    assert likelihoods.bits_per_dimension(784 * math.log(256), 784) == pytest.approx(8)
    assert likelihoods.bits_per_dimension(0.0, 784, density=True) == 8, "the uniform density on [0, 1]"
    with pytest.raises(ValueError, match="1 dimension or more"):
        likelihoods.bits_per_dimension(1.0, 0)


def test_dequantized_images_are_their_levels_again_and_evenly_spread(images, generator):
    x = likelihoods.dequantized(images, generator)
    assert torch.equal((x * 256).floor().byte(), images) and x.min() >= 0 and x.max() < 1
    part = (x.double() * 256 - images).flatten()[:100_000]
    assert stats.kstest(part.numpy(), "uniform").pvalue > 1e-4
    assert torch.equal(x, likelihoods.dequantized(images.float() / 255, torch.Generator().manual_seed(0)))
    white = likelihoods.dequantized(torch.full((10**6,), 255, dtype=torch.uint8), generator)
    assert white.max() < 1


def test_a_density_that_is_right_gives_the_entropy(generator):
    """All 256 levels equally likely: 8 bits. A Gaussian as narrow as a level has few, never under 0."""
    levels = torch.randint(0, 256, (200_000,), generator=generator).byte()
    x = likelihoods.dequantized(levels, generator)
    uniform = -torch.distributions.Uniform(0, 1).log_prob(x).mean().item()
    assert likelihoods.bits_per_dimension(uniform, 1, density=True) == pytest.approx(8)
    grey = likelihoods.dequantized(torch.full((200_000,), 128, dtype=torch.uint8), generator).double()
    for sigma in (1e-4, 3e-4, 1e-3, 3e-3):
        nats = -stats.norm(128.5 / 256, sigma).logpdf(grey.numpy()).mean()
        assert likelihoods.bits_per_dimension(nats, 1, density=True) > 0
    raw = -stats.norm(128 / 255, 1e-4).logpdf(np.full(3, 128 / 255)).mean()
    assert likelihoods.bits_per_dimension(raw, 1, density=True) < 0, "what dequantization is for"


@pytest.mark.parametrize("scale", [1e-3, 0.02, 0.3, 5.0])
@pytest.mark.parametrize("logit", [-30.0, -2.0, 0.0, 0.7, 30.0])
def test_the_probabilities_of_the_256_levels_sum_to_one(scale, logit):
    pixels = likelihoods.DiscretizedLogistic(scale=scale)
    x = (torch.arange(256) / 255).view(256, 1, 1, 1)
    logits = torch.full_like(x, logit)
    each = pixels.log_probability(logits, x).double()
    assert each.isfinite().all() and (each <= 0).all()
    assert each.exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_a_levels_probability_is_the_mass_of_its_interval():
    pixels = likelihoods.DiscretizedLogistic(scale=0.05)
    x = (torch.arange(256) / 255).view(256, 1, 1, 1)
    made = pixels.log_probability(torch.full_like(x, 0.4), x).exp().flatten()
    logistic = stats.logistic(1 / (1 + math.exp(-0.4)), 0.05)
    ends = np.concatenate([[-np.inf], (np.arange(255) + 0.5) / 255, [np.inf]])
    torch.testing.assert_close(made.double(), torch.tensor(np.diff(logistic.cdf(ends))), rtol=1e-4, atol=1e-8)


def test_far_away_it_still_has_a_gradient():
    pixels = likelihoods.DiscretizedLogistic(scale=1e-3)
    logits = torch.full((1, 1, 1, 1), 6.0, requires_grad=True)
    loss = pixels(logits, torch.full((1, 1, 1, 1), 100 / 255))
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all() and logits.grad.abs().max() > 0


def test_samples_have_the_probabilities_that_it_states(generator):
    pixels = likelihoods.DiscretizedLogistic(scale=0.02)
    logits = torch.full((1, 1, 400, 500), 3.0)
    drawn = (pixels.sample(logits, generator) * 255).round().long().flatten().bincount(minlength=256)
    x = (torch.arange(256) / 255).view(256, 1, 1, 1)
    expected = pixels.log_probability(torch.full_like(x, 3.0), x).exp().flatten() * drawn.sum()
    enough = expected > 20
    chi = ((drawn - expected) ** 2 / expected)[enough].sum().item()
    assert stats.chi2.sf(chi, int(enough.sum())) > 1e-4


def test_it_learns_its_scale_and_the_gaussian_agrees(images):
    """One network, two likelihoods: a logistic of 256 levels and a density of dequantized ones."""
    bits = {}
    for name in ("logistic", "Gaussian"):
        torch.manual_seed(0)
        model = models.VariationalAutoencoder(8, image_shape=(3, 32, 32))
        model.pixels = likelihoods.DiscretizedLogistic() if name == "logistic" else GaussianPixels()

        def loss(model, x, generator, name=name):
            x = likelihoods.dequantized(x, generator) if name == "Gaussian" else x
            return negative_elbo(model, x, generator, reconstruction=model.pixels)

        before = [value.clone() for value in model.pixels.parameters()]
        training.fit(model, images, epochs=20, batch_size=50, loss=loss, progress=False)
        assert not torch.equal(before[0], next(model.pixels.parameters()))
        nats = training.evaluate(model, images, loss)["loss"]
        bits[name] = likelihoods.bits_per_dimension(nats, 3072, density=name == "Gaussian")
    assert shapes.grain_bits() < bits["logistic"] < 8
    assert bits["logistic"] == pytest.approx(bits["Gaussian"], abs=0.25)


@pytest.mark.parametrize(
    "given",
    [{"scale": 9e-4}, {"scale": 1e-4, "floor": 1e-3}, {"scale": 0.0, "floor": 0.0}, {"scale": -1.0}],
)
def test_a_scale_that_cannot_be_is_refused(given):
    with pytest.raises(ValueError, match="scale must be positive"):
        likelihoods.DiscretizedLogistic(**given)


# --- features ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def distance(images):
    torch.manual_seed(0)
    classifier = models.Classifier(classes=7, image_shape=(3, 32, 32))
    return likelihoods.PerceptualDistance(classifier, images)


def test_equal_images_have_no_distance_and_any_two_have_one(distance, images):
    x = images[:50].float() / 255
    logits = torch.logit(x)
    assert distance(logits, x).item() == pytest.approx(0, abs=1e-3)
    others = distance(logits.roll(1, 0), x).item()
    # Two independent images differ by twice the variance in each part: 0.5 · D · 2
    assert others == pytest.approx(3072, rel=0.25)
    assert distance(logits[:, :, :, list(range(1, 32)) + [0]], x) < others


@pytest.mark.parametrize("layers", [(2, 5), (1,)])
def test_it_is_the_mean_over_the_pixels_and_the_layers_that_were_chosen(images, layers):
    torch.manual_seed(0)
    classifier = models.Classifier(classes=7, image_shape=(3, 32, 32)).eval()
    chosen = {} if layers == (2, 5) else {"layers": layers}  # these are the ones after each ReLU
    distance = likelihoods.PerceptualDistance(classifier, images, weight=3.0, **chosen)
    assert all(isinstance(classifier.features[number], torch.nn.ReLU) for number in (2, 5))
    x, made = images[:5].float() / 255, images[5:10].float() / 255
    seen = [torch.nn.Identity(), *(classifier.features[: number + 1] for number in layers)]
    with torch.no_grad():
        each = [
            ((look(made) - look(x)) ** 2).mean() / look(images.float() / 255).var(0).mean() for look in seen
        ]
        found = distance(torch.logit(made), x)
    torch.testing.assert_close(found, 3 * 0.5 * 3072 * sum(each) / len(each), rtol=1e-3, atol=0)


def test_its_weights_are_not_trained_and_its_gradient_reaches_the_image(images):
    torch.manual_seed(0)
    classifier = models.Classifier(classes=7, image_shape=(3, 32, 32))
    distance = likelihoods.PerceptualDistance(classifier, images, weight=2.0)
    model = models.Autoencoder(4, image_shape=(3, 32, 32))
    model.pixels = distance
    assert not any(one is other for one in model.parameters() for other in distance.features.parameters())
    logits = torch.zeros(2, 3, 32, 32, requires_grad=True)
    distance(logits, images[:2].float() / 255).backward()
    assert logits.grad.abs().max() > 0
    assert all(weight.grad is None for weight in distance.features.parameters())
    with torch.no_grad():
        classifier.features[0].weight.zero_()
    assert distance.features[0].weight.abs().max() > 0, "the copy is its own"


def test_what_cannot_measure_is_refused(images):
    classifier = models.Classifier(classes=7, image_shape=(3, 32, 32))
    with pytest.raises(ValueError, match="some of 0 to 9"):
        likelihoods.PerceptualDistance(classifier, images, layers=(2, 10))
    with pytest.raises(ValueError, match="the same of all images"):
        likelihoods.PerceptualDistance(classifier, images[:1].repeat(3, 1, 1, 1))
