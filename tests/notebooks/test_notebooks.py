"""What nbval can't see: the form of the saved notebooks, and that what they define is what the helper has."""

import ast
import base64
import copy
import functools
import re
import statistics
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial import geometric_slerp

import latentlab_helpers
from latentlab_helpers import (
    adversarial,
    latent,
    likelihoods,
    losses,
    metrics,
    models,
    objectives,
    priors,
    training,
)
from latentlab_helpers.conditional import ConditionalVariationalAutoencoder, conditional_elbo
from tools import figures
from tools.claims.samples import frechet_distance
from tools.outputs import WIDGET, largest_difference, pictures, same_artist, same_numbers
from tools.teaching.measures import reading

LIVE = {figures.LIVE, "live-numbers"}
ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXCEPTIONS = {"live-figure", "live-numbers", "nbval-ignore-output", "nbval-skip", "raises-exception"}


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def python(cell):
    """A cell's syntax tree, IPython's own commands left out."""
    return ast.parse(re.sub(r"^(\s*)%.*$", r"\1pass", cell.source, flags=re.M))


def test_the_numbered_notebooks_are_there():
    assert [path.stem for path in PATHS][:7] == [
        "01_autoencoder",
        "02_variational_autoencoder",
        "03_loss_comparison",
        "04_latent_space",
        "05_latent_arithmetic",
        "06_latent_size_and_loss",
        "07_conditional_vae",
    ]


def test_outputs_are_from_one_clean_run(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", f"{cell.id}: {output.get('text')}"
            assert WIDGET not in output.get("data", {}), cell.id


def test_outputs_are_where_they_should_be(notebook):
    """A cell that prints, or ends in a figure has an output; one with none of these has none."""
    for cell in code_cells(notebook):
        tree = python(cell)
        calls = {
            ast.unparse(node.func)
            for statement in tree.body
            if not isinstance(statement, (ast.FunctionDef, ast.ClassDef))
            for node in ast.walk(statement)
            if isinstance(node, ast.Call)
        }
        last = tree.body[-1]
        shows = isinstance(last, ast.Expr) and ast.unparse(last).startswith("plots.")
        is_widget = isinstance(last, ast.Expr) and re.match(r"HBox|VBox", ast.unparse(last))
        ends = ast.unparse(last)
        is_instrument = isinstance(last, ast.Expr) and re.fullmatch(r"\w+|explore\..*", ends, re.S)
        if "print" in calls or shows:
            assert cell.outputs, f"{cell.id} has lost its output"
        if shows or is_instrument:
            assert len(pictures(cell.outputs)) == 1, cell.id
        if is_widget:
            assert not cell.outputs, cell.id


def test_metadata_is_what_the_build_leaves(notebook):
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.display_name == "Python 3"
    assert "version" not in notebook.metadata.language_info
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        assert set(cell.metadata) <= {"tags", "why"} | ({"live"} if LIVE & set(tags) else set()), cell.id
        if exceptions := EXCEPTIONS & set(tags):
            assert len(cell.metadata.get("why", "")) > 20, f"{cell.id} is {exceptions}, and doesn't say why"
        assert not re.search(r"#\s*(NBVAL|PYTEST)_", cell.source), "tags, not comments"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_small(path):
    assert path.stat().st_size < 2e6


def test_a_lesson_is_no_longer_than_a_lesson(notebook):
    """At most 70 cells, and 3,000 words of prose: formulas, folded parts and sources don't count."""
    words = reading(notebook)["words"]
    assert len(notebook.cells) <= 70 and words <= 3000, f"{len(notebook.cells)} cells, {words} words"


def test_cells_are_small(notebook):
    lengths = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    assert max(lengths) <= 30 and statistics.median(lengths) <= 8


def test_every_figure_has_a_caption_and_a_text_alternative(notebook):
    number = 0
    for cell, after in zip(notebook.cells, notebook.cells[1:], strict=False):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                number += 1
                alt = output.metadata["image/png"]["alt"]
                assert len(alt) > 40 and alt == output.data["text/plain"], cell.id
                caption = re.match(r"\*Figure (\d+)\. .{40,}?\*", after.source, re.S)
                assert caption and int(caption[1]) == number, f"{cell.id} has no caption, or a wrong number"
    assert number >= 4
    references = re.findall(r"[Ff]igure (\d+)(?! of)", "\n".join(cell.source for cell in notebook.cells))
    assert {int(reference) for reference in references} <= set(range(1, number + 1))


def test_it_opens_and_closes_as_all_do(notebook):
    first = notebook.cells[0].source
    assert re.match(r"# \d\d · .+[:?]", first)
    for words in ("You will be able to", "You need", "It runs"):
        assert f"**{words}**" in first
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "## In this notebook we have" in text and "**Try it.**" in text


def test_prose_states_no_number_that_the_notebook_does_not_compute(notebook):
    """Decimals and percentages in the text must occur in the code or in its outputs."""
    computed = "\n".join(cell.source for cell in code_cells(notebook))
    for cell in code_cells(notebook):
        for output in cell.outputs:
            computed += "\n" + output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        prose = re.sub(r"\$\$.*?\$\$|\$.*?\$|`.*?`|\(https?://\S*\)", "", cell.source, flags=re.S)
        for number in re.findall(r"(?<![\d.])\d+\.\d+(?![\d.])", prose):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.])", computed), f"{cell.id}: {number}"
        for percent in re.findall(r"(\d+(?:\.\d+)?) ?(?:%|percent)", prose):
            share = f"{float(percent) / 100:g}"
            assert f"{percent} %" in computed or f"{percent}%" in computed or share in computed, (
                f"{cell.id}: {percent} %"
            )


# --- what a notebook defines, and the helper also has --------------------------------------------------


def definitions(name):
    """The functions and classes of a notebook, made from its own source, with its own imports."""
    notebook = nbformat.read(next(path for path in PATHS if path.stem == name), as_version=4)
    space = {"device": torch.device("cpu")}
    for cell in code_cells(notebook):
        for node in python(cell).body:
            if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
                exec(compile(ast.Module([node], []), f"{name}:{cell.id}", "exec"), space)
    return space


CHECKED = {
    "01_autoencoder": {"Autoencoder", "fit", "mse", "neighbour_agreement", "warm_up_and_decay"},
    "02_variational_autoencoder": {"VariationalAutoencoder", "kl_divergence", "negative_elbo"},
    "05_latent_arithmetic": {"attribute_vector"},
    "06_latent_size_and_loss": {
        "continuous_bernoulli",
        "free_bits",
        "importance_weighted_loss",
        "log_normalizer",
    },
    "07_conditional_vae": {"ConditionalVariationalAutoencoder", "conditional_elbo"},
    "08_gan_beside_the_vae": {
        "adversarial_step",
        "dream_loss",
        "fit_adversarial",
        "gradient_penalty",
        "minimax",
        "non_saturating",
        "relativistic",
    },
    "09_harder_data": {"bits_per_dimension", "dequantized"},
    "10_better_prior": {"Velocity", "flow_matching_loss", "integrate"},
}


def test_everything_that_both_define_is_checked_here():
    offered = set()
    for name in latentlab_helpers.__all__:
        module = getattr(latentlab_helpers, name)
        offered |= {
            key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
        }
    for path in PATHS:
        notebook = nbformat.read(path, as_version=4)
        defined = {
            node.name
            for cell in code_cells(notebook)
            for node in ast.walk(python(cell))
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        }
        assert defined & offered - {"encode", "decode", "forward"} == CHECKED.get(path.stem, set())


@pytest.fixture(scope="module")
def one():
    return definitions("01_autoencoder")


@pytest.fixture(scope="module")
def two():
    return definitions("02_variational_autoencoder")


def pair(ours, theirs):
    """Two models of the same initial weights."""
    torch.manual_seed(0)
    a = ours(3)
    torch.manual_seed(0)
    b = theirs(3)
    for (name, x), (other, y) in zip(a.state_dict().items(), b.state_dict().items(), strict=True):
        assert name == other and torch.equal(x, y)
    return a, b


def weights_of(model):
    return torch.cat([w.flatten() for w in model.state_dict().values()])


def test_01_autoencoder(one, few):
    theirs, ours = pair(one["Autoencoder"], models.Autoencoder)
    x = few / 255
    torch.testing.assert_close(theirs.encode(x), ours.encode(x))
    torch.testing.assert_close(theirs(x), ours(x))
    torch.testing.assert_close(theirs.decode(theirs.encode(x)), ours.decode(ours.encode(x)))
    torch.testing.assert_close(one["mse"](theirs, x), losses.mse(ours(x), x))


def test_01_fit(one, few, test):
    theirs, ours = pair(one["Autoencoder"], models.Autoencoder)
    history = one["fit"](theirs, few, test.images[:500], one["mse"], epochs=2, seed=4)
    same = training.fit(
        ours,
        few,
        test_images=test.images[:500],
        epochs=2,
        seed=4,
        loss=lambda model, x, generator: {"loss": one["mse"](model, x)},
        progress=False,
    )
    assert torch.equal(weights_of(theirs), weights_of(ours)), "the same loop, to the last bit"
    assert history["train"] == pytest.approx(same.train["loss"], rel=1e-5)
    assert history["test"] == pytest.approx(same.test["loss"], rel=1e-5)


def test_01_neighbour_agreement(one, train):
    real, labels = train.images[:2000].float() / 255, train.labels[:2000]
    blends = (3 * real[:300] + real[300:600]) / 4
    theirs = one["neighbour_agreement"](blends, real, labels)
    assert theirs == metrics.neighbour_agreement(blends, real, labels) and 0.2 < theirs < 0.8


def test_02_variational_autoencoder(two, few):
    theirs, ours = pair(two["VariationalAutoencoder"], models.VariationalAutoencoder)
    x = few / 255
    for a, b in zip(
        theirs(x, torch.Generator().manual_seed(1)), ours(x, torch.Generator().manual_seed(1)), strict=True
    ):
        torch.testing.assert_close(a, b)
    mu, logvar = torch.randn(4, 3), torch.randn(4, 3)
    a, b = (m.reparameterize(mu, logvar, torch.Generator().manual_seed(2)) for m in (theirs, ours))
    torch.testing.assert_close(a, b)


def test_02_losses(two, few):
    theirs, ours = pair(two["VariationalAutoencoder"], models.VariationalAutoencoder)
    mu, logvar = torch.randn(9, 5), torch.randn(9, 5)
    torch.testing.assert_close(two["kl_divergence"](mu, logvar), losses.kl_divergence(mu, logvar))
    for beta in (1.0, 7.0):
        a = two["negative_elbo"](theirs, few / 255, torch.Generator().manual_seed(1), beta=beta)
        b = losses.negative_elbo(ours, few / 255, torch.Generator().manual_seed(1), beta=beta)
        assert a.keys() == b.keys()
        for name in a:
            torch.testing.assert_close(a[name], b[name])


@pytest.fixture(scope="module")
def five():
    return definitions("05_latent_arithmetic")


def test_05_slerp_is_scipys_between_codes_of_one_length(five):
    """Of different lengths, the direction is the same, and the length goes evenly from one to the other."""
    for start, end in torch.randn(20, 2, 16, generator=torch.Generator().manual_seed(0)).double():
        arc = geometric_slerp(
            *(F.normalize(code, dim=0).numpy() for code in (start, end)), np.linspace(0, 1, 7)
        )
        path = five["slerp"](start, end, 7)
        torch.testing.assert_close(F.normalize(path, dim=1), torch.from_numpy(arc), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(path.norm(dim=1), latent.lerp(start.norm(), end.norm(), 7)[:, 0].to(path))


def test_05_attribute_vector(five):
    generator = torch.Generator().manual_seed(0)
    codes, attribute = torch.randn(100, 4, generator=generator), torch.rand(100, generator=generator)
    for share in (0.2, 0.5):
        theirs = five["attribute_vector"](codes, attribute, share)
        torch.testing.assert_close(theirs, latent.attribute_vector(codes, attribute, share))


@pytest.fixture(scope="module")
def six():
    return definitions("06_latent_size_and_loss")


def test_06_continuous_bernoulli(six):
    logits = torch.cat([torch.linspace(-40, 40, 783), torch.zeros(1)]).view(1, 1, 28, 28).requires_grad_()
    x = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for name, case in (("log_normalizer", (logits,)), ("continuous_bernoulli", (logits, x))):
        theirs, ours = six[name](*case), getattr(objectives, name)(*case)
        torch.testing.assert_close(theirs, ours)
        gradients = [torch.autograd.grad(value.sum(), logits)[0] for value in (theirs, ours)]
        torch.testing.assert_close(*gradients)


def test_06_losses(six, few):
    torch.manual_seed(0)
    model, x = models.VariationalAutoencoder(5), few[:50] / 255
    for name, settings in (("free_bits", {"nats": 0.05}), ("importance_weighted_loss", {"k": 4})):
        a, b = (
            loss(model, x, torch.Generator().manual_seed(1), **settings)
            for loss in (six[name], getattr(objectives, name))
        )
        assert a.keys() == b.keys()
        for term in a:
            torch.testing.assert_close(a[term], b[term])


@pytest.fixture(scope="module")
def seven():
    return definitions("07_conditional_vae")


def test_07_conditional_vae(seven, few):
    """The same weights in the layers that both have; the course's also has a classifier."""
    torch.manual_seed(0)
    theirs, ours = (
        kind(3) for kind in (seven["ConditionalVariationalAutoencoder"], ConditionalVariationalAutoencoder)
    )
    for network in ("encoder", "decoder"):
        pairs = zip(getattr(theirs, network).parameters(), getattr(ours, network).parameters(), strict=True)
        for a, b in pairs:
            b.data.copy_(a.data)
    x, labels = few[:20] / 255, torch.arange(20) % 10
    for a, b in zip(
        theirs(x, labels, torch.Generator().manual_seed(1)),
        ours(x, labels, torch.Generator().manual_seed(1)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
    z = torch.randn(20, 3)
    torch.testing.assert_close(theirs.decode(z, labels), ours.decode(z, labels))
    told = seven["told_elbo"](theirs, x, torch.Generator().manual_seed(1), labels)
    bound = conditional_elbo(ours, x, torch.Generator().manual_seed(1), labels)
    for name in ("reconstruction", "kl"):
        torch.testing.assert_close(told[name], bound[name])


@pytest.mark.parametrize("alpha", [0.0, 7.0])
def test_07_conditional_elbo(seven, few, alpha):
    torch.manual_seed(0)
    model, x = ConditionalVariationalAutoencoder(3), few[:20] / 255
    labels = torch.where(torch.arange(20) % 3 == 0, -1, torch.arange(20) % 10)
    a, b = (
        loss(model, x, torch.Generator().manual_seed(1), labels, alpha=alpha)
        for loss in (seven["conditional_elbo"], conditional_elbo)
    )
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name])


@pytest.fixture(scope="module")
def ten():
    return definitions("10_better_prior")


def test_10_a_flow(ten):
    torch.manual_seed(0)
    ours, x = priors.Velocity(3, width=16), torch.randn(40, 3)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    theirs = ten["Velocity"](3, width=16)
    theirs.load_state_dict(ours.state_dict())
    losses = [
        loss(velocity, x, torch.Generator().manual_seed(1))["loss"]
        for loss, velocity in (
            (ten["flow_matching_loss"], theirs),
            (priors.flow_matching_loss, ours),
        )
    ]
    torch.testing.assert_close(*losses)
    with torch.no_grad():
        ways = [ten["integrate"](theirs, x, steps=4), priors.integrate(ours, x, steps=4)]
    torch.testing.assert_close(*ways)


def test_10_frechet_distance_is_the_one_of_the_claims(ten):
    a, b = torch.randn(2, 400, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    b = b @ torch.randn(6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 1
    assert ten["frechet_distance"](a, b) == pytest.approx(frechet_distance(a, b))


@pytest.fixture(scope="module")
def eight():
    return definitions("08_gan_beside_the_vae")


def test_08_games_and_penalty(eight):
    generator = torch.Generator().manual_seed(0)
    real, fake, x = (4 * torch.randn(7, generator=generator) for _ in range(3))
    for name in ("minimax", "non_saturating", "relativistic"):
        assert eight[name](real, fake) == getattr(adversarial, name)(real, fake)
    x = x[:, None].expand(7, 3).clone().requires_grad_()
    logits = x.square().sum(1)
    assert eight["gradient_penalty"](logits, x) == adversarial.gradient_penalty(logits, x)


@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_08_loop(eight, gamma):
    """The same weights, to the last bit, of points and of images."""
    eight["tqdm"] = functools.partial(eight["tqdm"], disable=True)
    for data, make in (
        (torch.randn(500, 2, generator=torch.Generator().manual_seed(0)), adversarial.PointGenerator),
        (torch.arange(500).view(500, 1, 1, 1).expand(-1, 1, 8, 8).remainder(256).byte(), None),
    ):
        fitted = []
        for fit in (eight["fit_adversarial"], adversarial.fit_adversarial):
            torch.manual_seed(0)
            if make:
                pair = make(), adversarial.PointDiscriminator()
            else:
                shape = {"image_shape": (1, 8, 8)}
                pair = adversarial.Generator(2, **shape), adversarial.Discriminator(**shape)
            quiet = {} if fit is eight["fit_adversarial"] else {"progress": False}
            fit(
                *pair,
                data,
                steps=7,
                loss=adversarial.relativistic,
                gamma=gamma,
                batch_size=16,
                lr=1e-2,
                **quiet,
            )
            fitted.append(torch.cat([weights_of(part) for part in pair]))
        assert torch.equal(*fitted)


def test_08_dreams(eight):
    torch.manual_seed(0)
    model, x = models.VariationalAutoencoder(5), torch.zeros(9, 1, 28, 28)
    theirs, ours = (
        loss(model, x, torch.Generator().manual_seed(1))
        for loss in (eight["dream_loss"], adversarial.dream_loss)
    )
    torch.testing.assert_close(theirs, ours)


@pytest.fixture(scope="module")
def nine():
    return definitions("09_harder_data")


def test_09_bits(nine, few):
    x = few / 255
    a, b = (
        make(x, torch.Generator().manual_seed(1)) for make in (nine["dequantized"], likelihoods.dequantized)
    )
    assert torch.equal(a, b)
    assert nine["bits_per_dimension"](100.0, 7) == likelihoods.bits_per_dimension(100.0, 7)


def test_09_discretized_logistic(nine):
    logits, x = torch.linspace(-8, 8, 256), torch.arange(256).flip(0) / 255
    for scale in (0.002, 0.05, 0.7):
        pixels = likelihoods.DiscretizedLogistic(scale=scale)
        theirs = nine["discretized_logistic"](logits, x, torch.tensor(scale))
        shaped = pixels.log_probability(logits.view(1, 1, 16, 16), x.view(1, 1, 16, 16)).flatten()
        torch.testing.assert_close(theirs, shaped, rtol=1e-4, atol=1e-5)


# --- the build, and the comparison of pictures ---------------------------------------------------------


def test_building_twice_gives_the_same_file_and_a_failure_leaves_it_alone(tmp_path, capsys, monkeypatch):
    from tools import build

    notebook = nbformat.v4.new_notebook()
    for i, source in enumerate(
        [
            "import sys, ipywidgets\nfor i in range(3):\n    print(i); sys.stdout.flush()",
            "ipywidgets.IntSlider()",
            "from latentlab_helpers import plots\n"
            "plots.loss_curves({'loss': [2, 1]}, 'nats', 'A falling line.')",
        ]
    ):
        cell = nbformat.v4.new_code_cell(source, id=f"cell-{i}")
        notebook.cells.append(cell)
    path = tmp_path / "small.ipynb"
    nbformat.write(notebook, path)
    build.build(path)
    first = path.read_bytes()
    saved = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in saved.cells] == [1, 2, 3]
    assert saved.cells[0].outputs[0].text == "0\n1\n2\n" and not saved.cells[1].outputs
    assert saved.cells[2].outputs[0].metadata["image/png"]["alt"] == "A falling line."
    build.build(path)
    assert path.read_bytes() == first

    saved.cells.append(nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(saved, path)
    broken = path.read_bytes()
    monkeypatch.setattr("sys.argv", ["build", str(path)])
    assert build.main() == 1 and "ZeroDivisionError" in capsys.readouterr().out
    assert path.read_bytes() == broken and [p.name for p in tmp_path.iterdir()] == ["small.ipynb"]
    monkeypatch.setattr("sys.argv", ["build", "nothing.ipynb"])
    assert build.main() == 2 and "01_autoencoder.ipynb" in capsys.readouterr().out


def test_pictures_that_differ_are_told_from_those_that_do_not():
    from latentlab_helpers import plots

    def picture(values):
        return plots.loss_curves({"loss": values}, "nats", "alt")._repr_mimebundle_()[0]["image/png"]

    falling = [10 / (i + 1) for i in range(10)]
    assert same_artist(picture(falling), picture(falling))
    assert largest_difference(picture(falling), picture(falling)) == 0
    assert largest_difference(picture(falling), picture([10.5, *falling[1:]])) > 0.25


@pytest.mark.parametrize(
    "old, new, same",
    [
        ("MSE = 0.0408", "MSE = 0.0420", True),
        ("MSE = 0.0408", "MSE = 0.0440", False),
        ("MSE = 0.0408", "MAE = 0.0408", False),
        ("VAE  0.43   AE 0.35", "VAE 0.44 AE  0.35", True),
        ("16 of 16 units, 0.5", "15 of 16 units, 0.5", False),
        ("lead +0.01", "lead -0.01", False),
        ("lead +0.01", "lead +0.02", True),  # a last digit
        ("in 16-D: 7", "in 2-D: 7", False),
        ("200 images", "204 images", True),
        ("0.5 0.5", "0.5", False),
    ],
)
def test_numbers_of_a_live_model_may_be_near(old, new, same):
    assert same_numbers(old, new, rel=0.05) == same


def test_a_correlation_near_nought_may_be_a_few_hundredths_away():
    assert not same_numbers("slant -0.08", "slant 0.00", rel=0.25)
    assert same_numbers("slant -0.08", "slant -0.02", rel=0.0, absolute=0.05)
    assert not same_numbers("slant -0.08", "slant 0.00", rel=0.0, absolute=0.05)


def test_checks_belong_to_cells_of_their_notebook():
    for path in (ROOT / "tests" / "notebooks" / "checks").glob("*.py"):
        names = re.findall(r"^# %% (.+)$", path.read_text("utf-8"), re.M)
        notebook = nbformat.read(ROOT / "notebooks" / f"{path.stem}.ipynb", 4)
        in_order = [cell.id for cell in notebook.cells if cell.id in names]
        assert names == in_order, "in the notebook's order, none twice"
        assert "assert" not in "".join(cell.source for cell in code_cells(notebook))


# --- figures that are compared by what they show -------------------------------------------------------


def live_figures():
    return [
        pytest.param(cell, id=f"{path.stem[:2]}-{cell.id}")
        for path in PATHS
        for cell in code_cells(nbformat.read(path, as_version=4))
        if figures.LIVE in cell.metadata.get("tags", [])
    ]


def test_a_single_point_that_has_moved_is_noticed():
    cloud = {"number": 1, "spread": [0.0, 0.0]}
    before = [[{"title": "", "points": [{"label": f"{k}", "median": [k, -k], **cloud} for k in range(3)]}]]
    after = copy.deepcopy(before)
    after[0][0]["points"][1]["median"][0] += 0.5
    assert figures.disagreement(before, before, figures.SHIPPED) is None
    assert "points are" in figures.disagreement(before, after, figures.SHIPPED)


def spoilt(data):
    """Wrong figures: curves that go backwards, clouds under their neighbour's name, images upside down."""
    backwards, renamed, turned = (copy.deepcopy(data) for _ in range(3))
    for figure in backwards:
        for line in (line for panel in figure for line in panel.get("lines", [])):
            line["y"].reverse()
    for figure in renamed:
        for clouds in (panel["points"] for panel in figure if "points" in panel):
            middles = [cloud["median"] for cloud in clouds]
            for cloud, middle in zip(clouds, middles[1:] + middles[:1], strict=True):
                cloud["median"] = middle
    for figure in turned:
        for panel in figure:
            for i, image in enumerate(panel.get("images", [])):
                size, _, pixels = image.partition(":")
                rows = np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(-1, int(size.split("x")[0]))
                panel["images"][i] = f"{size}:{base64.b64encode(rows[::-1].tobytes()).decode()}"
    return [wrong for wrong in (backwards, renamed, turned) if wrong != data]


@pytest.mark.parametrize("cell", live_figures())
def test_a_wrong_figure_of_a_live_model_is_noticed(cell):
    data, allowed = figures.of_outputs(cell.outputs), {**figures.ALLOWED, **cell.metadata.get("live", {})}
    assert figures.disagreement(data, data, allowed) is None
    assert spoilt(data)
    for wrong in spoilt(data):
        assert figures.disagreement(data, wrong, allowed)
    assert "data" in figures.disagreement([], [], allowed)
    assert "nothing" in figures.disagreement([[]], [[]], allowed)
