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
ends = ("", ", twice the steps", f", {slow}", f", {slow}, four times the steps", ", penalty")
plain, longer, slower, patient, braked = (recorded("mixture", "non-saturating" + end) for end in ends)
modes = {
    name: [run["modes"] for run in runs_of]
    for name, runs_of in {"plain": plain, "longer": longer, "slower": slower, "patient": patient}.items()
}
assert all(a < b for a, b in zip(modes["longer"], modes["plain"], strict=True)), "fewer, with each seed"
assert max(run["near"] for run in slower) < 0.5, "most samples near no cluster"
assert min(modes["patient"]) >= 24 and len(patient) == 3
assert all(a["near"] > b["near"] for a, b in zip(patient, braked, strict=True)), "more near one, each seed"
spent = [sum(run["seconds"] for run in runs_of) for runs_of in (patient, braked)]
assert 1.6 < spent[0] / spent[1] < 2.4, "in about twice the time"

# %% digits-figure
for name in ("discriminator", "generator"):
    late = history.train[name][-10:]
    assert 0.3 < sum(late) / 10 < 1.5, "neither has won"

# %% classes
with torch.no_grad():
    shares = classifier(gan_samples).argmax(dim=1).bincount(minlength=10) / len(gan_samples)
assert (shares >= 0.02).all(), "10 of 10 digits"

# %% digits-table
original, damped, bare, recent, soft_vae = (
    recorded("generators", label)
    for label in (
        "GAN, original",
        "GAN, original, penalty",
        "GAN, R3 without penalty",
        "GAN, R3",
        "VAE, N(0, I)",
    )
)
assert {run["digits found"] for run in damped + recent + soft_vae} == {10}
reached = sorted(run["digits found"] for run in original + bare)
assert len(reached) == 10 and reached[:5] == [1, 2, 8, 8, 10], "four of ten lost digits, two nearly all"


def judged(runs, metric="Fréchet distance A"):
    return [run["judged"][metric] for run in runs]


def mean(values):
    return sum(values) / len(values)


assert max(judged(damped + recent)) < min(judged(original + bare)), "the penalty makes the difference"
for ours, theirs in ((damped, original), (recent, bare)):
    pairs = zip(judged(ours, "coverage"), judged(theirs, "coverage"), strict=True)
    assert all(a > b for a, b in pairs), "covers more, with each seed"
assert abs(mean(judged(damped)) - mean(judged(recent))) < 0.1 * mean(judged(recent)), "about level"
assert all(0.4 < mean(judged(some)) / mean(judged(soft_vae)) < 0.6 for some in (damped, recent))
blurred_to_one = "Fréchet distance A, equally soft"
assert max(judged(damped + recent, blurred_to_one)) < min(judged(soft_vae, blurred_to_one))
assert min(judged(soft_vae, "coverage")) > max(judged(damped + recent, "coverage"))
nearest = {
    name: [run["nearest"]["samples, equally soft"] for run in some]
    for name, some in {"VAE": soft_vae, "GANs": damped + recent}.items()
}
assert max(nearest["VAE"]) < min(nearest["GANs"]), "at equal time the VAE's are nearer"
assert max(run["seconds"] for run in original + damped + bare + recent + soft_vae) < 1.1 * 180

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
for name, (model, goal) in wanted.items():
    with torch.no_grad():
        start = model.encode(goal)[0]
    ways = (start, searched(model, goal, start), searched(model, goal, anywhere))
    lost[name] = [(model.decode(z) - goal).square().mean().item() for z in ways]
assert 0.3 < 1 - lost["GAN"][1] / lost["GAN"][0] < 0.55, "almost half"
assert 0 < lost["GAN"][2] / lost["GAN"][1] - 1 < 0.2, "from anywhere, a little worse"
assert lost["GAN"][1] > 3 * lost["VAE"][1]
assert max(lost["GAN, its own images"][1:]) < 0.1 * lost["GAN"][1], (
    "codes that exist are found, but for a trace"
)

# %% sliders
with torch.no_grad():
    median = gan.encode(datasets.to_float(test.images[:500]))[0].median(dim=0).values
torch.testing.assert_close(torch.tensor(_.z), median)  # the sliders start at this run's own codes
