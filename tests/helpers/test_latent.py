"""Slerp, traversals and directions; lerp, grids and active units are in test_latent_metrics_plots."""

import math

import pytest
import torch

from latentlab_helpers import latent, losses


def test_slerp_on_a_circle_is_the_arc():
    path = latent.slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 4)
    angles = torch.tensor([0, 30, 60, 90]).deg2rad()
    torch.testing.assert_close(path, torch.stack([angles.cos(), angles.sin()], dim=1))
    assert path.dtype == torch.float32


def test_slerp_turns_evenly_while_the_norm_goes_evenly(generator):
    start, end = torch.randn(2, 16, generator=generator) * torch.tensor([[1.0], [5.0]])
    path = latent.slerp(start, end, 7)
    torch.testing.assert_close(path[[0, -1]], torch.stack([start, end]), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(path.norm(dim=1), latent.lerp(start.norm(), end.norm(), 7)[:, 0])
    turns = torch.cosine_similarity(path[1:], path[:-1]).acos()
    whole = torch.cosine_similarity(start, end, dim=0).acos()
    torch.testing.assert_close(turns, (whole / 6).expand(6), rtol=1e-3, atol=0)
    # Of one length, it is Shoemake's formula.
    a, b = start / start.norm(), end / end.norm()
    t = torch.linspace(0, 1, 7)[:, None]
    formula = (((1 - t) * whole).sin() * a + (t * whole).sin() * b) / whole.sin()
    torch.testing.assert_close(latent.slerp(a, b, 7), formula, rtol=1e-4, atol=1e-5)


def test_slerp_of_parallel_codes_and_of_none_is_lerp():
    code, zero = torch.tensor([1.0, 2.0, -3.0]), torch.zeros(3)
    cases = [(code, code), (code, 3 * code), (code, zero), (zero, code), (zero, zero)]
    cases += [(torch.tensor([2.0]), torch.tensor([-1.0])), (torch.tensor([2.0]), torch.tensor([7.0]))]
    for start, end in cases:
        torch.testing.assert_close(latent.slerp(start, end, 5), latent.lerp(start, end, 5))


@pytest.mark.parametrize("start", [[1.0, 0.0], [0.3, -0.4, 1.2], [1e-20, 2e-20], [3e6, 1e-6, 0.0, -7.0]])
@pytest.mark.parametrize("factor", [-1.0, -2.5])
@pytest.mark.parametrize("nudge", [0.0, 1e-7, 1e-4])
def test_slerp_between_opposite_codes_goes_round(start, factor, nudge):
    start = torch.tensor(start)
    end = factor * start
    end[1] += nudge * end.norm()
    path = latent.slerp(start, end, 9)
    norms = path.double().norm(dim=1)
    expected = torch.linspace(0, 1, 9, dtype=torch.float64).lerp(torch.zeros(9, dtype=torch.float64), 0)
    expected = start.double().norm() + expected * (end.double().norm() - start.double().norm())
    torch.testing.assert_close(norms, expected, rtol=1e-5, atol=0)
    for code, exact in ((path[0], start), (path[-1], end)):
        torch.testing.assert_close(code / exact.norm(), exact / exact.norm(), rtol=1e-6, atol=1e-6)
    assert torch.equal(path, latent.slerp(start, end, 9))


def test_slerp_of_almost_parallel_codes_has_no_gap():
    start = torch.tensor([1.0, 1.0, 0.0])
    for nudge in (1e-3, 1e-5, 1e-7, 1e-9, 1e-12):
        end = start.double() + torch.tensor([0.0, 0.0, nudge], dtype=torch.float64)
        path = latent.slerp(start.double(), end, 5)
        torch.testing.assert_close(path, latent.lerp(start.double(), end, 5), rtol=0, atol=1e-6)
        torch.testing.assert_close(path[-1], end, rtol=1e-8, atol=1e-8)


def test_slerp_refuses_what_has_no_path():
    with pytest.raises(ValueError, match="2 steps or more"):
        latent.slerp(torch.ones(2), -torch.ones(2), 1)
    for start, end in ((torch.ones(2), torch.ones(3)), (torch.ones(1, 2), torch.ones(1, 2))):
        with pytest.raises(ValueError, match=r"codes\[i\]"):
            latent.slerp(start, end, 3)


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
