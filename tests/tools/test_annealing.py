"""KL annealing: what a step counts, and what a model in eval mode is measured with."""

import pytest
import torch

from latentlab_helpers import training
from latentlab_helpers.models import VariationalAutoencoder, evaluating
from tools.networks.annealing import KLAnnealing


def test_annealing_counts_training_steps_and_measures_with_the_final_beta(generator):
    model, x = VariationalAutoencoder(5), torch.rand(4, 1, 28, 28, generator=generator)
    loss = KLAnnealing(4, beta=2.0)

    def beta():
        terms = loss(model, x, torch.Generator().manual_seed(1))
        return ((terms["loss"] - terms["reconstruction"]) / terms["kl"]).item()

    assert [beta() for _ in range(6)] == pytest.approx(
        [0, 0.5, 1, 1.5, 2, 2], abs=3e-3
    )  # a KL of 0.3 beside 500 nats
    again = KLAnnealing(4, beta=2.0)
    with evaluating(model):
        terms = again(model, x, torch.Generator().manual_seed(1))
    expected = terms["reconstruction"] + 2 * terms["kl"]
    assert again.step == 0 and terms["loss"].item() == pytest.approx(expected.item())
    with pytest.raises(ValueError, match="1 step or more"):
        KLAnnealing(0)


def test_fit_takes_the_steps_that_annealing_counts(few):
    loss, model = KLAnnealing(100), VariationalAutoencoder(2)
    training.fit(model, few[:300], test_images=few[:100], epochs=2, loss=loss, progress=False)
    assert loss.step == 6
