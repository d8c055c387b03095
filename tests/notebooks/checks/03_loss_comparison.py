"""What the text of notebook 03 claims, asserted in its own kernel behind the cells named."""

# %% live
for name, history in (("ae_16", ae_history), ("vae_16", vae_history)):
    assert abs(history.test["loss"][-1] / numbers(name)["test loss"] - 1) < 0.05

# %% pace-fixed
for target in (0.03, 0.02, 0.015, 0.012):
    ae_steps, vae_steps = (measured[who][f"steps to MSE {target}"] for who in ("ae", "vae"))
    assert max(ae_steps) < min(vae_steps)
assert 1.25 < sum(measured["vae"]["steps to MSE 0.03"]) / sum(measured["ae"]["steps to MSE 0.03"]) < 1.45
assert 1.7 < sum(measured["vae"]["steps to MSE 0.012"]) / sum(measured["ae"]["steps to MSE 0.012"]) < 2

# %% claim-2
steps = [part for part in results.claim(2)["parts"] if part["metric"].startswith("steps")]
assert all(part["holds"] and part["replications"]["Fashion-MNIST"] for part in steps)
assert not any(part["replications"]["convolutional"] for part in results.claim(2)["parts"])

# %% sharp-numbers
assert (
    metrics.sharpness(seen["AE"], x) > metrics.sharpness(seen["VAE"], x) > metrics.sharpness(seen["PCA"], x)
)

# %% mse-loss-table
few = claims["seeds"][:5]
sharp = {
    name: [numbers(name, s)["sharpness, 16-D"] for s in few]
    for name in ("ae_16", "ae_16_mse", "vae_16", "vae_16_optimal_gaussian")
}
assert (
    max(sharp["vae_16"]) < 0.8 * min(sharp["vae_16_optimal_gaussian"])
    and min(sharp["vae_16_optimal_gaussian"]) / max(sharp["ae_16"]) > 0.9
)
assert abs(sum(sharp["ae_16_mse"]) / sum(sharp["ae_16"]) - 1) < 0.04
assert all(
    numbers("vae_16_optimal_gaussian", s)["test kl"] > 2 * numbers("vae_16", s)["test kl"] for s in few
)


# %% rate-table
def at(beta, metric):
    return sum(over_beta(metric)[beta]) / 5


order = list(betas)
assert all(at(a, "test MSE, 16-D") < at(b, "test MSE, 16-D") for a, b in zip(order, order[1:]))
assert all(at(a, "sharpness, 16-D") > at(b, "sharpness, 16-D") for a, b in zip(order, order[1:]))
for k in (1, 100):
    assert max(order, key=lambda beta: at(beta, f"bound on log p(x), k = {k}")) == 1
assert sorted(order, key=lambda beta: at(beta, "Fréchet distance A, N(0, I)"))[:2] in ([1, 2], [2, 1])
assert max(units[8]) < 8
assert sorted(order, key=lambda beta: at(beta, "Fréchet distance B, N(0, I)"))[:2] == [2, 4]

# %% judge-code
assert min(known["real images"][f"judge {judge} is right"] for judge in "AB") > 0.97

# %% claim-9-samplers
fd = {
    (kind, judge, way): mean(kind, f"Fréchet distance {judge}, {way}")
    for kind in ("ae", "vae")
    for judge in "AB"
    for way in ("N(0, I)", "one Gaussian", "mixture of 10", "mixture of 50", "reconstructions")
}
for judge in "AB":
    assert fd["vae", judge, "N(0, I)"] < 0.3 * fd["ae", judge, "N(0, I)"]
    for way in ("one Gaussian", "mixture of 10", "mixture of 50"):
        assert fd["ae", judge, way] < fd["vae", judge, way]
    for kind in ("ae", "vae"):
        assert fd[kind, judge, "mixture of 50"] < fd[kind, judge, "one Gaussian"] / 4
assert fd["ae", "A", "reconstructions"] < fd["vae", "A", "reconstructions"]
for kind in ("ae", "vae"):
    assert 0 < fd[kind, "A", "mixture of 50"] - fd[kind, "A", "reconstructions"] < 10

# %% claim-9-soft
assert mean("ae", "Fréchet distance A, one Gaussian, equally soft") > mean(
    "vae", "Fréchet distance A, one Gaussian, equally soft"
)
assert mean("vae", "precision, one Gaussian") > mean("ae", "precision, one Gaussian") + 0.05
assert mean("ae", "recall, one Gaussian") > mean("vae", "recall, one Gaussian") + 0.05
assert mean("ae", "Fréchet distance A, mixture of 50, equally soft") < mean(
    "vae", "Fréchet distance A, mixture of 50, equally soft"
)
assert known["real images"]["precision"] < min(
    known["real images, blurred by 0.5"]["precision"], known["noise"]["precision"]
)
assert (
    known["real images"]["recall"] > known["real images, blurred by 0.5"]["recall"] > known["noise"]["recall"]
)
soft = "Fréchet distance A, one Gaussian, equally soft"
assert all(a > v for a, v in zip(measured["ae"][soft], measured["vae"][soft]))

# %% claim-4
for when in ("", ", at MSE 0.015"):
    for metric, sign in ((f"path length, 16-D{when}", 1), (f"path unevenness, 16-D{when}", -1)):
        assert all(sign * (a - v) > 0 for a, v in zip(measured["ae"][metric], measured["vae"][metric])), (
            metric
        )
