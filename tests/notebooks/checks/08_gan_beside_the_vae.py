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
assert max(ends["minimax, penalty"], ends["non-saturating, penalty"]) < 0.01
assert math.hypot(ways["minimax"][0][500], ways["minimax"][1][500]) > 0.95

# %% mixture
counts = {name: adversarial.modes_found(drawn[name], centres)[0] for name in drawn}
assert (
    counts["the data"] == 25 and counts["original"] < counts["original, penalty"] and counts["original"] > 8
)
assert counts["original, penalty"] >= 23

# %% mixture-table
without, damped = ({game: recorded("mixture", game + end) for game in games} for end in ("", ", penalty"))
assert all(len(row) == 3 for table in (without, damped) for row in table.values())
assert {run["modes"] for row in damped.values() for run in row} == {25}
assert [run["modes"] for run in sum(without.values(), [])].count(25) == 1
assert max(run["modes"] for run in without["minimax"]) == 25, "all but one, with minimax"
nearer = {
    (game, seed): kept["near"] > lost["near"]
    for game in games
    for seed, (kept, lost) in enumerate(zip(damped[game], without[game], strict=True))
}
assert [pair for pair, holds in nearer.items() if not holds] == [("non-saturating", 0)]
each = [sum(run["seconds"] for run in row["non-saturating"]) for row in (without, damped)]
assert 1.2 < each[1] / each[0] < 1.6

# %% mixture-twice
plain, longer, slower = (
    [run["modes"] for run in recorded("mixture", "non-saturating" + how)]
    for how in ("", ", twice the steps", ", a quarter of the rate")
)
assert all(a < b for a, b in zip(longer, plain, strict=True)), "fewer, with each seed"
assert max(slower) < 25 and abs(sum(slower) - sum(plain)) <= 6

# %% digits-figure
for name in ("discriminator", "generator"):
    late = history.train[name][-10:]
    assert 0.3 < sum(late) / 10 < 1.5, "neither has won"

# %% classes
with torch.no_grad():
    shares = classifier(gan_samples).argmax(dim=1).bincount(minlength=10) / len(gan_samples)
assert (shares >= 0.02).all(), "10 of 10 digits"

# %% digits-table
original, damped, recent, soft = (
    recorded("generators", label)
    for label in ("GAN, original", "GAN, original, penalty", "GAN, R3", "VAE, N(0, I)")
)
assert {run["digits found"] for run in original + damped + recent + soft} == {10}


def judged(runs, metric="Fréchet distance A"):
    return sum(run["judged"][metric] for run in runs) / len(runs)


assert judged(original) > 3 * max(judged(damped), judged(recent)), "the penalty makes the difference"
assert judged(original, "coverage") < 0.5 * min(judged(damped, "coverage"), judged(recent, "coverage"))
assert abs(judged(damped) - judged(recent)) < 0.25 * judged(recent), "about level"
assert 0.35 < judged(recent) / judged(soft) < 0.6 and 0.35 < judged(damped) / judged(soft) < 0.6
blurred_to_one = "Fréchet distance A, equally soft"
assert max(judged(damped, blurred_to_one), judged(recent, blurred_to_one)) < judged(soft, blurred_to_one)
assert judged(soft, "coverage") > max(judged(damped, "coverage"), judged(recent, "coverage"))
assert max(run["seconds"] for run in original + damped + recent + soft) < 1.05 * 180

# %% rivals
near = {name: metrics.nearest_real_distance(images, train.images) for name, images in seen.items()}
assert near["GAN"].mean() > near["test digits"].mean() and near["GAN"].min() > near["test digits"].min()
softened = metrics.nearest_real_distance(as_soft_as(seen["GAN"], softest), train.images).mean()
assert near["test digits"].mean() < near["VAE"].mean() < softened < near["GAN"].mean()
by_class = {}
for name, images in seen.items():
    with torch.no_grad():
        named = classifier(images).argmax(dim=1)
    by_class[name] = torch.stack([near[name][named == digit].mean() for digit in range(10)]).nanmean()
assert by_class["test digits"] < by_class["VAE"] < by_class["GAN"], (
    "counting each class alike: the same order"
)
known = metrics.nearest_real_distance(train.images[:20], train.images)
assert known.max() == 0, "this measure finds copies"
assert metrics.sharpness(seen["GAN"], digits) > metrics.sharpness(seen["VAE"], digits)

# %% dream-train
errors = {
    name: metrics.reconstruction_mse(model, test.images) for name, model in (("GAN", gan), ("VAE", vae))
}
assert errors["GAN"] > 2.5 * errors["VAE"]
assert metrics.reconstruction_mse(gan, dreamt) < errors["GAN"] / 3

# %% search
lost = {}
for name, model in {"GAN": gan, "VAE": vae}.items():
    with torch.no_grad():
        start = model.encode(x)[0]
    ways = (start, searched(model, x, start), searched(model, x, anywhere))
    lost[name] = [(model.decode(z) - x).square().mean().item() for z in ways]
assert 0.3 < 1 - lost["GAN"][1] / lost["GAN"][0] < 0.55, "almost half"
assert 0 < lost["GAN"][2] / lost["GAN"][1] - 1 < 0.2, "from anywhere, a little worse"
assert lost["GAN"][1] > 3 * lost["VAE"][1]

# %% sliders
with torch.no_grad():
    median = gan.encode(datasets.to_float(test.images[:500]))[0].median(dim=0).values
torch.testing.assert_close(torch.tensor(_.z), median)  # the pictures may be others, of this run's own code
