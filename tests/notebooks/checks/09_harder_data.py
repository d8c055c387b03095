"""What the text of notebook 09 claims, asserted in its own kernel behind the cells named."""

# %% explained-table
for row in shares.values():
    assert row["hue"] > row["light"] + 0.15 and row["smooth"] > row["detail"] + 0.5
    assert 0 < row["smooth hue"] - row["smooth light"] < 0.5 * (row["hue"] - row["light"])
for row in without.values():
    assert abs(row["hue"] - row["light"]) < 0.05, "without a texture light is no harder"
assert torch.equal(known.images, coloured_test.images) and 80 < plain.sum() < 140

# %% grey-table
assert grey["VAE, grey"][0] < 0.6 * shares["VAE"]["light"], "half as much of the light as in colour"
assert grey["AE, grey"][0] > shares["AE"]["light"], "so that it isn't that grey is harder to learn"
assert abs(grey["VAE, grey in three channels"][0] - shares["VAE"]["light"]) < 0.1
assert grey["VAE, grey in three channels"][2] > 1.8 * grey["VAE, grey"][2]
copied, third = grey["VAE, grey in three channels"], grey["VAE, grey, beta 1/3"]
for one, other in zip(copied[:2], third[:2]):
    assert abs(one - other) < 0.08, "three copies are a beta of a third"
# Rounding alone sets their KL up to nine nats apart; they stay together, far from a single channel's.
assert abs(copied[2] - third[2]) < (third[2] - grey["VAE, grey"][2]) / 3
later, early = grey["VAE, grey, twice the epochs"], grey["VAE, grey"]
assert later[0] > 1.7 * early[0] and later[2] < 0.7 * grey["VAE, grey in three channels"][2]

# %% photographs
photographs = {
    name: runs[f"colour: cifar10, {name}, seed 0"]["numbers"] for name in ("AE, colour", "VAE, colour")
}
for one in photographs.values():
    assert one["explained, hue"] < one["explained, light"] - 0.1
in_grey_there = runs["colour: cifar10, VAE, grey, seed 0"]["numbers"]["explained"]
assert abs(in_grey_there - photographs["VAE, colour"]["explained, light"]) < 0.03

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
of_logistic, each, one_for_all = (
    bits[f"Fashion: {name}"] for name in ("discretized logistic", "PNG, one each", "PNG, one for 500")
)
assert one_for_all + 0.1 < of_logistic and of_logistic + 0.1 < each < bits["Fashion: Gaussian"] - 1
assert bits["shapes: the grain alone"] + 1 < bits["shapes: PNG, one each"] < bits["shapes: Gaussian"] - 1.5
lead, left = (bits["shapes: Gaussian"] - bits[f"shapes: PNG, {how}"] for how in ("one each", "shuffled"))
assert 0 < left < 0.5 * lead, "without neighbours most of the lead is gone"
blank = io.BytesIO()
Image.new("L", (28, 28)).save(blank, "PNG", optimize=True)
chunks, at = {}, 8
while at < len(blank.getvalue()):
    length = int.from_bytes(blank.getvalue()[at : at + 4], "big")
    chunks[blank.getvalue()[at + 4 : at + 8]] = length
    at += 12 + length
assert len(blank.getvalue()) - chunks[b"IDAT"] == WRAPPING and set(chunks) == {b"IHDR", b"IDAT", b"IEND"}
assert torch.equal(tall(some["shapes"])[0, :, 32:64], some["shapes"][1])
assert torch.equal(shuffled(some["shapes"]).flatten(2).sort()[0], some["shapes"].flatten(2).sort()[0])

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
assert all(a < b for a, b in zip(kept["VAE"], kept["AE"]))
for name in ("VAE", "AE"):
    own, read, longer = (kept[name + how] for how in ("", "'s code, read linearly", ", twice the epochs"))
    assert all(b > a + 0.1 for a, b in zip(own[1:], read[1:])), "the code tells more than the decoder draws"
    assert all(b > a + 0.1 for a, b in zip(own[1:], longer[1:]))
    assert (read_linearly(vae if name == "VAE" else ae) - x).square().mean() < (
        seen[name] - x
    ).square().mean()
assert min(kept["AE, twice the epochs"][1:]) > 0.4 and min(kept["VAE, twice the epochs"][1:]) > 0.2
assert kept["PCA, 32 numbers"] == sorted(kept["PCA, 32 numbers"], reverse=True)
assert all(a > b for a, b in zip(kept["PCA, 32 numbers"], kept["AE, twice the epochs"]))

# %% perceptual-table
(kl_level, level), (kl_eye, by_eye), (kl_any, by_any) = (
    table[name] for name in ("Gaussian, matched", "perceptual", "untrained features")
)
assert abs(kl_level - kl_eye) < 5 and abs(kl_level - kl_any) < 5, "as many nats"
for mse, _, sharp, *_ in (by_eye, by_any):
    assert mse < 1.2 * level[0] and sharp > 2 * level[2]
assert (
    table["Gaussian"][1][0] < 0.65 * by_eye[0]
    and by_eye[-1] < table["Gaussian"][1][-1] < table["the images themselves"][1][-1]
)

filtered = table["matched, sharpened"][1]
assert filtered[2] >= by_eye[2] and filtered[0] < 1.15 * by_eye[0]

# %% claims
assert [results.claim(n)["replications"]["Fashion-MNIST"] for n in (1, 3, 5)] == [
    "holds",
    "holds",
    "does not hold",
]
assert sum(part["holds"] for part in results.claim(5)["parts"]) == 1 and len(results.claim(5)["parts"]) == 8
counts = [
    (
        sum(bool(part["holds"]) for part in results.claim(n)["parts"]),
        sum(bool(part["replications"]["Fashion-MNIST"]) for part in results.claim(n)["parts"]),
    )
    for n in range(1, 11)
]
assert [n for n, (digits_, clothes) in enumerate(counts, 1) if clothes > digits_] == [7]
there = {claim["number"]: claim for claim in results.load("harder")["verdicts"]}
assert "holds" not in {claim["verdict"] for claim in there.values()}, "none in full"
parts_of_3 = {part["metric"].split(",")[0]: part for part in there[3]["parts"]}
low, high = parts_of_3["test MSE"]["interval"][1:]
assert high < 0 and not parts_of_3["test MSE"]["holds"], "a lead, below the margin"
low, high = parts_of_3["sharpness"]["interval"][1:]
assert low < 0 < high and not parts_of_3["sharpness"]["holds"], "and none"
