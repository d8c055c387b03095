"""The data that the claims are tried on, and two judges of each set: classifiers that know one half each."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from latentlab_helpers import attributes, datasets, losses, models, training
from tools.claims.rules import ATTRIBUTES

MEASURED_ON = 5_000  # training images, of which attributes are measured


@functools.cache
def images(name: str, split: str) -> datasets.ImageSet:
    """All of a data set: of Fashion-MNIST not the part that is shipped."""
    return datasets.load("fashion-all" if name == "fashion" else name, split)


@functools.cache
def floats(name: str, split: str) -> torch.Tensor:
    return datasets.to_float(images(name, split).images)


@functools.cache
def handwriting(name: str) -> dict[str, torch.Tensor]:
    """The attributes of the first training images."""
    first = images(name, "train").images[:MEASURED_ON]
    return {attribute: getattr(attributes, attribute)(first) for attribute in ATTRIBUTES}


class Perceptron(nn.Module):
    """A classifier of another kind than `models.Classifier`: no convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Dropout(0.3), nn.Linear(400, 128), nn.ReLU()
        )
        self.last = nn.Sequential(nn.Dropout(0.3), nn.Linear(128, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.features(x)).float()


class Seen(NamedTuple):
    """What a judge says of images: features (n, 128), the largest probability (n,), and the class (n,)."""

    features: torch.Tensor
    confidence: torch.Tensor
    classes: torch.Tensor


@dataclass(frozen=True, eq=False)
class Judge:
    model: nn.Module

    def __call__(self, x: torch.Tensor) -> Seen:
        with models.evaluating(self.model):
            features = torch.cat([self.model.features(part) for part in x.split(1000)])
            confidence, classes = self.model.last(features).softmax(1).max(1)
        return Seen(features, confidence, classes)


@functools.cache
def judge(name: str, letter: str) -> Judge:
    """Judge A is convolutional and knows the first half of the training images, B the second half."""
    train = images(name, "train")
    half = len(train.images) // 2
    mine = slice(None, half) if letter == "A" else slice(half, None)
    torch.manual_seed(0)
    model = models.Classifier() if letter == "A" else Perceptron()
    training.fit(
        model,
        train.images[mine],
        labels=train.labels[mine],
        loss=losses.classification_loss,
        epochs=5,
        lr=2e-3,
        progress=False,
    )
    return Judge(model)


@functools.cache
def real(name: str, split: str, letter: str, n: int) -> Seen:
    """What a judge says of the first test images, or of training images that it hasn't seen."""
    x = floats(name, split)
    if split == "train":
        x = x[len(x) // 2 :] if letter == "A" else x
    return judge(name, letter)(x[:n])
