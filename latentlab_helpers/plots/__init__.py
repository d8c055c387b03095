"""The figures of the course: one function a figure, one file a kind of figure.

Each function returns a `Figure`, which carries its text alternative into the notebook.
"""

from .base import CLASS_COLOURS, Figure, tiled, to_png
from .curves import along, error_against_size, lengths, lines, loss_curves, progress, spread, trade_off
from .diagrams import aggregate_posterior, network, plane_and_sheet, point_and_cloud, reparameterization
from .images import image_plane, image_rows
from .maps import density_maps, digit_maps, latent_map, point_maps, training

__all__ = [
    "CLASS_COLOURS", "Figure", "aggregate_posterior", "along", "density_maps", "digit_maps",
    "error_against_size", "image_plane", "image_rows", "latent_map", "lengths", "lines", "loss_curves",
    "network", "plane_and_sheet", "point_and_cloud", "point_maps", "progress", "reparameterization", "spread",
    "tiled", "to_png", "trade_off", "training",
]  # fmt: skip
