"""A VAE that is told the class: its bound, with labels, without, and with some of them."""

import math

import pytest
import torch

from latentlab_helpers import checkpoints, datasets, losses, metrics, models, training
from latentlab_helpers.conditional import UNKNOWN, ConditionalVariationalAutoencoder, conditional_elbo

SMALL = {"widths": (8,), "image_shape": (1, 4, 4)}


def noise():
    return torch.Generator().manual_seed(2)


@pytest.fixture
def x():
    return torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ConditionalVariationalAutoencoder(3, classes=4, **SMALL)


def blind(model):
    """The same model, whose networks ignore the class: a VAE."""
    with torch.no_grad():
        for layer in (model.encoder[1], model.decoder[0]):
            layer.weight[:, -model.classes :] = 0
    return model


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
@pytest.mark.parametrize("image_shape, classes", [((1, 28, 28), 10), ((3, 16, 16), 7)])
def test_it_decodes_a_code_and_a_class(architecture, image_shape, classes):
    torch.manual_seed(0)
    model = ConditionalVariationalAutoencoder(
        2, classes=classes, architecture=architecture, image_shape=image_shape
    )
    z, labels = torch.randn(1, 2).repeat(classes, 1), torch.arange(classes)
    images = model.decode(z, labels)
    assert images.shape == (classes, *image_shape) and 0 <= images.min() <= images.max() <= 1
    assert len(images.flatten(1).unique(dim=0)) == classes, "one code, and an image for each class"
    logits, mu, logvar = model(images, labels, noise())
    assert logits.shape == images.shape and mu.shape == logvar.shape == (classes, 2)
    assert len(model.encode(images[:1].expand_as(images), labels)[0].unique(dim=0)) == classes


def test_without_a_label_an_image_is_encoded_with_the_class_that_the_classifier_takes_for_likely(model, x):
    with torch.no_grad():
        guess = model.classifier(x).argmax(1)
        guessed, told, other = (model.encode(x, y)[0] for y in (None, guess, (guess + 1) % 4))
    assert torch.equal(guessed, told) and not torch.isclose(guessed, other).any(1).all()
    assert torch.equal(metrics.embed(model, x), told)


def test_with_every_label_it_is_the_bound_of_a_vae_that_is_told_the_class(model, x):
    labels = torch.tensor([0, 1, 2, 3, 3, 1])
    terms = conditional_elbo(model, x, noise(), labels, alpha=0)
    logits, mu, logvar = model(x, labels, noise())
    assert terms["reconstruction"].item() == pytest.approx(losses.bernoulli(logits, x).item(), rel=1e-6)
    assert terms["kl"].item() == pytest.approx(losses.kl_divergence(mu, logvar).item(), rel=1e-6)
    assert terms["kl_label"].item() == pytest.approx(math.log(4), rel=1e-6), "-log p(y)"
    parts = sum(terms[name] for name in ("reconstruction", "kl", "kl_label"))
    assert terms["loss"].item() == pytest.approx(parts.item())
    cross_entropy = torch.nn.functional.cross_entropy(model.classifier(x), labels)
    weighed = conditional_elbo(model, x, noise(), labels, alpha=5)
    assert weighed["classification"].item() == pytest.approx(cross_entropy.item(), rel=1e-6)
    assert weighed["loss"].item() == pytest.approx((parts + 5 * cross_entropy).item(), rel=1e-6)


def test_a_missing_label_is_summed_over(model, x):
    """Against the definition, image by image and class by class: -U(x) of the paper's equation 7."""
    q, known, expected = model.classifier(x).softmax(1), {1: 2, 4: 0}, 0.0
    epsilon = iter(torch.randn(4 * 4 + 2, 3, generator=noise()))
    for i in range(6):
        for y in range(4):
            if known.get(i, y) != y:
                continue
            mu, logvar = model.encode(x[i : i + 1], torch.tensor([y]))
            z = mu + (logvar / 2).exp() * next(epsilon)
            bound = losses.bernoulli(model.logits(z, torch.tensor([y])), x[i : i + 1]) + math.log(4)
            bound += losses.kl_divergence(mu, logvar)
            expected += bound if i in known else q[i, y] * (bound + q[i, y].log())
    labels = torch.tensor([known.get(i, UNKNOWN) for i in range(6)])
    found = conditional_elbo(model, x, noise(), labels, alpha=0)
    assert found["loss"].item() == pytest.approx(expected.item() / 6, rel=1e-6)
    dear = conditional_elbo(model, x, noise(), labels, alpha=0, beta=3)
    assert dear["loss"].item() == pytest.approx((found["loss"] + 2 * found["kl"]).item(), rel=1e-6)


@pytest.mark.parametrize("known", [True, False])
def test_a_decoder_that_ignores_the_class_is_a_vaes(model, x, known):
    """Then the label costs what it tells: log 4 nats if it is known, KL(q(y|x) || p(y)) if it isn't."""
    labels = torch.tensor([0, 1, 2, 3, 3, 1]) if known else torch.full((6,), UNKNOWN)
    with torch.no_grad():
        blind(model).encoder[-1].weight[model.latent_dim :] = 0
        model.encoder[-1].bias[model.latent_dim :] = -60  # next to no noise: one z for all classes
    found = conditional_elbo(model, x, noise(), labels, alpha=0)
    plain = losses.negative_elbo(lambda x, g: model(x, labels.clamp(min=0), g), x, noise())
    q = torch.distributions.Categorical(logits=model.classifier(x))
    cost = math.log(4) - (0 if known else q.entropy().mean().item())
    assert found["loss"].item() == pytest.approx(plain["loss"].item() + cost, rel=1e-6)
    assert found["kl_label"].item() == pytest.approx(cost, abs=1e-6)


def test_it_learns_with_half_of_the_labels(train, test):
    torch.manual_seed(0)
    images, labels = train.images[:2000], train.labels[:2000].clone()
    labels[::2] = UNKNOWN
    model = ConditionalVariationalAutoencoder(5)
    history = training.fit(
        model, images, labels=labels, loss=conditional_elbo, epochs=4, batch_size=50, progress=False
    )
    assert history.train["loss"] == sorted(history.train["loss"], reverse=True)
    x, y = datasets.to_float(test.images[:500]), test.labels[:500]
    model.eval()
    with torch.no_grad():
        right = (model.classifier(x).argmax(1) == y).float().mean().item()
        told, lied = (losses.bernoulli(model(x, c, noise())[0], x).item() for c in (y, (y + 1) % 10))
    assert right > 0.7, "chance is right once in ten times"
    assert told + 5 < lied, "it believes its label"


def test_it_comes_back_from_a_file(tmp_path, model):
    again = checkpoints.load(checkpoints.save(model, tmp_path / "mine"))
    assert type(again) is type(model) and again.config == model.config
    assert again.decode(torch.zeros(1, 3), torch.tensor([2])).shape == (1, 1, 4, 4)


@pytest.mark.parametrize(
    "z, labels, message",
    [
        (torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64), r"not \(2, 3\) with \(3,\)"),
        (torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64), r"\(batch, 3\)"),
        (torch.zeros(2, 3), torch.tensor([0, 4]), "from 0 to 3"),
        (torch.zeros(2, 3), torch.tensor([0, UNKNOWN]), "from 0 to 3"),
        (torch.zeros(2, 3), torch.zeros(2), "whole numbers"),
    ],
)
def test_codes_and_labels_that_do_not_fit(model, z, labels, message):
    with pytest.raises(ValueError, match=message):
        model.decode(z, labels)


def test_no_codes_are_no_images(model):
    assert model.decode(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)).shape == (0, 1, 4, 4)


def test_one_class_is_no_condition():
    with pytest.raises(ValueError, match="2 or more"):
        ConditionalVariationalAutoencoder(2, classes=1)


def test_the_registry_has_it():
    assert models.KINDS["ConditionalVariationalAutoencoder"] is ConditionalVariationalAutoencoder


def test_a_classifier_that_is_quite_sure_has_gradients_too():
    """Where the other beliefs underflow to 0, the slope of their entropy would be infinite."""
    model = ConditionalVariationalAutoencoder(4)
    with torch.no_grad():
        model.classifier[-1].bias[0] = 200.0
    terms = conditional_elbo(model, torch.rand(4, 1, 28, 28), noise(), torch.full((4,), UNKNOWN))
    assert terms["kl_label"].item() == pytest.approx(math.log(10), rel=1e-4), "certain: no entropy is left"
    terms["loss"].backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())
