"""The page's kernels, run outside of a browser: what they compute, against NumPy and PyTorch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tools.page import kernels

wasmtime = pytest.importorskip("wasmtime")


@pytest.fixture(scope="module")
def run():
    """A function that calls a kernel on arrays: it puts them into the memory, and back."""
    store = wasmtime.Store()
    memory = wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(64, None)))
    module = wasmtime.Module(store.engine, kernels.assembled())
    made = wasmtime.Instance(store, module, [memory]).exports(store)

    def call(name, *arguments):
        at, places = 0, []
        for value in arguments:
            if isinstance(value, np.ndarray):
                memory.write(store, value.tobytes(), at)
                places.append(at)
                at += 16 * (-(-value.nbytes // 16))
            else:
                places.append(value)
        result = made[name](store, *places)
        for value, place in zip(arguments, places, strict=True):
            if isinstance(value, np.ndarray):
                data = bytes(memory.read(store, place, place + value.nbytes))
                value[...] = np.frombuffer(data, np.float32).reshape(value.shape)
        return result

    return call


def random(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("sizes", [(4, 8, 1), (8, 24, 5), (128, 400, 33)])
def test_a_product_of_panels_is_added_to_what_is_there(run, sizes):
    m, n, k = sizes
    a, b, c = random(m, k), random(k, n)[::-1].copy(), random(m, n)
    left, right = np.zeros(m * k, np.float32), np.zeros(n * k, np.float32)
    run("pack", left, a, m, k, 4 * k, 4, 4)
    run("pack", right, b, n, k, 4, 4 * n, 8)
    wanted = c + a @ b
    run("product", left, right, c, m, n, k)
    np.testing.assert_allclose(c, wanted, rtol=1e-4, atol=1e-4)


def test_a_panel_that_is_not_full_is_filled_with_zeros(run):
    a, packed = random(6, 3), np.full(24, 7, np.float32)
    run("pack", packed, a, 6, 3, 12, 4, 4)
    panels = packed.reshape(2, 3, 4)
    np.testing.assert_array_equal(panels[0], a[:4].T)
    np.testing.assert_array_equal(panels[1], np.hstack([a[4:].T, np.zeros((3, 2), np.float32)]))


@pytest.mark.parametrize("squared", [False, True])
def test_pixels_have_pytorch_s_loss_and_gradient(run, squared):
    logits = np.concatenate([random(800) * 6, np.float32([0, 90, -90, 200, -200, 1e-6, -1e-6, 15])])
    x, gradient = np.random.default_rng(0).random(len(logits), np.float32), np.zeros_like(logits)
    leaf, target = torch.tensor(logits, dtype=torch.float64, requires_grad=True), torch.tensor(x).double()
    if squared:
        loss = (leaf.sigmoid() - target).square().sum()
    else:
        loss = F.binary_cross_entropy_with_logits(leaf, target, reduction="sum")
    loss.backward()
    assert run("pixels", logits, x, gradient, len(logits), int(squared), 0.5) == pytest.approx(
        loss.item(), rel=1e-5
    )
    np.testing.assert_allclose(gradient, 0.5 * leaf.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_adam_is_pytorch_s_and_what_has_vanished_is_zero(run):
    w, first, second = random(1000), np.zeros(1000, np.float32), np.zeros(1000, np.float32)
    leaf = torch.tensor(w, requires_grad=True)
    optimizer = torch.optim.Adam([leaf], lr=0.01)
    for step in range(1, 6):
        g = random(1000, step)[:, 0].copy()
        leaf.grad = torch.tensor(g)
        optimizer.step()
        size, correct = 0.01 / (1 - 0.9**step), 1 / (1 - 0.999**step) ** 0.5
        run("adam", w, g, first, second, 1000, size, correct, 0.9, 0.999)
        np.testing.assert_allclose(w, leaf.detach().numpy(), rtol=1e-5, atol=1e-6)
    still = np.zeros(1000, np.float32)
    first[:] = 1e-30  # further decay would lead to numbers that a processor computes slowly
    run("adam", w, still, first, second, 1000, 0.01, 1.0, 0.9, 0.999)
    assert not first.any() and second.any()


def test_relu_and_its_mask(run):
    y = np.float32([-1, 0, 2, -0.5, 3, 1e-9, -1e-9, 7])
    g, lit = random(8), y.copy()
    run("relu", y, 8)
    np.testing.assert_array_equal(y, np.maximum(lit, 0))
    wanted = np.where(y > 0, g, 0)
    run("mask", g, y, 8)
    np.testing.assert_array_equal(g, wanted)
