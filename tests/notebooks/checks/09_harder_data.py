"""What the text of notebook 09 claims, asserted in its own kernel behind the cells named."""

# %% explained-table
for row in shares.values():
    assert row["hue"] > row["light"] + 0.15 and row["smooth"] > row["detail"] + 0.5
    assert 0 < row["smooth hue"] - row["smooth light"] < 0.5 * (row["hue"] - row["light"])

# %% grey-table
assert grey["VAE, grey"][0] < 0.6 * shares["VAE"]["light"], "half as much of the light as in colour"
assert grey["AE, grey"][0] > shares["AE"]["light"], "so that it isn't that grey is harder to learn"
assert abs(grey["VAE, grey in three channels"][0] - shares["VAE"]["light"]) < 0.1
assert grey["VAE, grey in three channels"][2] > 1.8 * grey["VAE, grey"][2]

# %% density-trap
assert bits_per_dimension(math.log(1e-7 * math.sqrt(2 * math.pi)), 1) + 8 < 0

# %% dequantize
assert torch.equal((256 * y).floor().byte(), fashion_test.images) and y.min() >= 0 and y.max() < 1
ours = dequantized(fx := datasets.to_float(fashion_test.images[:50]), torch.Generator().manual_seed(1))
assert torch.equal(ours, likelihoods.dequantized(fx, torch.Generator().manual_seed(1)))

# %% logistic-check
for scale in (0.001, 0.05, 1.0):
    pixels = likelihoods.DiscretizedLogistic(scale=scale)
    logits = torch.full((256, 1, 1, 1), -2.0)
    known_p = pixels.log_probability(logits, levels.view(-1, 1, 1, 1)).flatten()
    ours = discretized_logistic(logits.flatten(), levels, torch.tensor(scale))
    assert torch.allclose(ours, known_p, rtol=1e-4, atol=1e-4) and abs(ours.exp().sum() - 1) < 1e-3

# %% bits-table
assert bits["Fashion: discretized logistic"] + 0.6 < bits["Fashion: PNG"] < bits["Fashion: Gaussian"] - 1
assert bits["shapes: the grain alone"] + 1 < bits["shapes: PNG"] < bits["shapes: Gaussian"] - 1.5

# %% saturation
on_black, elsewhere = (
    [-each[where].mean() / math.log(2) for each in (log_density, log_p)] for where in (black, ~black)
)
assert on_black[0] - on_black[1] > 4 and abs(elsewhere[0] - elsewhere[1]) < 0.5
assert 0.48 < black.float().mean() < 0.52

# %% contrast
focus, of_ae, of_vae_ = (contrast(rows[name]) for name in ("out of focus", "AE", "VAE"))
assert focus == sorted(focus), "a lens takes the finest first"
for one in (of_ae, of_vae_):
    assert one[0] > 0.7 and max(one[1:]) < 0.45, "the models keep the finest"
assert all(abs(share - 1) < 0.02 for share in contrast(x))

# %% controls-table
assert max(abs(a - b) for a, b in zip(kept["VAE"], kept["VAE, z in place of mu"])) < 0.05
assert all(a <= b + 0.05 for a, b in zip(kept["AE, 128 numbers"], kept["AE: no price"]))
assert all(a < b for a, b in zip(kept["VAE"], kept["AE: no price"]))
for short, long in (("AE: no price", "AE, twice the epochs"), ("VAE", "VAE, twice the epochs")):
    assert all(b > a + 0.1 for a, b in zip(kept[short][1:], kept[long][1:]))
assert min(kept["AE, twice the epochs"][1:]) > 0.4 and min(kept["VAE, twice the epochs"][1:]) > 0.2

# %% perceptual-table
(kl_level, level), (kl_eye, by_eye), (kl_any, by_any) = (
    table[name] for name in ("Gaussian, level", "perceptual", "untrained features")
)
assert abs(kl_level - kl_eye) < 5 and abs(kl_level - kl_any) < 5, "as many nats"
for mse, _, sharp, *_ in (by_eye, by_any):
    assert mse < 1.2 * level[0] and sharp > 2 * level[2]
assert (
    table["Gaussian"][1][0] < 0.65 * by_eye[0]
    and by_eye[-1] < table["Gaussian"][1][-1] < table["the images themselves"][1][-1]
)

# %% claims
assert [results.claim(n)["replications"]["Fashion-MNIST"] for n in (1, 3, 5)] == [
    "holds",
    "holds",
    "does not hold",
]
assert sum(part["holds"] for part in results.claim(5)["parts"]) == 1 and len(results.claim(5)["parts"]) == 8
