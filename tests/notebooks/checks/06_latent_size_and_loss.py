"""What the text of notebook 06 claims, asserted in its own kernel behind the cells named."""

# %% wide
assert 16 <= used <= 36 and abs(by_dimension.sum().item() / mean("sizes", "64-D", "kl") - 1) < 0.1

# %% size-table
kls = [mean("sizes", f"{size}-D", "kl") for size in (2, 4, 8, 16)]
assert kls == sorted(kls) and abs(mean("sizes", "64-D", "kl") - kls[-1]) < 2
for metric in ("mse", "Fréchet distance, N(0, I)"):
    falling = [mean("sizes", f"{size}-D", metric) for size in (2, 4, 8, 16)]
    assert falling == sorted(falling, reverse=True)
dear, cheap = "64-D", "64-D, beta 0.25"
assert mean("sizes", cheap, "kl") > 2 * mean("sizes", dear, "kl")
assert mean("sizes", cheap, "active units") > mean("sizes", dear, "active units") + 5
assert mean("sizes", cheap, "mse") < 0.65 * mean("sizes", dear, "mse")
worse = mean("sizes", cheap, "Fréchet distance, N(0, I)") - mean("sizes", dear, "Fréchet distance, N(0, I)")
assert worse > -5

# %% cb-check
for one, ours in zip(logit.double(), log_normalizer(logit)):
    integral = torch.trapezoid(torch.exp(one * x - nn.functional.softplus(one)), x)
    assert abs(ours + integral.log()) < 1e-5

# %% train-likelihoods
mse = metrics.reconstruction_mse(gaussian, test.images)
assert abs(gaussian.pixels.sigma.item() ** 2 / mse - 1) < 0.15, "the best variance is the mean squared error"

# %% units
assert bernoulli_terms["kl"] * 2 < gaussian_terms["kl"] < continuous_terms["kl"] / 2
assert -bernoulli_terms["loss"] < 0 < -gaussian_terms["loss"] < 1000 < -continuous_terms["loss"]

# %% likelihood-table
by_mse, by_sharpness, by_reading = (
    sorted(rows, key=lambda name: mean(*rows[name], metric))
    for metric in ("mse", "sharpness", "read as its digit")
)
assert by_mse[0] == by_reading[-1] == "Gaussian" and by_mse[-1] == by_sharpness[-1] == "continuous Bernoulli"
assert by_sharpness[0] == "squared error"
assert min(rows, key=lambda name: mean(*rows[name], "Fréchet distance, N(0, I)")) == "Bernoulli"
assert mean(*rows["continuous Bernoulli"], "kl") > 14 * mean(*rows["squared error"], "kl")

# %% rate-figure
for metric, near in (("mse", 0.1), ("sharpness", 0.1)):
    kl, values = (np.array(part) for part in curve("Bernoulli", metric))
    for name in ("Gaussian", "squared error"):
        for at, value in zip(*curve(name, metric)):
            if kl[0] < at < kl[-1]:
                there = np.interp(np.log(at), np.log(kl), np.log(values))
                assert abs(there - np.log(value)) < near, (name, metric, at)
kl, values = (np.array(part) for part in curve("Bernoulli", "mse"))
for at, value in zip(*curve("continuous Bernoulli", "mse")):
    assert value > 1.5 * np.interp(at, kl, values)

# %% black
assert log_p[black].sum() > 2 * log_p[~black].sum() and log_p[black].sum() > 0
assert 8.5 < log_p[black].mean() - log_p[~black].mean() < 9.6  # about nine nats, in whatever unit

# %% masked
assert evaluate(masked, coins)["kl"] < 0.5 * mean("collapse", "plain", "kl")

# %% collapse-print
plain, strong, mute = (
    {name: mean("collapse", label, name) for name in columns}
    for label in ("plain", "masked", "masked, no code")
)
other = "reconstruction with another image's code"
assert strong["elbo"] > plain["elbo"] + 12 and strong["kl"] < plain["kl"] / 3
assert strong["active units"] < 12 and plain["active units"] == 16
assert 0 < strong["elbo"] - mute["elbo"] < 1 and mute["kl"] < 0.01
assert strong[other] - strong["reconstruction"] > 24

# %% cures-table
for label in ("masked, annealing", "masked, free bits"):
    cured = {name: mean("collapse", label, name) for name in columns}
    assert cured["active units"] == 16 and cured["elbo"] < strong["elbo"] and cured["kl"] > strong["kl"]
plain8, annealed8 = ({n: mean("collapse", label, n) for n in columns} for label in longer)
assert annealed8["kl"] < mean("collapse", "masked, annealing", "kl") - 3
assert 0.3 < plain8["elbo"] - annealed8["elbo"] < 1
freed_row, masked_row = (
    {n: mean("collapse", label, n) for n in columns} for label in ("masked, free bits", "masked")
)
assert 2.5 < freed_row["kl"] - masked_row["kl"] < 3.5
assert 1.7 < masked_row["reconstruction"] - freed_row["reconstruction"] < 2.5
costs = {}
for label in ("masked", "masked, annealing", "masked, free bits"):
    costs[label] = mean("collapse", label, other) - mean("collapse", label, "reconstruction")
assert mean("collapse", "masked, annealing", "elbo") < mute["elbo"] - 0.5
assert costs["masked, annealing"] > 3 * costs["masked"] > 3 * costs["masked, free bits"]

# %% iwae-check
bounds = [
    evaluate(bernoulli, few, partial(importance_weighted_loss, k=k), batch_size=100)["loss"]
    for k in (1, 5, 50)
]
assert bounds == sorted(bounds, reverse=True)
assert abs(bounds[0] - evaluate(bernoulli, few)["loss"]) < 1

# %% iwae-table
bound = {run["label"]: {n: mean("bounds", run["label"], n) for n in names} for run in bound_runs}
one, five, fifty = (bound[label] for label in ("VAE, k = 1", "IWAE, k = 5", "IWAE, k = 50"))
twice, tenfold = (bound[f"VAE, k = 1, {times} times the epochs"] for times in (2, 10))
assert 4.5 < five["log p(x)"] - one["log p(x)"] < 5.5 and 1.5 < fifty["log p(x)"] - five["log p(x)"] < 2
assert 3.5 < twice["log p(x)"] - five["log p(x)"] < 4 and 7 < tenfold["log p(x)"] - fifty["log p(x)"] < 8
assert 0.8 < twice["seconds"] / five["seconds"] < 1.3 and tenfold["seconds"] < fifty["seconds"]
assert min(bound.values(), key=lambda row: row["elbo"]) is fifty
assert 4 < -tenfold["log p(x)"] - paper["VAE, k = 1"] < 4.5
assert one["active units"] > max(twice["active units"], tenfold["active units"])  # longer wakes no more
assert tenfold is max(bound.values(), key=lambda row: row["log p(x)"])

# %% file-toy-run
assert abs(lengths[-1] - lengths[0] + math.log2(p_x.mean())) < 0.01  # but for the stack's own rounding

# %% file-costs
assert torch.equal(coding.decompress(file, packer), some)
assert abs(net - elbo) < 4  # z is one draw
assert costs["z"].mean() > 200 and costs["back"].mean() < -150 and 8 * len(file) / 100 > net

# %% file-table
assert chance["same"] and chance["bits_per_pixel"] <= 0.17
assert min(sizes, key=sizes.get) == "bits-back coding"

# %% file-weights
assert other["same"] and other["bytes"] < size
assert chance["bytes"] + packed["weights"] > chance["rivals"]["one bit a pixel"]

# %% file-exact
assert off["float32"] > 0.01 and off["whole numbers"] == 0
