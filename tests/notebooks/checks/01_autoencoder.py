"""What the text of notebook 01 claims, asserted in its own kernel behind the cells named."""

# %% linear-train
assert abs(ratio - 1) < 0.02  # about the same

# %% train
shipped = checkpoints.metadata("ae_mlp_2")  # the same recipe, run when the course was made
assert abs(history["test"][-1] / shipped["test_by_epoch"]["loss"][-1] - 1) < 0.05

# %% gains
assert metrics.reconstruction_mse(plain, test.images) > 1.02 * history["test"][-1]

# %% sizes
assert min(ahead.values()) > 1  # PCA doesn't catch up anywhere
assert abs(pca_errors[64] / ae_errors[16] - 1) < 0.05  # 16 numbers do what takes PCA 64

# %% holes-check
lead = {
    size: (in_hole - blend) / ((in_hole * (1 - in_hole) + blend * (1 - blend)) / 500) ** 0.5
    for size, (_, in_hole, blend) in agreements.items()
}
assert min(lead[2], lead[64]) > 2 and lead[4] > 2 and lead[8] < -2 and max(abs(lead[16]), abs(lead[32])) < 2
assert agreements[2][1] > 0.5 and agreements[4][1] > 0.5 > agreements[64][1]

# %% sliders
for place in [(low[0], high[1]), (high[0], low[1]), (start[0], start[1])]:
    z1.value, z2.value = place
    assert picture.value == plots.to_png(autoencoder.decode(torch.tensor([place]))[0])

# %% pad-check
assert (pad.z1, pad.z2) == (low[0], high[1])
seen = []
pad.observe(lambda change: seen.append(change["new"]), "z")
pad.z = [low[0], low[1]]
assert seen == [[low[0], low[1]]]
pad.z = [low[0], high[1]]
