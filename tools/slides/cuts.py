"""Where the rule of `cut.py` is not enough: by notebook and cell, what to leave out or to keep.

`{"skip": True}` leaves a cell out; `{"keep": [...]}` names the sentences that stand on its slides by their
beginnings. A test finds those that are no longer there.
"""

from __future__ import annotations

CUTS: dict[str, dict[str, dict]] = {
    "01_autoencoder": {
        "pca": {"keep": ["*Principal component analysis*", "These $k$ numbers", "To rebuild an image"]},
    },
    "02_variational_autoencoder": {
        "likely-title": {"keep": ["The ELBO is", "How much", "Draw $k$ codes", "Their mean is", "Here for"]},
    },
    "03_loss_comparison": {
        "rules": {"keep": ["One pair of runs", "So `python", "Here is the one"]},
        "claim-2-read": {"keep": ["The last", "The one before", "With *conv", "Look first", "PCA with as"]},
        "judge-read": {
            "keep": ["Taken together", "Take the 128", "This is the **", "An AE was", "Give both"]
        },
        "rate-read": {"keep": ["The reconstruction just", "The ELBO is best", "No beta is better"]},
        "claim-9-soft-read": {"keep": ["The AE's samples", "Once both", "But look at", "So much for"]},
    },
}
