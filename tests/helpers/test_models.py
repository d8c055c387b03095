import json

import pytest
import torch

from latentlab_helpers import conditional, models
from latentlab_helpers.models import (
    Autoencoder,
    Classifier,
    VariationalAutoencoder,
    evaluating,
    posterior,
)

KINDS = [Autoencoder, VariationalAutoencoder]
SMALL = {"widths": (8,), "image_shape": (3, 4, 4)}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
@pytest.mark.parametrize(
    "latent_dim, image_shape", [(1, (1, 28, 28)), (2, (1, 28, 28)), (64, (3, 32, 32)), (7, (1, 16, 24))]
)
def test_shapes(kind, architecture, latent_dim, image_shape):
    model = kind(latent_dim, architecture=architecture, image_shape=image_shape)
    x = torch.rand(5, *image_shape)
    code, output = model.encode(x), model(x)
    if kind is VariationalAutoencoder:
        mu, logvar = code
        assert mu.shape == logvar.shape == (5, latent_dim)
        output = output[0]
    else:
        assert code.shape == (5, latent_dim)
        assert torch.equal(torch.sigmoid(output), model.decode(code))
    assert output.shape == x.shape
    image = model.decode(torch.randn(4, latent_dim) * 100)
    assert image.shape == (4, *image_shape) and image.min() >= 0 and image.max() <= 1


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_the_vae_differs_by_its_log_variance_head_alone(architecture):
    plain, variational = (kind(3, architecture=architecture) for kind in KINDS)
    theirs = variational.state_dict()
    for name, weights in plain.state_dict().items():
        if weights.shape != theirs[name].shape:
            assert name.startswith("encoder") and theirs[name].shape[0] == 2 * weights.shape[0] == 6
            theirs[name] = theirs[name][:3]
        weights.copy_(theirs.pop(name))
    assert not theirs
    x = torch.rand(4, 1, 28, 28)
    mu = variational.encode(x)[0]
    torch.testing.assert_close(plain.encode(x), mu)
    torch.testing.assert_close(plain.decode(mu), variational.decode(mu))


def test_the_default_vae_is_pytorchs_example():
    shapes = [tuple(w.shape) for w in VariationalAutoencoder(20).state_dict().values() if w.ndim == 2]
    assert shapes == [(400, 784), (40, 400), (400, 20), (784, 400)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_but_the_last_is_followed_by_a_relu(kind):
    """The convolutional model's layers, as PyTorch names them."""
    model = kind(2, architecture="conv")
    names = [type(layer).__name__ for layer in [*model.encoder, *model.decoder]]
    assert names == [
        *["Conv2d", "ReLU", "Conv2d", "ReLU", "Flatten", "Linear"],
        *["Linear", "Unflatten", "ReLU", "ConvTranspose2d", "ReLU", "ConvTranspose2d"],
    ]
    assert model.encoder[0].out_channels == 16 and model.encoder[2].out_channels == 32


@pytest.mark.parametrize("kind", KINDS)
def test_a_convolutional_model_may_have_a_hidden_layer(kind):
    model = kind(3, architecture="conv", widths=(4, 8), hidden=50)
    shapes = [tuple(w.shape) for w in model.state_dict().values() if w.ndim == 2]
    assert shapes == [(50, 392), (3 * kind.heads, 50), (50, 3), (392, 50)]
    assert model.config["hidden"] == 50 and model.decode(torch.zeros(2, 3)).shape == (2, 1, 28, 28)
    again = kind(**model.config)
    again.load_state_dict(model.state_dict())
    names = [type(layer).__name__ for layer in [*model.encoder[-4:], *model.decoder[:4]]]
    assert names == ["Flatten", "Linear", "ReLU", "Linear", "Linear", "ReLU", "Linear", "Unflatten"]


def test_a_classifier_gives_logits_of_its_features():
    model = Classifier(classes=7, image_shape=(3, 32, 24)).eval()
    x = torch.rand(5, 3, 32, 24)
    features = model.features(x)
    assert features.shape == (5, 128) and features.min() >= 0
    assert torch.equal(model(x), model.last(features)) and model(x).shape == (5, 7)
    assert type(model)(**model.config).state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    "images, message",
    [
        (torch.zeros(2, 1, 14, 14), r"shape \(batch, 1, 28, 28\)"),
        (torch.full((2, 1, 28, 28), 255.0), "divide values 0 … 255 by 255"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), "use datasets.to_float"),
    ],
)
def test_a_classifier_refuses_what_is_no_image(images, message):
    with pytest.raises(ValueError, match=message):
        Classifier()(images)


def test_a_classifier_needs_images_that_can_be_halved_twice():
    with pytest.raises(ValueError, match="divisible by 4, not 28×30"):
        Classifier(image_shape=(1, 28, 30))


def test_depth_follows_widths():
    deep = Autoencoder(5, widths=(300, 100))
    shapes = [tuple(w.shape) for w in deep.state_dict().values() if w.ndim == 2]
    assert shapes == [(300, 784), (100, 300), (5, 100), (100, 5), (300, 100), (784, 300)]
    linear = Autoencoder(5, widths=())
    assert len(linear.state_dict()) == 4


def test_a_sample_of_z_has_the_mean_and_spread_it_should(generator):
    model = VariationalAutoencoder(2)
    mu, logvar = torch.tensor([[1.0, -2.0]]), torch.tensor([[-1.0, 0.8]])
    z = model.reparameterize(mu.expand(200_000, 2), logvar.expand(200_000, 2), generator)
    torch.testing.assert_close(z.mean(0), mu[0], atol=0.02, rtol=0)
    torch.testing.assert_close(z.std(0), torch.exp(logvar[0] / 2), atol=0.02, rtol=0)


def test_gradient_through_the_reparameterization_is_the_analytic_one(generator):
    """E (z - a)² = (mu - a)² + sigma², so d/dmu = 2 (mu - a), and d/dlogvar = sigma²."""
    mu = torch.tensor([[0.7, -1.2]], requires_grad=True)
    logvar = torch.tensor([[-0.5, 0.9]], requires_grad=True)
    a, n = torch.tensor([2.0, 0.3]), 400_000
    z = VariationalAutoencoder(2).reparameterize(mu.expand(n, 2), logvar.expand(n, 2), generator)
    ((z - a) ** 2).sum().div(n).backward()
    with torch.no_grad():
        variance = logvar.exp()
        # standard errors of the two estimates, from the variances of 2 (z - a) and of (z - a) sigma eps
        error_mu = 2 * (variance / n).sqrt()
        error_logvar = ((2 * variance**2 + (mu - a) ** 2 * variance) / n).sqrt()
        assert ((mu.grad - 2 * (mu - a)).abs() < 4 * error_mu).all()
        assert ((logvar.grad - variance).abs() < 4 * error_logvar).all()


NOISY = {
    "reparameterize": lambda model, x, generator: model.reparameterize(*model.encode(x), generator),
    "forward": lambda model, x, generator: model(x, generator)[0],
}


@pytest.mark.parametrize("noisy", NOISY.values(), ids=NOISY)
def test_all_noise_comes_from_the_generator(noisy):
    """The same seed gives the same numbers, another seed others; and nobody else's numbers change."""
    model, x = VariationalAutoencoder(2, **SMALL), torch.rand(2, 3, 4, 4)
    before = torch.get_rng_state()
    a, b, other = (noisy(model, x, seeded(seed)) for seed in (5, 5, 6))
    assert torch.equal(a, b) and not torch.equal(a, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("noisy", NOISY.values(), ids=NOISY)
def test_without_a_generator_noise_follows_the_global_seed(noisy):
    model, x = VariationalAutoencoder(2, **SMALL), torch.rand(2, 3, 4, 4)
    drawn = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        drawn.append(noisy(model, x, None))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(noisy(model, x, None), noisy(model, x, None))


def test_a_forward_pass_decodes_one_sample_of_z():
    model, x = VariationalAutoencoder(2, **SMALL), torch.rand(2, 3, 4, 4)
    logits, mu, logvar = model(x, seeded(5))
    z = mu + torch.exp(logvar / 2) * torch.randn(2, 2, generator=seeded(5))
    torch.testing.assert_close(logits, model.decoder(z))
    assert torch.equal(mu, model.encode(x)[0]) and torch.equal(logvar, model.encode(x)[1])


@pytest.mark.parametrize("kind", [*KINDS, Classifier])
def test_what_a_loss_gets_is_float32_where_products_are_in_half_precision(kind):
    model = Classifier(image_shape=(3, 4, 4)) if kind is Classifier else kind(2, **SMALL)
    with torch.autocast("cpu", torch.bfloat16):
        given = model(torch.rand(2, 3, 4, 4))
        assert posterior(VariationalAutoencoder(2, **SMALL), torch.rand(2, 3, 4, 4))[1].dtype == torch.float32
    given = given if isinstance(given, tuple) else (given,)
    assert {value.dtype for value in given} == {torch.float32}


@pytest.mark.parametrize("kind", KINDS)
def test_the_background_of_a_convolutional_model_starts_dark(kind):
    assert (kind(2, architecture="conv").decoder[-1].bias == -2).all()


def test_evaluating_turns_gradients_off_and_on_again():
    model = Autoencoder(2, **SMALL)
    with evaluating(model):
        assert not torch.is_grad_enabled() and not model(torch.rand(2, 3, 4, 4)).requires_grad
    assert torch.is_grad_enabled() and model(torch.rand(2, 3, 4, 4)).requires_grad
    with torch.no_grad():
        with evaluating(model):
            pass
        assert not torch.is_grad_enabled(), "on again only where they were on"


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_evaluating_gives_each_part_its_mode_back(error):
    """A model of which a part is frozen in eval mode; and also after an error."""
    model = Classifier(image_shape=(3, 4, 4))
    model.features.eval()
    before = [part.training for part in model.modules()]
    assert set(before) == {True, False}
    try:
        with evaluating(model):
            assert not any(part.training for part in model.modules())
            if error:
                raise error
    except (RuntimeError, KeyboardInterrupt) as raised:
        assert type(raised) is error
    assert [part.training for part in model.modules()] == before
    assert torch.is_grad_enabled()


def test_a_posterior_is_mu_and_logvar_whatever_the_model():
    x = torch.rand(2, 3, 4, 4)
    plain, variational = (kind(2, **SMALL) for kind in KINDS)
    code, nothing = posterior(plain, x)
    assert torch.equal(code, plain.encode(x)) and nothing is None
    for given, encoded in zip(posterior(variational, x), variational.encode(x), strict=True):
        assert torch.equal(given, encoded)


class Own(torch.nn.Module):
    """A reader's model, whose `encode` returns whatever it returns."""

    def __init__(self, code):
        super().__init__()
        self.code = code

    def encode(self, x):
        return self.code


MU, LOGVAR = torch.zeros(2, 3), torch.ones(2, 3)


@pytest.mark.parametrize("code", [MU, (MU, LOGVAR), [MU, LOGVAR], (MU, None)])
def test_a_posterior_of_ones_own_model(code):
    mu, logvar = posterior(Own(code), torch.rand(2, 1, 4, 4))
    assert mu is MU and logvar is (LOGVAR if isinstance(code, (tuple, list)) and code[1] is LOGVAR else None)


@pytest.mark.parametrize(
    "code", [None, (), (MU,), (MU, LOGVAR, MU), (None, LOGVAR), (MU, "logvar"), MU.numpy(), {"mu": MU}]
)
def test_what_is_no_posterior_is_refused(code):
    with pytest.raises(ValueError, match="must return a tensor of codes, or mu and logvar"):
        posterior(Own(code), torch.rand(2, 1, 4, 4))


def test_the_registry_knows_each_model_by_its_name():
    known = [*KINDS, Classifier, conditional.ConditionalVariationalAutoencoder]
    assert list(models.KINDS.values()) == known
    assert list(models.KINDS) == [kind.__name__ for kind in known]


@pytest.mark.parametrize(
    "model",
    [
        Autoencoder(3, **SMALL),
        VariationalAutoencoder(2, architecture="conv", widths=[4], hidden=6, image_shape=[3, 4, 4]),
        Classifier(classes=7, image_shape=(3, 4, 8)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_config_makes_the_model_again_also_from_a_file(model):
    config = json.loads(json.dumps(model.config))
    again = type(model)(**config)
    assert again.config == model.config
    again.load_state_dict(model.state_dict())


@pytest.mark.parametrize("kind", [*KINDS, Classifier])
def test_a_training_step_on_a_gpu_does_not_wait_for_the_images_values(kind):
    """The device "meta" has none, so that a look at them is an error: `fit` has looked at all of them."""
    model = Classifier(image_shape=(3, 4, 4)) if kind is Classifier else kind(2, **SMALL)
    model, x = model.to("meta"), torch.zeros(2, 3, 4, 4, device="meta")
    assert model.train()(x) is not None
    with pytest.raises((RuntimeError, NotImplementedError)):
        model.eval()(x)
    with pytest.raises(ValueError, match="this model takes images of shape"):
        model.train()(x[:, :1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, -3, 2.5, "2", True, None])
def test_a_latent_size_that_cannot_work(kind, size):
    with pytest.raises(ValueError, match="latent_dim must be a whole number, 1 or more"):
        kind(size)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"architecture": "transformer"}, "'mlp' or 'conv'"),
        ({"widths": (0,)}, "must be positive"),
        ({"widths": 400}, r"such as \(400,\)"),
        ({"image_shape": (28, 28)}, "channels, height, width"),
        ({"architecture": "conv", "image_shape": (1, 30, 30)}, "divisible by 4"),
        ({"architecture": "conv", "widths": ()}, "at least one"),
        ({"architecture": "conv", "hidden": 0}, "1 or more"),
        ({"architecture": "mlp", "hidden": 20}, "an MLP's layers are its widths"),
    ],
)
def test_settings_that_cannot_work(settings, message):
    with pytest.raises(ValueError, match=message):
        Autoencoder(2, **settings)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize(
    "images, message",
    [
        (torch.rand(1, 28, 28), r"single image: x\[None\]"),
        (torch.rand(5, 784), "shape"),
        (torch.rand(5, 3, 28, 28), "shape"),
        (torch.rand(5, 1, 32, 32), "shape"),
        (torch.zeros(5, 1, 28, 28, dtype=torch.uint8), "to_float"),
        (torch.zeros(5, 1, 28, 28, dtype=torch.float64), "to_float"),
        (torch.zeros(5, 1, 28, 28).numpy(), "must be a tensor"),
        (torch.full((5, 1, 28, 28), 255.0), "from 255 to 255.*divide"),
        (torch.full((5, 1, 28, 28), -1.0), "from -1 to -1"),
        (torch.full((5, 1, 28, 28), torch.nan), "nan"),
    ],
)
def test_images_that_do_not_fit(kind, mode, images, message):
    model = getattr(kind(2), mode)()
    with pytest.raises(ValueError, match=message):
        model(images)


@pytest.mark.parametrize("z", [torch.zeros(3), torch.zeros(4, 3), torch.zeros(2, 2, 2)])
def test_codes_that_do_not_fit(z):
    with pytest.raises(ValueError, match="take mu"):
        VariationalAutoencoder(2).decode((z, z))
    with pytest.raises(ValueError, match=r"codes of shape \(batch, 2\)"):
        Autoencoder(2).decode(z)
