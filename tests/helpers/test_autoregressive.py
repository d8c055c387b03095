from itertools import product

import pytest
import torch

from latentlab_helpers import losses
from latentlab_helpers.autoregressive import AutoregressiveVAE, MaskedDecoder
from latentlab_helpers.models import evaluating


def small():
    torch.manual_seed(0)
    return AutoregressiveVAE(2, hidden=7, image_shape=(1, 2, 3))


def test_a_pixels_logit_depends_on_the_pixels_before_it_and_on_no_other():
    decoder = MaskedDecoder(2, 50, (1, 4, 4))
    x = torch.rand(1, 1, 4, 4, requires_grad=True)
    logits = decoder(torch.zeros(1, 2), x).flatten()
    for i, logit in enumerate(logits):
        (grad,) = torch.autograd.grad(logit, x, retain_graph=True)
        seen = grad.flatten().nonzero().flatten().tolist()
        assert seen == list(range(i)), f"pixel {i} sees {seen}"


def test_every_logit_depends_on_the_code():
    decoder = MaskedDecoder(2, 50, (1, 4, 4))
    z = torch.randn(1, 2, requires_grad=True)
    logits = decoder(z, torch.zeros(1, 1, 4, 4)).flatten()
    grads = [torch.autograd.grad(logit, z, retain_graph=True)[0].abs().sum().item() for logit in logits]
    assert all(grad > 0 for grad in grads)


def test_the_probabilities_of_all_images_add_up_to_1():
    model, z = small(), torch.randn(1, 2)
    images = torch.tensor(list(product([0.0, 1.0], repeat=6))).view(-1, 1, 2, 3)
    with torch.no_grad():
        log_p = losses.bernoulli_log_likelihood(model.decoder(z.expand(len(images), 2), images), images)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_samples_come_as_often_as_they_are_probable(generator):
    model, z = small(), torch.randn(1, 2, generator=generator)
    drawn = model.sample(z.expand(40_000, 2), generator).flatten(1)
    number = (drawn * 2 ** torch.arange(5, -1, -1)).sum(1).long()
    shares = torch.bincount(number, minlength=64) / len(drawn)
    images = torch.tensor(list(product([0.0, 1.0], repeat=6))).view(-1, 1, 2, 3)
    with torch.no_grad():
        p = losses.bernoulli_log_likelihood(model.decoder(z.expand(64, 2), images), images).exp()
    assert ((shares - p).abs() < 5 * (p / len(drawn)).sqrt() + 1e-4).all()


def test_it_is_trained_by_the_losses_of_any_vae():
    model, x = small(), torch.rand(5, 1, 2, 3).round()
    terms = losses.negative_elbo(model, x, torch.Generator().manual_seed(0))
    mu, logvar = model.encode(x)
    z = model.reparameterize(mu, logvar, torch.Generator().manual_seed(0))
    expected = -losses.bernoulli_log_likelihood(model.decoder(z, x), x).mean()
    torch.testing.assert_close(terms["reconstruction"], expected)
    terms["loss"].backward()
    assert all(weights.grad is not None for weights in model.parameters())


def test_it_has_mnists_shape_and_a_bias_where_one_is_needed():
    assert AutoregressiveVAE(2).decoder.of_code.weight.shape == (400, 2)
    assert AutoregressiveVAE(2).image_shape == (1, 28, 28)
    biases = {name for name, _ in small().decoder.named_parameters() if name.endswith("bias")}
    assert biases == {"alone.0.bias", "alone.2.bias", "of_code.bias"}


def test_it_says_what_it_needs():
    with pytest.raises(NotImplementedError, match="sample"):
        small().decode(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="1 unit or more"):
        AutoregressiveVAE(2, hidden=0)
    assert AutoregressiveVAE(2, hidden=1).sample(torch.zeros(1, 2)).shape == (1, 1, 28, 28)
    model = small()
    model.train()
    with evaluating(model):
        model.sample(torch.zeros(1, 2))
    assert model.training
