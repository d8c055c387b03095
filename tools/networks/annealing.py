"""KL annealing. `course.py objectives` and `ladder` use it; notebook 06 shows what it came to."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from latentlab_helpers.losses import Terms, negative_elbo


class KLAnnealing:
    """The negative ELBO with a beta that rises from 0 to its final value, step by step.

    It counts the steps of training; a model in eval mode is measured with the final beta, so that losses of
    different epochs can be compared. Make a new one for each training.

    Parameters
    ----------
    steps : int
        How many steps the rise takes.
    beta : float
        The final value.
    loss : callable
        loss(model, x, generator, beta=beta), as `losses.negative_elbo`.

    Attributes
    ----------
    step : int
        How many have been taken.

    Raises
    ------
    ValueError
        For fewer than one step.

    References
    ----------
    Bowman et al., "Generating sentences from a continuous space", arXiv:1511.06349, section 3.1.

    Notes
    -----
    Taught in notebook 06.
    """

    def __init__(self, steps: int, *, beta: float = 1.0, loss: Callable = negative_elbo):
        if steps < 1:
            raise ValueError(f"the rise must take 1 step or more, not {steps}")
        self.steps, self.beta, self.loss, self.step = steps, beta, loss, 0

    def __call__(self, model: nn.Module, x: torch.Tensor, generator: torch.Generator | None = None) -> Terms:
        """Measure a batch, as the loss does, and count it if the model is in training."""
        beta = self.beta
        if model.training:
            beta *= min(1.0, self.step / self.steps)
            self.step += 1
        return self.loss(model, x, generator, beta=beta)
