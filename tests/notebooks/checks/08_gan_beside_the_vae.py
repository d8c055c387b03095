"""What the text of notebook 08 claims, asserted in its own kernel behind the cells named."""

# %% halves
assert sum(w.numel() for w in generator.parameters()) == sum(
    w.numel() for w in checkpoints.load("vae_conv_16").decoder.parameters()
), "the same decoder as the VAE's"

# %% best
assert abs(played - (math.log(4) - 2 * jsd)) < 0.02 and played < 0.2

# %% slopes
by_logit = {}
for logit in (-6.0, 2.0):
    for game in (minimax, non_saturating):
        fake = torch.tensor([logit], requires_grad=True)
        game(torch.zeros(1), fake)["generator"].backward()
        by_logit[game, logit] = fake.grad.item()
assert by_logit[non_saturating, -6.0] / by_logit[minimax, -6.0] > 300
assert by_logit[non_saturating, 2.0] / by_logit[minimax, 2.0] < 0.2

# %% duel-figure
ends = {name: math.hypot(theta[-1], psi[-1]) for name, (theta, psi) in ways.items()}
assert 0.95 < ends["minimax"] < 1.1 and 0.2 < ends["non-saturating"] < 0.6
assert ends["non-saturating, penalty"] < 0.01
assert math.hypot(ways["minimax"][0][500], ways["minimax"][1][500]) > 0.95

# %% mixture
counts = {name: adversarial.modes_found(drawn[name], centres)[0] for name in drawn}
assert (
    counts["the data"] == 25 and counts["original"] < counts["original, penalty"] and counts["original"] > 8
)
assert counts["original, penalty"] >= 23

# %% mixture-table
tables = [
    [[run["modes"] for run in recorded("mixture", g + end)] for g in games] for end in ("", ", penalty")
]
without, damped = ([found for row in table for found in row] for table in tables)
assert all(min(row) < 25 for row in tables[0]) and without.count(25) == 1 == tables[0][0].count(25)
assert set(damped) == {25}
each = [
    sum(run["seconds"] for run in recorded("mixture", "non-saturating" + end)) for end in ("", ", penalty")
]
assert 1.2 < each[1] / each[0] < 1.6

# %% mixture-twice
longer, plain = (
    [run["modes"] for run in recorded("mixture", label)][:2]
    for label in ("non-saturating, twice the steps", "non-saturating")
)
assert max(longer) < min(plain)

# %% digits-figure
for name in ("discriminator", "generator"):
    late = history.train[name][-10:]
    assert 0.3 < sum(late) / 10 < 1.5, "neither has won"

# %% classes
with torch.no_grad():
    shares = classifier(gan_samples).argmax(dim=1).bincount(minlength=10) / len(gan_samples)
assert (shares >= 0.02).all(), "10 of 10 digits"

# %% rivals
near = {name: metrics.nearest_real_distance(images, train.images) for name, images in seen.items()}
assert near["GAN"].mean() > near["test digits"].mean() and near["GAN"].min() > near["test digits"].min()
softened = metrics.nearest_real_distance(as_soft_as(seen["GAN"], softest), train.images).mean()
assert near["test digits"].mean() < near["VAE"].mean() < softened < near["GAN"].mean()
known = metrics.nearest_real_distance(train.images[:20], train.images)
assert known.max() == 0, "this measure finds copies"
assert metrics.sharpness(seen["GAN"], digits) > metrics.sharpness(seen["VAE"], digits)

# %% dream-train
errors = {
    name: metrics.reconstruction_mse(model, test.images) for name, model in (("GAN", gan), ("VAE", vae))
}
assert errors["GAN"] > 2.5 * errors["VAE"]
assert metrics.reconstruction_mse(gan, dreamt) < errors["GAN"] / 3
