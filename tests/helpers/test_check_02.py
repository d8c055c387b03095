"""The checks of lesson 02's exercises: right answers in unusual forms, and mistakes."""

import functools
import math

import numpy as np
import pytest
import torch
from judge import is_measured, judged
from torch import nn
from torch.nn import functional as F

from latentlab_helpers import checkpoints, datasets, losses

# ---- right answers, written as nobody would expect


def kl(mu, logvar, reduce=lambda terms: terms.sum(1).mean()):
    return reduce(0.5 * (mu**2 + logvar.exp() - 1 - logvar))


def by_distributions(mu, logvar):
    q = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    p = torch.distributions.Normal(torch.zeros_like(mu), 1.0)
    return torch.distributions.kl_divergence(q, p).sum() / mu.size(0)


def in_place_code(mean, s):
    return torch.randn_like(s).mul_(1.0).mul(s.div(2).exp()).add(mean)


def by_rsample(mu, logvar):
    return torch.distributions.Normal(mu, logvar.exp() ** 0.5).rsample()


def by_loop(mu, logvar):
    columns = [mu[:, i] + (logvar[:, i].exp()).sqrt() * torch.randn(len(mu)) for i in range(mu.shape[1])]
    return torch.stack(columns, -1)


def numpy_noise(mu, logvar):
    noise = np.random.default_rng().normal(size=tuple(mu.shape))
    return mu + torch.exp(logvar * 0.5) * torch.from_numpy(noise)


def beta(pixels, latents, over_pixels, over_latents):
    return pixels**over_pixels / latents**over_latents


def beta_by_cases(pixels, latents, *means):
    cases = {(True, True): pixels / latents, (True, False): pixels, (False, True): 1 / latents}
    return torch.tensor(cases.get(means, 1.0))


def elbo_by_softplus(logits, x, mu, logvar):
    per_image = (F.softplus(logits) - x * logits).flatten(1).sum(1)
    return (per_image + 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(-1)).mean()


def elbo_by_bernoulli(logits, x, mu, logvar):
    p = torch.distributions.Bernoulli(logits=logits, validate_args=False)
    return (by_distributions(mu, logvar) - p.log_prob(x).sum() / len(x)).double()


class Bound(nn.Module):
    def forward(self, w):
        top = w.max(0).values
        return top + (w - top).exp().mean(0).log()


def bound_by_loop(w):
    total = w[0]
    for row in w[1:]:
        total = torch.logaddexp(total, row)
    return (total - np.log(w.shape[0])).reshape(-1)


@functools.cache
def costs():
    vae, x = checkpoints.load("vae_mlp_16"), datasets.to_float(datasets.load("mnist", "test").images)
    with torch.no_grad():
        mu, logvar = vae.encode(x)
    return losses.kl_per_dimension(mu, logvar).numpy(), mu.numpy()


def dearest(n=4):
    return sorted(costs()[0].mean(0))[::-1][:n]


def share(n=4):
    return sum(dearest(n)) / costs()[0].mean(0).sum()


def of(dimensions):
    return costs()[0].mean(0)[dimensions].sum() / sum(dearest(16))


def shuffled_in_place(codes):
    for i in range(codes.shape[1]):
        codes[:, i] = codes[torch.randperm(len(codes)), i]
    return codes


def drawn(codes):
    rows = torch.randint(len(codes), codes.shape)
    return codes.gather(0, rows)


def by_numpy(codes):
    return np.random.default_rng().permuted(codes.numpy(), axis=0)


def by_quantile(codes):
    at = torch.rand(len(codes), codes.shape[1])
    return torch.stack([torch.quantile(codes[:, i], at[:, i]) for i in range(codes.shape[1])], 1)


def all_but_one(codes):
    """The first dimension may stay where it is, if the others move."""
    return torch.cat([codes[:, :1], drawn(codes[:, 1:])], 1)


RIGHT = {
    "02.1": [
        lambda m, s: kl(m, s).reshape(1),
        by_distributions,
        functools.partial(kl, reduce=lambda terms: terms.mean(0).sum()),
    ],
    "02.2": [in_place_code, by_rsample, by_loop, numpy_noise],
    "02.3": [beta, beta_by_cases],
    "02.4": [elbo_by_softplus, elbo_by_bernoulli],
    "02.5": [Bound(), bound_by_loop, lambda w: torch.logsumexp(w - math.log(len(w)), 0)],
    "02.6": [lambda: share(), lambda: torch.tensor(share()), lambda: [share()]],
    "02.7": [shuffled_in_place, drawn, by_numpy, by_quantile, all_but_one],
}


@pytest.mark.parametrize(("number", "i"), [(n, i) for n, given in RIGHT.items() for i in range(len(given))])
def test_right_in_an_unusual_form(number, i):
    answer = RIGHT[number][i]
    for _ in range(1 if is_measured(number) else 10):  # chance has no say
        result = judged(number, answer)
        assert result.status == "right", result


# ---- wrong answers


def code(mu, logvar, sigma=lambda logvar: (logvar / 2).exp(), noise=torch.randn_like, mean=lambda mu: mu):
    return mean(mu) + sigma(logvar) * noise(mu)


def wrong_code(**how):
    return functools.partial(code, **how)


def seeded(mu, logvar):
    torch.manual_seed(0)
    return code(mu, logvar)


def elbo(o, x, mu, logvar, bce=F.binary_cross_entropy_with_logits, n=1, kl_n=None, sign=1):
    """n: what the summed cross-entropy is divided by; kl_n: the same of the KL."""
    terms = 0.5 * (mu**2 + logvar.exp() - 1 - logvar)
    return bce(o, x, reduction="sum") / (n or len(x)) + sign * terms.sum() / (kl_n or len(mu))


def broken(logits, x, mu, logvar):
    pixels = torch.sigmoid(logits)
    reconstruction = F.binary_cross_entropy_with_logits(pixels, x)
    return reconstruction - 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()


def twice(o, x, reduction):
    return F.binary_cross_entropy_with_logits(o.sigmoid(), x, reduction=reduction)


def half_mended(logits, x, mu, logvar):
    """The sign alone is mended."""
    reconstruction = F.binary_cross_entropy_with_logits(torch.sigmoid(logits), x)
    return reconstruction + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()


def all_means(logits, x, mu, logvar):
    return F.binary_cross_entropy_with_logits(logits, x) + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()


def bce_alone(logits, x, mu, logvar):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def squared(logits, x, mu, logvar):
    return (logits.sigmoid() - x).square().sum((1, 2, 3)).mean() + kl(mu, logvar)


def log_of_sigmoid(logits, x, mu, logvar):
    p = logits.sigmoid()
    return kl(mu, logvar) - (x * p.log() + (1 - x) * (1 - p).log()).sum() / len(x)


def no_minus(logits, x, mu, logvar):
    p = logits.sigmoid()
    return (x * p.log() + (1 - x) * (1 - p).log()).sum() / len(x) + kl(mu, logvar)


def lit_only(logits, x, mu, logvar):
    return kl(mu, logvar) - (x * logits.sigmoid().log()).sum() / len(x)


def detached(logits, x, mu, logvar):
    return elbo_by_softplus(logits, x, mu.detach(), logvar)


def rows(codes):
    return codes[torch.randperm(len(codes))]


def real_again(codes):
    return codes[torch.randint(len(codes), (len(codes),))]


def gaussians(codes):
    return codes.mean(0) + codes.std(0) * torch.randn_like(codes)


def full_gaussian(codes):
    return torch.distributions.MultivariateNormal(codes.mean(0), codes.T.cov()).sample((len(codes),))


def in_each_row(codes):
    return torch.stack([row[torch.randperm(len(row))] for row in codes])


def all_mixed(codes):
    return codes.flatten()[torch.randperm(codes.numel())].view_as(codes)


def in_two_blocks(codes):
    return torch.cat([rows(codes[:, :2]), rows(codes[:, 2:])], 1)


def seeded_shuffle(codes):
    torch.manual_seed(0)
    return drawn(codes)


def once(m, s):
    return kl(m, s) + 0.5 * (m.shape[1] - 1)


def reverse(m, s):
    q, p = torch.distributions.Normal(m, (s / 2).exp()), torch.distributions.Normal(0 * m, torch.ones_like(m))
    return torch.distributions.kl_divergence(p, q).sum(1).mean()


def by_else(p, d, mp, ml):
    if ml:
        return 1 / d
    return p if mp else 1


def of_terms(terms):
    means = np.sort(terms.mean(0))
    return means[-4:].sum() / means.sum()


WRONG = [
    ("02.1", lambda m, s: (0.5 * m**2 + s.exp() - 1 - s).sum(1).mean(), "the whole bracket"),
    ("02.1", once, "the -1 is subtracted once"),
    ("02.1", lambda m, s: 0.5 * (m**2 + (s / 2).exp() - 1 - s).sum(1).mean(), "here stands sigma²"),
    ("02.1", lambda m, s: 0.5 * (m**2 + s.exp() ** 2 - 1 - s).sum(1).mean(), "squared once more"),
    ("02.1", reverse, "the other way round"),
    ("02.1", lambda m, s: kl(m.mean(0)[None], s.mean(0)[None]), "averaged over the batch first"),
    ("02.3", lambda p, d, mp, ml: (p if mp else 1) // (d if ml else 1), "throws the rest away"),
    ("02.3", lambda p, d, mp, ml: 1 if mp == ml else beta(p, d, mp, ml), "don't cancel"),
    ("02.3", lambda p, d, mp, ml: p if mp else 1 / d if ml else 1, "only that over the pixels"),
    ("02.3", by_else, "only that over the latents"),
    ("02.3", lambda p, d, mp, ml: beta(784, d, mp, ml), "784 is one"),
    ("02.3", lambda p, d, mp, ml: beta(p, 16, mp, ml), "16 is one"),
    ("02.4", lambda o, x, m, s: elbo_by_softplus(o, x, m, s) + kl(m, s), "lacks its ½"),
    ("02.4", lambda o, x, m, s: elbo_by_softplus(o, x, m, s) - kl(m, s) * (1 - 1 / len(m)),
     "the KL is divided by the number of images twice"),
    ("02.4", lambda o, x, m, s: elbo_by_softplus(o, x, m, s) / len(m) + kl(m, s) * (1 - 1 / len(m)),
     "the cross-entropy is divided by the number of images twice"),
    ("02.4", lambda o, x, m, s: elbo_by_softplus(o, (x > 0.5).float(), m, s), "black and white"),
    ("02.5", lambda w: w.max(0).values - math.log(len(w)), "the others count"),
    ("02.5", lambda w: (w - w.max(0).values).exp().mean(0).log(), "never added back"),
    ("02.5", lambda w: (w - w.max(0).values).exp().mean(0).log() - w.max(0).values, "subtracted again"),
    ("02.5", lambda w: w.logsumexp(0) - math.log10(len(w)), "log10"),
    ("02.5", lambda w: w.logsumexp(0) - math.log2(len(w)), "log2"),
    ("02.5", lambda w: (w.softmax(0) * w).sum(0), "softmax"),
    ("02.5", lambda w: (w - w.min(0).values).exp().mean(0).log() + w.min(0).values, "extreme"),
    ("02.5", lambda w: (w - w.mean(0)).exp().mean(0).log() + w.mean(0), "extreme"),
    ("02.6", lambda: share() / (1 - share()), "for each nat"),
    ("02.6", lambda: of_terms(costs()[1] ** 2), "mu² alone"),
    ("02.6", lambda: of_terms(costs()[0] * 2 + 1), "the -1 is missing"),
    ("02.6", lambda: of_terms(costs()[0].T), "four images"),
    ("02.6", lambda: of_terms(costs()[0][:1000]), "all 10,000"),
    ("02.1", lambda m, s: kl(m, s) + 0.5 * m.shape[1], "the -1 is missing"),
    ("02.1", lambda m, s: kl(m, s) + 0.5 * s.sum(1).mean(), "-logvar is missing"),
    ("02.1", lambda m, s: kl(m, s) + s.sum(1).mean(), "logvar has the wrong sign"),
    ("02.1", lambda m, s: kl(m, s) + 0.5 * (m - m**2).sum(1).mean(), "must be squared"),
    ("02.1", lambda m, s: kl(m, 2 * s), "taken for log sigma"),
    ("02.1", functools.partial(kl, reduce=torch.mean), "latent dimensions"),
    ("02.1", functools.partial(kl, reduce=torch.sum), "number of images"),
    ("02.1", functools.partial(kl, reduce=lambda t: t.sum(1)), "take its mean"),
    ("02.1", lambda m, s: 2 * kl(m, s), "factor ½ is missing"),
    ("02.1", lambda m, s: kl(m, s).item(), "no gradient"),
    ("02.2", wrong_code(sigma=torch.exp), "is the variance"),
    ("02.2", wrong_code(sigma=lambda s: s / 2), "the exp is missing"),
    ("02.2", wrong_code(sigma=lambda s: s), "an exp is missing"),
    ("02.2", wrong_code(sigma=lambda s: (2 * s).exp()), "no sigma"),
    ("02.2", wrong_code(sigma=lambda s: (-s / 2).exp()), "upside down"),
    ("02.2", wrong_code(sigma=lambda s: s.exp().sqrt().sqrt()), "taken twice"),
    ("02.2", wrong_code(sigma=torch.ones_like), "sigma isn't used"),
    ("02.2", wrong_code(sigma=lambda s: s.abs().sqrt()), "a logarithm"),
    ("02.2", wrong_code(mean=torch.zeros_like), "mu is missing"),
    ("02.2", wrong_code(mean=torch.neg), "mu has the wrong sign"),
    ("02.2", lambda m, s: (s / 2).exp() * (m + torch.randn_like(m)), "multiplied by sigma"),
    ("02.2", wrong_code(mean=torch.zeros_like, sigma=torch.exp), "besides, exp(logvar) is the variance"),
    ("02.2", wrong_code(noise=torch.rand_like), "uniform between 0 and 1"),
    ("02.2", wrong_code(noise=lambda m: torch.randn(())), "for the whole batch"),
    ("02.2", wrong_code(noise=lambda m: torch.randn(1).item(), sigma=torch.exp), "for the whole batch"),
    ("02.2", wrong_code(noise=lambda m: torch.randn(m.shape[1])), "all images get the same noise"),
    ("02.2", wrong_code(noise=lambda m: torch.randn(len(m), 1)), "one number is drawn for each image"),
    ("02.2", wrong_code(noise=torch.zeros_like), "no noise comes in"),
    ("02.2", lambda m, s: m, "no noise comes in"),
    ("02.2", lambda m, s: m + (s / 2).exp(), "no noise comes in"),
    ("02.2", lambda m, s: torch.normal(m, (s / 2).exp()).detach(), "no gradient reaches"),
    ("02.2", lambda m, s: torch.distributions.Normal(m, (s / 2).exp()).sample(), "no gradient reaches"),
    ("02.2", lambda m, s: code(m.detach(), s), "no gradient reaches mu"),
    ("02.2", lambda m, s: code(m, s.detach()), "no gradient reaches logvar"),
    ("02.2", seeded, "its seed is fixed"),
    ("02.2", wrong_code(noise=lambda m: 2 * torch.rand_like(m) - 1), "wrong shape"),
    ("02.2", wrong_code(noise=lambda m: torch.randn_like(m).sign()), "wrong shape"),
    ("02.2", wrong_code(noise=lambda m: 2 * torch.randn_like(m)), "in place of 1"),
    ("02.2", wrong_code(noise=lambda m: torch.randn_like(m) + 0.5), "in place of 0, so the clouds"),
    ("02.2", wrong_code(noise=lambda m: torch.randn_like(m).abs()), "in place of 0"),
    ("02.2", lambda m, s: (code(m, s), m), "yours: tuple"),
    ("02.2", lambda m, s: code(m, s).mean(0), "yours: (4,)"),
    ("02.2", lambda m, s: code(m, s) / 0, "aren't finite"),
    ("02.2", lambda m, s: m * torch.randn_like(m), "mu is missing"),
    ("02.2", lambda m, s: code(m, s) + s, "with the spread sigma"),
    ("02.3", lambda p, d, mp, ml: (d if ml else 1) / (p if mp else 1), "upside down"),
    ("02.3", lambda p, d, mp, ml: (d if ml else 1) * (p if mp else 1), "below the line"),
    ("02.3", lambda p, d, mp, ml: 1 / ((d if ml else 1) * (p if mp else 1)), "works the other way"),
    ("02.3", lambda p, d, mp, ml: beta(p, d, ml, mp), "mixed up"),
    ("02.3", lambda p, d, mp, ml: beta(p, d, not mp, not ml), "True stands for a mean"),
    ("02.3", lambda p, d, mp, ml: p / d, "right where both are means"),
    ("02.3", lambda p, d, mp, ml: p**mp, "over the latents is never used"),
    ("02.3", lambda p, d, mp, ml: 1 / d**ml, "over the pixels is never used"),
    ("02.3", lambda p, d, mp, ml: p * mp - d * ml, "they multiply"),
    ("02.3", lambda p, d, mp, ml: p * mp / d**ml, "not by 0"),
    ("02.3", lambda p, d, mp, ml: 2 * beta(p, d, mp, ml), "doubled"),
    ("02.3", lambda p, d, mp, ml: 49, "the same whatever goes in"),
    ("02.3", lambda p, d, mp, ml: beta(p, d, mp, ml) / p, "divided by the number of pixels"),
    ("02.3", lambda p, d, mp, ml: beta(784, 16, mp, ml), "784 and 16"),
    ("02.3", lambda p, d, mp, ml: math.log(beta(p, d, mp, ml)), "on fresh inputs"),
    ("02.4", broken, "the sigmoid is taken twice"),
    ("02.4", broken, "a mean over the pixels"),
    ("02.4", broken, "the KL has the wrong sign"),
    ("02.4", half_mended, "hides a beta"),
    ("02.4", all_means, "a mean over the pixels; nats per image are a sum; besides, the KL is a mean"),
    ("02.4", functools.partial(elbo, n=None, bce=twice), "the sigmoid is taken twice"),
    ("02.4", functools.partial(elbo, n=None, sign=-1), "the KL has the wrong sign"),
    ("02.4", functools.partial(elbo, n=None, kl_n=1), "the KL is a sum over the images"),
    ("02.4", functools.partial(elbo, n=1, kl_n=None), "the cross-entropy is a sum over the images"),
    ("02.4", functools.partial(elbo, n=784, kl_n=None), "it is the other way round"),
    ("02.4", bce_alone, "the KL is missing"),
    ("02.4", squared, "squared error"),
    ("02.4", no_minus, "the minus is missing"),
    ("02.4", lit_only, "the dark pixels"),
    ("02.4", log_of_sigmoid, "wrong on extreme ones"),
    ("02.4", detached, "gradient is lost"),
    ("02.4", lambda *a: -elbo_by_softplus(*a), "with the wrong sign"),
    ("02.4", lambda *a: elbo_by_softplus(*a) / 784, "divided by the number of pixels"),
    ("02.4", lambda *a: elbo_by_softplus(*a).item(), "no gradient"),
    ("02.4", lambda *a: elbo_by_softplus(*a) / math.log(2), "divided by ln 2"),
    ("02.4", lambda o, x, m, s: elbo_by_softplus(x, o, m, s), "changed places"),
    ("02.5", lambda w: w.exp().sum(0).log(), "log k is missing"),
    ("02.5", lambda w: torch.mean(w, 0), "the mean of the logs"),
    ("02.5", lambda w: w.logsumexp(1) - math.log(w.size(1)), "runs over the images"),
    ("02.5", lambda w: w.logsumexp(1), "and log k is missing, too"),
    ("02.5", lambda w: w.exp().sum(0).log() / len(w), "divided by k after the log"),
    ("02.5", lambda w: w.logsumexp(0) - len(w), "k is subtracted"),
    ("02.5", lambda w: w.logsumexp(0) + math.log(len(w)), "log k has the wrong sign"),
    ("02.5", lambda w: w.logsumexp(0) - math.log(w.shape[1]), "of the number of images"),
    ("02.5", lambda w: w.max(0).values, "largest weight alone"),
    ("02.5", lambda w: w.exp().mean(0), "the log is missing in the end"),
    ("02.5", lambda w: w.exp().sum(0), "a sum stands for the mean"),
    ("02.5", lambda w: torch.log(w.mean(0)), "come as logs"),
    ("02.5", lambda w: w.exp().mean().log(), "thrown together"),
    ("02.5", lambda w: w.exp().mean(0).log(), "wrong on extreme ones"),
    ("02.5", lambda w: (w - w.max()).exp().mean(0).log() + w.max(), "wrong on extreme ones"),
    ("02.5", lambda w: Bound()(w).mean(), "one number comes back"),
    ("02.5", lambda w: Bound()(w) / math.log(2), "divided by ln 2"),
    ("02.5", lambda w: -Bound()(w), "wrong sign"),
    ("02.5", lambda w: Bound()(w.detach()), "no gradient"),
    ("02.6", lambda: sum(dearest()), "these are nats"),
    ("02.6", lambda: costs()[0].sum(1).mean(), "the nats of all"),
    ("02.6", lambda: share() / 4, "a mean over the four"),
    ("02.6", lambda: share(1), "the dearest dimension alone"),
    ("02.6", lambda: share(3), "a share of three"),
    ("02.6", lambda: share(5), "a share of five"),
    ("02.6", lambda: of(slice(4)), "the first four"),
    ("02.6", lambda: of(slice(-4, None)), "the last four"),
    ("02.6", lambda: 1 - sum(dearest(12)) / sum(dearest(16)), "the four cheapest"),
    ("02.6", lambda: of(np.argsort(costs()[1].var(0))[-4:]), "varies most"),
    ("02.6", lambda: 1 - share(), "the other twelve"),
    ("02.6", lambda: (np.sort(costs()[0])[:, -4:].sum(1) / costs()[0].sum(1)).mean(), "own four"),
    ("02.6", lambda: np.sort(costs()[0])[:, -4:].sum() / costs()[0].sum(), "own four"),
    ("02.6", lambda: 100 * share(), "percentage"),
    ("02.6", lambda: costs()[0].mean(0), "one number"),
    ("02.6", lambda: 0.4, "too large"),
    ("02.7", rows, "whole codes"),
    ("02.7", real_again, "go together"),
    ("02.7", gaussians, "so a Gaussian does"),
    ("02.7", full_gaussian, "so a Gaussian does"),
    ("02.7", torch.randn_like, "two things change"),
    ("02.7", in_each_row, "within a code"),
    ("02.7", all_mixed, "two things change"),
    ("02.7", lambda codes: codes, "come back as they were"),
    ("02.7", in_two_blocks, "still go together"),
    ("02.7", lambda codes: codes.sort(0).values, "still go together"),
    ("02.7", seeded_shuffle, "the same codes"),
    ("02.7", lambda codes: drawn(codes)[:100], "as many codes"),
    ("02.7", lambda codes: drawn(codes) + torch.randn_like(codes), "two things change"),
    ("02.7", lambda codes: codes.mean(0).expand_as(codes), "two things change"),
    ("02.7", lambda codes: -drawn(codes), "two things change"),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(WRONG)))
def test_a_wrong_answer_gets_its_hint(i):
    number, answer, phrase = WRONG[i]
    result = judged(number, answer)
    assert result.status == "wrong" and phrase in result.text, result
