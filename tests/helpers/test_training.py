import contextlib
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from latentlab_helpers import datasets, devices, losses, metrics, models, training
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


def test_three_epochs_are_as_good_as_ten_of_pytorchs_vae_example(train, test):
    """784-400-20-400-784, Bernoulli: with Adam at 1e-3 that example is at 105.6 nats after ten epochs."""
    torch.manual_seed(1)
    model = VariationalAutoencoder(20)
    fit(model, train.images, epochs=3, seed=1, progress=False)
    assert 104 < evaluate(model, test.images)["loss"] < 105.8  # 105.2 to 105.5 with ten seeds


# --- the engine ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 10, 1800])
def test_the_learning_rate_rises_and_falls(steps):
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=2.0)
    schedule = training.warm_up_and_decay(optimizer, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    top = rates.index(max(rates))
    assert all(0 < rate <= 2 for rate in rates) and top <= max(1, 0.05 * steps)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    if steps == 1800:
        assert max(rates) > 1.99 and rates[0] == pytest.approx(2 / 90) and rates[-1] < 0.005
        assert rates[945] == pytest.approx(1.0), "half-way down at the middle of the fall"


def test_the_schedule_spans_the_whole_training(few, monkeypatch):
    """1000 images, 3 epochs, batches of 300: 12 steps."""
    seen = []
    monkeypatch.setattr(
        training, "warm_up_and_decay", lambda o, n: seen.append(n) or torch.optim.lr_scheduler.ConstantLR(o)
    )
    fit(Autoencoder(2), few, epochs=3, batch_size=300, progress=False)
    assert seen == [12]


@pytest.mark.parametrize("kind", [Autoencoder, VariationalAutoencoder])
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_half_precision_changes_little(train, test, kind, architecture, monkeypatch):
    """Products in bfloat16, losses and weights in float32. One and the same model has nearly the same loss.

    Where a short training ends differs by some percent, with half precision as with another seed; but it
    learns nearly as much.
    """
    images, reached = train.images[:3000], {}
    for half in (True, False):
        context = torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext()
        monkeypatch.setattr(training, "mixed_precision", lambda device, context=context: context)
        torch.manual_seed(0)
        model = kind(8, architecture=architecture)
        before = evaluate(model, test.images[:2000])["loss"]
        dtypes, default = set(), training._default_loss(model)

        def loss(model, x, generator, dtypes=dtypes, default=default):
            terms = default(model, x, generator)
            dtypes |= {term.dtype for term in terms.values()}
            return terms

        fit(model, images, epochs=3, loss=loss, progress=False)
        assert dtypes == {torch.float32} == {weight.dtype for weight in model.parameters()}
        reached[half] = evaluate(model, test.images[:2000])["loss"]
    assert reached[True] != reached[False]
    assert before - reached[True] > 0.85 * (before - reached[False]) > 0
    with torch.autocast("cpu", torch.bfloat16):
        assert evaluate(model, test.images[:2000])["loss"] == pytest.approx(reached[False], rel=0.005)


def test_terms_in_half_precision_are_summed_in_full(few):
    """A thousand steps of the value 1: bfloat16 would stop counting at 256."""

    def loss(model, x, generator):
        value = losses.autoencoder_loss(model, x)["loss"]
        return {"loss": value, "one": torch.ones((), dtype=torch.bfloat16)}

    history = fit(Autoencoder(2, widths=(4,)), few, epochs=1, batch_size=1, loss=loss, progress=False)
    assert history.train["one"] == [1.0]


def test_half_precision_only_where_the_processor_has_it(monkeypatch):
    for has in (True, False):
        monkeypatch.setattr(devices, "has_bfloat16", lambda device, has=has: has)
        with devices.mixed_precision(torch.device("cpu")):
            assert torch.is_autocast_enabled("cpu") is has
            assert not has or torch.get_autocast_dtype("cpu") == torch.bfloat16
        assert not torch.is_autocast_enabled("cpu")
    monkeypatch.undo()
    devices.has_bfloat16.cache_clear()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert not devices.has_bfloat16(), "PyTorch was told to do without wide instructions"
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    for known, expected in (({"avx512_bf16": True}, True), ({"avx512_bf16": False}, False), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=known: known, raising=False)
        devices.has_bfloat16.cache_clear()
        assert devices.has_bfloat16() is expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    devices.has_bfloat16.cache_clear()
    assert devices.has_bfloat16() is False, "an older PyTorch doesn't tell"
    for capability, expected in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        devices.has_bfloat16.cache_clear()
        assert devices.has_bfloat16(torch.device("cuda")) is expected
    assert not devices.has_bfloat16(torch.device("mps"))
    devices.has_bfloat16.cache_clear()


def test_no_number_is_asked_for_within_an_epoch(few, monkeypatch):
    """On a GPU each .item() or copy to the host makes the loop wait: per epoch a few, per step none."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.asked += function is torch.ops.aten._local_scalar_dense.default
            return function(*args, **(kwargs or {}))

    asked = {}
    for batch_size in (500, 50):
        model = VariationalAutoencoder(2)
        # It looks at the range of the images, but on a GPU not in training.
        monkeypatch.setattr(models, "_checked", lambda x, model: x)
        with Count() as count:
            count.asked = 0
            fit(model, few, epochs=1, batch_size=batch_size, progress=False)
            asked[batch_size] = count.asked
    assert asked[500] == asked[50] > 0


def test_batches_follow_where_the_images_are_too_many_for_the_device(few, monkeypatch):
    """Without a GPU here: the images stay where they are, and the result is the same."""
    whole = weights_of(trained(few)[0])
    monkeypatch.setattr(training, "_fits", lambda images, device: False)
    assert torch.equal(weights_of(trained(few)[0]), whole)
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_600_000, 0))
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 2_000_000)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 400_000)
    assert training._fits(torch.cat([few, few]), torch.device("cpu"))
    for device in ("cuda", "mps"):
        assert training._fits(few.byte(), torch.device(device)), "784 kB of 1,600 free"
        assert not training._fits(torch.cat([few, few]).byte(), torch.device(device))


def test_images_from_a_mapped_file_train_alike(few, tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, few.byte().numpy())
    mapped = torch.from_numpy(np.load(path, mmap_mode="c"))
    assert torch.equal(weights_of(trained(mapped)[0]), weights_of(trained(few.byte())[0]))


STREAM = """
import resource, sys
from latentlab_helpers import models, training
import numpy, torch
images = torch.from_numpy(numpy.load(sys.argv[1], mmap_mode="c"))
model = models.Autoencoder(2, widths=(8,), image_shape=tuple(images.shape[1:]))
training.fit(model, images[:1000], epochs=1, progress=False)  # whatever is loaded late, is loaded
def size(line):
    return next(int(row.split()[1]) * 1024 for row in open("/proc/self/status") if row.startswith(line))
resource.setrlimit(resource.RLIMIT_DATA, (size("VmData") + images.nbytes // 2,) * 2)
history = training.fit(model, images, epochs=1, progress=False)
try:
    images.clone()
except (RuntimeError, MemoryError):
    print("read", images.nbytes, "bytes;", len(history.train["loss"]), "epoch; a copy doesn't fit")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on a process's own memory")
def test_more_images_than_memory_stream_from_disk(tmp_path):
    """Half a gigabyte of images, and half of that as all the memory that the process may still ask for."""
    path = tmp_path / "images.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (32000, 1, 128, 128)).flush()  # a sparse file
    done = subprocess.run(
        [sys.executable, "-c", STREAM, str(path)], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "read 524288000 bytes; 1 epoch; a copy doesn't fit\n"


DENORMAL = """
import latentlab_helpers
from latentlab_helpers import training
import torch
tiny = torch.full((1_000_000,), 1e-39)
assert (tiny * 0.5).count_nonzero() == 0, "in every thread"
"""


def test_denormals_are_flushed_in_every_thread():
    subprocess.run([sys.executable, "-c", DENORMAL], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="the settings are for GNU's OpenMP")
@pytest.mark.parametrize(
    "given, expected",
    [
        ({}, ("PASSIVE", "6000")),
        ({"GOMP_SPINCOUNT": "5"}, ("PASSIVE", "5")),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ("ACTIVE", "None")),
    ],
)
def test_waiting_threads_soon_sleep_unless_the_reader_wants_otherwise(given, expected):
    code = "import os, latentlab_helpers; print(*map(os.environ.get, ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')))"
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment, **given}, capture_output=True, text=True, check=True
    )
    assert tuple(done.stdout.split()) == expected


@pytest.mark.parametrize("kind", [Autoencoder, VariationalAutoencoder])
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_every_model_learns(few, kind, architecture):
    torch.manual_seed(0)
    model = kind(8, architecture=architecture)
    before = evaluate(model, few)["loss"]
    history = fit(model, few, epochs=4, batch_size=50, progress=False)
    assert evaluate(model, few)["loss"] < 0.75 * before
    assert history.train["loss"] == sorted(history.train["loss"], reverse=True)


@pytest.mark.parametrize("latent_dim", [2, 8])
def test_a_convolutional_autoencoder_does_not_stay_in_the_dark(train, test, latent_dim):
    """A decoder that starts at grey blackens everything, and a squared error never finds out of that."""
    torch.manual_seed(0)
    model = Autoencoder(latent_dim, architecture="conv")
    fit(model, train.images[:6000], epochs=2, progress=False)
    x = datasets.to_float(test.images)
    mean_image = datasets.to_float(train.images[:6000]).mean(dim=0)
    assert evaluate(model, test.images)["loss"] < 0.9 * (x - mean_image).square().mean()
    assert (x.square().mean() - x.mean() ** 2) > 0.09, "and black or grey would be worse still"


def test_labels_reach_the_loss_with_their_images(few, train):
    """The images' first pixel says which label belongs to them."""
    labels = torch.arange(len(few)) % 7
    marked = few.clone() * 0
    marked[:, 0, 0, 0] = labels
    seen = []

    def loss(model, x, generator, y):
        assert torch.equal((x[:, 0, 0, 0] * 255).round().long(), y)
        seen.extend(y.tolist())
        return {"loss": model(x).square().mean()}

    model = nn.Conv2d(1, 1, 3)
    fit(model, marked.byte(), labels=labels, epochs=2, batch_size=60, loss=loss, progress=False)
    assert sorted(seen) == sorted(labels.tolist() * 2) and seen[: len(few)] != labels.tolist()
    evaluate(model, marked.byte(), loss, labels=labels, batch_size=70)
    history = fit(
        model, marked.byte(), labels=labels, test_images=marked[:50].byte(), test_labels=labels[:50],
        epochs=1, loss=loss, progress=False,
    )  # fmt: skip
    assert len(history.test["loss"]) == 1


@pytest.mark.parametrize("which", ["labels", "test_labels"])
def test_every_image_needs_a_label(few, which):
    with pytest.raises(ValueError, match="every image needs a label"):
        fit(Autoencoder(2), few, test_images=few, epochs=1, progress=False, **{which: torch.zeros(3)})


def test_a_classifier_learns_its_labels(train, test):
    torch.manual_seed(0)
    model = models.Classifier()
    images, labels = train.images[:6000], train.labels[:6000]
    fit(model, images, labels=labels, loss=losses.classification_loss, epochs=1, progress=False)
    terms = evaluate(model, test.images[:2000], losses.classification_loss, labels=test.labels[:2000])
    assert terms["accuracy"] > 0.85


def test_a_schedule_of_ones_own(few):
    rates = []

    def halving(optimizer, steps):
        assert steps == 3 * math.ceil(len(few) / 100)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
        optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
        return schedule

    fit(Autoencoder(2), few, epochs=3, lr=0.01, schedule=halving, progress=False)
    assert rates[:3] == [0.01, 0.005, 0.0025] and len(rates) == 3 * math.ceil(len(few) / 100)


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
    model.decoder.train()
    fit(model, few, epochs=1, batch_size=1000, loss=spy, test_images=few, progress=False)
    assert modes == [True, False]
    assert not model.training and not model.encoder.training and model.decoder.training
    for mode in (True, False):
        model.train(mode)
        for measure in (metrics.embed, metrics.reconstruct):
            assert torch.equal(measure(model, few), measure(model, few))
        assert metrics.reconstruction_mse(model, few) == metrics.reconstruction_mse(model, few)
        assert evaluate(model, few) == evaluate(model, few)
        assert model.training is mode


class Stopped:
    """A loss that the reader interrupts, at a step of a given number."""

    def __init__(self, at, then=losses.negative_elbo):
        self.at, self.then, self.calls = at, then, 0

    def __call__(self, *arguments):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return self.then(*arguments)


@pytest.mark.parametrize("at", [1, 5, 11, 14])
def test_an_interrupted_training_keeps_what_it_has_and_goes_on_to_the_same_end(few, at):
    """1000 images in batches of 200, measured in one: six losses an epoch."""

    def start():
        torch.manual_seed(0)
        return VariationalAutoencoder(3)

    settings = {"epochs": 4, "batch_size": 200, "test_images": few, "seed": 5, "progress": False}
    whole, model = start(), start()
    expected, weights = None, []
    for epochs in (0, 1, 2):  # what the first epochs of the four give: an interruption just after them
        prefix = start()
        if epochs:
            with pytest.warns(UserWarning):
                fit(prefix, few, loss=Stopped(6 * epochs + 1), **settings)
        weights.append(weights_of(prefix))
    expected = fit(whole, few, **settings)
    done = (at - 1) // 6
    model.eval()
    with pytest.warns(UserWarning, match=f"after {done} of 4 epochs.*resume=history"):
        history = fit(model, few, loss=Stopped(at), **settings)
    assert not model.training and torch.equal(weights_of(model), weights[done])
    assert len(history.seconds) == done
    for series, full in ((history.train, expected.train), (history.test, expected.test)):
        assert {name: values for name, values in series.items()} == {
            name: values[:done] for name, values in full.items() if done
        }
    again = fit(model, few, resume=history, **settings)
    assert torch.equal(weights_of(model), weights_of(whole)), "to the last bit"
    assert again.train == expected.train and again.test == expected.test and len(again.seconds) == 4
    with pytest.raises(ValueError, match="this one is complete"):
        fit(model, few, resume=again, **settings)


def test_a_second_interruption_is_like_the_first(few):
    settings = {"epochs": 3, "batch_size": 500, "progress": False}
    torch.manual_seed(0)
    whole = VariationalAutoencoder(2)
    fit(whole, few, **settings)
    torch.manual_seed(0)
    model, history = VariationalAutoencoder(2), None
    for at in (4, 4):  # two batches an epoch: each time one epoch is whole, and half of the next is lost
        with pytest.warns(UserWarning):
            history = fit(model, few, loss=Stopped(at), resume=history, **settings)
    fit(model, few, resume=history, **settings)
    assert torch.equal(weights_of(model), weights_of(whole))


def test_labels_move_to_the_model_once(few):
    """In fit's loop nothing is copied between devices; here the one device is as good as two."""
    moved = []

    class Watched(torch.Tensor):
        def to(self, *arguments, **keywords):
            moved.append(arguments)
            return super().to(*arguments, **keywords).as_subclass(torch.Tensor)

    labels = (torch.arange(len(few)) % 10).as_subclass(Watched)
    model = models.Classifier()
    settings = {"loss": losses.classification_loss, "epochs": 2, "batch_size": 250, "progress": False}
    fit(model, few, labels=labels, **settings)
    assert len(moved) == 1


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


def test_evaluate_is_a_mean_over_images_however_they_are_cut(few):
    model, _ = trained(few, kind=Autoencoder)
    brightness = lambda model, x, generator, labels: {  # noqa: E731
        "loss": x.mean(),
        "labels": labels.float().mean(),
    }
    images, labels = few[:10], torch.arange(10)
    for batch_size in (3, 10, 1000):
        found = evaluate(model, images, brightness, labels=labels, batch_size=batch_size)
        assert found == pytest.approx({"loss": images.float().mean().item() / 255, "labels": 4.5}, rel=1e-5)
    with pytest.raises(ValueError, match="10 images, 9 labels"):
        evaluate(model, images, brightness, labels=labels[:9])
    with pytest.raises(ValueError, match="10 images, 9 labels"):
        fit(model, few, epochs=1, labels=torch.zeros(len(few)), test_images=images, test_labels=labels[:9])


def test_any_term_that_is_no_longer_finite_is_named(few):
    def breaks(model, x, generator):
        return {**losses.autoencoder_loss(model, x), "other": torch.tensor(math.nan)}

    with pytest.raises(TrainingDiverged, match="other became nan in epoch 1"):
        fit(Autoencoder(2), few, epochs=1, loss=breaks, progress=False)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_longer_finite(few, bad):
    model, calls, before = Autoencoder(2), [], {}

    def breaks(model, x, generator):
        before[len(calls)] = weights_of(model).clone()
        calls.append(1)
        loss = losses.autoencoder_loss(model, x)["loss"]
        return {"loss": loss * bad if len(calls) == 25 else loss}

    with pytest.raises(TrainingDiverged, match=r"in epoch 3.*lower learning rate \(it was 0.008\)"):
        fit(model, few, epochs=5, batch_size=100, loss=breaks, progress=False)
    assert torch.equal(weights_of(model), before[20]), "the weights from before the epoch"
    assert not torch.equal(before[20], before[21])


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
