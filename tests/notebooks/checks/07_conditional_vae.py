"""What the text of notebook 07 claims, asserted in its own kernel behind the cells named."""

# %% worth
assert 18 < saved[0] < 30 and math.log(10) < saved[1] < 6, "ten times what it tells, and about twice that"
assert saved[0] > 8 * math.log(10)
assert abs(bound["told at random, 2-D"] - bound["plain, 2-D"]) < 4
assert abs(bound["told at random, 16-D"] - bound["plain, 16-D"]) < 1
assert abs(bound["told, 2-D"] - bound["plain, 4-D"]) < 6
assert 2 < terms["told at random, 16-D"]["kl"] - terms["told, 16-D"]["kl"] < 5

# %% clusters
assert shares["told, 2-D"] < 0.25 < 0.5 < shares["told at random, 2-D"]
assert abs(shares["told at random, 2-D"] - shares["plain, 2-D"]) < 0.1
assert 0.7 < shares["told, 16-D"] < 0.9 < shares["plain, 16-D"]
assert of_label < 0.1 < 0.6 < of_digit < shares["told, 16-D"] + 0.02, "the digit's, whatever it is called"

# %% obey
asked_of = {"decoder alone": alone, "told": told, "flat": flat}
own = {name: obeyed(model.decode(model.encode(x, y)[0], y), y) for name, model in asked_of.items()}
assert min(own["decoder alone"], own["told"]) > 0.95 and 0.8 < own["flat"] < 0.95
assert obedience["decoder alone, 16-D"] + 0.3 < obedience["told, 16-D"] < obedience["told, 2-D"] - 0.1
other_label = {name: model.decode(model.encode(x, y)[0], wanted) for name, model in asked_of.items()}
as_it_was = {name: obeyed(out, y) for name, out in other_label.items()}
assert 0.4 < as_it_was["decoder alone"] < 0.65 and 0.05 < as_it_was["told"] < 0.2 and as_it_was["flat"] < 0.05
drawn_shares = {
    name: obeyed(model.decode(torch.randn(1000, model.latent_dim), wanted), wanted)
    for name, model in asked_of.items()
}
assert drawn_shares["decoder alone"] + 0.1 < drawn_shares["told"] < 0.85 < drawn_shares["flat"] + 0.02

# %% legible
clear = {
    "real": read(x)[1].mean(),
    "plain": read(unasked)[1].mean(),
    "told": read(told.decode(torch.randn(1000, 16), wanted))[1].mean(),
}
assert clear["plain"] + 0.03 < clear["told"] < clear["real"] - 0.1
assert stored("generators: conditional VAE")["obeyed"] > 0.9

# %% style-table
thickness_, slant_, width_, obeyed_ = range(4)
assert table["told"][slant_] > table["told"][thickness_] > table["told"][width_] > 0.6
assert min(table["told, its own class"][:3]) > 0.9, "the ceiling"
assert max(abs(r) for r in table["told, another digit's code"][:3]) < 0.2
assert max(abs(r) for r in uncentred) < 0.25
assert abs(table["plain, class vectors"][obeyed_] - table["told"][obeyed_]) < 0.15
assert all(
    abs(a - b) < 0.15 for a, b in zip(table["plain, class vectors"][:3], table["told"][:3], strict=True)
)
assert all(a >= b - 0.05 for a, b in zip(table["decoder alone"][:3], table["told"][:3], strict=True))
assert table["decoder alone"][obeyed_] < 0.45 < 0.6 < table["told"][obeyed_] < 0.85

# %% missing-check
assert abs(total - summed["loss"]) < 0.05
assert abs(by_hand - with_labels["loss"]) < 0.05

# %% missing
errors = {
    name: (model.classifier(test_x).argmax(dim=1) != test.labels).float().mean().item()
    for name, model in semi.items()
}
assert max(errors.values()) - min(errors.values()) < 0.04, "about as many mistakes"
assert -0.015 < errors["classifier alone, 1"] - errors["all images, 1"] < 0.03, "a point, if any"
explained = {
    name: evaluate(model, test.images, summed_over, labels=unknown)["loss"]
    for name, model in semi.items()
    if "classifier" not in name
}
passes = [explained[f"labelled images alone, {n}"] for n in (10, 30, 100)]
assert passes == sorted(passes, reverse=True), "of these three, the longest is the best"
assert 20 < passes[-1] - explained["all images, 1"] < 40

# %% shares-kept
wrong_share = {
    label: np.array([stored(f"missing: {label}", seed)["error"] for seed in (0, 1)]) for label in shares_kept
}
everything, half, half_alone, hundredth, seldom = wrong_share.values()
assert 0.003 < (half - everything).mean() < 0.007 and (half_alone <= half).all()
assert (abs(seldom - hundredth - 0.01) < 0.004).all(), "about a point, twice"
