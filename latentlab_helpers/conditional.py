"""A VAE that is told the class, and its loss, for images of which some or all have a label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from .losses import Terms, bernoulli_log_likelihood, kl_per_dimension
from .models import KINDS, VariationalAutoencoder, _checked

UNKNOWN = -1  # the label of an image that has none


class ConditionalVariationalAutoencoder(VariationalAutoencoder):
    """A VAE that is told the class: p(x|y,z) and q(z|x,y), and q(y|x), a classifier for images without label.

    The label joins each network where its first fully connected layer is, as one number for each class.

    Parameters
    ----------
    latent_dim : int
        The size of a code.
    classes : int
        How many classes there are; each is as probable as any other.
    architecture, widths, hidden, image_shape
        As for `Autoencoder`.

    Attributes
    ----------
    config : dict
        As for `Autoencoder`.

    Raises
    ------
    ValueError
        For fewer than two classes, and as `Autoencoder`.

    References
    ----------
    Kingma et al., "Semi-Supervised Learning with Deep Generative Models", arXiv:1406.5298, model M2.

    Notes
    -----
    Notebook 07 writes it out.
    """

    def __init__(
        self,
        latent_dim: int,
        *,
        classes: int = 10,
        architecture: str = "mlp",
        widths: Sequence[int] | None = None,
        hidden: int | None = None,
        image_shape: Sequence[int] = (1, 28, 28),
    ):
        super().__init__(
            latent_dim, architecture=architecture, widths=widths, hidden=hidden, image_shape=image_shape
        )
        if classes < 2:
            raise ValueError(f"classes must be 2 or more, not {classes!r}")
        self.classes = classes
        self.config["classes"] = classes
        for network, at in ((self.encoder, _first_linear(self.encoder)), (self.decoder, 0)):
            first = network[at]
            assert isinstance(first, nn.Linear)
            network[at] = nn.Linear(first.in_features + classes, first.out_features)
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(math.prod(image_shape), 400), nn.ReLU(), nn.Linear(400, classes)
        )

    def encode(  # type: ignore[override]
        self, x: torch.Tensor, labels: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode images of known classes, or of those that the classifier takes for most probable.

        Parameters
        ----------
        x : torch.Tensor
            As for `Autoencoder.encode`.
        labels : torch.Tensor, optional
            As for `decode`.

        Returns
        -------
        mu, logvar : torch.Tensor
            Mean and log-variance of q(z|x,y), each (batch, latent_dim).

        Raises
        ------
        ValueError
            As `Autoencoder.encode`.
        """
        x = _checked(x, self)
        if labels is None:
            labels = self.classifier(x).argmax(1)
        at = _first_linear(self.encoder)
        seen = self.encoder[:at](x)
        mu, logvar = self.encoder[at:](self._told(seen, labels)).float().chunk(2, dim=1)
        return mu, logvar

    def logits(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Decode codes and classes.

        Parameters
        ----------
        z : torch.Tensor
            Codes, (batch, latent_dim).
        labels : torch.Tensor
            As for `decode`.

        Returns
        -------
        torch.Tensor
            float32 logits of the pixels, (batch, channels, height, width).
        """
        return self.decoder(self._told(z, labels)).float()

    def decode(  # type: ignore[override]
        self, z: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Decode codes and classes.

        Parameters
        ----------
        z : torch.Tensor
            Codes, (batch, latent_dim).
        labels : torch.Tensor
            int64, (batch,), each from 0 to classes - 1.

        Returns
        -------
        torch.Tensor
            Images in [0, 1], (batch, channels, height, width).

        Raises
        ------
        ValueError
            For codes or labels of another shape, and for labels that are no class.
        """
        if z.ndim != 2 or z.shape[1] != self.latent_dim or labels.shape != z.shape[:1]:
            raise ValueError(
                f"this model decodes codes of shape (batch, {self.latent_dim}) with a label each, "
                f"not {tuple(z.shape)} with {tuple(labels.shape)}"
            )
        if labels.is_floating_point() or not ((labels >= 0) & (labels < self.classes)).all():
            raise ValueError(f"labels must be whole numbers from 0 to {self.classes - 1} to decode")
        return torch.sigmoid(self.logits(z, labels))

    def forward(  # type: ignore[override]
        self, x: torch.Tensor, labels: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Reconstruct images of known classes, each from one sample of z.

        Parameters
        ----------
        x : torch.Tensor
            As for `encode`.
        labels : torch.Tensor
            As for `decode`.
        generator : torch.Generator, optional
            As for `reparameterize`.

        Returns
        -------
        logits : torch.Tensor
            float32 logits of the pixels, shaped like x.
        mu, logvar : torch.Tensor
            What `encode` gives.
        """
        mu, logvar = self.encode(x, labels)
        return self.logits(self.reparameterize(mu, logvar, generator), labels), mu, logvar

    def _told(self, values: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Rows of numbers, and behind each its label: 1 for its class, 0 for the others."""
        return torch.cat([values, F.one_hot(labels, self.classes).to(values.dtype)], dim=1)


def conditional_elbo(
    model: ConditionalVariationalAutoencoder,
    x: torch.Tensor,
    generator: torch.Generator | None,
    labels: torch.Tensor,
    *,
    alpha: float = 10.0,
    beta: float = 1.0,
) -> Terms:
    """The loss of a conditional VAE: -log p(x,y) is below it where y is known, -log p(x) where it isn't.

    A missing label is summed over: the image is encoded and decoded with each class, weighed by q(y|x).

    Parameters
    ----------
    model : ConditionalVariationalAutoencoder
        Whose bound it is.
    x : torch.Tensor
        Images in [0, 1].
    generator : torch.Generator or None
        Where the noise of z comes from.
    labels : torch.Tensor
        int64, (batch,); `UNKNOWN` (-1) for an image without one.
    alpha : float
        The weight of the classifier's cross-entropy on images with a label. The bound leaves it out: a known
        label teaches q(y|x) nothing.
    beta : float
        The weight of the KL of z; with 1, and alpha 0, the loss is the bound.

    Returns
    -------
    dict of str to torch.Tensor
        {"loss", "reconstruction", "kl", "kl_label", "classification"}, in nats per image. "kl_label" is
        KL(q(y|x) || p(y)), log(classes) where the label is known; "classification" is a mean over all images.

    References
    ----------
    Kingma et al., arXiv:1406.5298, equations 6, 7 and 9.

    Notes
    -----
    Notebook 07 writes it out.
    """
    known, scores = labels != UNKNOWN, model.classifier(x).float().log_softmax(1)
    of_known = F.one_hot(labels.clamp(min=0), model.classes).to(scores.dtype)
    belief = torch.where(known[:, None], of_known, scores.exp())  # q(y|x), or what is known
    # (image, class) of all that is summed over: one class of an image with a label, all of another
    image, label = (~known[:, None] | (of_known > 0)).nonzero(as_tuple=True)
    logits, mu, logvar = model(x[image], label, generator)
    share = belief[image, label] / len(x)
    terms = {
        "reconstruction": -(share * bernoulli_log_likelihood(logits, x[image])).sum(),
        "kl": (share * kl_per_dimension(mu, logvar).sum(1)).sum(),
        # not `entr`, whose slope is infinite at a belief that has underflowed to 0
        "kl_label": math.log(model.classes) + (~known[:, None] * belief * scores).sum() / len(x),
        "classification": -(known[:, None] * of_known * scores).sum() / len(x),
    }
    bound = terms["reconstruction"] + beta * terms["kl"] + terms["kl_label"]
    return {"loss": bound + alpha * terms["classification"], **terms}


def _first_linear(network: nn.Sequential) -> int:
    """Where a network's first fully connected layer is."""
    return next(i for i, layer in enumerate(network) if isinstance(layer, nn.Linear))


KINDS[ConditionalVariationalAutoencoder.__name__] = ConditionalVariationalAutoencoder
