"""A process that trains on request, for the bench: one line of JSON in, one line of JSON out.

    python -m tools.bench.worker example|course mlp|conv IMAGES

"example" is the loop of PyTorch's VAE example (a DataLoader that transforms one image at a time, Adam
with its defaults), written anew, with that example's hyperparameters; it knows nothing of the
course's settings. "course" is `latentlab_helpers.training.fit`. Processes of their own, because OpenMP
reads its settings once, and because the one shouldn't profit from what the other sets.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

LATENT_DIM = 20  # as in the example


class Example:
    """PyTorch's example: 784-400-20-400-784, or the course's convolutional model in the same loop."""

    def __init__(self, architecture: str, n: int):
        import torch
        import torch.nn.functional as F
        from torchvision import datasets, transforms

        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = torch.nn.Linear(784, 400)
                self.mean = torch.nn.Linear(400, LATENT_DIM)
                self.log_variance = torch.nn.Linear(400, LATENT_DIM)
                self.up = torch.nn.Linear(LATENT_DIM, 400)
                self.out = torch.nn.Linear(400, 784)

            def forward(self, x):
                h = F.relu(self.hidden(x.view(-1, 784)))
                mu, logvar = self.mean(h), self.log_variance(h)
                std = torch.exp(0.5 * logvar)
                z = mu + std * torch.randn_like(std)
                return self.out(F.relu(self.up(z))), mu, logvar

        self.torch, self.bce, self.make = torch, F.binary_cross_entropy, Network
        if architecture == "conv":
            from latentlab_helpers import models

            self.make = lambda: models.VariationalAutoencoder(LATENT_DIM, architecture="conv")
        source = Path(__file__).resolve().parents[2] / "data" / "MNIST" / "raw"
        with tempfile.TemporaryDirectory() as root:
            shutil.copytree(source, Path(root) / "MNIST" / "raw")
            train, test = (
                datasets.MNIST(root, train=part, download=True, transform=transforms.ToTensor())
                for part in (True, False)
            )
        for part in (train, test):
            part.data, part.targets = part.data[:n], part.targets[:n]
        self.loader = torch.utils.data.DataLoader(train, batch_size=128, shuffle=True)
        self.test_loader = torch.utils.data.DataLoader(test, batch_size=128)
        self.start(0)

    def start(self, seed: int) -> None:
        self.torch.manual_seed(seed)
        self.model = self.make()
        self.optimizer = self.torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def loss(self, x):
        logits, mu, logvar = self.model(x)
        bce = self.bce(self.torch.sigmoid(logits).view(-1, 784), x.view(-1, 784), reduction="sum")
        return bce - 0.5 * self.torch.sum(1 + logvar - mu.pow(2) - logvar.exp())

    def answer(self, epochs: int = 1, seed: int | None = None) -> dict:
        """Some more epochs; a seed starts again."""
        if seed is not None:
            self.start(seed)
        seconds = []
        for _ in range(epochs):
            self.model.train()
            start, total = time.perf_counter(), 0.0  # the example sums up its losses
            for x, _ in self.loader:
                self.optimizer.zero_grad()
                loss = self.loss(x)
                loss.backward()
                total += loss.item()
                self.optimizer.step()
            seconds.append(time.perf_counter() - start)
        self.model.eval()
        with self.torch.no_grad():
            total = sum(self.loss(x).item() for x, _ in self.test_loader)
        return {"seconds": seconds, "loss": total / len(self.test_loader.dataset)}


class Course:
    """The course's loop on the course's model."""

    def __init__(self, architecture: str, n: int):
        from latentlab_helpers import datasets

        self.architecture = architecture
        self.images = datasets.load().images[:n]
        self.test = datasets.load("mnist", "test").images[:n]

    def answer(self, epochs: int = 1, seed: int = 0, **settings) -> dict:
        """A training of its own for each question."""
        import torch

        from latentlab_helpers import models, training

        torch.manual_seed(seed)
        model = models.VariationalAutoencoder(LATENT_DIM, architecture=self.architecture)
        history = training.fit(model, self.images, epochs=epochs, seed=seed, progress=False, **settings)
        return {"seconds": history.seconds, "loss": training.evaluate(model, self.test)["loss"]}


def main() -> int:
    kind, architecture = sys.argv[1:3]
    with contextlib.redirect_stdout(sys.stderr):  # torchvision tells what it unpacks
        worker = {"example": Example, "course": Course}[kind](architecture, int(sys.argv[3]))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(worker.answer(**json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
