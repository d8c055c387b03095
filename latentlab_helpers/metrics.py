"""The numbers that a notebook prints about reconstructions and a latent space."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from .datasets import to_float
from .losses import bernoulli_log_likelihood, importance_weighted_bound
from .models import Autoencoder, VariationalAutoencoder, evaluating, posterior


def embed(model: Autoencoder, images: torch.Tensor, batch_size: int = 1000) -> torch.Tensor:
    """The codes (n, latent_dim) of images, on the CPU: mu for a VAE, never a sample. Notebook 01.

    Works with any model that has `encode`, the reader's own included.
    """
    return _gathered(model, images, batch_size, lambda x: posterior(model, x)[0])


def reconstruct(model: Autoencoder, images: torch.Tensor, batch_size: int = 1000) -> torch.Tensor:
    """Images, (n, channels, height, width) in [0, 1], encoded and decoded without noise, on the CPU."""
    return _gathered(model, images, batch_size, lambda x: model.decode(posterior(model, x)[0]))


def reconstruction_mse(model: Autoencoder, images: torch.Tensor, batch_size: int = 1000) -> float:
    """Mean squared error per pixel of noiseless reconstructions. Taught in notebook 01."""
    with evaluating(model):
        total = sum(
            (model.decode(posterior(model, x)[0]) - x).square().sum().item()
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


def ssim(images: torch.Tensor, references: torch.Tensor) -> float:
    """Mean structural similarity of images and their references, pair by pair: 1 for equal ones.

    Both (n, channels, height, width) in [0, 1], at least 11 × 11 pixels, the size of the window. Taught
    in notebook 03. Source: Wang et al., IEEE Transactions on Image Processing 13 (2004), 600.
    """
    from skimage.metrics import structural_similarity

    pairs = [part.cpu().numpy() for part in _pairs(images, references)]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    each = [structural_similarity(x, y, channel_axis=0, **options) for x, y in zip(*pairs, strict=True)]
    return float(np.mean(each))


def sharpness(images: torch.Tensor, references: torch.Tensor) -> float:
    """How much edge the images have, of their references': 1 is as sharp as they are, less is blurred.

    The energy (sum of squares) of the one's Laplacian over that of the other's; both (n, channels,
    height, width) in [0, 1], taken as black around. Taught in notebook 03. Raises ValueError for
    references without any edge. Source: Subbarao et al., Optical Engineering 32 (1993), 2824.
    """
    energies = []
    for part in _pairs(images, references):
        channels = part.flatten(0, 1)[:, None]
        laplacian = channels.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
        energies.append(F.conv2d(channels, laplacian[None, None], padding=1).square().sum().item())
    if energies[1] == 0:
        raise ValueError("the references are black, without any edge to compare with; take other ones")
    return energies[0] / energies[1]


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


def knn_accuracy(
    codes: torch.Tensor,
    labels: torch.Tensor,
    test_codes: torch.Tensor,
    test_labels: torch.Tensor,
    k: int = 5,
) -> float:
    """The share of test codes whose label is the commonest among the k nearest codes.

    codes (n, latent_dim), or images as they are, for a control; labels (n,). Taught in notebook 04.
    Source: Cover and Hart, IEEE Transactions on Information Theory 13 (1967), 21.
    """
    from sklearn.neighbors import KNeighborsClassifier

    x, y = _labelled(codes, labels)
    if not 1 <= k <= len(x):
        raise ValueError(f"k must lie between 1 and {len(x)}, the number of codes, not {k}")
    return float(KNeighborsClassifier(k).fit(x, y).score(*_labelled(test_codes, test_labels)))


def silhouette(codes: torch.Tensor, labels: torch.Tensor) -> float:
    """How far apart the labels' clusters lie: 1 for tight ones far apart, 0 if they overlap, to -1.

    codes (n, latent_dim), labels (n,). Its time grows with n². Taught in notebook 04. Source:
    Rousseeuw, J. Computational and Applied Mathematics 20 (1987), 53.
    """
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(*_labelled(codes, labels)))


def trustworthiness(codes: torch.Tensor, map2d: torch.Tensor, k: int = 5) -> float:
    """Whether neighbours on a map (n, 2) were neighbours among the codes (n, latent_dim): 1 if all were.

    A random map has 0.5. Its memory grows with n²: 5,000 codes take 0.5 GB. Taught in notebook 04.
    Source: Venna and Kaski, ICANN 2001.
    """
    from sklearn import manifold

    if len(codes) != len(map2d) or not 1 <= k < len(codes) / 2:
        raise ValueError(
            "every code needs its place on the map, and k must be 1 or more and less than half their number; "
            f"here k = {k}, {len(codes)} codes, {len(map2d)} places"
        )
    return float(manifold.trustworthiness(_rows(codes), _rows(map2d), n_neighbors=k))


def neighbourhood_hit(codes: torch.Tensor, labels: torch.Tensor, k: int = 5) -> float:
    """The mean share of a point's k nearest others that have its own label.

    codes (n, latent_dim), or a map (n, 2); labels (n,). Taught in notebook 04. Source: Paulovich et al.,
    IEEE Transactions on Visualization and Computer Graphics 14 (2008), 564.
    """
    x, y = _labelled(codes, labels)
    return float((y[_nearest_others(x, k)] == y[:, None]).mean())


def neighbour_distance_ratio(codes: torch.Tensor, images: torch.Tensor, seed: int = 0) -> float:
    """How far apart in pixels the images of neighbouring codes are, of the distance of random pairs.

    codes (n, latent_dim) of the images (n, channels, height, width); distances are lengths (L2). 1 is
    chance: neighbours are no more alike than any two. Taught in notebook 04.
    """
    if len(codes) != len(images):
        raise ValueError(f"every image needs a code: {len(images)} images, {len(codes)} codes")
    nearest = torch.from_numpy(_nearest_others(_rows(codes), 1)[:, 0])
    n, pixels = len(images), to_float(images).flatten(1).cpu()
    steps = torch.randint(1, n, (n,), generator=torch.Generator().manual_seed(seed))  # never to itself
    apart = (pixels - pixels[(torch.arange(n) + steps) % n]).norm(dim=1).mean().item()
    if apart == 0:
        raise ValueError("the images are all the same, so no two are further apart than others")
    return (pixels - pixels[nearest]).norm(dim=1).mean().item() / apart


def path_length_and_evenness(frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How long a path of images is, and how uneven its steps are: (batch,) each, on the CPU.

    frames: (batch, steps, channels, height, width), or one path without batch. The length in pixels (L2) is
    divided by the straight distance of the ends: 1 for the pixel blend. Unevenness is the steps'
    standard deviation over their mean: 0 if all are equal. Taught in notebook 05. Raises ValueError for
    fewer than 2 steps, or ends that are the same. Source: Arvanitidis et al., arXiv:1710.11379.
    """
    if frames.ndim not in (4, 5) or frames.shape[-4] < 2:
        raise ValueError(
            "frames must be (batch, steps, channels, height, width), or one path without batch, with 2 steps "
            f"or more, not {tuple(frames.shape)}"
        )
    pixels = to_float(frames[None] if frames.ndim == 4 else frames).flatten(2).cpu()
    steps = pixels.diff(dim=1).norm(dim=2)
    straight = (pixels[:, -1] - pixels[:, 0]).norm(dim=1)
    if not (straight > 0).all():
        raise ValueError("a path's ends must differ: there is no straight way between equal images")
    return steps.sum(1) / straight, steps.std(1, correction=0) / steps.mean(1)


def nearest_real_distance(images: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """How far each image is, in pixels (L2), from the nearest real one: (n,), on the CPU.

    images, real: (n, channels, height, width). The control for "a meaningful digit", beside what a
    classifier says. Taught in notebook 05.
    """
    if images.shape[1:] != real.shape[1:] or not len(real):
        raise ValueError(
            f"images must have the shape of the real ones, not {tuple(images.shape)} and {tuple(real.shape)}"
        )
    pixels = to_float(images).flatten(1)
    real = to_float(real).flatten(1).to(pixels)
    distances = [pixels.new_empty(0)]
    for part in pixels.split(200):  # 48 MB of distances to MNIST
        nearest = torch.cdist(part, real).argmin(dim=1)
        # cdist gives up to a hundredth for equal images, since it multiplies (x - y)² out.
        distances.append((part - real[nearest]).norm(dim=1))
    return torch.cat(distances).cpu()


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


def _pairs(images: torch.Tensor, references: torch.Tensor) -> list[torch.Tensor]:
    """Both as floats on one device, once it is clear that they can be compared."""
    if images.ndim != 4 or images.shape != references.shape or not len(images):
        raise ValueError(
            "images and references must be pairs, (n, channels, height, width) both, not "
            f"{tuple(images.shape)} and {tuple(references.shape)}"
        )
    pairs = [to_float(part.detach().to(images.device)) for part in (images, references)]
    if not all(part.min() >= 0 and part.max() <= 1 for part in pairs):
        raise ValueError("images must lie in [0, 1]; divide uint8 values by 255 (datasets.to_float)")
    return pairs


def _labelled(codes: torch.Tensor, labels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n, d) and labels (n,) as scikit-learn wants them."""
    if labels.shape != (len(codes),):
        raise ValueError(f"every code needs a label: {len(codes)} codes, labels of {tuple(labels.shape)}")
    return _rows(codes), labels.cpu().numpy()


def _rows(codes: torch.Tensor) -> np.ndarray:
    if codes.ndim < 2:
        raise ValueError(f"codes must be (n, latent_dim), not {tuple(codes.shape)}")
    return to_float(codes.detach()).flatten(1).cpu().numpy()


def _nearest_others(codes: np.ndarray, k: int) -> np.ndarray:
    """The rows (n, k) of the k points nearest to each, itself left out."""
    from sklearn.neighbors import NearestNeighbors

    if not 1 <= k < len(codes):
        raise ValueError(f"k must lie between 1 and {len(codes) - 1}, the number of other points, not {k}")
    return NearestNeighbors(n_neighbors=k).fit(codes).kneighbors(return_distance=False)


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


def _batches(model: torch.nn.Module, images: torch.Tensor, batch_size: int):
    device = next(model.parameters()).device
    if not isinstance(images, torch.Tensor):
        raise ValueError(f"images must be a tensor (of a data set, its .images), not {type(images).__name__}")
    return (to_float(batch.to(device)) for batch in images.split(batch_size))
