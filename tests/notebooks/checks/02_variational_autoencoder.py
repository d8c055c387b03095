"""What the text of notebook 02 claims, asserted in its own kernel behind the cells named."""

# %% trick-gradient
assert abs(mu.grad + 4) < 0.08 and abs(sigma.grad - 1) < 0.02

# %% score
assert abs(score.mean() + 4) < 0.2 and abs(score.var() / pathwise.var() / exact - 1) < 0.1

# %% kl-monte-carlo
assert abs(draws.mean().item() - exact) < 4 * standard_error

# %% train
kl = [float(row[live.terms.index("kl")]) for _, row in live._history]
assert max(kl[:10]) > 1.3 * min(kl[2:40]) and kl[-1] > 1.1 * min(kl[2:40])  # a leap, a fall, a creep
expected = checkpoints.metadata("vae_mlp_2")["test_by_epoch"]["loss"][-1]  # the same recipe
assert abs(history.test["loss"][-1] / expected - 1) < 0.02

# %% spread
assert abs(share_inside(codes, 0.99) / share_inside(shipped_codes, 0.99) - 1) < 0.1
assert abs(share_inside(shipped_codes, 0.5) - 0.5) < 0.05 < 0.99 - share_inside(shipped_codes, 0.99)
assert share_inside(shipped_codes, 0.99) < share_inside(standardized, 0.99) < 0.99

# %% sigma
assert 0.8 < sigma["mirrored digits"] / sigma["digits"] < 1.25 and sigma["a filled square"] < sigma["digits"]

# %% collapse-measure
for model in (wrong, trained_then_wrong):
    kl, active, error = signs(model)
    assert kl < 0.1 and active == 0 and abs(error / mean_error - 1) < 0.05

# %% collapse-cured
assert abs(kl / checkpoints.metadata("vae_mlp_16")["test_by_epoch"]["kl"][0] - 1) < 0.1
assert active == 16 and error < mean_error / 2

# %% collapse-recovers
assert active > 8 and kl > 15

# %% bound-code
assert means == sorted(means), "the bound must rise with k"
