"""Models as readers write them, nothing but encode and decode, and tensors that stay on a device apart."""

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


class Elsewhere(torch.Tensor):
    """A tensor on a pretended GPU: what mixes it with plain tensors, or asks for an array, fails as there."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function in (torch.Tensor.cpu, torch.Tensor.to):
            return args[0].as_subclass(torch.Tensor)
        if function in (torch.Tensor.numpy, torch.Tensor.__array__):
            raise TypeError("can't convert a tensor on a GPU to numpy: use .cpu() first")
        parts = [part for arg in args for part in (arg if isinstance(arg, (tuple, list)) else [arg])]
        if any(type(part) is torch.Tensor and part.ndim for part in parts):
            raise RuntimeError("expected all tensors to be on the same device")
        return super().__torch_function__(function, types, args, kwargs or {})


def elsewhere(x):
    return x.as_subclass(Elsewhere)
