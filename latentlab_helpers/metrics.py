"""The numbers that a notebook prints about reconstructions and a latent space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from .datasets import check_images, to_float
from .losses import bernoulli_log_likelihood, importance_weighted_bound
from .models import Autoencoder, VariationalAutoencoder, evaluating, posterior


def embed(model: Autoencoder, images: torch.Tensor, batch_size: int = 1000) -> torch.Tensor:
    """Encode all images: an autoencoder's codes, a VAE's mu, never a sample.

    Parameters
    ----------
    model : torch.nn.Module
        Any model with `encode` and `decode`, the reader's own included.
    images : torch.Tensor
        (n, channels, height, width); uint8, or floats in [0, 1].
    batch_size : int
        How many are computed at once.

    Returns
    -------
    torch.Tensor
        (n, latent_dim), on the CPU.

    Notes
    -----
    Introduced in notebook 01.
    """
    return _gathered(model, images, batch_size, lambda x: posterior(model, x)[0])


def reconstruct(model: Autoencoder, images: torch.Tensor, batch_size: int = 1000) -> torch.Tensor:
    """Encode and decode all images, without noise.

    Parameters
    ----------
    model, images, batch_size
        As for `embed`.

    Returns
    -------
    torch.Tensor
        (n, channels, height, width) in [0, 1], on the CPU.

    Notes
    -----
    Used in notebooks 01 and 03.
    """
    return _gathered(model, images, batch_size, lambda x: model.decode(posterior(model, x)[0]))


def reconstruction_mse(model: Autoencoder, images: torch.Tensor, batch_size: int = 1000) -> float:
    """Mean squared error of noiseless reconstructions.

    Parameters
    ----------
    model, images, batch_size
        As for `embed`.

    Returns
    -------
    float
        Per pixel.

    Notes
    -----
    Taught in notebook 01.
    """
    with evaluating(model):
        total = sum(
            (model.decode(posterior(model, x)[0]) - x).square().sum().item()
            for x in _batches(model, images, batch_size)
        )
    return total / images.numel()


def pca_mse(images: torch.Tensor, test_images: torch.Tensor, sizes: Sequence[int]) -> dict[int, float]:
    """Test error of PCA, the best linear autoencoder, for several numbers of components.

    Parameters
    ----------
    images : torch.Tensor
        (n, channels, height, width), on which it is fitted, once, for the largest number.
    test_images : torch.Tensor
        On which it is measured.
    sizes : sequence of int
        Numbers of components.

    Returns
    -------
    dict of int to float
        For each of the sizes the mean squared error per pixel.

    Raises
    ------
    ValueError
        For fewer than one component.

    References
    ----------
    Baldi and Hornik, "Neural networks and principal component analysis", Neural Networks 2 (1989), 53.

    Notes
    -----
    Taught in notebook 01.
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
    """Mean structural similarity of images and their references.

    Parameters
    ----------
    images, references : torch.Tensor
        Pairs, (n, channels, height, width) in [0, 1], at least 11 × 11 pixels, the size of the window.

    Returns
    -------
    float
        1 for equal images.

    Raises
    ------
    ValueError
        For images that are no pairs.

    References
    ----------
    Wang et al., IEEE Transactions on Image Processing 13 (2004), 600.

    Notes
    -----
    Taught in notebook 03.
    """
    from skimage.metrics import structural_similarity

    pairs = [part.cpu().numpy() for part in _pairs(images, references)]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    each = [structural_similarity(x, y, channel_axis=0, **options) for x, y in zip(*pairs, strict=True)]
    return float(np.mean(each))


def sharpness(images: torch.Tensor, references: torch.Tensor) -> float:
    """How much edge images have, beside their references: the ratio of the energies of their Laplacians.

    Parameters
    ----------
    images, references : torch.Tensor
        Pairs, (n, channels, height, width) in [0, 1]; around them all is taken to be black.

    Returns
    -------
    float
        1 is as sharp as the references, less is blurred.

    Raises
    ------
    ValueError
        For images that are no pairs, and references without any edge.

    References
    ----------
    Subbarao et al., "Focusing techniques", Optical Engineering 32 (1993), 2824.

    Notes
    -----
    Taught in notebook 03.
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
    """The share of images whose nearest real images, by pixels, all have the same label.

    Near 1 for images that look like one class. A faint or empty image has an arbitrary neighbourhood, so look
    at the ink, ``images.mean()``, beside it.

    Parameters
    ----------
    images, real : torch.Tensor
        (n, channels, height, width) in [0, 1].
    labels : torch.Tensor
        (n,), of the real ones.
    k : int
        How many neighbours count.

    Returns
    -------
    float
        1 if every neighbourhood is of one label, 0 if none is.

    Raises
    ------
    ValueError
        For a k below 1, and for real images without labels.

    Notes
    -----
    Notebook 01 writes it out; 02 uses it.
    """
    if k < 1 or len(labels) != len(real):
        raise ValueError(
            f"k must be 1 or more, and every real image needs a label; here k = {k}, "
            f"{len(real)} images, {len(labels)} labels"
        )
    nearest = torch.cdist(images.flatten(1), real.flatten(1)).topk(k, largest=False).indices
    found = labels.to(nearest.device)[nearest]
    return (found == found[:, :1]).all(dim=1).float().mean().item()


def knn_accuracy(
    codes: torch.Tensor,
    labels: torch.Tensor,
    test_codes: torch.Tensor,
    test_labels: torch.Tensor,
    k: int = 5,
) -> float:
    """The share of test codes whose label is the most common one among the nearest codes.

    Parameters
    ----------
    codes : torch.Tensor
        (n, latent_dim), or images, as a control.
    labels : torch.Tensor
        (n,).
    test_codes, test_labels : torch.Tensor
        What is asked, shaped alike.
    k : int
        How many neighbours vote.

    Returns
    -------
    float
        1 if all are right; by guessing, the share of the most common label.

    Raises
    ------
    ValueError
        For a k that isn't between 1 and n, and for codes without labels.

    References
    ----------
    Cover and Hart, IEEE Transactions on Information Theory 13 (1967), 21.

    Notes
    -----
    Taught in notebook 04.
    """
    from sklearn.neighbors import KNeighborsClassifier

    x, y = _labelled(codes, labels)
    if not 1 <= k <= len(x):
        raise ValueError(f"k must lie between 1 and {len(x)}, the number of codes, not {k}")
    return float(KNeighborsClassifier(k).fit(x, y).score(*_labelled(test_codes, test_labels)))


def silhouette(codes: torch.Tensor, labels: torch.Tensor) -> float:
    """How far apart the clusters of the labels lie.

    Parameters
    ----------
    codes : torch.Tensor
        (n, latent_dim); the time grows with n².
    labels : torch.Tensor
        (n,).

    Returns
    -------
    float
        1 for tight clusters far apart, 0 if they overlap, down to -1.

    Raises
    ------
    ValueError
        For codes without labels.

    References
    ----------
    Rousseeuw, Journal of Computational and Applied Mathematics 20 (1987), 53.

    Notes
    -----
    Taught in notebook 04.
    """
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(*_labelled(codes, labels)))


def trustworthiness(codes: torch.Tensor, map2d: torch.Tensor, k: int = 5) -> float:
    """Whether neighbours on a map were neighbours among the codes.

    Parameters
    ----------
    codes : torch.Tensor
        (n, latent_dim); the memory grows with n², 5,000 codes take 0.5 GB.
    map2d : torch.Tensor
        (n, 2).
    k : int
        How many neighbours count, less than n / 2.

    Returns
    -------
    float
        1 if all were; a random map has 0.5.

    Raises
    ------
    ValueError
        For different lengths, or a k that can't be.

    References
    ----------
    Venna and Kaski, "Neighborhood preservation in nonlinear projection methods", ICANN 2001.

    Notes
    -----
    Taught in notebook 04.
    """
    from sklearn import manifold

    if len(codes) != len(map2d) or not 1 <= k < len(codes) / 2:
        raise ValueError(
            "every code needs its place on the map, and k must be 1 or more and less than half their number; "
            f"here k = {k}, {len(codes)} codes, {len(map2d)} places"
        )
    return float(manifold.trustworthiness(_rows(codes), _rows(map2d), n_neighbors=k))


def neighbourhood_hit(codes: torch.Tensor, labels: torch.Tensor, k: int = 5) -> float:
    """The mean share of a point's nearest others that have its own label.

    Parameters
    ----------
    codes : torch.Tensor
        (n, latent_dim), or a map, (n, 2).
    labels : torch.Tensor
        (n,).
    k : int
        How many neighbours count.

    Returns
    -------
    float
        1 if labels never mix; by chance, the share of a point's own label.

    Raises
    ------
    ValueError
        For a k that isn't between 1 and n - 1, and for codes without labels.

    References
    ----------
    Paulovich et al., IEEE Transactions on Visualization and Computer Graphics 14 (2008), 564.

    Notes
    -----
    Taught in notebook 04.
    """
    x, y = _labelled(codes, labels)
    return float((y[_nearest_others(x, k)] == y[:, None]).mean())


def neighbour_distance_ratio(codes: torch.Tensor, images: torch.Tensor, seed: int = 0) -> float:
    """How far apart, in pixels, the images of neighbouring codes are, of the distance of random pairs.

    Parameters
    ----------
    codes : torch.Tensor
        (n, latent_dim).
    images : torch.Tensor
        (n, channels, height, width), to which the codes belong.
    seed : int
        Fixes the random pairs.

    Returns
    -------
    float
        A ratio of mean lengths (L2). 1 is chance: neighbours are no more alike than any two.

    Raises
    ------
    ValueError
        For different lengths, and for images that are all the same.

    Notes
    -----
    Taught in notebook 04.
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
    """How long paths of images are, and how uneven their steps.

    Parameters
    ----------
    frames : torch.Tensor
        (batch, steps, channels, height, width), or one path without batch.

    Returns
    -------
    length : torch.Tensor
        (batch,), on the CPU: the length in pixels (L2) over the straight distance of the ends. 1 for the
        pixel blend.
    unevenness : torch.Tensor
        (batch,), on the CPU: the steps' standard deviation over their mean. 0 if all are equal.

    Raises
    ------
    ValueError
        For fewer than 2 steps, and for ends that are the same.

    References
    ----------
    Arvanitidis et al., "Latent Space Oddity", arXiv:1710.11379.

    Notes
    -----
    Explained in notebook 03, used in 05.
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
    """How far each image is from the nearest real one: the control beside what a classifier says.

    Parameters
    ----------
    images, real : torch.Tensor
        (n, channels, height, width); uint8, or floats in [0, 1].

    Returns
    -------
    torch.Tensor
        (n,), on the CPU, in pixels (L2).

    Raises
    ------
    ValueError
        For images of different shapes, and for no real ones.

    Notes
    -----
    Taught in notebook 05.
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
    """The importance-weighted bound on log p(x) of each image, for Bernoulli pixels.

    Parameters
    ----------
    model : VariationalAutoencoder
        In nats it says how well the model explains the images.
    images : torch.Tensor
        (n, channels, height, width); uint8, or floats in [0, 1].
    k : int
        Importance samples an image.
    seed : int
        Fixes the samples.
    batch_size : int
        How many images are computed at once.

    Returns
    -------
    torch.Tensor
        In nats, (n,), on the CPU.

    References
    ----------
    Burda, Grosse and Salakhutdinov, arXiv:1509.00519.

    Notes
    -----
    Taught in notebook 02.
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


def _pairs(images: torch.Tensor, references: torch.Tensor) -> list[torch.Tensor]:
    """Both as floats on one device, once it is clear that they can be compared."""
    if images.ndim != 4 or images.shape != references.shape:
        raise ValueError(
            "images and references must be pairs, (n, channels, height, width) both, not "
            f"{tuple(images.shape)} and {tuple(references.shape)}"
        )
    for part in (images, references):
        check_images(part)
    return [to_float(part.detach().to(images.device)) for part in (images, references)]


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


def _batches(model: torch.nn.Module, images: torch.Tensor, batch_size: int) -> Iterator[torch.Tensor]:
    device = next(model.parameters()).device
    if not isinstance(images, torch.Tensor):
        raise ValueError(f"images must be a tensor (of a data set, its .images), not {type(images).__name__}")
    return (to_float(batch.to(device)) for batch in images.split(batch_size))
