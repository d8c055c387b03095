"""The numbers that a notebook prints about reconstructions and a latent space."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from .datasets import to_float
from .losses import bernoulli_log_likelihood, importance_weighted_bound
from .models import Autoencoder, VariationalAutoencoder, evaluating


def embed(model: Autoencoder, images: torch.Tensor, batch_size: int = 1000) -> torch.Tensor:
    """The codes (n, latent_dim) of images, on the CPU: mu for a VAE, never a sample. Notebook 01.

    Works with any model that has `encode`, the reader's own included.
    """
    return _gathered(model, images, batch_size, lambda x: _mu(model, x))


def reconstruct(model: Autoencoder, images: torch.Tensor, batch_size: int = 1000) -> torch.Tensor:
    """Images, (n, channels, height, width) in [0, 1], encoded and decoded without noise, on the CPU."""
    return _gathered(model, images, batch_size, lambda x: model.decode(_mu(model, x)))


def reconstruction_mse(model: Autoencoder, images: torch.Tensor, batch_size: int = 1000) -> float:
    """Mean squared error per pixel of noiseless reconstructions. Taught in notebook 01."""
    with evaluating(model):
        total = sum(
            (model.decode(_mu(model, x)) - x).square().sum().item()
            for x in _batches(model, images, batch_size)
        )
    return total / images.numel()


def pca_mse(images: torch.Tensor, test_images: torch.Tensor, sizes: Sequence[int]) -> dict[int, float]:
    """Test error per pixel of PCA, the best linear autoencoder, at each number of components.

    Fitted on `images` once, for the largest size. Taught in notebook 01. Source: Baldi and Hornik,
    Neural Networks 2 (1989), 53.
    """
    from sklearn.decomposition import PCA  # 60 MB of each kernel's memory, and needed only here

    if min(sizes) < 1:
        raise ValueError(f"PCA needs 1 component or more, not {min(sizes)}")
    train, test = (to_float(part).flatten(1).cpu().numpy() for part in (images, test_images))
    pca = PCA(max(sizes), svd_solver="covariance_eigh").fit(train)
    test = test - pca.mean_
    codes = test @ pca.components_.T
    # The components are orthonormal: what k of them miss is the rest of the squared length.
    missed = np.square(test).sum(dtype=np.float64) - np.square(codes).sum(0, dtype=np.float64).cumsum()
    return {k: float(missed[k - 1] / test.size) for k in sizes}


def neighbour_agreement(images: torch.Tensor, real: torch.Tensor, labels: torch.Tensor, k: int = 5) -> float:
    """The share of images whose k nearest real images, by pixels, all show the same digit.

    images, real: (n, channels, height, width) in [0, 1]; labels (n,) of the real ones. Near 1 for images
    that look like one digit. A faint or empty image has an arbitrary neighbourhood, so look at the
    ink, `images.mean()`, beside it. Taught in notebook 01.
    """
    if k < 1 or len(labels) != len(real):
        raise ValueError(
            f"k must be 1 or more, and every real image needs a label; here k = {k}, "
            f"{len(real)} images, {len(labels)} labels"
        )
    nearest = torch.cdist(images.flatten(1), real.flatten(1)).topk(k, largest=False).indices
    return (labels[nearest] == labels[nearest[:, :1]]).all(dim=1).float().mean().item()


def log_likelihood(
    model: VariationalAutoencoder,
    images: torch.Tensor,
    k: int,
    *,
    seed: int = 0,
    batch_size: int = 100,
) -> torch.Tensor:
    """The importance-weighted bound on log p(x) of each image in nats, (n,), Bernoulli pixels.

    Taught in notebook 02. Source: Burda et al., arXiv:1509.00519.
    """
    bounds = []
    noise = torch.Generator(next(model.parameters()).device).manual_seed(seed)
    with evaluating(model):
        for x in _batches(model, images, batch_size):
            mu, logvar = model.encode(x)

            def of_image(z: torch.Tensor, x: torch.Tensor = x) -> torch.Tensor:
                logits = model.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])
                return bernoulli_log_likelihood(logits, x)

            bounds.append(importance_weighted_bound(of_image, mu, logvar, k, noise, chunk=20).cpu())
    return torch.cat(bounds)


def report(name: str, value: float, expected: float, rel: float) -> None:
    """Print a measured number beside the one expected, and fail if they are further apart than rel.

    Machines differ in the last digits, and training makes more of that; `rel` is how much the text
    allows. Raises AssertionError with both numbers. Used in every notebook.
    """
    line = f"{name} = {value:.4g} (expected {expected:.4g} ± {100 * rel:g} %)"
    assert abs(value - expected) <= rel * abs(expected), f"{line}: out of range"
    print(line)


def _gathered(
    model: torch.nn.Module,
    images: torch.Tensor,
    batch_size: int,
    function: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """What the function makes of all images. One block for all of it: collected pieces would hold a
    hundred MB of the freed memory between them."""
    result, done = torch.empty(0), 0
    with evaluating(model):
        for x in _batches(model, images, batch_size):
            part = function(x).cpu()
            if not done:
                result = part.new_empty(len(images), *part.shape[1:])
            result[done : done + len(part)] = part
            done += len(part)
    return result


def _mu(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    code = model.encode(x)
    return code[0] if isinstance(code, tuple) else code


def _batches(model: torch.nn.Module, images: torch.Tensor, batch_size: int):
    device = next(model.parameters()).device
    if not isinstance(images, torch.Tensor):
        raise ValueError(f"images must be a tensor (of a data set, its .images), not {type(images).__name__}")
    return (to_float(batch.to(device)) for batch in images.split(batch_size))
