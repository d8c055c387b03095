"""The geometry of a latent space: paths, grids, traversals and directions."""

import math

import pytest
import torch

from latentlab_helpers import latent, losses


def test_dimensions_are_ordered_by_use(generator):
    mu = torch.randn(2000, 4, generator=generator) * torch.tensor([0.1, 3.0, 0.0, 1.0]) + 5
    assert latent.rank_dimensions(mu).tolist() == [1, 3, 0, 2]
    # The KL sees sigma as well: dimension 2 is silent by mu, but far from the prior.
    mu = mu - 5
    logvar = torch.tensor([0.0, -1.0, -8.0, -0.5]).expand(2000, 4)
    order = latent.rank_dimensions(mu, logvar)
    assert order.tolist() == [1, 2, 3, 0] and order.dtype == torch.int64
    kl = losses.kl_per_dimension(mu, logvar).mean(0)
    assert torch.equal(kl[order], kl.sort(descending=True).values)
    equal = torch.cat([torch.randn(9, 1, generator=generator)] * 40, dim=1)
    assert latent.rank_dimensions(equal).tolist() == list(range(40)), "of equals, the first comes first"
    with pytest.raises(ValueError, match=r"\(n, latent_dim\), not \(2000, 4\) and \(4,\)"):
        latent.rank_dimensions(mu, logvar[0])
    with pytest.raises(ValueError, match=r"\(n, latent_dim\), not \(4,\)"):
        latent.rank_dimensions(mu[0])


def test_a_traversal_changes_one_coordinate():
    z = torch.tensor([1.0, 2.0, 3.0])
    expected = [[1, -1, 3], [1, 0, 3], [1, 4, 3]]
    assert latent.traversal(z, 1, [-1, 0, 4]).tolist() == expected
    assert latent.traversal(z, 1, torch.tensor([-1.0, 0.0, 4.0])).tolist() == expected
    assert z.tolist() == [1, 2, 3]
    assert latent.traversal(z, 0, [9.0]).tolist() == [[9, 2, 3]]
    for dimension in (3, -1):
        with pytest.raises(ValueError, match="counted from 0"):
            latent.traversal(z, dimension, [0.0])
    with pytest.raises(ValueError, match="z must be"):
        latent.traversal(z[None], 0, [0.0])


def test_an_attribute_vector_points_from_least_to_most(generator):
    direction = torch.tensor([3.0, 0.0, -4.0])
    attribute = torch.randn(20_000, generator=generator)
    mu = attribute[:, None] * direction + 0.5 * torch.randn(20_000, 3, generator=generator) + 7
    vector = latent.attribute_vector(mu, attribute)
    # The mean of the highest fifth of a normal distribution lies density(0.84) / 0.2 = 1.4 above the middle.
    cut = 0.8416212
    height = math.exp(-(cut**2) / 2) / math.sqrt(2 * math.pi) / 0.2
    torch.testing.assert_close(vector, 2 * height * direction, rtol=0.02, atol=0.05)
    torch.testing.assert_close(latent.attribute_vector(mu, -attribute), -vector)
    assert latent.attribute_vector(mu, attribute, share=0.05).norm() > vector.norm()


def test_an_attribute_vector_takes_its_share_from_each_end():
    mu, attribute = torch.tensor([[0.0], [10.0], [1.0], [4.0], [20.0]]), torch.tensor([1, 4, 2, 3, 5])
    means = {0.2: 20 - 0, 0.01: 20 - 0, 0.4: 15 - 0.5, 0.5: 15 - 0.5}
    for share, expected in means.items():
        assert latent.attribute_vector(mu, attribute, share).tolist() == [expected]
    seven = torch.arange(7.0)
    assert latent.attribute_vector(seven[:, None], seven, 0.5).item() == 5 - 1


def test_an_attribute_that_gives_no_direction_is_refused():
    mu, attribute = torch.randn(10, 2), torch.arange(10.0)
    with pytest.raises(ValueError, match=r"not \(10, 2\) and \(9,\)"):
        latent.attribute_vector(mu, attribute[:9])
    for share in (0, 0.6, -0.1, math.nan):
        with pytest.raises(ValueError, match="half of the images"):
            latent.attribute_vector(mu, attribute, share)
    with pytest.raises(ValueError, match="same for all"):
        latent.attribute_vector(mu, torch.ones(10))
    with pytest.raises(ValueError, match="leave them out"):
        latent.attribute_vector(mu, attribute.where(attribute > 0, torch.nan))


def test_lerp_is_a_straight_line_with_even_steps():
    start, end = torch.tensor([1.0, -1.0, 0.0]), torch.tensor([3.0, 1.0, 0.0])
    line = latent.lerp(start, end, 5)
    assert torch.equal(line[0], start) and torch.equal(line[-1], end)
    torch.testing.assert_close(line.diff(dim=0), ((end - start) / 4).expand(4, 3))
    assert torch.equal(latent.lerp(start, end, 2), torch.stack([start, end]))
    with pytest.raises(ValueError, match="2 steps or more"):
        latent.lerp(start, end, 1)
    bytes_too = latent.lerp(torch.tensor([0], dtype=torch.uint8), torch.tensor([10], dtype=torch.uint8), 3)
    assert bytes_too.flatten().tolist() == [0, 5, 10]


def test_grid_is_laid_out_as_it_is_drawn():
    points = latent.grid([-1, 10], [1, 30], 3)
    expected = [[-1, 30], [0, 30], [1, 30], [-1, 20], [0, 20], [1, 20], [-1, 10], [0, 10], [1, 10]]
    assert points.tolist() == expected


def test_prior_grid_cuts_the_prior_into_equal_shares():
    shares = torch.distributions.Normal(0.0, 1.0).cdf(latent.prior_grid(5))
    middles = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])
    torch.testing.assert_close(shares[:5, 0], middles)
    torch.testing.assert_close(shares[::5, 1], middles.flip(0))
    assert latent.prior_grid(1).tolist() == [[0, 0]]
    for n in (0, 2.5):
        with pytest.raises(ValueError, match="whole number of rows"):
            latent.prior_grid(n)


def test_active_units(generator):
    mu = torch.randn(5000, 3, generator=generator) * torch.tensor([1.0, 0.09, 0.12]) + 7
    assert latent.active_units(mu).tolist() == [True, False, True]
    assert latent.active_units(mu, threshold=0.02).tolist() == [True, False, False]
    assert torch.equal(latent.active_units(mu), latent.active_units(mu, threshold=0.01))
    barely = torch.tensor([[0.0], [0.145]])  # a variance of 0.0105
    assert latent.active_units(barely).item()
