"""What the text of notebook 05 claims, asserted in its own kernel behind the cells named."""

# %% train
assert abs(history.test["loss"][-1] / recorded["test loss"] - 1) < 0.02

# %% judge
assert right > 0.99

# %% slider
assert [morph.digits.labels[i] for i in (morph.start, morph.end)] == [3, 8]
morph.t = 0.25
morph.t = 0.5

# %% half-way
for name in paths:
    at_ends, mid = sure[name][:, [0, -1]].mean(), sure[name][:, 3:8].mean(dim=1)
    assert mid.mean() < at_ends - 0.05  # every path sags
    assert (mid - sure["VAE"][:, 3:8].mean(dim=1)).mean() > -0.02  # and the VAE's is not ahead

# %% traps
assert trap["black image"] < trap["real digits, blurred"] < trap["real digits"]

# %% claim-7-ledger
held = {(part["metric"], "control" in part["rule"]) for part in results.claim(7)["parts"] if part["holds"]}
assert held == {("sag of judge B's confidence", True), ("distance half-way", True)}

# %% slerp-table
for name in ("VAE", "AE"):
    assert arc_sure[name][:, 3:8].mean() > sure[name][:, 3:8].mean() + 0.02
    assert measured_along(arcs[name])[1][:, 3:8].mean() > far[name][:, 3:8].mean()
assert arc_sure["VAE"][:, 3:8].mean() > sure["AE"][:, 3:8].mean()

# %% board-sliders
sliders.thickness, sliders.slant = 1, -0.8
assert sliders.strengths == [1, -0.8, 0]
sliders.strengths = [0, 0, 0]

# %% response-table
for name, of in changes.items():
    assert min(of["AE"], of["VAE"]) > of["pixels"] > of["random direction, VAE"]
    assert abs(of["AE"] / recorded[f"{name}, change"] - 1) < 0.15
for name in ("thickness", "slant"):
    assert correlation(responses[name]["pixels"]) > correlation(responses[name]["VAE"])


# %% promise
def ten(kind, name):
    return [claims["runs"][f"{kind}_16_seed{seed}"]["numbers"][name] for seed in claims["seeds"]]


assert all(a > v for a, v in zip(ten("ae", "thickness, change"), ten("vae", "thickness, change")))
assert all(part["holds"] for part in results.claim(10)["parts"])
for kind in ("ae", "vae"):
    assert 0.6 < sum(ten(kind, "thickness, share of its promise")) / 10 < 0.83
    for name in ("slant", "width"):
        assert 0.44 < sum(ten(kind, f"{name}, share of its promise")) / 10 < 0.56
    assert sum(ten(kind, "width, class kept")) / 10 > 0.6
lost = 1 - min(sum(ten(k, f"{name}, class kept")) / 10 for k in ("ae", "vae") for name in known)
assert round(lost, 2) == 0.36

# %% stray
assert 3 * max(stray["AE"], stray["VAE"]) < stray["pixels"]

# %% triple-table
for space in codes:
    assert eight[space][1] < 0.6 and eight[space][20] > eight[space][1] + 0.2
    assert (thick[space][20] > 0.95 * goal) == (space != "pixels")

# %% entangled-code
assert table[2, 0] > 0.5 and together[2, 0] < 0.2

# %% who
narrow = torch.bincount(labels[groups["least width"]], minlength=10)
assert narrow[1] > 400 and narrow[1] == narrow.max()

# %% within
assert cured[2, 0] / cured[2, 2] < 0.6 * table[2, 0] / table[2, 2] and cured[2, 1] > table[2, 1]
