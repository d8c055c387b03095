"""The numbers that notebooks print about reconstructions and a latent space."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from latentlab_helpers import latent, metrics
from latentlab_helpers.models import Autoencoder, VariationalAutoencoder


@pytest.fixture
def digits(test):
    return test.images[:100].float() / 255


@pytest.fixture
def blobs(generator):
    """Three tight clusters far apart, 60 points each, and their labels."""
    labels = torch.arange(180) % 3
    centres = torch.tensor([[0.0, 0.0, 0.0], [50.0, 0.0, 0.0], [0.0, 50.0, 0.0]])
    return centres[labels] + 0.5 * torch.randn(180, 3, generator=generator), labels


@pytest.fixture
def noise(generator):
    """Points without any structure, and labels that say nothing about them."""
    return torch.randn(2000, 3, generator=generator), torch.randint(4, (2000,), generator=generator)


def blurred(images):
    return torch.nn.functional.avg_pool2d(images, 3, stride=1, padding=1)


def test_ssim_of_known_cases(digits):
    assert metrics.ssim(digits, digits) == pytest.approx(1)
    # Without variance only the term of the means is left (Wang et al., eq. 6), with C1 = 0.01².
    grey, white = torch.full((2, 1, 28, 28), 0.5), torch.ones(2, 1, 28, 28)
    expected = (2 * 0.5 * 1 + 1e-4) / (0.5**2 + 1**2 + 1e-4)
    assert metrics.ssim(grey, white) == pytest.approx(expected)
    assert metrics.ssim(grey.expand(2, 3, 28, 28), white.expand(2, 3, 28, 28)) == pytest.approx(expected)
    little, much = (metrics.ssim((digits + shift).clamp(0, 1), digits) for shift in (0.05, 0.3))
    assert 1 > metrics.ssim(blurred(digits), digits) > metrics.ssim(digits.flip(0), digits)
    assert 1 > little > much


def test_ssim_is_the_formula_of_the_paper(digits):
    """Written out with a Gaussian window, on the pixels whose window lies within the image."""
    pairs = []
    for x, y in zip(digits[:5, 0].double().numpy(), blurred(digits)[:5, 0].double().numpy(), strict=True):
        mean = lambda a: gaussian_filter(a, 1.5, radius=5)  # noqa: E731
        mx, my = mean(x), mean(y)
        vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        c1, c2 = 0.01**2, 0.03**2
        s = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        pairs.append(s[5:-5, 5:-5].mean())
    assert metrics.ssim(digits[:5], blurred(digits)[:5]) == pytest.approx(np.mean(pairs), rel=1e-5)


def test_images_that_are_no_pairs_are_refused(digits):
    for measure in (metrics.ssim, metrics.sharpness):
        for images in (digits[:9], digits[:, 0], digits[..., :20]):
            with pytest.raises(ValueError, match="must be pairs"):
                measure(images, digits)
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            measure(digits * 255, digits)
        assert measure((digits * 255).byte(), digits) == pytest.approx(1, abs=0.02)


def test_sharpness_of_known_cases(digits):
    assert metrics.sharpness(digits, digits) == 1
    assert metrics.sharpness(0.5 * digits, digits) == pytest.approx(0.25)
    once, twice = blurred(digits), blurred(blurred(digits))
    assert 0.5 > metrics.sharpness(once, digits) > metrics.sharpness(twice, digits) > 0
    assert metrics.sharpness(torch.zeros_like(digits), digits) == 0
    # A dot's Laplacian is -4 and four ones, a bar's edge, away from its ends, 1 and -1.
    dot, bar = torch.zeros(1, 2, 28, 28), torch.zeros(1, 2, 28, 28)
    dot[0, 1, 14, 14] = 1
    bar[0, 0, :, 10:15] = 1
    assert metrics.sharpness(bar, dot) == pytest.approx((4 * 26 + 2 * (2 * 1 + 2 * 4 + 3 * 1)) / 20)
    with pytest.raises(ValueError, match="without any edge"):
        metrics.sharpness(digits, torch.zeros_like(digits))


def test_classes_that_lie_apart_are_found_and_noise_is_chance(blobs, noise):
    codes, labels = blobs
    halves = codes[:90], labels[:90], codes[90:], labels[90:]
    assert metrics.knn_accuracy(*halves) == 1
    assert metrics.silhouette(codes, labels) > 0.95
    assert metrics.neighbourhood_hit(codes, labels) == 1
    codes, labels = noise
    halves = codes[:1000], labels[:1000], codes[1000:], labels[1000:]
    assert metrics.knn_accuracy(*halves) == pytest.approx(0.25, abs=0.05)
    assert metrics.silhouette(codes, labels) == pytest.approx(0, abs=0.02)
    assert metrics.neighbourhood_hit(codes, labels) == pytest.approx(0.25, abs=0.02)


def test_a_ring_around_a_blob_tells_the_probes_apart(generator):
    """Neighbours see it, and the silhouette calls it a muddle."""
    labels = torch.arange(1000) % 2
    points = torch.randn(1000, 2, generator=generator)
    points = torch.where(labels[:, None] == 0, 0.2 * points, 5 * points / points.norm(dim=1, keepdim=True))
    halves = points[:500], labels[:500], points[500:], labels[500:]
    assert metrics.knn_accuracy(*halves) == metrics.neighbourhood_hit(points, labels) == 1
    assert metrics.silhouette(points, labels) < 0.5


def test_knn_takes_a_vote_of_k():
    codes, labels = torch.tensor([[0.0], [1.0], [1.1], [9.0]]), torch.tensor([3, 7, 7, 3])
    ask, answer = torch.tensor([[0.1]]), torch.tensor([3])
    assert [metrics.knn_accuracy(codes, labels, ask, answer, k) for k in (1, 3)] == [1, 0]
    for k in (0, 5):
        with pytest.raises(ValueError, match="between 1 and 4"):
            metrics.knn_accuracy(codes, labels, ask, answer, k)


def test_five_neighbours_unless_others_are_asked_for(test):
    """The ledger's numbers are of five; what a default is decides them."""
    x, labels = test.images[:400].flatten(1).float() / 255, test.labels[:400]
    flat = x @ torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[:2].T
    calls = {
        "knn_accuracy": lambda **k: metrics.knn_accuracy(
            flat[:200], labels[:200], flat[200:], labels[200:], **k
        ),
        "neighbourhood_hit": lambda **k: metrics.neighbourhood_hit(flat, labels, **k),
        "trustworthiness": lambda **k: metrics.trustworthiness(x, flat, **k),
        "neighbour_agreement": lambda **k: metrics.neighbour_agreement(
            test.images[400:600] / 255, test.images[:400] / 255, labels, **k
        ),
    }
    for name, call in calls.items():
        assert call() == call(k=5), name
        assert call() not in (call(k=4), call(k=6)), name


def test_agreement_is_about_the_nearest_images():
    real = torch.tensor([0.0, 0.1, 0.9, 1.0]).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    labels = torch.tensor([1, 1, 2, 3])
    assert metrics.neighbour_agreement(real[:1], real, labels, k=2) == 1
    assert metrics.neighbour_agreement(real[3:], real, labels, k=2) == 0
    assert metrics.neighbour_agreement(real, real, labels, k=1) == 1


def test_the_least_and_the_most_neighbours_are_taken(generator):
    codes, labels = torch.randn(7, 2, generator=generator), torch.tensor([0, 0, 0, 0, 1, 1, 1])
    assert metrics.knn_accuracy(codes, labels, codes, labels, k=7) == pytest.approx(4 / 7)
    assert metrics.trustworthiness(codes, codes, k=1) == metrics.trustworthiness(codes, codes, k=3) == 1


def test_the_silhouette_is_rousseeuws():
    codes, labels = torch.tensor([[0.0], [1.0], [10.0], [12.0]]), torch.tensor([0, 0, 1, 1])
    own, other = [1, 1, 2, 2], [(10 + 12) / 2, (9 + 11) / 2, (10 + 9) / 2, (12 + 11) / 2]
    expected = np.mean([(b - a) / max(a, b) for a, b in zip(own, other, strict=True)])
    assert metrics.silhouette(codes, labels) == pytest.approx(expected)


def test_neighbourhood_hit_is_what_counting_gives(noise):
    codes, labels = noise[0][:200], noise[1][:200]
    hits = []
    for i in range(200):
        distance = (codes - codes[i]).norm(dim=1)
        distance[i] = torch.inf
        hits += [(labels[distance.argsort()[:7]] == labels[i]).float().mean().item()]
    assert metrics.neighbourhood_hit(codes, labels, k=7) == pytest.approx(np.mean(hits))
    # Copies of a point are its neighbours, but the point itself is none.
    same, label = torch.zeros(6, 2), torch.tensor([0, 0, 0, 1, 1, 1])
    assert metrics.neighbourhood_hit(same, label, k=5) == pytest.approx(2 / 5)


def test_labels_and_codes_must_belong_together(blobs):
    codes, labels = blobs
    for measure in (metrics.silhouette, metrics.neighbourhood_hit):
        with pytest.raises(ValueError, match="every code needs a label"):
            measure(codes, labels[:-1])
        with pytest.raises(ValueError, match=r"codes must be \(n, latent_dim\)"):
            measure(codes[:, 0], labels)
    for k in (0, 180):
        with pytest.raises(ValueError, match="between 1 and 179"):
            metrics.neighbourhood_hit(codes, labels, k)
    with pytest.raises(ValueError, match="every code needs a label"):
        metrics.knn_accuracy(codes, labels, codes, labels[:-1])


def test_trustworthiness_of_a_true_map_and_of_a_random_one(generator):
    flat = torch.randn(600, 2, generator=generator)
    lift, _ = torch.linalg.qr(torch.randn(16, 2, generator=generator))
    codes = 3 * flat @ lift.T
    assert metrics.trustworthiness(codes, flat) == pytest.approx(1)
    assert metrics.trustworthiness(codes, flat[torch.randperm(600, generator=generator)]) == pytest.approx(
        0.5, abs=0.05
    )
    # By its formula, on points so few that the ranks can be counted; a fold brings strangers together.
    line = torch.tensor([0.0, 1.0, 2.1, 3.3, 4.6, 6.0, 7.5])[:, None]
    fold = torch.tensor([0.0, 1.0, 2.1, 3.3, 2.75, 1.4, 0.45])[:, None]

    def counted(codes, places):
        wrong = 0
        for i in range(7):
            near = [j for j in (places - places[i]).abs()[:, 0].argsort().tolist() if j != i][:2]
            ranks = [j for j in (codes - codes[i]).abs()[:, 0].argsort().tolist() if j != i]
            wrong += sum(max(0, ranks.index(j) + 1 - 2) for j in near)
        return 1 - 2 / (7 * 2 * (2 * 7 - 3 * 2 - 1)) * wrong

    assert metrics.trustworthiness(line, fold, k=2) == pytest.approx(counted(line, fold))
    assert counted(line, fold) < counted(fold, line) - 0.05, "the other way round is another question"
    for k, places in ((5, flat[:9]), (0, flat), (300, flat)):
        with pytest.raises(ValueError, match="place on the map"):
            metrics.trustworthiness(codes, places, k)


def test_neighbours_of_codes_that_are_pixels_are_alike_and_of_noise_are_not(test, generator):
    images, labels = test.images[:1000], test.labels[:1000]
    chance = metrics.neighbour_distance_ratio(torch.randn(1000, 4, generator=generator), images)
    assert chance == pytest.approx(1, abs=0.03)
    nearest = metrics.neighbour_distance_ratio(images, images)
    by_class = torch.nn.functional.one_hot(labels, 10) + 0.01 * torch.rand(1000, 10, generator=generator)
    assert nearest < metrics.neighbour_distance_ratio(by_class, images) < 0.95
    again = [metrics.neighbour_distance_ratio(images, images, seed=seed) for seed in (0, 1)]
    assert again[0] == nearest != again[1] and again[1] == pytest.approx(nearest, rel=0.03)


def test_neighbour_distance_ratio_counted_by_hand():
    lit = torch.tensor([1.0, 0.5, 0.25, 0.0]).view(1, 1, 2, 2)  # lengths (L2) differ from means of pixels
    images = torch.tensor([0.0, 0.1, 0.7]).view(3, 1, 1, 1) * lit
    images[2] = torch.tensor([0.0, 0.0, 0.0, 0.7]).view(1, 2, 2)
    codes = torch.tensor([[0.0], [5.0], [6.0]])  # nearest: 1, 2, 1; with seed 0, the others: see below
    steps = torch.randint(1, 3, (3,), generator=torch.Generator().manual_seed(0)).tolist()
    near, others = [1, 2, 1], [(i + step) % 3 for i, step in enumerate(steps)]
    expected = sum((images[i] - images[near[i]]).norm().item() for i in range(3))
    expected /= sum((images[i] - images[others[i]]).norm().item() for i in range(3))
    assert metrics.neighbour_distance_ratio(codes, images) == pytest.approx(expected)
    with pytest.raises(ValueError, match="every image needs a code"):
        metrics.neighbour_distance_ratio(codes[:2], images)
    with pytest.raises(ValueError, match="all the same"):
        metrics.neighbour_distance_ratio(codes, torch.zeros(3, 1, 2, 2))
    with pytest.raises(ValueError, match="k must lie between"):
        metrics.neighbour_distance_ratio(codes[:1], images[:1])


def test_the_pixel_blend_is_the_shortest_path_and_even(digits):
    straight = latent.lerp(digits[0].flatten(), digits[1].flatten(), 9).view(9, 1, 28, 28)
    detour = torch.cat([straight[:5], digits[5:6], straight[5:]])
    length, unevenness = metrics.path_length_and_evenness(torch.stack([straight, detour[:9]]))
    assert length.shape == unevenness.shape == (2,)
    assert length[0].item() == pytest.approx(1, rel=1e-5) and unevenness[0].item() < 1e-4
    assert length[1] > 1.1 and unevenness[1] > 0.1


def test_path_length_and_evenness_counted_by_hand():
    # Over the corner of a 3-4-5 triangle.
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]).view(3, 1, 1, 2)
    length, unevenness = metrics.path_length_and_evenness(corners)
    assert length.tolist() == pytest.approx([7 / 5]) and unevenness.tolist() == pytest.approx([0.5 / 3.5])
    # A short path beside it, in its own measure: lengths and steps are no other path's.
    length, unevenness = metrics.path_length_and_evenness(torch.stack([corners, 0.1 * corners.flip(0)]))
    assert length.tolist() == pytest.approx([7 / 5] * 2) and unevenness.tolist() == pytest.approx([1 / 7] * 2)
    length, unevenness = metrics.path_length_and_evenness(corners[:2])
    assert (length.tolist(), unevenness.tolist()) == ([1], [0])
    back = torch.cat([corners, corners[:1]])
    with pytest.raises(ValueError, match="ends must differ"):
        metrics.path_length_and_evenness(torch.stack([corners[[0, 1, 2, 1]], back]))
    for frames in (corners[:1], corners[:, 0], corners[None, :1]):
        with pytest.raises(ValueError, match="2 steps or more"):
            metrics.path_length_and_evenness(frames)


def test_distance_to_the_nearest_real_image(test, digits):
    real = test.images[:500]
    distances = metrics.nearest_real_distance(digits, real)
    assert distances.shape == (100,) and (distances == 0).all(), "they are among them"
    halfway = (digits[:50] + digits[50:]) / 2
    counted = [(real.float() / 255 - image).flatten(1).norm(dim=1).min() for image in halfway]
    torch.testing.assert_close(metrics.nearest_real_distance(halfway, real), torch.stack(counted))
    many = metrics.nearest_real_distance(halfway.repeat(9, 1, 1, 1), real)  # more than one chunk
    torch.testing.assert_close(many, torch.stack(counted).repeat(9))
    assert metrics.nearest_real_distance(digits[:0], real).shape == (0,)
    for images in (digits[..., :20], digits[:, 0]):
        with pytest.raises(ValueError, match="shape of the real ones"):
            metrics.nearest_real_distance(images, real)


def test_codes_that_still_have_a_gradient_can_be_measured(blobs):
    codes, labels = blobs
    codes.requires_grad_()
    assert metrics.neighbourhood_hit(codes, labels) == 1


@pytest.mark.parametrize("kind", [Autoencoder, VariationalAutoencoder])
def test_embed_and_reconstruct_are_noiseless_and_whole(few, kind):
    model = kind(3)
    x = few.float() / 255
    with torch.no_grad():
        code = model.encode(x)
        mu = code[0] if kind is VariationalAutoencoder else code
        images = model.decode(mu)
    torch.testing.assert_close(metrics.embed(model, few, batch_size=300), mu)
    torch.testing.assert_close(metrics.embed(model, few), mu)
    torch.testing.assert_close(metrics.reconstruct(model, few, batch_size=300), images)
    expected = (images - x).square().mean().item()
    assert metrics.reconstruction_mse(model, few, batch_size=300) == pytest.approx(expected, rel=1e-5)


def test_neighbour_agreement_on_cases_whose_answer_is_known(train, test):
    real, labels = train.images[:2000].float() / 255, train.labels[:2000]
    assert metrics.neighbour_agreement(real, real, labels, k=1) == 1
    assert metrics.neighbour_agreement(real[:200], real, torch.zeros_like(labels)) == 1
    generator = torch.Generator().manual_seed(0)
    shuffled = labels[torch.randperm(2000, generator=generator)]
    assert metrics.neighbour_agreement(real, real, shuffled, k=2) == pytest.approx(0.1, abs=0.03)
    two_blobs = torch.tensor([0.0, 0.01, 0.02, 0.9, 0.91, 0.92]).view(6, 1, 1, 1)
    kinds = torch.tensor([0, 0, 1, 2, 2, 2])
    ask = torch.tensor([0.0, 0.95]).view(2, 1, 1, 1)
    assert metrics.neighbour_agreement(ask, two_blobs, kinds, k=3) == 0.5
    for k, labels in ((0, kinds), (3, kinds[:5])):
        with pytest.raises(ValueError, match="needs a label"):
            metrics.neighbour_agreement(ask, two_blobs, labels, k=k)
