"""Models as readers write them: nothing but encode and decode."""

import torch
from torch import nn


class Own(nn.Module):
    """A reader's own model: no latent_dim, no image_shape, nothing but encode and decode."""

    def __init__(self, size=2, between=None):
        super().__init__()
        between = between or nn.ReLU()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, size))
        self.decoder = nn.Sequential(
            nn.Linear(size, 30), between, nn.Linear(30, 784), nn.Unflatten(1, (1, 28, 28))
        )

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return torch.sigmoid(self.decoder(z))


class Flat(Own):
    """As many tutorials have it: flat on the inside, and shaped by encode and decode."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = self.encoder[1:], self.decoder[:-1]

    def encode(self, x):
        return self.encoder(x.flatten(1))

    def decode(self, z):
        return torch.sigmoid(self.decoder(z)).view(-1, 1, 28, 28)


def steep():
    """Its codes are far out and its weights small, so that the rounding of a weight is seen."""
    model = Own()
    with torch.no_grad():
        model.encoder[3].weight.mul_(1e8)
        model.decoder[0].weight.mul_(1e-8)
    return model


def diverged():
    model = Own()
    with torch.no_grad():
        model.decoder[0].weight[0, 0] = torch.nan
    return model


class Unfit(Own):
    """Its decoder wants one number more than its encoder gives."""

    def __init__(self):
        super().__init__(2)
        self.decoder[0] = nn.Linear(3, 30)
