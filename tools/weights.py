"""Train the models that the notebooks load, and write them to data/checkpoints.

    python course.py weights [NAME …]     all of them, unless some are named

Each file holds its recipe, seed, versions, the test loss after every epoch, and the numbers that its
stored (float16) weights reach on the real test set.
"""

from __future__ import annotations

import platform
import sys
from functools import partial

import numpy
import torch

from latentlab_helpers import checkpoints, datasets, losses, metrics, models, training
from latentlab_helpers.check.doctor import SHOWN
from latentlab_helpers.conditional import ConditionalVariationalAutoencoder, conditional_elbo

RECIPE = {
    "data": "mnist",
    "optimizer": "Adam, betas 0.9 and 0.98, 5 % warm-up, then linear decay to 0",
    "epochs": 5,
    "batch_size": training.BATCH_SIZE,
    "lr": training.LR,
}
SEED = 0
MODELS = {
    **{f"ae_mlp_{size}": (models.Autoencoder, {"latent_dim": size}) for size in (2, 4, 8, 16, 32, 64)},
    **{f"vae_mlp_{size}": (models.VariationalAutoencoder, {"latent_dim": size}) for size in (2, 16)},
    **{
        f"{short}_conv_{size}": (kind, {"latent_dim": size, "architecture": "conv"})
        for short, kind in (("ae", models.Autoencoder), ("vae", models.VariationalAutoencoder))
        for size in (2, 16)
    },
    "classifier": (models.Classifier, {}),
    "vae_told_conv_8": (ConditionalVariationalAutoencoder, {"latent_dim": 8, "architecture": "conv"}),
}
# The losses of those that are trained with labels
LABELLED = {
    models.Classifier: losses.classification_loss,
    ConditionalVariationalAutoencoder: conditional_elbo,
}
# What the loss doctor shows of a loss's hidden beta
BETAS = {name: beta for name, beta in SHOWN.items() if name not in MODELS}
MODELS |= dict.fromkeys(BETAS, MODELS["vae_conv_2"])
LOSSES = {
    "Classifier": "cross-entropy, nats per image",
    "Autoencoder": "mean squared error per pixel",
    "VariationalAutoencoder": "negative ELBO, Bernoulli pixels, beta = 1, nats per image",
    "ConditionalVariationalAutoencoder": "bound on -log p(x,y), Bernoulli pixels, plus ten times the "
    "classifier's cross-entropy, nats per image",
}


def train(name: str) -> None:
    kind, config = MODELS[name]
    # On the CPU, whatever else is there, so that the same seed gives the same file.
    train, test = (datasets.load(RECIPE["data"], split) for split in ("train", "test"))
    torch.manual_seed(SEED)
    model = kind(**config)
    settings = {key: RECIPE[key] for key in ("epochs", "batch_size", "lr")}
    if kind in LABELLED:
        settings |= {"loss": LABELLED[kind], "labels": train.labels, "test_labels": test.labels}
    told = LOSSES[kind.__name__]
    if name in BETAS:
        settings["loss"] = partial(losses.negative_elbo, beta=BETAS[name])
        told = told.replace("beta = 1", f"beta = {BETAS[name]:g}")
    history = training.fit(model, train.images, test_images=test.images, seed=SEED, **settings)
    round_as_stored(model)
    measured = measure(model, test)
    path = checkpoints.save(
        model,
        checkpoints.folder() / name,
        recipe={**RECIPE, "loss": told},
        seed=SEED,
        versions=versions(),
        test_by_epoch=history.test,
        test=measured,
    )
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {measured}", flush=True)


def round_as_stored(model: torch.nn.Module) -> None:
    """Give the weights the precision of their file, so that what is measured is what is stored."""
    model.load_state_dict({key: value.half().float() for key, value in model.state_dict().items()})


def versions() -> dict[str, str]:
    """What the numbers may depend on."""
    import torchvision  # a second, for what few commands ask

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
    }


def measure(model: torch.nn.Module, test: datasets.ImageSet) -> dict[str, float]:
    """What a file says of its weights: the loss's terms, and the error of noiseless reconstructions."""
    images = test.images
    if type(model) in LABELLED:
        return training.evaluate(model, images, LABELLED[type(model)], labels=test.labels)
    return {**training.evaluate(model, images), "mse": metrics.reconstruction_mse(model, images)}


def main() -> int:
    chosen = sys.argv[1:] or list(MODELS)
    if unknown := [name for name in chosen if name not in MODELS]:
        print(f"there is no recipe for {', '.join(unknown)}; the course has: {', '.join(MODELS)}")
        return 2
    for name in chosen:
        train(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
