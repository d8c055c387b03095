"""The figures: what they show, refuse, and say to readers who don't see them."""

import base64
import functools
import io

import matplotlib
import numpy as np
import pytest
import torch
from own_models import Own
from PIL import Image

from latentlab_helpers import plots
from latentlab_helpers.models import Autoencoder, VariationalAutoencoder
from latentlab_helpers.plots import base


def test_colours_survive_the_png():
    codes, labels = torch.randn(400, 2), torch.arange(400) % 10
    picture = decoded(plots.latent_map(codes, labels, "alt").png()).convert("RGB")
    colours = np.array([colour for _, colour in picture.getcolors(1 << 20)], int)
    for colour in plots.CLASS_COLOURS:
        assert abs(colours - [*bytes.fromhex(colour[1:])]).max(axis=1).min() <= 16, colour


@pytest.mark.parametrize("name", ["image_rows", "point_and_cloud", "density_maps", "plane_and_sheet"])
def test_a_figure_has_two_pixels_for_one_of_the_page_and_no_colour_moves_visibly(name):
    figure, exact = drawn()[name], io.BytesIO()
    drawn()[name].savefig(exact, format="png", dpi=200)  # drawn twice, a figure's layout settles
    before, after = (np.asarray(decoded(png).convert("RGB"), int) for png in (exact.getvalue(), figure.png()))
    assert before.shape == after.shape
    off = abs(before - after).max(axis=2)  # of a pixel, in 256 steps
    assert off.mean() < 0.2 and (off > 16).mean() < 0.002
    metadata = figure._repr_mimebundle_()[1]["image/png"]
    assert (2 * metadata["width"], 2 * metadata["height"]) == before.shape[1::-1]


def decoded(png):
    return Image.open(io.BytesIO(png))


def test_to_png_shows_each_pixel_as_a_square():
    image = torch.tensor([[[0.0, 0.5], [1.0, 0.2]]])
    pixels = np.asarray(decoded(plots.to_png(image, scale=3)))
    assert pixels.shape == (6, 6) and pixels.dtype == np.uint8
    assert pixels[::3, ::3].tolist() == [[0, 128], [255, 51]]
    assert np.asarray(decoded(plots.to_png(torch.tensor([[[-1.0, 2.0]]]), scale=1))).tolist() == [[0, 255]]
    assert (pixels == np.kron(pixels[::3, ::3], np.ones((3, 3)))).all()


def drawn():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(9, 1, 28, 28, generator=generator)
    codes, labels = torch.randn(50, 2, generator=generator), torch.arange(50) % 10
    return {
        "image_rows": plots.image_rows({"one": images[:4], "two": images[4:7]}, "alt"),
        "image_plane": plots.image_plane(images, (0, 1, 0, 2), ("x", "y"), "alt"),
        "loss_curves": plots.loss_curves({"train": [3, 2, 1], "test": [3, 2.5, 2]}, "nats", "alt"),
        "spread": plots.spread({"MSE": {"AE": [1, 2, 3], "VAE": [2, 3, 4]}, "SSIM": {"AE": [0.5]}}, "alt"),
        "progress": plots.progress({"AE": [([0, 1, 9], [0, 0.5, 1])] * 2}, 0.95, "share", "alt"),
        "trade_off": plots.trade_off({"a": ([1, 3], [4, 6]), "b": ([5], [1])}, ("rate", "distortion"), "alt"),
        "error_against_size": plots.error_against_size({"PCA": {2: 0.1, 4: 0.05}}, "alt"),
        "latent_map": plots.latent_map(codes, labels, "alt", prior=[0.5]),
        "digit_maps": plots.digit_maps({"map": codes[:9]}, images, labels[:9], "alt"),
        "point_maps": plots.point_maps({"map": codes}, labels, "alt"),
        "density_maps": plots.density_maps({"map": codes}, "alt"),
        "lengths": plots.lengths({"map": codes}, "alt"),
        "network": plots.network(Autoencoder(2), images[:1], "alt"),
        "point_and_cloud": plots.point_and_cloud(codes[:9], codes[:9], codes[9:18], labels[:9], "alt"),
        "reparameterization": plots.reparameterization(2, "alt"),
        "aggregate_posterior": plots.aggregate_posterior(codes, codes - 2, "alt"),
        "plane_and_sheet": plots.plane_and_sheet(Autoencoder(2), images, labels[:9], "alt"),
        "along": plots.along([0, 1], {"a": {"one": [1, 2]}, "b": {"one": [3, 4]}}, "t", "alt"),
        "lines": plots.lines({"a": {"one": ([1, 2], [3, 4])}}, "t", "alt"),
    }


every_figure = functools.cache(drawn)


@pytest.mark.parametrize("name", list(every_figure()))
def test_every_figure_carries_its_alternative_text_into_the_notebook(name):
    data, metadata = every_figure()[name]._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == "alt"
    assert decoded(base64.b64decode(data["image/png"])).format == "PNG"


@pytest.mark.parametrize(
    "name, labels",
    [
        ("image_plane", ("x", "y")),
        ("loss_curves", ("epoch", "nats")),
        ("progress", ("training steps", "share")),
        ("trade_off", ("rate", "distortion")),
        ("error_against_size", ("latent dimensions", "test MSE per pixel")),
        ("latent_map", ("$z_1$", "$z_2$")),
        ("digit_maps", ("$z_1$", "$z_2$")),
        ("density_maps", ("$z_1$", "$z_2$")),
        ("lengths", ("length of the code, |z|", "density")),
    ],
)
def test_every_chart_labels_its_axes(name, labels):
    ax = every_figure()[name].axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == labels


def test_what_a_figure_cannot_show_is_refused():
    with pytest.raises(ValueError, match="5 lines apart"):
        plots.loss_curves({str(i): [1, 2] for i in range(6)}, "nats", "alt")
    with pytest.raises(ValueError, match="divide 0 … 255"):
        plots.image_rows({"a": torch.full((1, 1, 28, 28), 255.0)}, "alt")
    with pytest.raises(ValueError, match=r"codes \(n, 2\)"):
        plots.latent_map(torch.zeros(5, 16), torch.zeros(5), "alt")
    with pytest.raises(ValueError, match="share of the prior"):
        plots.latent_map(torch.zeros(5, 2), torch.zeros(5), "alt", prior=[50])


def test_digits_are_told_apart_by_colour_and_by_marker():
    assert len(set(plots.CLASS_COLOURS)) == len(set(plots.base.CLASS_MARKERS)) == 10
    ax = every_figure()["latent_map"].axes[0]
    assert ax.get_legend().get_title().get_text() == "class"
    shapes = {dots.get_paths()[0].vertices.tobytes() for dots in ax.collections[:10]}
    assert len(shapes) == 10 and all(dots.get_alpha() > 0.3 for dots in ax.collections)


def test_curves_show_the_values_they_were_given():
    ax = every_figure()["loss_curves"].axes[0]
    drawn = {line.get_label(): [list(line.get_xdata()), list(line.get_ydata())] for line in ax.lines}
    assert drawn == {"train": [[1, 2, 3], [3, 2, 1]], "test": [[1, 2, 3], [3, 2.5, 2]]}
    ax = every_figure()["error_against_size"].axes[0]
    assert [list(ax.lines[0].get_xdata()), list(ax.lines[0].get_ydata())] == [[2, 4], [0.1, 0.05]]


def test_recorded_seeds_are_drawn_thin_in_the_colour_of_their_name():
    fig = plots.loss_curves({"a": [3, 2], "b": [4, 3]}, "nats", "alt", recorded={"b": [[5, 4], [6, 5]]})
    lines = fig.axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[3, 2], [4, 3], [5, 4], [6, 5]]
    assert lines[2].get_color() == lines[1].get_color() != lines[0].get_color()
    assert lines[2].get_linewidth() < lines[1].get_linewidth()
    assert [text.get_text() for text in fig.axes[0].get_legend().get_texts()] == ["a", "b"]


def test_a_spread_has_a_panel_for_each_measure_and_a_point_for_each_seed():
    first, second, empty = every_figure()["spread"].axes[:2] + [None]
    assert [ax.get_title() for ax in (first, second)] == ["MSE", "SSIM"] and empty is None
    assert [text.get_text() for text in first.get_yticklabels()] == ["AE", "VAE"]
    assert first.get_ylim() == (1.5, -0.5), "the first name on top, half a row beyond the last"
    assert [list(line.get_xdata()) for line in first.lines] == [[1, 2, 3], [2], [2, 3, 4], [3]]
    four = plots.spread({str(i): {"AE": [i]} for i in range(4)}, "alt")
    assert [ax.axison for ax in four.axes] == [True] * 4 + [False] * 2


def test_progress_and_trade_off_show_every_seed():
    ax = every_figure()["progress"].axes[0]
    assert [list(line.get_xdata()) for line in ax.lines[:2]] == [[1, 9], [1, 9]]
    assert list(ax.lines[2].get_ydata()) == [0.95, 0.95] and ax.get_xscale() == "log"
    ax = every_figure()["trade_off"].axes[0]
    assert [list(line.get_xdata()) for line in ax.lines] == [[2, 5], [1, 3], [5]]
    assert {text.get_text() for text in ax.texts} == {"a", "b"}


def test_rows_show_the_images_they_were_given_bytes_and_floats_alike():
    images = torch.rand(3, 1, 28, 28)
    fig = plots.image_rows({"floats": images, "bytes": (images[:2] * 255).byte()}, "alt", titles="abc")
    shown = [[ax.images[0].get_array() for ax in fig.axes[i : i + 3] if ax.images] for i in (0, 3)]
    assert len(shown[0]) == 3 and len(shown[1]) == 2
    np.testing.assert_allclose(shown[0][2], images[2, 0].numpy(), atol=1e-6)
    np.testing.assert_allclose(shown[1][1], images[1, 0].numpy(), atol=1 / 255)
    assert {ax.images[0].get_clim() for ax in fig.axes if ax.images} == {(0, 1)}
    assert [ax.get_title() for ax in fig.axes[:3]] == list("abc")


def test_a_plane_starts_at_the_top_left():
    images = torch.arange(4.0).div(3).view(4, 1, 1, 1).expand(4, 1, 28, 28)
    shown = plots.image_plane(images, (0, 1, 0, 1), ("x", "y"), "alt").axes[0].images[0].get_array()
    corners = [[shown[0, 0], shown[0, -1]], [shown[-1, 0], shown[-1, -1]]]
    np.testing.assert_allclose(corners, [[0, 1 / 3], [2 / 3, 1]])
    assert plots.image_plane(images, (0, 1, 0, 1), ("x", "y"), "alt").axes[0].images[0].origin == "upper"
    middles = plots.image_plane(images, (1, 2, 10, 12), ("x", "y"), "alt").axes[0].images[0].get_extent()
    assert list(middles) == [0.5, 2.5, 9, 13], "the codes belong to the middles of the tiles"
    with pytest.raises(ValueError, match="n² images, 4 or more, not 8"):
        plots.image_plane(torch.rand(8, 1, 28, 28), (0, 1, 0, 1), ("x", "y"), "alt")


def test_a_map_draws_every_point_under_its_digit():
    codes, labels = torch.randn(50, 2), torch.arange(50) % 10
    ax = plots.latent_map(codes, labels, "alt", prior=[0.5, 0.99]).axes[0]
    for digit in range(10):
        dots = ax.collections[digit::10]
        assert dots[0].get_label() == str(digit)
        drawn = np.concatenate([part.get_offsets() for part in dots])
        expected = codes[labels == digit].numpy()
        np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(expected, axis=0), rtol=1e-6)
    assert [round(circle.radius, 3) for circle in ax.patches] == [1.177, 3.035]
    assert {circle.center for circle in ax.patches} == {(0, 0)}
    assert all(circle.get_linewidth() > 1 and circle.get_edgecolor()[3] == 1 for circle in ax.patches)
    assert {"50%", "99%"} <= {text.get_text() for text in ax.texts}


def test_digit_maps_put_each_digit_where_its_code_is_in_its_colour():
    images, labels = torch.zeros(3, 1, 28, 28), torch.tensor([0, 3, 7])
    images[:, :, 10:18, 10:18] = 1  # a square in the middle
    codes = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [1.0, 1.001]])
    corners = torch.tensor([[-2.0, -2.0], [2.0, 2.0]])  # codes that set the frame, and are outside of it
    blank = torch.zeros(2, 1, 28, 28)
    fig = plots.digit_maps(
        {"map": torch.cat([codes, corners])},
        torch.cat([images, blank]),
        torch.cat([labels, torch.zeros(2).long()]),
        "alt",
    )
    shown = fig.axes[0].images[0]
    left, right, bottom, top = shown.get_extent()
    canvas = shown.get_array()

    def at(x, y):
        column = int((x - left) / (right - left) * canvas.shape[1])
        row = int((top - y) / (top - bottom) * canvas.shape[0])
        return matplotlib.colors.to_hex(canvas[row, column])

    assert at(-1, -1) == plots.CLASS_COLOURS[0].lower()
    assert at(1, 1) == plots.CLASS_COLOURS[3].lower(), "the first of two that overlap, and not the second"
    assert at(0, 0) == at(-1, 1) == "#ffffff"
    assert (canvas == matplotlib.colors.to_rgb(plots.CLASS_COLOURS[7])).all(-1).sum() == 0


def test_point_maps_draw_every_panel_with_its_points():
    labels = torch.arange(50) % 10
    maps = {name: torch.randn(50, 2) for name in ("a", "b", "c")}
    fig = plots.point_maps(maps, labels, "alt")
    for ax, (name, codes) in zip(fig.axes, maps.items(), strict=False):
        assert ax.get_title() == name and not len(ax.get_xticks())
        for digit in range(10):
            drawn = ax.collections[digit].get_offsets()
            np.testing.assert_allclose(drawn, codes[labels == digit].numpy(), rtol=1e-6)
    assert [text.get_text() for text in fig.legends[0].get_texts()] == list("0123456789")
    named, unnamed = fig.axes[0].texts, plots.point_maps(maps, labels, "alt", names=False).axes[0].texts
    assert len(named) == len(labels.unique()) and not unnamed
    plain = plots.point_maps(maps, None, "alt", columns=3)
    assert [len(ax.collections[0].get_offsets()) for ax in plain.axes] == [50] * 3 and not plain.legends
    with pytest.raises(ValueError, match=r"codes \(n, 2\)"):
        plots.point_maps({"a": torch.zeros(50, 3)}, labels, "alt")


def test_density_maps_count_shares_per_area():
    codes = torch.full((10, 2), 0.05)
    codes[:3] = torch.tensor([3.05, -1.95])
    codes[3] = 9.0  # outside of the picture, but a code all the same
    ax = plots.density_maps({"map": codes}, "alt").axes[0]
    shown, area = ax.images[0].get_array(), 0.2**2
    assert shown[20, 20] == pytest.approx(0.6 / area) and shown[10, 35] == pytest.approx(0.3 / area)
    assert shown.sum() == pytest.approx(0.9 / area) and ax.images[0].origin == "lower"
    assert [round(circle.radius, 3) for circle in ax.patches] == [1.177, 3.035]


def test_lengths_are_held_against_the_chi_distribution(generator):
    codes = torch.randn(20000, 16, generator=generator)
    ax = plots.lengths({"normal": codes, "larger": 2 * codes}, "alt").axes[0]
    expected = ax.collections[0].get_paths()[0].vertices
    density, edges, _ = ax.patches[0].get_data()
    middles = (edges[1:] + edges[:-1]) / 2
    upper = expected[: len(expected) // 2]
    upper = expected[expected[:, 1] > 0] if upper[:, 1].max() == 0 else upper
    at = np.interp(middles, *upper[np.argsort(upper[:, 0])].T)
    assert abs(density - at).max() < 0.05 and at.max() == pytest.approx(0.567, abs=0.02)
    assert (density * np.diff(edges)).sum() == pytest.approx(1, abs=0.01)
    with pytest.raises(ValueError, match="codes of one size"):
        plots.lengths({"a": codes, "b": codes[:, :2]}, "alt")


def test_panels_along_x_show_their_values_and_the_real_digits():
    panels = {"sure": {"AE": [0.9, 0.5], "VAE": [0.8, 0.7]}, "far": {"AE": [4, 5], "VAE": [3, 6]}}
    fig = plots.along([0, 1], panels, "t", "alt", references={"far": 4.5})
    for ax, (measure, curves) in zip(fig.axes, panels.items(), strict=True):
        assert ax.get_title() == measure and ax.get_xlabel() == "t"
        assert [list(line.get_ydata()) for line in ax.lines[:2]] == list(curves.values())
    assert len(fig.axes[0].lines) == 2 and set(fig.axes[1].lines[2].get_ydata()) == {4.5}
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["AE", "VAE", "real digits"]
    assert fig.axes[0].get_ylim() != fig.axes[1].get_ylim()
    same = plots.along([0, 1], panels, "t", "alt", same_scale=True)
    assert same.axes[0].get_ylim() == same.axes[1].get_ylim()
    with pytest.raises(ValueError, match="'AE' needs a value for each x: 2, not 3"):
        plots.along([0, 1], {"a": {"AE": [1, 2, 3]}}, "t", "alt")


def test_lines_have_an_x_of_their_own_and_one_look_in_all_panels():
    panels = {
        "error": {"AE": ([1, 2, 4], [9, 5, 3]), "VAE": ([1, 8], [9, 6])},
        "rate": {"VAE": (range(1, 31), range(30))},
    }
    fig = plots.lines(panels, "size", "alt", log="xy")
    for ax, (measure, curves) in zip(fig.axes, panels.items(), strict=True):
        assert (ax.get_title(), ax.get_xlabel()) == (measure, "size")
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        shown = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines}
        assert shown == {name: (list(x), list(y)) for name, (x, y) in curves.items()}
    first, second = (next(line for line in ax.lines if line.get_label() == "VAE") for ax in fig.axes)
    assert first.get_color() == second.get_color()
    assert first.get_marker() != "None" == second.get_marker(), "many points need no markers"
    assert list(fig.axes[0].get_xticks()) == [1, 2, 4, 8]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["AE", "VAE"]
    assert plots.lines(panels, "size", "alt").axes[0].get_xscale() == "linear"
    with pytest.raises(ValueError, match="'AE' needs a value for each x: 2, not 3"):
        plots.lines({"a": {"AE": ([1, 2], [1, 2, 3])}}, "t", "alt")


def heights(figure):
    return {line.get_label(): np.ptp(line.get_ydata()) for line in figure.axes[0].lines}


def test_a_networks_bars_are_as_high_as_its_layers_are_wide():
    image = torch.zeros(1, 1, 28, 28)
    of = heights(plots.network(VariationalAutoencoder(100, widths=(392, 196)), image, "alt"))
    sizes = {"image x 1×28×28": 784, "196": 196, "code z 100": 100, "logits 1×28×28": 784}
    sizes |= {"$\\mu$ and $\\log\\sigma^2$ 2 × 100": 200, "392": 392}
    assert of == {name: pytest.approx(size / 784) for name, size in sizes.items()}
    conv = plots.network(Autoencoder(20, architecture="conv"), image, "alt")
    assert [line.get_label() for line in conv.axes[0].lines] == [
        "image x 1×28×28", "16×14×14", "32×7×7", "code z 20", "1568", "16×14×14", "logits 1×28×28",
    ]  # fmt: skip
    assert heights(conv)["image x 1×28×28"] == pytest.approx(784 / 3136)


def test_a_networks_diagram_is_drawn_from_a_readers_own_model():
    assert list(heights(plots.network(Own(3), torch.zeros(1, 1, 28, 28), "alt"))) == [
        "image x 1×28×28", "30", "code z 3", "logits 1×28×28",
    ]  # fmt: skip


def test_clouds_are_ellipses_of_one_and_two_sigma():
    mu = torch.tensor([[1.0, -2.0]])
    logvar = torch.tensor([[2 * np.log(0.5), 2 * np.log(3.0)]])
    point, cloud = plots.point_and_cloud(mu + 1, mu, logvar, torch.tensor([7]), "alt").axes
    assert [list(ellipse.get_center()) for ellipse in cloud.patches] == [[1, -2]] * 2 and not point.patches
    assert [(e.width, e.height) for e in cloud.patches] == [pytest.approx((1, 6)), pytest.approx((2, 12))]
    assert point.collections[0].get_offsets().tolist() == [[2, -1]]


def test_gradients_pass_mu_and_sigma_but_not_the_noise():
    ax = plots.reparameterization(3, "alt").axes[0]
    ways = {kind: [line for line in ax.lines if line.get_label() == kind] for kind in ("forward", "gradient")}
    assert (len(ways["forward"]), len(ways["gradient"])) == (8, 6)
    from_noise = [line for line in ax.lines if min(line.get_ydata()) < 0.3 and len({*line.get_xdata()}) == 1]
    assert [line.get_label() for line in from_noise] == ["forward"]
    assert sum("3 numbers" in text.get_text() for text in ax.texts) == 3


def test_the_aggregate_posterior_is_the_mean_of_the_clouds(generator):
    """If mu spreads by 0.8 and every cloud by 0.6, all clouds together are N(0, 1)."""
    mu = 0.8 * torch.randn(20_000, 2, generator=generator)
    logvar = torch.full((20_000, 2), 2 * np.log(0.6))
    for ax in plots.aggregate_posterior(mu, logvar, "alt").axes:
        z, density = ax.lines[0].get_data()
        expected = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        np.testing.assert_allclose(density, expected, atol=0.01)
        assert max(ax.lines[1].get_ydata()) == pytest.approx(0.1 / (0.6 * np.sqrt(2 * np.pi)), rel=0.01)


def test_a_linear_decoders_sheet_is_flat_and_a_bent_ones_is_not(test):
    images, labels = test.images[:300].float() / 255, test.labels[:300]
    model = Own()
    model.encoder, model.decoder = model.encoder[:1], torch.nn.Identity()
    basis = torch.linalg.svd(images.flatten(1) - images.flatten(1).mean(0), full_matrices=False)[2][:2]
    mean = images.flatten(1).mean(0)
    model.encode = lambda x: (x.flatten(1) - mean) @ basis.T
    model.decode = lambda z: (z @ basis + mean).view(-1, 1, 28, 28)
    plane, sheet = plots.plane_and_sheet(model, images, labels, "alt").axes
    for ax in (plane, sheet):
        mesh = [np.array(line.get_data_3d()) for line in ax.lines if line.get_linestyle() == "-"]
        assert len(mesh) == 30 and abs(np.concatenate(mesh, axis=1)[2]).max() < 1e-3
    model.decode = lambda z: (z**2 @ basis + mean).view(-1, 1, 28, 28).clamp(0, 1)
    bent = plots.plane_and_sheet(model, images, labels, "alt").axes[1]
    mesh = [np.array(line.get_data_3d()) for line in bent.lines if line.get_linestyle() == "-"]
    assert abs(np.concatenate(mesh, axis=1)[2]).max() > 0.1


@pytest.mark.parametrize(
    "names", [("AE", "VAE"), ("PCA", "VAE", "AE"), ("VAE, mu", "AE, standardized", "AE")]
)
def test_a_model_has_one_colour_in_all_figures(names):
    fig = plots.loss_curves({name: [2, 1] for name in names}, "nats", "alt")
    seen = {line.get_label(): (line.get_color(), line.get_marker()) for line in fig.axes[0].lines}
    assert len({*seen.values()}) == len(names), "and no two the same"
    first = {name.partition(",")[0]: look for name, look in reversed(seen.items())}
    assert first["VAE"] == (base.BLUE, "o") and (base.VERMILLION, "s") in seen.values()
    assert first.get("PCA", (base.GREEN, "D")) == (base.GREEN, "D")


def test_the_name_of_a_class_stands_at_its_middle():
    codes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 9.0], [7.0, 9.0], [8.0, 1.0]])
    labels = torch.tensor([0, 0, 2, 2, 2])
    fig = plots.latent_map(codes, labels, "alt", classes=("shirt", "shoe", "bag"))
    assert {text.get_text(): text.xy for text in fig.axes[0].texts} == {"shirt": (0, 0), "bag": (7, 9)}
