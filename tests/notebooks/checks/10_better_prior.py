"""What the text of notebook 10 claims, asserted in its own kernel behind the cells named."""

# %% floors
assert ladder["training images"] < 12 < ladder["test images, redrawn"] < 30
assert abs(ladder["test images, redrawn"] - ladder["training codes, decoded"]) < 5
assert ladder["one Gaussian"] > 4 * ladder["training codes, decoded"]
assert ladder["N(0, I)"] > 2 * ladder["one Gaussian"]
share = ladder["one Gaussian"] - ladder["training codes, decoded"]
assert share > 4 * ladder["training codes, decoded"], "the sampler's share is by far the largest"

# %% mixture
assert ladder["mixture of 10"] < 0.5 * ladder["one Gaussian"], "more than half of the distance is gone"

# %% known
draw = torch.Generator().manual_seed(1)
found = flow_matching_loss(best, draws, draw)["loss"].item()
assert abs(found - math.pi / 2 * 3) < 0.03
assert abs(flow_matching_loss(lambda x, t: 0 * x, draws)["loss"].item() - 10) < 0.1

# %% arrived
assert abs(arrived.std().item() - 3) < 0.05

# %% whiten
torch.testing.assert_close(x1.T.cov(), torch.eye(2), atol=1e-3, rtol=0)

# %% train-flat
assert np.mean(flat_losses[-300:]) < math.pi - 0.15

# %% flat-way
arrives = train.labels[nearest]
neighbours = torch.cdist(noise, noise).topk(6, largest=False).indices[:, 1:]
alike = (arrives[neighbours] == arrives[:, None]).float().mean()
assert alike > 0.6, "the colours lie in sectors already at the start"

# %% flow
assert np.mean(flow.losses[-300:]) < least - 2 and np.mean(flow.losses[:20]) > least - 1
assert ladder["flow"] < 0.8 * ladder["mixture of 10"] and ladder["flow"] < 0.35 * ladder["one Gaussian"]
assert ladder["flow"] > ladder["training codes, decoded"]

# %% generator
x = datasets.to_float(test.images[:100])
torch.testing.assert_close(
    Generator().decode(Generator().encode(x)), model.decode(model.encode(x)), atol=0.1, rtol=0
)
assert 0.7 < Generator().encode(x).std() < 1.3
