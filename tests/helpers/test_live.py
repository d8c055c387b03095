"""A training that is watched is the training that it would be without; and what is shown is so."""

import numpy as np
import pytest
import torch

from latentlab_helpers import explore, losses, training
from latentlab_helpers.datasets import ImageSet, to_float
from latentlab_helpers.explore import live
from latentlab_helpers.models import Autoencoder, VariationalAutoencoder
from tools import figures

KINDS = {"AE": (Autoencoder, losses.autoencoder_loss), "VAE": (VariationalAutoencoder, losses.negative_elbo)}


def made(kind, **options):
    torch.manual_seed(0)
    return KINDS[kind][0](latent_dim=2, **options)


def floats(shot, name, columns):
    return np.frombuffer(shot[name], np.float32).reshape(-1, columns)


@pytest.mark.parametrize("kind", KINDS)
def test_a_watched_training_is_the_same_training(kind, few, test, monkeypatch):
    monkeypatch.setattr(live, "SHARE", float("inf"))  # a shot at each step
    plain, watched = made(kind), made(kind)
    loss = KINDS[kind][1]
    options = {"epochs": 2, "test_images": test.images[:100], "progress": False}
    expected = training.fit(plain, few, loss=loss, **options)
    with explore.trainer(watched, loss, test) as shown:
        history = training.fit(watched, few, loss=shown, **options)
    assert (history.train, history.test) == (expected.train, expected.test)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), watched.parameters(), strict=True))
    assert watched.training == plain.training
    assert shown.shot["step"] == 20, "what evaluates the model counts as learning"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shown_is_what_the_model_does(kind, few, test):
    model, loss = made(kind), KINDS[kind][1]
    with explore.trainer(model, loss, test) as shown:
        assert shown.shot["running"] and "Not trained" in shown.shot["said"]
        assert not len(shown.shot["history"])
        history = training.fit(model, few, loss=shown, epochs=2, progress=False)
    shot, x = shown.shot, to_float(test.images[:500])
    assert not shot["running"] and shot["said"].startswith("Ended: 20 steps, 2,000 images")
    code = model.encode(x)
    mu, logvar = code if kind == "VAE" else (code, None)
    assert np.allclose(floats(shot, "places", 2), mu.detach(), atol=1e-5)
    spreads = floats(shot, "spreads", 2)
    assert (
        len(spreads) == 0 if logvar is None else np.allclose(spreads, (logvar / 2).exp().detach(), rtol=1e-4)
    )
    pictures = torch.frombuffer(bytearray(shot["pictures"]), dtype=torch.uint8).view(3, 8, 1, 28, 28)
    assert torch.equal(pictures[0], test.images[:8])
    assert (pictures[1] - 255 * model.decode(mu[:8])).abs().max() <= 1.01
    terms = [name for name in history.train if name != "loss"] or ["loss"]
    assert shown.terms == terms
    curves = floats(shot, "history", 1 + len(terms))
    assert curves[:, 0].tolist() == list(range(1, 21))
    for k, name in enumerate(terms):  # as many images at each step
        assert np.allclose(curves[:10, 1 + k].mean(), history.train[name][0], rtol=1e-4)


def test_a_loop_of_ones_own_and_a_scalar_loss_will_do(few, test):
    model = made("AE")
    optimizer = torch.optim.Adam(model.parameters())
    asked = []

    def mse(model, x):
        asked.append(value := (torch.sigmoid(model(x)) - x).square().mean())
        return value

    shown = explore.trainer(model, mse, test)
    for batch in to_float(few).split(100):
        optimizer.zero_grad()
        value = shown(model, batch)
        assert value is asked[-1]
        value.backward()
        optimizer.step()
    shown._show(False)
    assert shown.terms == ["loss"]
    expected = [value.item() for value in asked]
    assert np.allclose(floats(shown.shot, "history", 2)[:, 1], expected, rtol=1e-5)


def test_curves_stay_short_and_stand_for_all_steps(test):
    shown = explore.trainer(made("AE"), lambda model, x: x.sum(), test)
    values = torch.rand(2000, 1, generator=torch.Generator().manual_seed(1))
    for value in values:
        shown(None, value.requires_grad_())
    shown._show(False)
    curve = floats(shown.shot, "history", 2)
    assert 100 <= len(curve) < live.POINTS
    every = int(curve[0, 0])
    assert (np.diff(curve[:, 0]) == every).all()
    means = values[: len(curve) * every].detach().view(-1, every).mean(dim=1)
    assert np.allclose(curve[:, 1], means, atol=1e-5)


def test_it_waits_until_what_it_took_is_a_small_share_of_the_time(test, monkeypatch):
    now, taken = [0.0], []
    monkeypatch.setattr(live.time, "perf_counter", lambda: now[0])
    shown = explore.trainer(made("AE"), lambda model, x: x.sum(), test)
    encoded = live.encoded

    def slow(*given):
        now[0] += 0.02
        taken.append(now[0])
        return encoded(*given)

    monkeypatch.setattr(live, "encoded", slow)
    x = torch.ones(1, requires_grad=True)
    for _ in range(5000):
        now[0] += 0.001
        shown(None, x)
    # All but the first, which begins at once
    assert len(taken) > 3 and 0.02 * (len(taken) - 1) <= 0.05 * (now[0] - taken[0])


def test_stop_ends_a_training_that_keeps_what_it_has(few, test):
    model, steps = made("VAE"), []

    def loss(*given):
        steps.append(1)
        if len(steps) == 25:  # as the front end does while the kernel is busy
            shown.command = {"name": "Stop", "id": 0.5}
        return losses.negative_elbo(*given)

    shown = explore.trainer(model, loss, test)
    with pytest.warns(UserWarning, match="interrupted after 2 of 9 epochs"), shown:
        history = training.fit(model, few, loss=shown, epochs=9, progress=False)
    assert len(steps) == 25 and len(history.train["loss"]) == 2
    assert shown.shot["step"] == 25 and not shown.shot["running"]
    shown.command = {"name": "Stop", "id": 0.7}  # too late: nothing runs
    shown(model, to_float(few[:10]))


def test_more_dimensions_are_shown_along_their_main_axes_which_never_flip(few, test):
    torch.manual_seed(0)
    model = VariationalAutoencoder(latent_dim=5)
    with explore.trainer(model, losses.negative_elbo, test) as shown:
        training.fit(model, few, loss=shown, epochs=1, progress=False)
    mu = model.encode(to_float(test.images[:500]))[0].detach()
    places = floats(shown.shot, "places", 2)
    largest = torch.linalg.eigvalsh(mu.T.cov()).flip(0)[:2]
    assert np.allclose(places.var(axis=0, ddof=1), largest, rtol=1e-3)
    shown._axes = -shown._axes
    shown._show(False)
    assert np.allclose(floats(shown.shot, "places", 2), -places, atol=1e-5)
    assert not shown.shot["spreads"] and "vary most" in shown.caption


def test_a_training_that_diverges_keeps_the_last_map(few, test):
    model = made("AE")
    shown = explore.trainer(model, losses.autoencoder_loss, test)
    with shown, pytest.raises(training.TrainingDiverged):
        before = shown.shot["places"]

        def spoilt(*given):
            with torch.no_grad():
                next(model.parameters()).fill_(torch.nan)
            return losses.autoencoder_loss(*given)

        shown._loss = spoilt
        try:
            training.fit(model, few, loss=shown, epochs=1, progress=False)
        finally:
            next(model.parameters()).data.fill_(torch.nan)  # `fit` has put the weights back
    assert "no longer finite" in shown.shot["said"] and shown.shot["places"] == before


def test_the_still_picture_shows_the_map_the_curves_and_the_images(few, test):
    model = made("VAE")
    shown = explore.trainer(model, losses.negative_elbo, test)
    with shown:
        training.fit(model, few, loss=shown, epochs=1, progress=False)
    data, metadata = shown._repr_mimebundle_()
    assert data["image/png"] and data["text/plain"] == metadata["image/png"]["alt"]
    chart, *rest = figures.data_of_still(shown)
    assert sum(cloud["number"] for cloud in chart["points"]) == 500
    assert [panel["title"] for panel in rest] == ["reconstruction", "kl", *live.ROWS]
    assert len(rest[0]["lines"][0]["y"]) == 10


def test_what_cannot_be_shown_is_refused(test):
    model = made("AE")
    with pytest.raises(ValueError, match="loss must be a function"):
        explore.trainer(model, test)
    with pytest.raises(ValueError, match="one model"):
        explore.trainer({"a": model, "b": model}, losses.autoencoder_loss, test)
    small = ImageSet(test.images[..., :14, :14].contiguous(), test.labels)
    with pytest.raises(ValueError, match="can't encode images"):
        explore.trainer(model, losses.autoencoder_loss, small)
