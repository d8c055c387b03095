import math
import time

import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from latentlab_helpers import datasets, losses, metrics
from latentlab_helpers.models import Autoencoder, VariationalAutoencoder
from latentlab_helpers.training import TrainingDiverged, evaluate, fit


def weights_of(model):
    return torch.cat([w.flatten() for w in model.state_dict().values()])


def trained(few, kind=VariationalAutoencoder, seed=0, **settings):
    torch.manual_seed(0)
    model = kind(3)
    history = fit(model, few, epochs=2, seed=seed, progress=False, **settings)
    return model, history


def test_a_linear_autoencoder_approaches_pca(train, test):
    k = 8
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, k), nn.Linear(k, 784), nn.Unflatten(1, (1, 28, 28)))
    history = fit(
        model,
        train.images,
        test_images=test.images,
        loss=lambda model, x, generator: {"loss": (model(x) - x).square().mean()},
        epochs=5,
        progress=False,
    )
    pca = metrics.pca_mse(train.images, test.images, [k])[k]
    assert 0.995 * pca < history.test["loss"][-1] < 1.02 * pca


def test_pytorchs_vae_example_reaches_its_figure(train, test):
    """784-400-20-400-784, Bernoulli, Adam 1e-3, batch 128: 105.6 nats after 10 epochs in that example."""
    torch.manual_seed(1)
    model = VariationalAutoencoder(20)
    fit(model, train.images, epochs=10, batch_size=128, lr=1e-3, seed=1, progress=False)
    assert evaluate(model, test.images)["loss"] == pytest.approx(105.6, abs=0.5)


@pytest.mark.parametrize("kind", [Autoencoder, VariationalAutoencoder])
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_every_model_learns(few, kind, architecture):
    torch.manual_seed(0)
    model = kind(8, architecture=architecture)
    before = evaluate(model, few)["loss"]
    history = fit(model, few, epochs=4, batch_size=50, progress=False)
    assert evaluate(model, few)["loss"] < 0.75 * before
    assert history.train["loss"] == sorted(history.train["loss"], reverse=True)


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others(few):
    (a, first), (b, second), (c, third) = (trained(few, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(weights_of(a), weights_of(b)) and first.train == second.train
    assert not torch.equal(weights_of(a), weights_of(c)) and first.train != third.train


def test_the_seed_reaches_the_noise_and_not_only_the_order(few):
    """One batch an epoch, so that the order is the same for every seed but for rounding."""
    losses_of = []
    for seed in (0, 1):
        torch.manual_seed(0)
        model = VariationalAutoencoder(3)
        history = fit(model, few, epochs=1, batch_size=1000, seed=seed, test_images=few, progress=False)
        losses_of.append((history.train["reconstruction"][0], history.test["loss"][0]))
        assert history.test["loss"][0] == evaluate(model, few, seed=seed)["loss"]
    assert losses_of[0][0] != pytest.approx(losses_of[1][0], rel=1e-6)


def test_modes_are_set_and_given_back(few):
    """Dropout tells them apart: training drops, measuring doesn't."""
    torch.manual_seed(0)
    model, modes = Autoencoder(3), []
    model.encoder.append(nn.Dropout(0.5))

    def spy(model, x, generator):
        modes.append(model.training)
        return losses.autoencoder_loss(model, x)

    model.eval()
    fit(model, few, epochs=1, batch_size=1000, loss=spy, test_images=few, progress=False)
    assert modes == [True, False]
    for mode in (True, False):
        model.train(mode)
        for measure in (metrics.embed, metrics.reconstruct):
            assert torch.equal(measure(model, few), measure(model, few))
        assert metrics.reconstruction_mse(model, few) == metrics.reconstruction_mse(model, few)
        assert evaluate(model, few) == evaluate(model, few)
        assert model.training is mode


def test_seconds_are_those_of_the_epochs(few):
    start = time.perf_counter()
    history = fit(Autoencoder(2), few, epochs=3, progress=False)
    assert 0 < sum(history.seconds) < time.perf_counter() - start


def test_the_progress_bar_shows_the_loss_and_can_be_switched_off(few, capsys):
    fit(Autoencoder(2), few, epochs=1, progress=False)
    assert not capsys.readouterr().err
    fit(Autoencoder(2), few, epochs=1)
    assert "loss=" in capsys.readouterr().err


def test_weights_that_break_in_the_last_step_are_noticed(few):
    with pytest.raises(TrainingDiverged, match="weights became infinite in epoch 1"):
        fit(Autoencoder(2), few, epochs=1, batch_size=1000, lr=1e38, progress=False)


@pytest.mark.parametrize("bad", [lambda m, x, g: m(x).mean(), lambda m, x, g: {"nats": m(x).mean()}])
def test_a_loss_must_return_named_terms(few, bad):
    with pytest.raises(ValueError, match="named terms"):
        fit(Autoencoder(2), few, epochs=1, loss=bad, progress=False)


def test_a_model_of_ones_own_needs_a_loss(few):
    with pytest.raises(ValueError, match="say which loss"):
        fit(nn.Linear(2, 2), few, epochs=1, progress=False)


def test_fit_leaves_the_global_random_numbers_alone(few):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    fit(VariationalAutoencoder(2), few, epochs=1, progress=False)
    torch.manual_seed(3)
    model = VariationalAutoencoder(2)
    expected = torch.get_rng_state()
    fit(model, few, epochs=1, progress=False, test_images=few)
    assert torch.equal(torch.get_rng_state(), expected) and not torch.equal(state, expected)


def test_bytes_and_floats_train_alike(few):
    assert torch.equal(weights_of(trained(few)[0]), weights_of(trained(few.float() / 255)[0]))


def test_history_holds_every_term_of_every_epoch(few):
    _, history = trained(few, test_images=few)
    for series in (history.train, history.test):
        assert set(series) == {"loss", "reconstruction", "kl"}
        assert all(len(values) == 2 for values in series.values())
        for loss, reconstruction, kl in zip(*series.values(), strict=True):
            assert loss == pytest.approx(reconstruction + kl, rel=1e-5)
    assert len(history.seconds) == 2 and min(history.seconds) > 0
    assert not trained(few)[1].test


def test_the_mean_of_an_epoch_weighs_images_not_batches(few):
    """900 images in batches of 400: the last one is smaller. A learning rate of next to nothing."""
    model = Autoencoder(3)
    history = fit(model, few[:900], epochs=1, lr=1e-12, batch_size=400, progress=False)
    expected = evaluate(model, few[:900], batch_size=900)["loss"]
    assert history.train["loss"][0] == pytest.approx(expected, rel=1e-4)
    assert evaluate(model, few[:900], batch_size=400)["loss"] == pytest.approx(expected, rel=1e-5)


def test_every_image_is_visited_once_an_epoch_in_a_new_order(few):
    seen = []

    def spy(model, x, generator):
        seen.append(x)
        return losses.autoencoder_loss(model, x)

    fit(Autoencoder(2), few, epochs=2, loss=spy, batch_size=300, progress=False)
    assert [len(x) for x in seen] == [300, 300, 300, 100] * 2
    first, second = torch.cat(seen[:4]), torch.cat(seen[4:])
    expected = datasets.to_float(few)
    assert not torch.equal(first, second) and not torch.equal(first, expected)
    for epoch in (first, second):
        order = lambda images: images.flatten(1).double() @ torch.arange(784).double()  # noqa: E731
        torch.testing.assert_close(order(epoch).sort().values, order(expected).sort().values)


def test_evaluate_changes_nothing_and_follows_the_seed(few):
    model, _ = trained(few)
    before, mode = weights_of(model).clone(), model.training
    a, b, c = (evaluate(model, few, seed=seed)["loss"] for seed in (0, 0, 1))
    assert a == b != c and torch.equal(before, weights_of(model)) and model.training == mode


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_longer_finite(few, bad):
    model, calls = Autoencoder(2), []

    def breaks(model, x, generator):
        calls.append(1)
        loss = losses.autoencoder_loss(model, x)["loss"]
        return {"loss": loss * bad if len(calls) == 25 else loss}

    with pytest.raises(TrainingDiverged, match=r"in epoch 3.*lower learning rate \(it was 0.003\)"):
        fit(model, few, epochs=5, batch_size=100, loss=breaks, progress=False)
    untouched, calls = Autoencoder(2), []
    assert weights_of(model).isfinite().all()
    torch.manual_seed(0)
    model, untouched = Autoencoder(2), Autoencoder(2)
    untouched.load_state_dict(model.state_dict())
    calls.clear()
    with pytest.raises(TrainingDiverged):
        fit(model, few, epochs=3, batch_size=100, loss=breaks, progress=False)
    fit(untouched, few, epochs=2, batch_size=100, progress=False)
    assert torch.equal(weights_of(model), weights_of(untouched)), "the weights from before the epoch"


def test_a_learning_rate_that_diverges_says_so(few):
    torch.manual_seed(0)
    with pytest.raises(TrainingDiverged, match="epoch"):
        fit(VariationalAutoencoder(2), few, epochs=20, lr=1e4, progress=False)


@pytest.mark.parametrize(
    "images, message",
    [
        (torch.zeros(0, 1, 28, 28), "n ≥ 1"),
        (torch.zeros(5, 28, 28), "shape"),
        (torch.full((5, 1, 28, 28), 255.0), "from 255 to 255"),
        (torch.full((5, 1, 28, 28), math.nan), "nan"),
        (torch.zeros(5, 1, 28, 28, dtype=torch.int64), "uint8 or floats"),
        (torch.zeros(5, 1, 32, 32), r"\(batch, 1, 28, 28\)"),
        (datasets.ImageSet(torch.zeros(5, 1, 28, 28), torch.zeros(5)), "its .images"),
    ],
)
def test_images_that_do_not_fit(few, images, message):
    for arguments in ({"images": images}, {"images": few, "test_images": images}):
        with pytest.raises(ValueError, match=message):
            fit(Autoencoder(2), epochs=1, progress=False, **arguments)
    with pytest.raises(ValueError, match=message):
        evaluate(Autoencoder(2), images)


@pytest.mark.parametrize("setting", ["epochs", "batch_size", "lr"])
@pytest.mark.parametrize("value", [0, -1, math.nan, "5", None])
def test_settings_that_cannot_work(few, setting, value):
    with pytest.raises(ValueError, match=f"{setting} must be"):
        fit(Autoencoder(2), few, **{"epochs": 1, "progress": False, setting: value})


@pytest.mark.parametrize("setting", ["epochs", "batch_size"])
def test_half_an_epoch_is_none(few, setting):
    with pytest.raises(ValueError, match=f"{setting} must be a whole number"):
        fit(Autoencoder(2), few, **{"epochs": 1, "progress": False, setting: 2.5})


def test_pca_mse_is_scikit_learns(train, test):
    with pytest.raises(ValueError, match="1 component or more"):
        metrics.pca_mse(train.images[:500], test.images[:100], [2, 0])
    sizes = [1, 5, 20]
    ours = metrics.pca_mse(train.images[:5000], test.images[:1000], sizes)
    x, y = (datasets.to_float(i).flatten(1).numpy() for i in (train.images[:5000], test.images[:1000]))
    for k in sizes:
        pca = PCA(k, svd_solver="full").fit(x)
        expected = ((pca.inverse_transform(pca.transform(y)) - y) ** 2).mean()
        assert ours[k] == pytest.approx(expected, rel=1e-4)
