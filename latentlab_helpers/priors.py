"""Priors: where codes are drawn from, once a decoder is trained. Taught in notebook 10.

Each has `fit(codes)` and `sample(n, seed)`, so that what generates can be exchanged under one decoder.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from sklearn.mixture import GaussianMixture
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from tqdm.auto import tqdm

from .losses import Terms

Field = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of points and times


class MixturePrior:
    """A mixture of Gaussians with full covariances, fitted by scikit-learn; with one component, a Gaussian.

    Parameters
    ----------
    components : int
        How many Gaussians, 1 or more.
    iterations : int
        Of expectation maximization, at most.

    Attributes
    ----------
    weights, means, roots : torch.Tensor
        Of each component: its share (k,), its mean (k, latent_dim), and a lower triangular root of its
        covariance, (k, latent_dim, latent_dim).

    Raises
    ------
    ValueError
        For no component.

    References
    ----------
    Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", Journal of the
    Royal Statistical Society B 39 (1977), 1. Beside an autoencoder: Ghosh et al., "From variational to
    deterministic autoencoders", arXiv:1903.12436.

    Notes
    -----
    Taught in notebook 10.
    """

    weights: torch.Tensor
    means: torch.Tensor
    roots: torch.Tensor

    def __init__(self, components: int = 1, *, iterations: int = 100):
        if components < 1:
            raise ValueError(f"a mixture needs 1 component or more, not {components}")
        self.components, self.iterations = components, iterations

    def fit(self, codes: torch.Tensor, *, seed: int = 0) -> MixturePrior:
        """Fit it to codes.

        Parameters
        ----------
        codes : torch.Tensor
            (n, latent_dim), more of them than components and dimensions.
        seed : int
            Where the search for the components starts.

        Returns
        -------
        MixturePrior
            Itself.

        Raises
        ------
        ValueError
            For codes that aren't a table of finite numbers, or too few.
        """
        _check_codes(codes, at_least=max(self.components, codes.shape[-1]) + 1)
        self._fitted = GaussianMixture(self.components, max_iter=self.iterations, random_state=seed)
        self._fitted.fit(codes.double().numpy())
        self.weights, self.means = (
            torch.from_numpy(a).float() for a in (self._fitted.weights_, self._fitted.means_)
        )
        self.roots = torch.linalg.cholesky(torch.from_numpy(self._fitted.covariances_)).float()
        return self

    def sample(self, n: int, seed: int = 0) -> torch.Tensor:
        """Draw codes.

        Parameters
        ----------
        n : int
            How many.
        seed : int
            The same seed gives the same codes.

        Returns
        -------
        torch.Tensor
            (n, latent_dim), in random order.
        """
        generator = torch.Generator().manual_seed(seed)
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator)
        return self.means[k] + (self.roots[k] @ noise[..., None]).squeeze(-1)


class Velocity(nn.Module):
    """The velocity of a point x at the time t, from 0 to 1: the best linear one, and what a network adds.

    Between N(0, I) and codes that were whitened, the best velocity that is linear in x is
    (2t - 1) / s² · x, with s² = (1 - t)² + t², the variance on the way. The network sees x / s, and what it
    says is divided by s, which is the size of what is left to say. Untrained, it says nothing.

    Parameters
    ----------
    latent_dim : int
        The size of a code.
    width, depth : int
        Units of a hidden layer, and how many there are.

    References
    ----------
    The scaling follows Karras et al., "Elucidating the design space of diffusion-based generative models",
    arXiv:2206.00364, section 5.

    Notes
    -----
    Taught in notebook 10.
    """

    def __init__(self, latent_dim: int, *, width: int = 256, depth: int = 3):
        super().__init__()
        self.first = nn.Linear(latent_dim + 2 * len(FREQUENCIES), width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, latent_dim)
        for parameter in (self.last.weight, self.last.bias):
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Say where points are heading.

        Parameters
        ----------
        x : torch.Tensor
            Points, (batch, latent_dim).
        t : torch.Tensor
            Times in [0, 1], (batch, 1) or a scalar.

        Returns
        -------
        torch.Tensor
            Velocities, shaped like x.
        """
        t = t.expand(len(x), 1)
        variance = (1 - t) ** 2 + t**2
        spread = variance.sqrt()
        angle = math.pi * t * t.new_tensor(FREQUENCIES)
        h = self.first(torch.cat([x / spread, angle.sin(), angle.cos()], dim=1))
        for layer in self.hidden:
            h = h + layer(nn.functional.silu(h))
        return (2 * t - 1) / variance * x + self.last(nn.functional.silu(h)) / spread


FREQUENCIES = (1.0, 2.0, 4.0, 8.0)  # half turns of a feature while t goes from 0 to 1


def flow_matching_loss(velocity: Field, x1: torch.Tensor, generator: torch.Generator | None = None) -> Terms:
    """How far a velocity is from that of straight paths, from noise x0 to codes x1.

    The mean of |v(x_t, t) - (x1 - x0)|² with x_t = (1 - t) x0 + t x1, x0 ~ N(0, I) and t uniform.

    Parameters
    ----------
    velocity : callable
        velocity(x, t).
    x1 : torch.Tensor
        Codes, (batch, latent_dim).
    generator : torch.Generator, optional
        Where x0 and t come from.

    Returns
    -------
    dict of str to torch.Tensor
        {"loss"}: squared, summed over the dimensions, the mean over the batch. For Gaussian codes the least
        possible is pi/2 times the sum of the standard deviations along the principal axes.

    References
    ----------
    Lipman et al., "Flow matching for generative modeling", arXiv:2210.02747, section 4.1, with sigma_min = 0;
    Liu et al., "Flow straight and fast", arXiv:2209.03003.

    Notes
    -----
    Taught in notebook 10.
    """
    x0 = torch.randn(x1.shape, generator=generator)
    t = torch.rand(len(x1), 1, generator=generator)
    x_t = (1 - t) * x0 + t * x1
    return {"loss": (velocity(x_t, t) - (x1 - x0)).square().sum(1).mean()}


def integrate(velocity: Field, x: torch.Tensor, *, steps: int = 20) -> torch.Tensor:
    """Follow a velocity from t = 0 to 1, by Heun's method.

    Parameters
    ----------
    velocity : callable
        velocity(x, t).
    x : torch.Tensor
        Where the points start, (n, latent_dim).
    steps : int
        How many of equal length, with two velocities each.

    Returns
    -------
    torch.Tensor
        Where they were after each step, (steps + 1, n, latent_dim); the last is where they arrive.

    Raises
    ------
    ValueError
        For no step.

    Notes
    -----
    Taught in notebook 10.
    """
    if steps < 1:
        raise ValueError(f"the way needs 1 step or more, not {steps}")
    times = torch.linspace(0, 1, steps + 1)
    way = [x]
    for t, after in zip(times, times[1:], strict=False):
        here = velocity(x, t)
        there = velocity(x + (after - t) * here, after)
        x = x + (after - t) * (here + there) / 2
        way.append(x)
    return torch.stack(way)


def minimize(
    net: nn.Module,
    loss: Callable[[], torch.Tensor],
    *,
    steps: int,
    lr: float,
    after: Callable[[int], None] = lambda step: None,
    progress: bool = False,
) -> list[float]:
    """Take steps of Adam, for what doesn't learn from images: a short warm-up, then linear decay to 0.

    Parameters
    ----------
    net : torch.nn.Module
        What learns.
    loss : callable
        The loss of a new batch, a scalar.
    steps : int
        How many.
    lr : float
        The highest learning rate.
    after : callable, optional
        after(step) is called behind each.
    progress : bool
        Whether a bar shows the steps.

    Returns
    -------
    list of float
        The loss of each step.

    Raises
    ------
    ValueError
        For no step.

    Notes
    -----
    `FlowPrior` and `quantized.CodePrior` use it.
    """
    if steps < 1:
        raise ValueError(f"a training needs 1 step or more, not {steps}")
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
    schedule = OneCycleLR(
        optimizer, lr, total_steps=steps + 1, pct_start=0.05, anneal_strategy="linear", cycle_momentum=False
    )
    values = []
    for step in tqdm(range(steps), disable=not progress, unit="step"):
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        values.append(value.item())
        after(step)
    return values


class FlowPrior:
    """A flow that carries noise to codes, learned by flow matching. Untrained, it is the one Gaussian.

    Codes are whitened by their mean and covariance, so that the flow has to learn only what a Gaussian can't
    say. Its weights are averaged over the last steps.

    Parameters
    ----------
    steps, batch_size : int
        Of the training.
    lr : float
        The highest learning rate.
    width, depth : int
        As for `Velocity`.
    average : float
        The share of an averaged weight that a step keeps.

    Attributes
    ----------
    base : MixturePrior
        The one Gaussian.
    velocity : Velocity
        The learned one, of whitened codes.
    losses : list of float
        Of each training step.

    References
    ----------
    Lipman et al., "Flow matching for generative modeling", arXiv:2210.02747; in a latent space: Dao et al.,
    "Flow matching in latent space", arXiv:2307.08698.

    Notes
    -----
    Taught in notebook 10.
    """

    base: MixturePrior
    velocity: Velocity
    losses: list[float]

    def __init__(
        self,
        *,
        steps: int = 4500,
        batch_size: int = 512,
        lr: float = 4e-3,
        width: int = 256,
        depth: int = 3,
        average: float = 0.995,
    ):
        self.steps, self.batch_size, self.lr = steps, batch_size, lr
        self.width, self.depth, self.average = width, depth, average

    def fit(self, codes: torch.Tensor, *, seed: int = 0, progress: bool = False) -> FlowPrior:
        """Fit the Gaussian, and then the flow, to codes.

        Parameters
        ----------
        codes : torch.Tensor
            (n, latent_dim), more of them than dimensions.
        seed : int
            The same seed gives the same flow on the same machine.
        progress : bool
            Whether a bar shows the steps.

        Returns
        -------
        FlowPrior
            Itself.

        Raises
        ------
        ValueError
            As `MixturePrior.fit`, and for no step.
        """
        self.base = MixturePrior().fit(codes, seed=seed)
        x1, generator = self.whitened(codes), torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            net = Velocity(codes.shape[1], width=self.width, depth=self.depth)
        self.velocity = copy.deepcopy(net).requires_grad_(False)

        def loss() -> torch.Tensor:
            batch = torch.randint(len(x1), (self.batch_size,), generator=generator)
            return flow_matching_loss(net, x1[batch], generator)["loss"]

        def average(step: int) -> None:
            keep = min(self.average, (step + 1) / (step + 10))  # so that the start is soon forgotten
            for mean, now in zip(self.velocity.parameters(), net.parameters(), strict=True):
                mean.lerp_(now.detach(), 1 - keep)

        self.losses = minimize(net, loss, steps=self.steps, lr=self.lr, after=average, progress=progress)
        return self

    def flow(self, x0: torch.Tensor, *, steps: int = 20) -> torch.Tensor:
        """Carry noise to codes.

        Parameters
        ----------
        x0 : torch.Tensor
            Noise of N(0, I), (n, latent_dim).
        steps : int
            As for `integrate`.

        Returns
        -------
        torch.Tensor
            Codes, (n, latent_dim).
        """
        with torch.no_grad():
            u = integrate(self.velocity, x0, steps=steps)[-1]
        return self.base.means[0] + u @ self.base.roots[0].T

    def inverse(self, codes: torch.Tensor, *, steps: int = 20) -> torch.Tensor:
        """Walk back from codes to the noise that `flow` would carry there; as for `flow`."""
        with torch.no_grad():
            return integrate(lambda x, t: -self.velocity(x, 1 - t), self.whitened(codes), steps=steps)[-1]

    def sample(self, n: int, seed: int = 0, *, steps: int = 20) -> torch.Tensor:
        """Draw codes, as `MixturePrior.sample` does; `steps` as for `integrate`."""
        generator = torch.Generator().manual_seed(seed)
        return self.flow(torch.randn(n, self.base.means.shape[1], generator=generator), steps=steps)

    def whitened(self, codes: torch.Tensor) -> torch.Tensor:
        """What the flow sees of codes: mean 0 and covariance 1, if they are like those it was fitted to."""
        return torch.linalg.solve_triangular(
            self.base.roots[0], (codes - self.base.means[0]).T, upper=False
        ).T


def _check_codes(codes: torch.Tensor, at_least: int) -> None:
    if codes.ndim != 2 or not codes.is_floating_point() or not codes.isfinite().all():
        raise ValueError(
            f"codes must be finite floats of shape (n, latent_dim), such as metrics.embed gives, not "
            f"{codes.dtype} of shape {tuple(codes.shape)}"
        )
    if len(codes) < at_least:
        raise ValueError(f"this prior needs {at_least} codes or more, not {len(codes)}")
