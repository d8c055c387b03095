"""Measure the attributes of MNIST's test images that the instruments offer, and write them to results.

    python course.py attributes

Measuring them takes a second, which a reader who opens an attribute board shouldn't have to wait.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from latentlab_helpers import attributes, datasets, explore
from latentlab_helpers.files import write_whole

RESULTS = Path(__file__).resolve().parent.parent / "results" / "attributes.json"


def main() -> None:
    images = datasets.load("mnist", "test").images[: explore.POOL]
    known: dict[str, object] = {"sha256": hashlib.sha256(images.numpy().tobytes()).hexdigest()}
    for name, measure in attributes.MEASURES.items():
        known[name] = [round(value, 3) for value in measure(images).tolist()]
    write_whole(RESULTS, json.dumps(known) + "\n")


if __name__ == "__main__":
    main()
