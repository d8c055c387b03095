"""The VampPrior: its KL and its samples, against closed forms and torch's densities."""

import torch

from latentlab_helpers import losses
from tools.networks import vamp


def test_a_vamp_prior_with_one_made_up_image_has_a_closed_form():
    torch.manual_seed(0)
    x = torch.rand(500, 1, 4, 4)
    model = vamp.VampVAE(3, x[:1], widths=(8,))
    (mu, logvar), (centre, spread) = model.encode(x), model.encode(x[:1])
    exact = 0.5 * (
        (torch.exp(logvar) + (mu - centre).square()) / torch.exp(spread) - 1 + spread - logvar
    ).sum(1)
    found = torch.stack(
        [vamp.vamp_loss(model, x, torch.Generator().manual_seed(i))["kl"] for i in range(40)]
    ).mean()
    torch.testing.assert_close(found, exact.mean(), atol=0.02, rtol=0)
    prior = model.prior()
    torch.testing.assert_close(prior.sample(20_000).mean(0), centre[0], atol=0.03, rtol=0)


def test_a_vamp_prior_is_the_mean_of_its_components():
    torch.manual_seed(0)
    x = torch.rand(20, 1, 4, 4)
    model = vamp.VampVAE(2, x[:5], widths=(8,))
    terms = vamp.vamp_loss(model, x, torch.Generator().manual_seed(1))
    mu, logvar = model.encode(x)
    z = model.reparameterize(mu, logvar, torch.Generator().manual_seed(1))
    own, components = (
        torch.distributions.Normal(m, torch.exp(0.5 * v)) for m, v in ((mu, logvar), model.encode(x[:5]))
    )
    density = components.log_prob(z[:, None]).sum(2).exp().mean(1)
    torch.testing.assert_close(terms["kl"], (own.log_prob(z).sum(1) - density.log()).mean())
    torch.testing.assert_close(terms["reconstruction"], losses.bernoulli(model.decoder(z), x))
    terms["loss"].backward()
    assert model.pseudo_inputs.grad.abs().sum() > 0
