"""What test_distributed.py runs twice, on one process and on two: each saves what it has trained."""

import os
import signal
import sys
import warnings
from functools import partial
from pathlib import Path

import torch
from torch import nn

from latentlab_helpers import datasets, distributed, losses, models, training

FOLDER = Path(sys.argv[1])
IMAGES = datasets.load("mnist", "train")
# Batches of 31 images, so that the processes' shares differ; and a last one of one image, too few for two
X, LABELS = IMAGES.images[:311], IMAGES.labels[:311]
SETTINGS = {"epochs": 3, "batch_size": 31, "seed": 4, "progress": False}
TEST = {"test_images": IMAGES.images[1000:1301], "test_labels": IMAGES.labels[1000:1301]}


def in_double_precision(model, x, generator, labels):
    """The negative ELBO, or an autoencoder's error, without the rounding of float32; and the labels' mean."""
    x = x.double()
    mu, *logvar = model.encoder(x).chunk(model.heads, dim=1)
    terms = {"labels": labels.double().mean()}
    if not logvar:
        return {"loss": losses.mse(model.decoder(mu), x), **terms}
    z = model.reparameterize(mu, logvar[0], generator)
    expected, kl = losses.bernoulli(model.decoder(z), x), losses.kl_divergence(mu, logvar[0])
    return {"loss": expected + kl, "reconstruction": expected, **terms}


def several_samples(model, x, generator):
    """Noise whose rows aren't the images', and noise that all images share."""
    noise = 0.1 * torch.rand(7, len(x), 1, 1, 1, generator=generator).mean(0)
    shift = 0.1 * torch.randn(1, 28, 28, generator=generator)
    return {"loss": (model(x) - x - noise - shift).square().mean()}


def start(kind, architecture="mlp", rank=0):
    torch.manual_seed(rank)  # the first process gives the others its weights
    return kind(3, architecture=architecture)


def weights(model):
    return torch.cat([weight.flatten().double() for weight in model.state_dict().values()])


def interrupted_at(step, world):
    """The negative ELBO, and at one step a press of Ctrl+C that reaches the last process alone."""
    calls = []

    def loss(model, x, generator):
        calls.append(len(x))
        if len(calls) == step and world.rank == world.size - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return losses.negative_elbo(model, x, generator)

    return loss


def message(call):
    try:
        call()
    except (ValueError, training.TrainingDiverged) as error:
        return f"{type(error).__name__}: {error}"


def run(world):
    found = {}

    def trained(name, model, images=X, **settings):
        history = training.fit(model, images, world=world, **SETTINGS, **settings)
        found[name] = {"weights": weights(model), "train": history.train, "test": history.test}

    for name, kind in (("AE", models.Autoencoder), ("VAE", models.VariationalAutoencoder)):
        trained(name, start(kind, rank=world.rank), test_images=TEST["test_images"])
        double = partial(start, kind, rank=world.rank)
        trained(f"{name} in double", double().double(), loss=in_double_precision, labels=LABELS, **TEST)
        trained(f"{name} with convolutions", double("conv"))
    trained("noise of all kinds", start(models.Autoencoder), loss=several_samples)

    model = start(models.VariationalAutoencoder)
    usual = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = partial(training.fit, model, X, world=world, **SETTINGS)
        history = fit(loss=interrupted_at(15, world))  # eleven steps an epoch
    found["interrupted"] = {
        "weights": weights(model),
        "epochs": len(history.seconds),
        "warning": str(caught[-1].message) if caught else None,
        "handler": signal.getsignal(signal.SIGINT) is usual,
    }
    history = fit(resume=history)
    found["resumed"] = {"weights": weights(model), "train": history.train}

    model = start(models.VariationalAutoencoder)
    found["diverged"] = {
        "message": message(
            lambda: training.fit(model, X, epochs=20, lr=1e4, seed=4, progress=False, world=world)
        ),
        "finite": weights(model).isfinite().all().item(),
    }
    if world.size > 1:
        model = start(models.Autoencoder)
        fit = partial(training.fit, model, X, progress=False, world=world)
        elsewhere = nn.Linear(2, 2, device="meta")
        bernoulli = lambda model, x, g: {"loss": model(torch.bernoulli(x, generator=g)).mean()}  # noqa: E731
        found["messages"] = [
            message(partial(fit, epochs=1, batch_size=1)),
            message(partial(fit, epochs=1, seed=world.rank)),
            message(partial(fit, epochs=1, loss=bernoulli)),
            message(partial(fit, epochs=1, loss=lambda model, x, generator: model(x).mean())),
            message(partial(training.fit, elsewhere, X, epochs=1, loss=bernoulli, world=world)),
        ]
    training.fit(start(models.Autoencoder), X, epochs=1, world=world)  # one bar, and not one each
    return found


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
    with distributed.join() as world:
        assert (world.rank, world.size) == (
            int(os.environ.get("RANK", 0)),
            int(os.environ.get("WORLD_SIZE", 1)),
        )
        torch.save(run(world), FOLDER / f"{world.rank}-of-{world.size}.pt")
