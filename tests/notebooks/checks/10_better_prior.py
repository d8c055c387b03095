"""What the text of notebook 10 claims, asserted in its own kernel behind the cells named."""

# %% floors
assert ladder["the other test images"] < ladder["training images"] < 5
mark, redrawn, others = (
    ladder[name] for name in ("training codes, decoded", "test images, redrawn", "the others, redrawn")
)
assert redrawn - 0.5 < mark < others + 0.5 and 0 < others - redrawn < 2, "little difference"
assert ladder["one Gaussian"] > 4 * ladder["training codes, decoded"]
assert ladder["N(0, I)"] > 2 * ladder["one Gaussian"]
share = ladder["one Gaussian"] - ladder["training codes, decoded"]
assert share > 4 * ladder["training codes, decoded"], "the sampler's share is by far the largest"

# %% mixture
mark = ladder["training codes, decoded"]
assert ladder["mixture of 10"] - mark < 0.5 * (ladder["one Gaussian"] - mark), "half of the sampler's share"

# %% known
draw = torch.Generator().manual_seed(1)
found = flow_matching_loss(best, draws, draw)["loss"].item()
assert abs(found - math.pi / 2 * 3) < 0.03
assert abs(flow_matching_loss(lambda x, t: 0 * x, draws)["loss"].item() - 10) < 0.1

# %% arrived
missing = {steps: 3 - integrate(best, noise, steps=steps)[-1].std().item() for steps in (20, 100)}
assert 0 < missing[100] < missing[20] < 0.05

# %% whiten
torch.testing.assert_close(x1.T.cov(), torch.eye(2), atol=1e-3, rtol=0)

# %% train-flat
assert np.mean(flat_losses[-300:]) < math.pi - 0.15

# %% flat-way
arrives = train.labels[nearest]


def alike(points):
    """How often a point's five nearest neighbours arrive at its own class."""
    neighbours = torch.cdist(points, points).topk(6, largest=False).indices[:, 1:]
    return (arrives[neighbours] == arrives[:, None]).float().mean().item()


assert alike(noise) > 0.9 * alike(way[-1]), "the colours lie in sectors at the start as at the end"
assert alike(noise) > 3 * alike(noise[torch.randperm(len(noise), generator=torch.Generator().manual_seed(0))])

# %% flow
assert np.mean(flow.losses[-300:]) < least - 2 and np.mean(flow.losses[:20]) > least - 1
assert ladder["flow"] < 0.8 * ladder["mixture of 10"] and ladder["flow"] < 0.35 * ladder["one Gaussian"]
assert ladder["flow"] > ladder["training codes, decoded"]

# %% memory
by_codes = {
    name: np.mean([
        flow_matching_loss(flow.velocity, flow.whitened(z), torch.Generator().manual_seed(i))["loss"].item()
        for i in range(20)
    ])
    for name, z in {"known": codes[:10_000], "others": codes[20_000:30_000], "new": test_codes}.items()
}  # fmt: skip
for name in ("known", "others"):
    assert abs(by_codes["new"] - by_codes[name]) < 0.1 * (least - by_codes["new"]), "about the same"

# %% generator
x = datasets.to_float(test.images[:100])
torch.testing.assert_close(
    FlowDecoder().decode(FlowDecoder().encode(x)), model.decode(model.encode(x)), atol=0.1, rtol=0
)
assert 0.7 < FlowDecoder().encode(x).std() < 1.3

# %% table
ordered = sorted((label for label in table if label.startswith("AE-16")), key=lambda label: table[label][0])
assert ordered == ["AE-16, flow", "AE-16, mixture of 50", "AE-16, one Gaussian"]
near, mixed, one = (table[label] for label in ordered)
for judge in (0, 1, 4):  # A, B, and A when all are equally soft
    assert max(near[judge], mixed[judge]) < one[judge] / (3 if judge == 4 else 7), (
        "about ten times, by A and B"
    )
flows = {judge: recorded("generators", "AE-16, flow", judge) for judge in (A, B)}
mixtures = {
    judge: recorded("generators", "AE-16, mixture of 50", judge) for judge in (A, B, f"{A}, equally soft")
}
ahead = {
    judge: sum(
        ours < theirs
        for ours, theirs in zip(recorded("generators", "AE-16, flow", judge), values, strict=True)
    )
    for judge, values in mixtures.items()
}
assert list(ahead.values()) == [4, 4, 2], "of five, by A, by B, and when all are equally soft"
assert mixed[2] >= near[2], "at least the precision"
alone = [np.mean(recorded("generators", label, "sampler's seconds")) for label in ordered[:2]]
assert 0.25 < alone[1] / alone[0] < 0.42 and 0.4 < mixed[5] / near[5] < 0.6, "for half the seconds"
assert min(near[2] - one[2], mixed[2] - one[2]) > 0.1 and min(near[3], mixed[3]) > 2 * one[3]
own, other = table["VAE-16, N(0, I)"], table["VAE-16, flow"]
assert own[0] > one[0] and one[0] / near[0] / 2 < own[0] / other[0], (
    "no better, and a flow gains as much, within a factor of two"
)
fitted = table["VAE-16, one Gaussian"]
assert 0.8 * own[0] < fitted[0] < own[0], "mean and covariance alone do little"
assert max(row[4] for row in (near, mixed, other)) < min(row[4] for row in (one, own)) / 2, "under soft, too"
assert table["VampPrior VAE-16, its prior"][0] < own[0] / 3
assert all(row[5] < 1.05 * 180 for row in table.values()), "about three minutes at most"

# %% shares
parrot = np.mean(recorded("rivals", "AE-16, training codes", A))
assert near[0] - parrot < 0.1 * (one[0] - parrot), "nearly all of the sampler's share is gone"
assert 0.4 < (parrot - real_floor) / (near[0] - real_floor) < 0.6, (
    "about half the decoder's, half the sampler's"
)
decoders = {
    "AE-16": "AE-16, flow",
    "AE-32": "AE-32, flow",
    "VQ-VAE": "VQ-VAE, autoregressive",
}
split = {}
for decoder, label in decoders.items():
    middle, total = (
        np.array(recorded(*which, A))
        for which in (("rivals", f"{decoder}, training codes"), ("generators", label))
    )
    split[decoder] = (middle - real_floor, total - middle)
for less, more in (("AE-16", "AE-32"), ("AE-32", "VQ-VAE")):
    assert (split[less][0] > split[more][0]).all() and (split[less][1] < split[more][1]).all(), "each seed"
for label in table:
    decoder = label.split(", ")[0]
    if f"{decoder}, training codes" in (run["settings"]["label"] for run in runs):
        assert table[label][0] > np.mean(recorded("rivals", f"{decoder}, training codes", A))

# %% parrot
new = {label: np.mean(recorded("generators", label, "nearest training code")) for label in ordered}
assert max(recorded("rivals", "AE-16, training codes", "nearest training code")) < 0.01
assert 1 < new["AE-16, flow"] < 1.3 < 1.5 < new["AE-16, one Gaussian"]

# %% copyists
spread_of = {name: nearest_code(z) / usual for name, z in kinds.items()}
small = {name: ratios.quantile(torch.tensor([0.01, 0.05])) for name, ratios in spread_of.items()}
assert (small["noisy copies"] > 1.3 * small["flow"]).all() and (small["flow"] > small["new digits"]).all()
assert abs(spread_of["noisy copies"].median().item() - 1) < 0.1 < spread_of["flow"].median().item() - 1 + 0.1
assert small["a third copies"].max() < 1e-3

# %% bar
assert max(seconds) < 60 and min(above_the_floor) > 8 and max(above_the_floor) < 12, "about ten"
parrots = [own - floor for own, floor in zip(recorded("rivals", shown[1], A), floor_A, strict=False)]
assert min(parrots) > 0.5 * above_the_floor.mean(), "the parrot pays more than half of it"
assert max(floor_A) < real_floor, "a decoder redraws nearer to its originals than other real digits are"
for decoder in ("AE-16", "AE-32"):
    of_flow, of_parrot = (
        recorded(*which, B)
        for which in (("generators", f"{decoder}, flow"), ("rivals", f"{decoder}, training codes"))
    )
    assert all(learned < copied for learned, copied in zip(of_flow, of_parrot, strict=True)), "by judge B"
assert (above_the_floor < 10).sum() == 4 and max(flow_A - parrot_A) < 5
