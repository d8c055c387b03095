"""The exercises of lesson 09: a share, noise for greys, 256 probabilities, a sigma, the best single picture,
and a price that channels hide."""

from __future__ import annotations

import torch

from ...likelihoods import DiscretizedLogistic
from ..core import Function, Mistake, Task


def _pair(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    n, side = (int(torch.randint(low, low + 5, (), generator=generator)) for low in (6, 3))
    places = torch.rand(3, side, side, generator=generator)  # some pixels are brighter than others
    x = 0.5 * places + 0.3 * torch.rand(n, 3, side, side, generator=generator)
    x += torch.linspace(0, 0.6, n).view(-1, 1, 1, 1)  # and some images are brighter than others
    return x + 0.1 * torch.randn(x.shape, generator=generator), x


def _explained(seen: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return 1 - (seen - x).square().mean() / (x - x.mean(0)).square().mean()


def _levels(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    n = int(torch.randint(5, 12, (), generator=generator))
    levels = torch.randint(0, 256, (n,), generator=generator).byte()
    return levels, torch.rand(n, generator=generator)


def _logistic(generator: torch.Generator) -> tuple[torch.Tensor, float, float]:
    middle, scale = (float(value) for value in torch.rand(2, generator=generator))
    k = torch.cat([torch.tensor([0.0, 255.0]), torch.randint(1, 255, (6,), generator=generator).float()])
    return k, 0.2 + 0.6 * middle, 0.15 + 0.2 * scale


def _log_p(k: torch.Tensor, middle: float, scale: float) -> torch.Tensor:
    logits = torch.logit(torch.tensor(middle, dtype=torch.float64)).expand(len(k))
    pixels = DiscretizedLogistic((1,), scale=scale, floor=min(scale, 1e-6)).double()
    with torch.no_grad():
        return pixels.log_probability(logits, k.double() / 255)


def _cut(k: torch.Tensor, middle: float, scale: float, half: float = 0.5, top: float = 255.0) -> torch.Tensor:
    """The mass around each level, without the tails."""
    low, high = (torch.sigmoid(((k + side) / top - middle) / scale) for side in (-half, half))
    return high - low


def _tails(k: torch.Tensor, middle: float, scale: float, **how: float) -> torch.Tensor:
    p, half, top = _cut(k, middle, scale, **how), how.get("half", 0.5), how.get("top", 255.0)
    low = torch.sigmoid(((k + half) / top - middle) / scale)
    high = 1 - torch.sigmoid(((k - half) / top - middle) / scale)
    return torch.where(k == 0, low, torch.where(k == 255, high, p))


def _residuals(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    n = int(torch.randint(40, 90, (), generator=generator))
    x = torch.rand(n, generator=generator)
    return x + 0.1 + 0.2 * torch.randn(n, generator=generator), x


def _possible(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    n, values = (int(torch.randint(low, low + 4, (), generator=generator)) for low in (3, 5))
    p = torch.rand(n, generator=generator) + 0.05
    p[0] += 1
    return torch.rand(n, values, generator=generator), p / p.sum()


def _expected(images: torch.Tensor, p: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    return (p * (images - shown).square().sum(1)).sum()


def _least(images: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    return _expected(images, p, p @ images)


def _copies(generator: torch.Generator) -> tuple[float, int]:
    return 0.2 + 4 * float(torch.rand((), generator=generator)), int(
        torch.randint(2, 9, (), generator=generator)
    )


TASKS: dict[str, Task] = {
    "09.1": Function(
        right=_explained, inputs=_pair, returns="one share, 1 at most",
        sizes=lambda seen, x: {"images": len(x), "pixels": x[0].numel()},
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is the share that is missed; the task asks for what is explained":
                lambda seen, x: 1 - _explained(seen, x),
            "the mean runs over everything; each pixel has its own mean over the images, and a model that "
            "always shows the mean image explains nothing":
                lambda seen, x: 1 - (seen - x).square().mean() / x.var(correction=0),
            "below the line stands the variance of the reconstructions; it is that of the images":
                lambda seen, x: 1 - (seen - x).square().mean() / (seen - seen.mean(0)).square().mean(),
            "the roots are taken first; a share of the variance is made of squares":
                lambda seen, x: 1 - ((seen - x).square().mean() / (x - x.mean(0)).square().mean()).sqrt(),
            "that is upside down": lambda seen, x: 1 - 1 / (1 - _explained(seen, x)),
            "each image has its own mean there; the mean image is the mean over the images":
                lambda seen, x: 1 - (seen - x).square().mean()
                / (x - x.mean((1, 2, 3), keepdim=True)).square().mean(),
        }.items()],
    ),
    "09.2": Function(
        right=lambda levels, u: (levels.float() + u) / 256, inputs=_levels,
        returns="a number in [0, 1) for each level",
        mistakes=[Mistake(hint, does) for hint, does in {
            "divided by 255 the largest values reach beyond 1; there are 256 levels, each 1/256 wide":
                lambda levels, u: (levels.float() + u) / 255,
            "the noise is as wide as the whole range; it should be as wide as one level":
                lambda levels, u: levels.float() / 256 + u,
            "the noise is added to greys that were divided by 255 already, where it is as wide as the range":
                lambda levels, u: levels.float() / 255 + u,
            "the noise is centred on the level, so black becomes negative; level k lies from k to k + 1":
                lambda levels, u: (levels.float() + u - 0.5) / 256,
            "those are still the 256 levels as numbers up to 256; bring them into [0, 1)":
                lambda levels, u: levels.float() + u,
            "the noise is gone: something rounds it away, or it wasn't added":
                lambda levels, u: levels.float() / 256,
        }.items()],
    ),
    "09.3": Function(
        right=_log_p, inputs=_logistic, returns="a log-probability for each level",
        extremes=[(torch.tensor([0.0, 3.0, 128.0, 255.0]), 0.9, 0.002)],
        mistakes=[Mistake(hint, does) for hint, does in {
            "those are probabilities; the task asks for their logarithms":
                lambda k, m, s: _tails(k, m, s),
            "levels 0 and 255 have the tails as well: all that is below ½, and all that is above 254½":
                lambda k, m, s: _cut(k, m, s).log(),
            "each piece is two levels wide: it reaches half a level to either side":
                lambda k, m, s: _tails(k, m, s, half=1.0).log(),
            "level k lies at k / 255, so that white is 1": lambda k, m, s: _tails(k, m, s, top=256.0).log(),
            "that is the density; a level has the mass of its piece":
                lambda k, m, s: torch.log(_density(k, m, s)),
            "log2 stands where the natural logarithm is meant": lambda k, m, s: _tails(k, m, s).log2(),
        }.items()],
    ),
    "09.4": Function(
        right=lambda seen, x: (seen - x).square().mean().sqrt(), inputs=_residuals, returns="one sigma",
        mistakes=[Mistake(hint, does) for hint, does in {
            "that is sigma²": lambda seen, x: (seen - x).square().mean(),
            "the mean error is taken away first; the Gaussian sits on the reconstruction, so an error that "
            "all pixels share counts, too": lambda seen, x: (seen - x).std(correction=0),
            "that is the mean absolute error, which a Laplace distribution would learn":
                lambda seen, x: (seen - x).abs().mean(),
            "the sum must be a mean over the pixels": lambda seen, x: (seen - x).square().sum().sqrt(),
            "that is the spread of the images, not of the errors": lambda seen, x: x.std(correction=0),
        }.items()],
    ),
    "09.5": Function(
        right=_least, inputs=_possible, returns="one number",
        sizes=lambda images, p: {"images": len(images), "values": images.shape[1]},
        mistakes=[Mistake(hint, does) for hint, does in {
            "the picture is the plain mean; the likelier images count more in the best one":
                lambda images, p: _expected(images, p, images.mean(0)),
            "that is the error of showing the likeliest image; a mean does better":
                lambda images, p: _expected(images, p, images[p.argmax()]),
            "that is the error of an image drawn at random, twice the least":
                lambda images, p: 2 * _least(images, p),
            "all images count alike there; each error has its probability":
                lambda images, p: (images - p @ images).square().sum(1).mean(),
        }.items()],
    ),
    "09.6": Function(
        right=lambda beta, copies: beta / copies, inputs=_copies, returns="one beta",
        mistakes=[Mistake(hint, does) for hint, does in {
            "the wrong way round: copies make the reconstruction count more, so the KL is worth less":
                lambda beta, copies: beta * copies,
            "the copies count each, not by their root": lambda beta, copies: beta / copies**0.5,
            "one copy is what there was before; all of them count":
                lambda beta, copies: beta / max(copies - 1, 1) if copies > 1 else beta,
            "that doesn't depend on the copies": lambda beta, copies: beta,
        }.items()],
    ),
}  # fmt: skip


def _density(k: torch.Tensor, middle: float, scale: float) -> torch.Tensor:
    z = (k / 255 - middle) / scale
    return torch.sigmoid(z) * torch.sigmoid(-z) / scale
