"""The checks of lesson 01's exercises: right answers in unusual forms, and mistakes."""

import functools

import numpy as np
import pytest
import torch
from judge import is_measured, judged
from sklearn.decomposition import PCA
from torch import nn
from torch.nn import functional as F

from latentlab_helpers import checkpoints, datasets, metrics, models

# ---- right answers, written as nobody would expect


def looped_mse(logits, x):
    total = 0
    for o, image in zip(logits, x, strict=True):
        total = total + ((1 / (1 + torch.exp(-o)) - image) ** 2).sum() / 784
    return total / len(x)


class MeanError(nn.Module):
    def forward(self, logits, x):
        return torch.einsum("bchw,bchw->", d := logits.double().sigmoid() - x, d) / x.numel()


def counted(h, d):
    layers = nn.Linear(784, h), nn.Linear(h, d), nn.Linear(d, h), nn.Linear(h, 784)
    return sum(p.numel() for p in nn.Sequential(*layers).parameters())


def by_sklearn(train, images, k):
    pca = PCA(k).fit(train.numpy())
    return pca.inverse_transform(pca.transform(images.numpy()))


def by_eigh(train, images, k):
    images -= train.mean(0)
    v = torch.linalg.eigh(torch.cov(train.T))[1].flip(1)[:, :k]
    return [list(map(float, v @ (v.T @ image) + train.mean(0))) for image in images]


def ratio_by_hand():
    network, x = checkpoints.load("ae_mlp_16"), datasets.load("mnist", "test").images.numpy() / 255
    errors = []
    for part in (x[..., ::-1].copy(), x):
        part = torch.from_numpy(part).float()
        with torch.no_grad():
            errors.append(((network.decode(network.encode(part)) - part) ** 2).mean().item())
    return errors[0] / errors[1]


def late_zero(net, opt, batch):
    out = net(batch)
    error = F.mse_loss(torch.sigmoid(out), batch)
    error.backward()
    opt.step()
    opt.zero_grad(set_to_none=False)
    return error


def by_autograd(model, optimizer, x):
    error = (torch.sigmoid(model(x)) - x).pow(2).flatten(1).mean(1).mean()
    for p, gradient in zip(
        model.parameters(), torch.autograd.grad(error, list(model.parameters())), strict=True
    ):
        p.grad = gradient
    optimizer.step()
    return np.float32(error.item())


def sorted_size(errors, limit):
    for size, error in sorted(errors.items()):
        if error <= limit:
            return np.int64(size)


def without_relu(latent_dim):
    model = models.Autoencoder(latent_dim)
    for half in (model.encoder, model.decoder):
        for i, layer in enumerate(half):
            if isinstance(layer, nn.ReLU):
                half[i] = nn.Identity()
    return model


class OwnControl(nn.Module):
    def __init__(self, latent_dim, width=400):
        super().__init__()
        sizes = (784, width, latent_dim, width, 784)
        self.w = nn.ParameterList(torch.randn(a, b) / a**0.5 for a, b in zip(sizes, sizes[1:], strict=False))
        self.b = nn.ParameterList(torch.randn(b) for b in sizes[1:])

    def forward(self, x):
        y = x.reshape(len(x), 784)
        for w, b in zip(self.w, self.b, strict=True):
            y = torch.einsum("ni,io->no", y, w) + b
        return y.reshape(x.shape)


def np_loss(model, optimizer, x):
    loss = F.mse_loss(model(x).sigmoid(), x)
    model.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach().numpy()


RIGHT = {
    "01.1": [
        lambda o, x: F.mse_loss(o.sigmoid(), x).reshape(1),
        looped_mse,
        MeanError(),
        lambda o, x: nn.MSELoss()(torch.sigmoid(o), x),
    ],
    "01.2": [counted, lambda h, d: 1570 * h + 2 * h * d + d + 784, lambda h, d: np.float64(counted(h, d))],
    "01.3": [by_sklearn, by_eigh],
    "01.4": [ratio_by_hand, lambda: torch.tensor([ratio_by_hand()]), lambda: np.float32(ratio_by_hand())],
    "01.5": [np_loss, late_zero, by_autograd, functools.partial(lambda extra, *a: by_autograd(*a), None)],
    "01.6": [sorted_size, lambda errors, limit: float(sorted_size(errors, limit))],
    "01.7": [without_relu, OwnControl, functools.partial(OwnControl, width=400)],
}


@pytest.mark.parametrize(("number", "i"), [(n, i) for n, given in RIGHT.items() for i in range(len(given))])
def test_right_in_an_unusual_form(number, i):
    answer = RIGHT[number][i]
    for _ in range(1 if is_measured(number) else 3):
        result = judged(number, answer)
        assert result.status == "right", result


# ---- wrong answers


def pca(train, images, k, directions=None, minus=None, plus=None):
    centred = train - train.mean(0)
    v = torch.linalg.svd(centred, full_matrices=False).Vh[:k] if directions is None else directions
    codes = (images - (train.mean(0) if minus is None else minus)) @ v.T
    return codes @ v + (train.mean(0) if plus is None else plus)


def directions(train, centre=True):
    return torch.linalg.svd(train - train.mean(0) if centre else train).Vh


def lowest(train, images, k):
    return pca(train, images, k, torch.linalg.eigh(torch.cov(train.T))[1][:, :k].T)


def whitened(train, images, k):
    model = PCA(k, whiten=True).fit(train.numpy())
    return model.transform(images.numpy()) @ model.components_ + model.mean_


def step(model, optimizer, x, zero=True, out=torch.sigmoid, loss=F.mse_loss, twice=False, late=False):
    if late:
        optimizer.step()
    if zero:
        optimizer.zero_grad()
    value = loss(out(model(x)), x)
    value.backward()
    if not late:
        optimizer.step()
    if twice:
        optimizer.step()
    return value.item()


def wrong_step(**how):
    return functools.partial(step, **how)


def step_before_backward(model, optimizer, x):
    loss = F.mse_loss(model(x).sigmoid(), x)
    optimizer.step()
    loss.backward()
    return loss


def step_after_zero(model, optimizer, x):
    loss = F.mse_loss(model(x).sigmoid(), x)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss


def own_target(model, optimizer, x):
    y = model(x).sigmoid()
    loss = F.mse_loss(y, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def own_optimizer(model, optimizer, x):
    return step(model, torch.optim.SGD(model.parameters(), lr=2.0), x)


def no_return(model, optimizer, x):
    step(model, optimizer, x)


def loss_afterwards(model, optimizer, x):
    step(model, optimizer, x)
    return F.mse_loss(model(x).sigmoid(), x)


def other_loss(model, optimizer, x):
    return 784 * step(model, optimizer, x)


def half_batch(model, optimizer, x):
    return step(model, optimizer, x[:2])


def scaled(model, optimizer, x):
    return step(model, optimizer, x, loss=lambda y, x: 3 * F.mse_loss(y, x))


def clipped(model, optimizer, x):
    optimizer.zero_grad()
    loss = F.mse_loss(model(x).sigmoid(), x)
    loss.backward()
    for p in model.parameters():
        p.grad = p.grad.sign()
    optimizer.step()
    return loss


def control(bend=nn.Identity, second=nn.Identity, end=nn.Identity, width=400, bias=True):
    def make(d):
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, width, bias), bend(), nn.Linear(width, d, bias),
            nn.Linear(d, width, bias), second(), nn.Linear(width, 784, bias), end(),
            nn.Unflatten(1, (1, 28, 28)),
        )  # fmt: skip

    return make


def one_layer(d):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, d), nn.Linear(d, 784), nn.Unflatten(1, (1, 28, 28)))


def frozen(d):
    return control()(d).requires_grad_(False)


class Skips(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.inside = control()(d)

    def forward(self, x):
        return self.inside(x) + x


class Pair(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.inside = control()(d)

    def forward(self, x):
        return self.inside(x), x


def digits():
    return datasets.load("mnist", "test").images


def error(model, images):
    return metrics.reconstruction_mse(checkpoints.load(model), images)


def ratio(change, model="ae_mlp_16"):
    images = datasets.load("mnist", "test").images
    return error(model, change(images)) / error(model, images)


def mirrored(images):
    return images.flip(3)


def against_the_originals():
    x = datasets.to_float(datasets.load("mnist", "test").images)
    made = metrics.reconstruct(checkpoints.load("ae_mlp_16"), x.flip(3))
    return (made - x).square().mean().item() / error("ae_mlp_16", x)


def from_largest(errors, limit):
    """Down from the largest size, until one fails."""
    best = max(errors)
    for size in sorted(errors, reverse=True):
        if errors[size] > limit:
            break
        best = size
    return best


def by_halves(errors, limit):
    sizes, low = sorted(errors), 0
    high = len(sizes) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if errors[sizes[middle]] <= limit else (middle + 1, high)
    return sizes[low]


def sorted_apart(errors, limit):
    return next(s for s, e in zip(sorted(errors), sorted(errors.values())[::-1], strict=True) if e <= limit)


def eigh_rows(train, images, k, part=lambda v, k: v[-k:]):
    return pca(train, images, k, part(torch.linalg.eigh(torch.cov(train.T))[1], k))


def one_mean(train, images, k):
    m = train.mean()
    return pca(train, images, k, torch.linalg.svd(train - m)[2][:k], m, m)


def mean_of_each(train, images, k):
    v = torch.linalg.svd(train - train.mean(1, keepdim=True))[2][:k]
    m = images.mean(1, keepdim=True)
    return pca(train, images, k, v, m, m)


def singular(train, images, k):
    m = train.mean(0)
    s, v = torch.linalg.svd(train - m)[1:]
    return (images - m) @ v[:k].T * s[:k] @ v[:k] + m


def standardised(train, images, k):
    m, s = train.mean(0), train.std(0)
    return by_sklearn((train - m) / s, (images - m) / s, k) * s.numpy() + m.numpy()


def pca_errors():
    train = datasets.load("mnist", "train").images
    return [metrics.pca_mse(train, x, [16])[16] for x in (mirrored(digits()), digits())]


def errors_of(x):
    made = metrics.reconstruct(checkpoints.load("ae_mlp_16"), x)
    return (made - datasets.to_float(x)).square().flatten(1).mean(1)


SHARED = {}


def cached(d):
    return SHARED.setdefault(d, control()(d))


WRONG = [
    ("01.1", lambda o, x: F.mse_loss(o.clamp(0, 1), x), "clamp"),
    ("01.1", lambda o, x: F.mse_loss(o.flatten(1).softmax(1), x.flatten(1)), "softmax"),
    ("01.1", lambda o, x: F.mse_loss(o.sigmoid().sigmoid(), x), "taken twice"),
    ("01.1", lambda o, x: (1 / (1 + o.exp()) - x).square().mean(), "upside down"),
    ("01.1", lambda o, x: F.mse_loss((o > 0).float(), x), "rounded to black and white"),
    ("01.2", lambda h, d: counted(h, d) - (2 * h + d + 784) + 4, "one bias for each unit"),
    ("01.2", lambda h, d: 1570 * h + 2 * h * h + d + 784, "not h and h"),
    ("01.2", lambda h, d: 784 * h + h * d + h + d + h + 784, "weights of its own"),
    ("01.2", lambda h, d: counted(h, d) - h * d, "h · d counts twice"),
    ("01.2", lambda h, d: counted(h, d) - 784 * h, "784 · h counts twice"),
    ("01.3", eigh_rows, "as columns"),
    ("01.3", functools.partial(eigh_rows, part=lambda v, k: v[:k]), "the largest come last"),
    ("01.3", one_mean, "one number is subtracted"),
    ("01.3", mean_of_each, "that of each image"),
    ("01.3", singular, "singular values"),
    ("01.3", standardised, "divided by their spread"),
    ("01.3", lambda t, i, k: pca(t, i, k, directions(t)[1 : k + 1]), "first direction is left out"),
    ("01.4", lambda: ratio(mirrored, "vae_mlp_16"), "for the VAE"),
    ("01.4", lambda: ratio(lambda x: x.flip(0)), "images' order"),
    ("01.4", lambda: pca_errors()[0] / pca_errors()[1], "PCA's ratio"),
    ("01.4", lambda: error("ae_mlp_16", mirrored(digits())) / pca_errors()[0], "with PCA"),
    ("01.4", lambda: (errors_of(mirrored(digits())) / errors_of(digits())).mean(), "ratio of its own"),
    ("01.4", lambda: errors_of(mirrored(digits()[:1000])).mean() / errors_of(digits()[:1000]).mean(),
     "all 10,000"),
    ("01.6", lambda e, limit: min(v for v in e.values() if v <= limit), "that is an error"),
    ("01.6", by_halves, "by halves"),
    ("01.6", sorted_apart, "sorted apart"),
    ("01.6", lambda e, limit: min((s, v) for s, v in e.items() if v <= limit), "return the first alone"),
    ("01.7", cached, "share their weights"),
    ("01.7", control(bend=lambda: nn.BatchNorm1d(400)), "look for BatchNorm1d"),
    ("01.1", lambda o, x: ((o - x) ** 2).mean(), "sigmoid is missing"),
    ("01.1", lambda o, x: F.mse_loss(o.sigmoid(), x.sigmoid()), "x is an image already"),
    ("01.1", lambda o, x: F.mse_loss(torch.sigmoid(o - x), torch.zeros_like(x)), "first make pixels"),
    ("01.1", lambda o, x: F.l1_loss(o.sigmoid(), x), "absolute difference"),
    ("01.1", lambda o, x: o.sigmoid().mean() - x.mean(), "nothing is squared"),
    ("01.1", lambda o, x: (o.sigmoid() - x).mean() ** 2, "square first"),
    ("01.1", lambda o, x: F.mse_loss(o.sigmoid(), x) ** 0.5, "the root"),
    ("01.1", lambda o, x: F.binary_cross_entropy(o.sigmoid(), x), "cross-entropy"),
    # not in the list
    ("01.1", lambda o, x: F.mse_loss(o.sigmoid(), x, reduction="sum"), "number of pixels"),
    ("01.1", lambda o, x: ((o.sigmoid() - x) ** 2).sum((1, 2, 3)).mean(), "number of pixels"),
    ("01.1", lambda o, x: ((o.sigmoid() - x) ** 2).mean((1, 2, 3)), "take its mean at the end"),
    ("01.1", lambda o, x: ((o.sigmoid() - x) ** 2).mean() / 2, "halved"),
    ("01.1", lambda o, x: F.mse_loss(o.sigmoid(), x).item(), "no gradient"),
    ("01.1", lambda o, x: 0.25, "the same whatever goes in"),
    ("01.2", lambda h, d: 784 * h + h * d + d * h + h * 784, "biases are missing"),
    ("01.2", lambda h, d: (784 + 1) * h + (h + 1) * d, "encoder alone"),
    ("01.2", lambda h, d: (d + 1) * h + (h + 1) * 784, "decoder alone"),
    ("01.2", lambda h, d: 2 * ((784 + 1) * h + (h + 1) * d), "isn't the encoder again"),
    ("01.2", lambda h, d: counted(h, d) - d, "numbers of the code have biases"),
    ("01.2", lambda h, d: counted(h, d) - 784, "output has biases"),
    ("01.2", lambda h, d: counted(h, d) - 2 * h, "hidden layers have biases"),
    ("01.2", lambda h, d: counted(h, d) - h, "one of the two hidden layers"),
    ("01.2", lambda h, d: counted(h, d) + 784, "go in have no biases"),
    ("01.2", lambda h, d: 784 + h + d + h + 784, "these are units"),
    ("01.2", lambda h, d: counted(h, d) + (h + 1) * d, "as in a VAE"),
    ("01.2", lambda h, d: counted(h, d) + 1, "off by the same amount"),
    ("01.2", lambda h, d: 2 * counted(h, d), "doubled"),
    ("01.2", lambda h, d: 630_386, "the same whatever goes in"),
    ("01.2", lambda h, d: counted(d, h), "on fresh inputs"),
    ("01.3", lambda t, i, k: pca(t, i, k, plus=0), "isn't added back"),
    ("01.3", lambda t, i, k: pca(t, i, k, directions(t, False)[:k], 0, 0), "nothing is centred"),
    ("01.3", lambda t, i, k: pca(t, i, k, directions(t, False)[:k]), "those of images not centred"),
    ("01.3", lambda t, i, k: pca(t, i, k, minus=0), "before encoding"),
    ("01.3", lambda t, i, k: pca(t, i, k, minus=0, plus=0), "neither subtracted nor added"),
    ("01.3", lambda t, i, k: pca(t, i, k, minus=i.mean(0), plus=i.mean(0)), "own mean"),
    ("01.3", lambda t, i, k: pca(t, i, k, minus=i.mean(0)), "one mean is subtracted"),
    ("01.3", lambda t, i, k: by_sklearn(i, i, k), "images that it rebuilds"),
    ("01.3", lowest, "last k directions"),
    ("01.3", whitened, "whitened"),
    ("01.3", lambda t, i, k: pca(t, i, k, directions(t)[:, :k].T), "as rows"),
    ("01.3", lambda t, i, k: pca(t, i, k + 1), "too many"),
    ("01.3", lambda t, i, k: pca(t, i, k - 1), "too few"),
    ("01.3", lambda t, i, k: pca(t, i, k, directions(t)[k:]), "are dropped"),
    ("01.3", lambda t, i, k: (i - t.mean(0)) @ directions(t)[:k].T, "these are codes"),
    ("01.3", lambda t, i, k: pca(t, i, t.shape[1]), "as if k were all"),
    ("01.3", lambda t, i, k: PCA(k).fit(t.numpy()).transform(i.numpy()), "with all of its pixels"),
    ("01.3", lambda t, i, k: pca(t, i, k).T, "transposed"),
    ("01.3", lambda t, i, k: pca(t, i, k).mean(), "one row for each image"),
    ("01.3", lambda t, i, k: pca(t, t, k), "the result has the shape"),
    ("01.3", lambda t, i, k: pca(t, i, k) / 0, "isn't finite"),
    ("01.4", lambda: 1 / ratio(mirrored), "the other way round"),
    ("01.4", lambda: ratio(mirrored) - 1, "how much more"),
    ("01.4", lambda: error("ae_mlp_16", mirrored(digits())), "that is one error"),
    ("01.4", lambda: ratio(lambda x: x.flip(2)), "upside down"),
    ("01.4", lambda: ratio(lambda x: x.flip(2, 3)), "half a turn"),
    ("01.4", lambda: ratio(lambda x: x.transpose(2, 3).contiguous()), "rows and columns"),
    ("01.4", lambda: ratio(lambda x: 255 - x), "negatives"),
    ("01.4", against_the_originals, "beside the mirrored image"),
    ("01.4", lambda: ratio(mirrored) ** 0.5, "no root"),
    ("01.4", lambda: ratio(mirrored, "ae_mlp_2"), "two numbers"),
    ("01.4", lambda: ratio(mirrored, "ae_mlp_8"), "eight numbers"),
    ("01.4", lambda: 100 * ratio(mirrored), "percentage"),
    ("01.4", lambda: 2 * ratio(mirrored), "doubled"),
    ("01.4", lambda: 7.3, "too large"),
    ("01.4", lambda: "2.8", "numbers are asked for"),
    ("01.5", wrong_step(zero=False), "zero_grad is missing"),
    ("01.5", wrong_step(late=True), "step comes before backward"),
    ("01.5", step_before_backward, "step comes before backward"),
    ("01.5", wrong_step(out=lambda y: y), "sigmoid is missing"),
    ("01.5", wrong_step(zero=False, late=True), "from step to step; besides, step"),
    ("01.5", wrong_step(zero=False, late=True, out=lambda y: y), "besides, the model gives logits"),
    ("01.5", wrong_step(out=lambda y: y.sigmoid().sigmoid()), "taken twice"),
    ("01.5", wrong_step(loss=lambda y, x: -F.mse_loss(y, x)), "wrong sign"),
    ("01.5", wrong_step(loss=nn.MSELoss(reduction="sum")), "a sum where the mean"),
    ("01.5", wrong_step(loss=lambda y, x: ((y - x) ** 2).sum((1, 2, 3)).mean()), "over their pixels"),
    ("01.5", wrong_step(loss=F.l1_loss), "isn't squared"),
    ("01.5", wrong_step(loss=F.binary_cross_entropy), "cross-entropy"),
    ("01.5", own_target, "compared with itself"),
    ("01.5", step_after_zero, "between backward and step"),
    ("01.5", wrong_step(twice=True), "once for each batch"),
    ("01.5", own_optimizer, "it steps 0 times"),
    ("01.5", no_return, "return the loss"),
    ("01.5", loss_afterwards, "after the step"),
    ("01.5", other_loss, "isn't the loss of this batch"),
    ("01.5", half_batch, "goes another way"),
    ("01.5", scaled, "3 times the right length"),
    ("01.5", clipped, "goes another way"),
    ("01.6", lambda e, limit: min(s for s, v in e.items() if v < limit), "exactly the limit"),
    ("01.6", lambda e, limit: max(s for s, v in e.items() if v <= limit), "largest size"),
    ("01.6", lambda e, limit: min((v, s) for s, v in e.items())[1], "smallest error"),
    ("01.6", lambda e, limit: min((abs(v - limit), s) for s, v in e.items())[1], "nearest"),
    ("01.6", lambda e, limit: max((v, s) for s, v in e.items() if v <= limit)[1], "largest error within"),
    ("01.6", lambda e, limit: [s for s in e if e[s] <= limit][0], "nobody has sorted"),
    ("01.6", lambda e, limit: sorted(e).index(sorted_size(e, limit)), "the task asks for the size itself"),
    ("01.6", lambda e, limit: sorted(e).index(sorted_size(e, limit)) + 1, "position from 1 on"),
    ("01.6", lambda e, limit: e[sorted_size(e, limit)], "that is an error"),
    ("01.6", lambda e, limit: sorted(e)[sorted(e).index(sorted_size(e, limit)) - 1], "one size too small"),
    ("01.6", lambda e, limit: sorted(e)[sorted(e).index(sorted_size(e, limit)) + 1], "one size too large"),
    ("01.6", lambda e, limit: min(s for s in e if e[s] > limit), "too large"),
    ("01.6", lambda e, limit: len([s for s in e if e[s] <= limit]), "how many"),
    ("01.6", from_largest, "from there on all sizes"),
    ("01.6", lambda e, limit: 16, "the same whatever goes in"),
    ("01.6", lambda e, limit: [s for s in e if e[s] > limit][:2], "shape"),
    ("01.6", lambda e, limit: -sorted_size(e, limit), "wrong sign"),
    ("01.7", models.Autoencoder, "look for ReLU and ReLU"),
    ("01.7", control(second=nn.ReLU), "look for ReLU"),
    ("01.7", control(bend=nn.Tanh), "look for Tanh"),
    ("01.7", control(end=nn.Sigmoid), "ends in a sigmoid"),
    ("01.7", one_layer, "which of the two was it"),
    ("01.7", control(bias=False), "biases are gone"),
    ("01.7", control(width=300), "parameters, the network"),
    ("01.7", lambda d: control()(2), "2 numbers get through"),
    ("01.7", frozen, "frozen"),
    ("01.7", lambda d: nn.Linear, "not its class"),
    ("01.7", lambda d: control()(d)[:-1], "shaped like the images"),
    ("01.7", Pair, "one tensor of logits"),
    ("01.7", Skips, "numbers get through"),
    ("01.7", control(bend=nn.Dropout), "each time"),
    ("01.7", control(bend=lambda: nn.BatchNorm1d(400)), "bends"),
    ("01.7", control(bend=lambda: nn.Linear(400, 400)), "parameters, the network"),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(WRONG)))
def test_a_wrong_answer_gets_its_hint(i):
    number, answer, phrase = WRONG[i]
    result = judged(number, answer)
    assert result.status == "wrong" and phrase in result.text, result
