"""How any code's VAE loss is called: which argument is what, in which shapes, and what it gives back."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import nn
from torch.distributions import Distribution

Tensor = torch.Tensor
Probe = Callable[[Tensor, Tensor, Tensor, Tensor], float]  # reconstruction, x, mu, spread → loss
# What the names of a loss's arguments say; the first pattern that matches counts.
ROLES = {
    "model": r"^(model|vae|net|self|module)$",
    "mu": r"mu|mean(?!.*log)|^m$|^loc$",
    "logvar": r"log_?var|log_?sigma_?(sq|2)|log_?v$|^lv$|^log_s2$",
    "log sigma": r"log_?(sigma|std|stddev|scale)",
    "variance": r"var|sigma_?(sq|2)",
    "sigma": r"sigma|std|^s$|scale",
    "logits": r"logit",
    "reconstruction": r"rec|hat|out|pred|decoded|generated|prob|fake|^p_?x|tilde|^y$",
    "x": r"^x|target|inp|data|image|img|true|orig|batch|real|label|^gt$|^y_|^t$",
}
WORDS = {"logvar": "log-variance", "log sigma": "log sigma", "sigma": "sigma", "variance": "variance"}
SPREADS = tuple(WORDS)


def roles_of(function: Callable[..., Any], options: Mapping) -> tuple[list[str], list[str]]:
    """What each argument without a value is, by its name; by the usual order, said so, if no name tells."""
    usual = ["reconstruction", "x", "mu", "logvar"]
    guess = (
        f"its arguments' names don't tell what they are, so they are taken for ({', '.join(usual)}): "
        "say so with takes= if they aren't"
    )
    try:  # a module's own signature is (*args, **kwargs)
        called = function.forward if isinstance(function, nn.Module) else function
        parameters = list(inspect.signature(called).parameters.values())
    except ValueError:  # such as TorchScript's
        return usual, [guess]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return usual, [guess]
    needed = [
        p.name.lower()
        for p in parameters
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD and p.name not in options
    ]
    found = [
        next((role for role, pattern in ROLES.items() if re.search(pattern, name)), "") for name in needed
    ]
    if found[:2] in (["model", "x"], ["model", ""]):
        return ["model", "x"], []
    if len(needed) == 4:
        # Of two images, the one that is plainly named is the original: (x, x_prime), (y_hat, y).
        pair = [i for i, role in enumerate(found) if role in ("x", "reconstruction")]
        plain = [i for i in pair if needed[i] in ("x", "y")]
        if len({found[i] for i in pair}) == 1 and len(pair) == 2 and len(plain) == 1:
            for i in pair:
                found[i] = "x" if i in plain else "reconstruction"
        missing = {"mu", "reconstruction", "spread", "x"} - set(_kinds(found))
        if found.count("") == len(missing) == 1:
            found[found.index("")] = missing.pop().replace("spread", "logvar")
    if sorted(_kinds(found)) == ["mu", "reconstruction", "spread", "x"]:
        return found, []
    if len(needed) == 4 and all(k in ("", u) for k, u in zip(_kinds(found), _kinds(usual), strict=True)):
        return [role or usually for role, usually in zip(found, usual, strict=True)], [guess]
    raise ValueError(
        f"can't tell what the arguments ({', '.join(needed)}) are: say so with takes=, such as "
        f"takes={usual}, and give the others by name"
    )


def _kinds(roles: Sequence[str]) -> list[str]:
    return ["spread" if r in SPREADS else "reconstruction" if r == "logits" else r for r in roles]


class _Fixed(nn.Module):
    """A model that returns what it was given, for losses that call a model themselves."""

    def __init__(self, outputs: tuple[Tensor, Tensor, Tensor]):
        super().__init__()
        self.outputs = outputs

    def forward(self, *_: Any, **__: Any) -> tuple[Tensor, Tensor, Tensor]:
        return self.outputs

    def encode(self, *_: Any) -> tuple[Tensor, Tensor]:
        return self.outputs[1:]

    def reparameterize(self, *_: Any) -> Tensor:
        return self.outputs[1]

    def decode(self, *_: Any) -> Tensor:
        return self.outputs[0]

    encoder, decoder, reparametrize, sample = encode, decode, reparameterize, reparameterize


def prober(
    function: Callable,
    roles: list[str],
    form: tuple,
    options: Mapping,
    *,
    part: int = 0,
    seed: int = 0,
    checks: bool = False,
) -> Probe:
    """The loss as a number, from the same random draws each time; `part` is which of its results."""
    flat_r, flat_x, dtype = form

    def probe(r: Tensor, x: Tensor, mu: Tensor, spread: Tensor) -> float:
        r, x = (value.flatten(1) if flat else value for value, flat in ((r, flat_r), (x, flat_x)))
        r, x, mu, spread = (value.to(dtype) for value in (r, x, mu, spread))
        given = {
            "x": x,
            "mu": mu,
            **dict.fromkeys(("reconstruction", "logits"), r),
            **dict.fromkeys(SPREADS, spread),
        }
        inputs = (
            (_Fixed((r, mu, spread)), x) if roles[0] == "model" else (given[role].clone() for role in roles)
        )
        checked, threads = Distribution._validate_args, torch.get_num_threads()
        torch.set_num_threads(1)  # for so few numbers, threads only wait for each other
        Distribution.set_default_validate_args(checks)  # a Bernoulli would refuse grey pixels
        try:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                made = function(*inputs, **options)
        finally:
            Distribution.set_default_validate_args(checked)
            torch.set_num_threads(threads)
        return float(torch.as_tensor(_results(made)[part]).detach().double().mean())

    return probe


def _results(made: Any) -> list[Any]:
    """What a loss has returned, with what is to be minimized first."""
    if is_dataclass(made) and not isinstance(made, Mapping):
        made = {entry.name: getattr(made, entry.name) for entry in fields(made)}
    elif hasattr(made, "_asdict"):
        made = made._asdict()
    if isinstance(made, Mapping):
        names = {name: str(name).lower() for name in made}
        return [made[n] for n in sorted(made, key=lambda n: (names[n] != "loss", "total" not in names[n]))]
    return list(made) if isinstance(made, tuple | list) else [made]


def steady(draws: Sequence[Probe]) -> Probe:
    """The mean over draws, at mu and -mu: what z = mu + sigma noise has of mu times noise cancels."""

    def probe(r: Tensor, x: Tensor, mu: Tensor, spread: Tensor) -> float:
        return sum(draw(r, x, m, spread) for draw in draws for m in (mu, -mu)) / (2 * len(draws))

    return probe


def form_of(
    function: Callable, roles: list[str], sizes: tuple[tuple[int, ...], int], options: Mapping
) -> tuple:
    """The shapes and the precision that the function takes: the first on which it gives a number."""
    first: Exception | None = None
    shape, codes = sizes[0], (3, sizes[1])
    for dtype in (torch.float64, torch.float32):
        for flat_r, flat_x in ((False, False), (True, False), (True, True), (False, True)):
            r, x, mu, s = drawn(shape, codes, 0)
            try:
                probe = prober(function, roles, (flat_r, flat_x, dtype), options)
                probe(r, x, mu, s)
                probe(r, x, -1.5 * mu, s)  # an image that is taken for mu would be refused
                return flat_r, flat_x, dtype
            except Exception as error:
                first = first or error
    model = " (its model gives reconstruction, mu and logvar)" if roles[0] == "model" else ""
    raise ValueError(
        f"the loss fails on images {(3, *shape)} and codes {codes}, flat or not{model}: "
        f"{type(first).__name__}: {str(first)[:300]}. "
        "Say what its arguments are with takes=, or set image_shape"
    )


def drawn(image_shape: Sequence[int], sizes: tuple[int, int], seed: int) -> list[Tensor]:
    """Values at which every form is defined: pixels and spreads between 0.1 and 0.9."""
    generator = torch.Generator().manual_seed(seed)
    batch, latent_dim = sizes
    shapes = [(batch, *image_shape)] * 2 + [(batch, latent_dim)] * 2
    return [0.1 + 0.8 * torch.rand(shape, generator=generator, dtype=torch.float64) for shape in shapes]
