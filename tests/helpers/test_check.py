"""What checks say: to answers in any form, and to a VAE's loss as people write it."""

import dataclasses
import math
import typing

import pytest
import torch
import torch.nn.functional as F

from latentlab_helpers import check, checkpoints, losses
from latentlab_helpers.check import core, doctor

# --- answers ------------------------------------------------------------------------------------------------


def kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1).mean()


def empty(mu, logvar):
    """Says what to do."""
    ...


def passed(mu, logvar):
    pass


def by_loop(means, s):
    total = 0.0
    for i in range(len(means)):
        for j in range(means.shape[1]):
            total = total + (means[i, j] ** 2 + torch.exp(s[i, j]) - 1 - s[i, j]) / 2
    return total / len(means)


def in_place(mu, logvar):
    mu.square_().add_(logvar.exp()).sub_(1).sub_(logvar).mul_(0.5)
    return mu.sum() / mu.shape[0]


def raises(mu, logvar):
    wrong = mu @ logvar
    return wrong.sum()


@pytest.mark.parametrize("answer", [..., None, empty, passed])
def test_a_placeholder_is_not_answered_yet(answer):
    assert check.task("02.1", answer).status == "not answered yet"


@pytest.mark.parametrize(
    "answer",
    [
        kl,
        by_loop,
        in_place,
        losses.kl_divergence,
        lambda m, s: kl(m.double(), s.double()),
        lambda m, s: kl(m, s)[None],
    ],
)
def test_unusual_right_answers_are_right(answer):
    result = check.task("02.1", answer)
    assert result and repr(result) == "02.1 ✔ Right."


@pytest.mark.parametrize(
    "answer, hint",
    [
        (lambda mu, logvar: 2 * kl(mu, logvar), "a factor ½ is missing"),
        (lambda mu, logvar: -kl(mu, logvar), "wrong sign"),
        (lambda mu, logvar: kl(mu, logvar) * len(mu), "multiplied by the number of images"),
        (lambda mu, logvar: kl(mu, logvar) / mu.shape[1], "divided by the number of latent dimensions"),
        (lambda mu, logvar: kl(mu, logvar) / math.log(2), "log₂"),
        (lambda mu, logvar: (mu**2 + logvar.exp() - logvar).sum() / 2, "-1 is missing"),
        (lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1), "take its mean"),
        (lambda mu, logvar: kl(mu, logvar).detach(), "no gradient can flow"),
        (lambda mu, logvar: kl(mu.detach(), logvar), "a gradient is lost"),
        (lambda mu, logvar: torch.tensor(3.0), "the same whatever goes in"),
        (lambda mu, logvar: kl(mu, logvar) + 1, "off by the same amount"),
        (lambda mu, logvar: (mu - 100).log().sum(), "isn't finite"),
        (lambda mu, logvar: {"kl": kl(mu, logvar)}, "numbers are asked for"),
        (lambda mu, logvar: print(end=""), "returns nothing"),
        (3.0, "the answer is a function; yours is a float"),
    ],
)
def test_a_wrong_answer_gets_the_hint_for_its_mistake(answer, hint):
    result = check.task("02.1", answer)
    assert result.status == "wrong" and hint in result.text


def test_a_result_that_changes_by_itself_is_told_from_a_wrong_one():
    result = check.task("02.1", lambda mu, logvar: kl(mu, logvar) + torch.randn(()))
    assert result.status == "wrong" and "another result each time" in result.text


def test_where_results_part_is_shown():
    task = core.Function(
        right=lambda x: x,
        inputs=lambda g: (1 + torch.rand(5, 4, generator=g),),
        mistakes=[],
        returns="the same",
    )

    def wrong(x):
        x[2, 1] = 7
        return x

    assert "at [2, 1] it gives 7" in core.judged("00.0", task, (wrong,)).text


def test_a_number_that_is_none_says_so():
    task = core.Value(right=lambda: 1.0, mistakes={})
    assert "nanmean" in core.judged("00.0", task, (float("nan"),)).text


def test_what_raised_is_told_by_the_readers_own_line():
    result = check.task("02.1", raises)
    assert result.status == "raised" and "RuntimeError" in result.text
    assert "wrong = mu @ logvar" in result.text and "core.py" not in result.text
    assert "takes 1 positional argument" in check.task("02.1", lambda mu: mu).text


def test_checks_leave_the_readers_random_numbers_and_inputs_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    check.task("02.1", lambda mu, logvar: torch.randn(3).sum())
    assert torch.rand(1) == expected


def test_grading_raises_with_the_hint_alone(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert check.task("02.1", kl)
    with pytest.raises(check.NotRight, match="½ is missing") as caught:
        check.task("02.1", lambda mu, logvar: 2 * kl(mu, logvar))
    assert caught.value._render_traceback_() == [str(caught.value)]
    with pytest.raises(check.NotRight, match="Not answered yet"):
        check.task("02.1", ...)


def test_there_is_no_such_task():
    with pytest.raises(ValueError, match="there is no task '99.1'"):
        check.task("99.1", 1)


def test_numbers_and_letters():
    number = core.Value(lambda: 42.0, {"that is the number of images": 7.0}, {"pixels": 784.0})
    assert core.judged("n", number, (torch.tensor(42.1),)).status == "right"
    assert "number of images" in core.judged("n", number, (7,)).text
    assert "divided by the number of pixels" in core.judged("n", number, (42 / 784,)).text
    assert "too large" in core.judged("n", number, (43,)).text
    letter = core.Value("b", {"a": "that would be the prior"})
    assert core.judged("l", letter, ("B)",)).status == "right"
    assert core.judged("l", letter, ("a",)).text == "that would be the prior"
    assert "letter in quotes" in core.judged("l", letter, (2,)).text


def test_extreme_inputs():
    test = core.Function(
        right=lambda x: x.logsumexp(0),
        inputs=lambda g: (torch.randn(5, generator=g),),
        mistakes=[],
        extremes=[(torch.tensor([-1000.0, -1001.0]),)],
    )
    assert core.judged("e", test, (lambda x: torch.logsumexp(x, 0),)).status == "right"
    assert "wrong on extreme ones" in core.judged("e", test, (lambda x: x.exp().sum().log(),)).text


# --- losses, as people write them ---------------------------------------------------------------------------


def pytorch_example(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    return bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def all_means(x_hat, x, mean, log_var):
    return F.mse_loss(x_hat, x) - 0.5 * torch.mean(1 + log_var - mean**2 - log_var.exp())


def weighted(*args, **kwargs):
    recons, image, mu, log_var = args
    kld = torch.mean(-0.5 * torch.sum(1 + log_var - mu**2 - log_var.exp(), dim=1), dim=0)
    return {"loss": F.mse_loss(recons, image) + kwargs["M_N"] * kld, "KLD": -kld.detach()}


def mean_of_kl(data, reconstruction, z_mean, z_log_var):
    pixels = F.binary_cross_entropy(reconstruction, data, reduction="none").flatten(1).sum(dim=1).mean()
    kl_loss = -0.5 * (1 + z_log_var - z_mean.square() - z_log_var.exp()).mean()
    return pixels + kl_loss, pixels, kl_loss


def by_sigma(x, x_hat, mu, sigma):
    return (
        F.binary_cross_entropy(x_hat, x, reduction="sum")
        + ((sigma**2 + mu**2 - 1) / 2 - torch.log(sigma)).sum()
    )


def by_distributions(recon, x, mu, logvar):
    q = torch.distributions.Normal(mu, (logvar / 2).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    pixels = torch.distributions.Bernoulli(recon, validate_args=False).log_prob(x).flatten(1).sum(1)
    return (torch.distributions.kl_divergence(q, prior).sum(1) - pixels).mean()


def per_image(logits, x, mu, logvar):
    pixels = F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
    return pixels + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


def of_a_model(model, x, generator=None):
    return losses.negative_elbo(model, x, generator, beta=4)


class ByModule(torch.nn.Module):
    def forward(self, x, recons, mu, log_var):
        return {"Reconstruction": 0.0, "Loss": bce(recons, x) + kld(mu, log_var)}


class Gone(typing.NamedTuple):
    recon: torch.Tensor
    kl: torch.Tensor
    loss: torch.Tensor


@dataclasses.dataclass
class Output:
    recon: torch.Tensor
    loss: torch.Tensor


def refusing(x, logits, mu, sigma):
    prior = torch.distributions.Normal(torch.zeros(16), torch.ones(16))
    kl = torch.distributions.kl_divergence(torch.distributions.Normal(mu, sigma), prior).sum(1)
    return (kl - torch.distributions.Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1)).mean()


def by_a_sample(x, x_hat, mu, log_var):
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    z = q.rsample()
    kl = q.log_prob(z) - torch.distributions.Normal(0.0, 1.0).log_prob(z)
    return F.mse_loss(x_hat, x) + 0.1 * kl.mean()


def of_parts(model, x):
    mu, logvar = model.encode(x)
    return bce(model.decode(model.reparameterize(mu, logvar)), x) + kld(mu, logvar)


def free_bits(recon, x, mu, logvar):
    kl = (-0.5 * (1 + logvar - mu**2 - logvar.exp())).mean(0)
    return bce(recon, x) / len(x) + kl.clamp(min=0.5).sum()


def of_a_graph(preds, labels, mu, logvar, n_nodes, norm):
    cost = norm * F.binary_cross_entropy_with_logits(preds, labels)
    return cost - 0.5 / n_nodes * (1 + 2 * logvar - mu**2 - logvar.exp() ** 2).sum(1).mean()


def bce(recon, x):
    return F.binary_cross_entropy(recon, x, reduction="sum")


def kld(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp())


@pytest.mark.parametrize(
    "loss, beta, options",
    [
        (pytorch_example, 1, {}),
        (all_means, 784 / 16 / 2, {}),
        (weighted, 784 * 0.00025 / 2, {"M_N": 0.00025}),
        (mean_of_kl, 1 / 16, {}),
        (by_sigma, 1, {}),
        (by_distributions, 1, {}),
        (per_image, 1, {}),
        (of_a_model, 4, {}),
        (lambda recon, x, mu, logvar: F.binary_cross_entropy(recon, x) + kld(mu, logvar), 784 * 128, {}),
        (lambda recon, x, mu, logvar: bce(recon, x) / len(x) + kld(mu, logvar), 128, {}),
        (
            lambda recon, x, mu, logvar: F.binary_cross_entropy(recon, x) + kld(mu, logvar) / (len(x) * 784),
            1,
            {},
        ),
        (lambda recon, x, mu, logvar: bce(recon, x) + 2 * kld(mu, logvar), 2, {}),
        (lambda recon, x, mu, logvar: bce(recon, x) - kld(mu, logvar), -1, {}),
        (lambda recon, x, mu, logvar: F.l1_loss(recon, x, reduction="sum") + kld(mu, logvar), 1, {}),
        (lambda recon, x, mu, logvar: (recon - x).square().sum() / 2 + kld(mu, logvar), 1, {}),
        (lambda recon, x, mu, logvar: (recon - x).square().sum() / (2 * 0.1**2) + kld(mu, logvar), 0.01, {}),
        (lambda recon, x, mu, logvar: F.mse_loss(recon, x), 0, {}),
        (lambda x, z_mean, z_log_var, decoded: bce(decoded, x) + kld(z_mean, z_log_var), 1, {}),
        (lambda a, b, c, d: bce(b, a) + kld(c, d), 1, {"takes": ["x", "reconstruction", "mu", "logvar"]}),
        (lambda recon, x, mu, logvar, beta=3.0: bce(recon, x) + beta * kld(mu, logvar), 3, {}),
        (lambda recon, x, mu, logvar, beta=3.0: bce(recon, x) + beta * kld(mu, logvar), 0.5, {"beta": 0.5}),
        (lambda recon, x, mu, logvar, beta: bce(recon, x) + beta * kld(mu, logvar), 0.5, {"beta": 0.5}),
        (lambda recon, x, mu, logvar: Gone(bce(recon, x), 0, bce(recon, x) + kld(mu, logvar)), 1, {}),
        (lambda recon, x, mu, logvar: Output(bce(recon, x), bce(recon, x) + kld(mu, logvar)), 1, {}),
        (lambda recon, x, mu, logvar: {"a": bce(recon, x), "total": bce(recon, x) + kld(mu, logvar)}, 1, {}),
        (lambda mu, logsigma, pred, gt: bce(pred, gt) + kld(mu, 2 * logsigma), 1, {}),
        (lambda x, x_prime, mu, logvar: bce(x_prime, x) + kld(mu, logvar), 1, {}),
        (lambda y, y_hat, mu, logvar: bce(y_hat, y) + kld(mu, logvar), 1, {}),
        (ByModule(), 1, {}),
        (refusing, 1, {}),
        (by_a_sample, 0.1 * 784 / 16 / 2, {}),
        (of_parts, 1, {}),
        (free_bits, 1, {}),
        (
            lambda recon, x, mu, logvar: bce(recon, x) + 10 * (kld(mu, logvar) / len(x) - 5).abs(),
            10 / 128,
            {},
        ),
        (of_a_graph, 2, {"image_shape": (128,), "n_nodes": 128, "norm": 0.5}),
    ],
)
def test_the_beta_of_a_loss(loss, beta, options):
    assert check.loss(loss, **options).beta == pytest.approx(beta, rel=0.01)


def test_sizes_and_sigma():
    small = check.loss(all_means, image_shape=(3, 8, 8), latent_dim=4)
    assert small.beta == pytest.approx(192 / 4 / 2, rel=1e-3)
    assert small.sigma == pytest.approx(small.beta**0.5, rel=1e-3)
    batch = check.loss(lambda recon, x, mu, logvar: bce(recon, x) / len(x) + kld(mu, logvar), batch_size=10)
    assert batch.beta == pytest.approx(10, rel=1e-3) and "depends on the batch size" in repr(batch)
    assert batch.reductions["KL"] == "sum over latent dimensions, sum over the batch"
    assert "mean over latent dimensions" in repr(check.loss(all_means))


@pytest.mark.parametrize("weight", [0.9, 1, 100])
def test_pixels_that_are_averaged_with_a_weight(weight):
    diagnosis = check.loss(
        lambda recon, x, mu, logvar: weight * F.mse_loss(recon, x) + kld(mu, logvar) / len(x)
    )
    assert diagnosis.reductions["reconstruction"].startswith("mean over pixels")
    channels = check.loss(
        lambda recon, x, mu, logvar: (recon - x).square().sum(1).mean() + kld(mu, logvar) / len(x),
        image_shape=(3, 16, 16),
    )
    assert channels.reductions["reconstruction"].startswith("mean over pixels")
    scaled = check.loss(lambda recon, x, mu, logvar: 784 * F.mse_loss(recon, x) + kld(mu, logvar) / len(x))
    assert scaled.reductions["reconstruction"].startswith("sum over pixels")


def test_the_factors_of_a_beta_multiply_to_it():
    assert "× 784 by the mean over pixels, ÷ 2 by the Gaussian's ½, which is missing, × 0.00025" in repr(
        check.loss(weighted, M_N=0.00025)
    )


def test_a_gaussian_of_its_own_sigma_is_an_elbo():
    diagnosis = check.loss(
        lambda x, x_hat, mu, logvar: (x_hat - x).square().sum() / (2 * 0.1**2) + kld(mu, logvar)
    )
    assert "it is the negative ELBO of Gaussian pixels with sigma 0.1" in repr(diagnosis)


def test_a_kl_that_is_none_is_not_said_to_be_missing():
    diagnosis = check.loss(
        lambda recon, x, mu, logvar: (
            bce(recon, x) + F.kl_div(F.log_softmax(mu, -1), F.softmax(logvar, -1), reduction="sum")
        )
    )
    assert math.isnan(diagnosis.beta) and "there is no KL" not in repr(diagnosis)


def test_examining_a_loss_leaves_random_numbers_and_checks_as_they_were():
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    check.loss(by_a_sample)
    assert torch.equal(torch.rand(1), wanted)
    with pytest.raises(ValueError, match="support"):
        torch.distributions.Bernoulli(0.5).log_prob(torch.tensor(0.5))


@pytest.mark.parametrize(
    "loss, finding, options",
    [
        (lambda recon, x, mu, logvar: bce(recon, x) + 2 * kld(mu, logvar), "½ is missing", {}),
        (lambda recon, x, mu, logvar: bce(recon, x) - kld(mu, logvar), "KL has the wrong sign", {}),
        (
            lambda recon, x, mu, logvar: kld(mu, logvar) - bce(recon, x),
            "reconstruction has the wrong sign",
            {},
        ),
        (lambda recon, x, mu, sigma: bce(recon, x) + kld(mu, sigma), "sigma is taken for log-variance", {}),
        (lambda recon, x, mu, logvar: by_sigma(x, recon, mu, logvar), "log-variance is taken for sigma", {}),
        (lambda recon, x, mu, logvar: bce(recon, x) + kld(mu, 2 * logvar), "taken for log sigma", {}),
        (lambda logits, x, mu, logvar: bce(logits, x) + kld(mu, logvar), "logits are taken for prob", {}),
        (per_image, "probabilities are taken for logits", {"decoder": "probabilities"}),
        (
            lambda recon, x, mu, logvar: F.binary_cross_entropy_with_logits(
                recon.sigmoid(), x, reduction="sum"
            ),
            "sigmoid is applied twice",
            {},
        ),
        (lambda recon, x, mu, logvar: F.mse_loss(recon, x).sqrt() + kld(mu, logvar), "no likelihood", {}),
        (lambda recon, x, mu, logvar: bce(x, recon) + kld(mu, logvar), "are exchanged", {}),
        (
            lambda recon, x, mu, logvar: -(x * recon.log()).sum() + kld(mu, logvar),
            "black pixels cost nothing",
            {},
        ),
        (
            lambda recon, x, mu, logvar: (
                -(x * recon.log() + (1 - x) * (1 - recon).log()).sum() + kld(mu, logvar)
            ),
            "not finite at a probability",
            {},
        ),
        (
            lambda logits, x, mu, logvar: (
                (torch.log(1 + logits.exp()) - x * logits).sum() + kld(mu, logvar.float())
            ),
            "logits of ±200",
            {},
        ),
        (lambda recon, x, mu, s: bce(recon, x) + kld(mu, s * 0 + s.exp().log()), "narrow cloud", {}),
        (lambda recon, x, mu, logvar: F.mse_loss(recon, x), "there is no KL in it", {}),
        (lambda recon, x, mu, logvar: (F.mse_loss(recon, x), kld(mu, logvar)), "first of its results", {}),
        (lambda *a: bce(*a[:2]) + kld(*a[2:]), "names don't tell", {}),
        (free_bits, "free bits", {}),
        (refusing, "binary images only", {}),
        (by_a_sample, "draws random numbers", {}),
        (of_a_graph, "taken for log sigma", {"image_shape": (128,), "n_nodes": 128, "norm": 0.5}),
        (
            lambda recon, x, mu, logvar: bce(recon, x) + (mu**2 + logvar.exp() - 1).sum() / 2,
            "-logvar is missing",
            {},
        ),
        (
            lambda recon, x, mu, logvar: bce(recon, x) + (mu + logvar.exp() - 1 - logvar).sum() / 2,
            "mu isn't squared",
            {},
        ),
    ],
)
def test_what_is_wrong_with_a_loss(loss, finding, options):
    diagnosis = check.loss(loss, **options)
    assert any(finding in text for text in diagnosis.findings), diagnosis


def test_a_right_loss_is_found_nothing_wrong_with():
    assert check.loss(per_image).findings == check.loss(losses.negative_elbo).findings == []
    for right in (
        ByModule(),
        lambda x, x_prime, mu, logvar: bce(x_prime, x) + kld(mu, logvar),
        lambda y, y_hat, mu, logvar: bce(y_hat, y) + kld(mu, logvar),
    ):
        assert check.loss(right).findings == []


def test_the_map_beside_a_diagnosis_is_of_the_nearest_beta(monkeypatch):
    loaded = []
    monkeypatch.setattr(doctor, "pad", lambda model: model)
    monkeypatch.setattr(doctor.checkpoints, "load", loaded.append)
    for beta in (0.01, 1.5, 3, 1000):
        check.loss(lambda r, x, mu, logvar, beta=beta: bce(r, x) + beta * kld(mu, logvar)).show()
    assert loaded == ["vae_conv_2_beta_1_16", "vae_conv_2", "vae_conv_2_beta_4", "vae_conv_2_beta_49"]
    with pytest.raises(ValueError, match="mend the loss"):
        check.loss(lambda recon, x, mu, logvar: bce(recon, x) - kld(mu, logvar)).show()


def test_the_shown_models_were_trained_at_the_betas_that_they_stand_for():
    for name, beta in doctor.SHOWN.items():
        assert f"beta = {beta:g}" in checkpoints.metadata(name)["recipe"]["loss"], name


def test_a_loss_that_cant_be_examined_says_what_to_do():
    with pytest.raises(ValueError, match="takes="):
        check.loss(lambda a, b: a.sum())
    with pytest.raises(ValueError, match="set image_shape"):
        check.loss(lambda recon, x, mu, logvar: (recon.view(-1, 100) * 0).sum())


def test_a_library_that_has_not_implemented_something_is_no_missing_answer():
    class NoForward(torch.nn.Module):
        pass

    result = check.task("01.1", NoForward())
    assert result.status == "raised" and "forward" in result.text, result
