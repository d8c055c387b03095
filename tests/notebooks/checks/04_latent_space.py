"""What the text of notebook 04 claims, asserted in its own kernel behind the cells named."""

# %% results
for size, model in aes.items():
    recorded = claims["runs"][f"ae_{size}_seed1"]["numbers"][f"test MSE, {size}-D"]
    assert abs(metrics.reconstruction_mse(model, test.images) / recorded - 1) < 0.05

# %% told-apart-code
assert apart["VAE, clouds", 2] < min(0.62, apart["AE", 2])
assert apart["VAE, clouds", 16] > max(0.75, apart["AE", 16] - 0.15)

# %% knn
for size, rel in ((2, 0.15), (16, 0.03)):
    recorded = claims["runs"][f"ae_{size}_seed1"]["numbers"][f"k-NN, {size}-D"]
    assert abs(knn(partial(metrics.embed, aes[size])) / recorded - 1) < rel

# %% turned
parts = {part["metric"]: part for part in results.claim(5)["parts"]}
assert [name for name, part in parts.items() if part["holds"]] == ["k-means, 2-D"]
assert min(parts["linear probe, 16-D"]["opposing"], parts["silhouette, 16-D"]["opposing"]) >= 9
assert not any(parts["k-means, 2-D"]["replications"].values())

# %% neighbours-ledger
assert [part["metric"] for part in results.claim(8)["parts"] if not part["holds"]] == ["same class, 2-D"]

# %% flat-ledger
for who_ in ("ae", "vae"):
    trust = claims["measured"][who_]["trustworthiness, PCA"]
    assert sum(trust) / len(trust) < 0.8

# %% kept
for kind in ("ae", "vae"):
    on_map, in_space = (over_seeds(kind, f"neighbourhood hit{way}") for way in (", t-SNE", " of the codes"))
    assert sum(a > b for a, b in zip(on_map, in_space)) >= 9
assert results.claim(6)["verdict"] == "holds"

# %% sizes
assert true < 0.85 and sorted(breadth(p, 1) / breadth(p, 0) for p in variants.values())[2] > 1

# %% gaps
for places in variants.values():
    assert 0.45 < spearmanr(gaps(codes["VAE"]), gaps(places)).statistic < 0.92

# %% islands
for name, z in codes.items():
    inside, outside = metrics.silhouette(z, labels), metrics.silhouette(flat[f"{name}, t-SNE"], labels)
    assert 1.8 < outside / inside < 4.2

# %% noise
near = torch.cdist(noise_maps["t-SNE, perplexity 5"], noise_maps["t-SNE, perplexity 5"]).sort(dim=1).values
assert (near[:, 1] / near[:, 10]).mean() < 0.2

# %% matters
assert min(changed[:6]) > max(changed[-6:])

# %% sliders
for i in order:
    setattr(sliders, f"z{i + 1}", 1.5)
    assert sliders.z == [1.5 if k == i else value for k, value in enumerate(sliders.start)]
    sliders.z = sliders.start
