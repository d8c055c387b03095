"""What the text of notebook 07 claims, asserted in its own kernel behind the cells named."""

# %% worth
assert 15 < saved[0] < 30 and 1.5 < saved[1] < 6, "ten times what it tells, and about what it tells"
assert saved[0] > 6 * math.log(10)
assert abs(bound["told by lot, 2-D"] - bound["plain, 2-D"]) < 4
assert abs(bound["told, 2-D"] - bound["plain, 4-D"]) < 6

# %% clusters
assert shares["told, 2-D"] < 0.25 < 0.5 < shares["told by lot, 2-D"]
assert abs(shares["told by lot, 2-D"] - shares["plain, 2-D"]) < 0.1
assert 0.7 < shares["told, 16-D"] < 0.9 < shares["plain, 16-D"]

# %% obey
own = {
    name: obeyed(model.decode(model.encode(x, y)[0], y), y)
    for name, model in {"decoder alone": alone, "told": told}.items()
}
assert min(own.values()) > 0.95
drawn_z = torch.randn(1000, 16)
drawn_shares = {
    name: obeyed(model.decode(drawn_z, wanted), wanted)
    for name, model in {"decoder alone": alone, "told": told}.items()
}
assert drawn_shares["decoder alone"] + 0.1 < drawn_shares["told"] < 0.9

# %% style-table
shown = {name: [*kept(out), obeyed(out, wanted)] for name, out in images.items()}
thickness_, slant_, width_, obeyed_ = range(4)
assert shown["told"][slant_] > shown["told"][thickness_] > shown["told"][width_] > 0.6
assert max(abs(r) for r in shown["told, another digit's code"][:3]) < 0.2
assert abs(shown["plain, class vectors"][obeyed_] - shown["told"][obeyed_]) < 0.15
assert all(
    abs(a - b) < 0.15 for a, b in zip(shown["plain, class vectors"][:3], shown["told"][:3], strict=True)
)
assert all(a >= b - 0.03 for a, b in zip(shown["decoder alone"][:3], shown["told"][:3], strict=True))
assert shown["decoder alone"][obeyed_] < 0.45 < 0.6 < shown["told"][obeyed_] < 0.85

# %% missing-check
assert abs(total - summed["loss"]) < 0.05

# %% missing
errors = {
    name: (model.classifier(x).argmax(dim=1) != test.labels).float().mean().item()
    for name, model in semi.items()
}
assert max(errors.values()) - min(errors.values()) < 0.04, "no gain"
explained = {
    name: evaluate(semi[name], test.images, functools.partial(conditional_elbo, alpha=0.0), labels=unknown)[
        "loss"
    ]
    for name in ("labelled images alone", "all images")
}
assert 20 < explained["labelled images alone"] - explained["all images"] < 40
