"""The checks of lesson 04's exercises: right answers in unusual forms, and mistakes."""

import functools
import itertools
import random

import numpy as np
import torch
from judge import answers_tried
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from latentlab_helpers import checkpoints, datasets, metrics

# ---- right answers, written as nobody would expect


def in_place(codes):
    codes -= codes.mean(0)
    codes /= codes.std(0)
    return codes


def by_column(codes):
    return torch.stack([(c - c.mean()) / c.std() for c in codes.T]).T


def by_covariance(codes, k):
    values = np.linalg.eigvalsh(np.cov(codes.numpy().T))[::-1]
    return values[:k].sum() / values.sum()


def share(codes, k):
    return PCA(k).fit(codes.numpy()).explained_variance_ratio_.sum()


def by_values(codes, k, power=2, centre=1):
    values = torch.linalg.svd(codes - centre * codes.mean(0)).S ** power
    return values[:k].sum() / values.sum()


def tail(p, k):
    return sum(stats.binom.pmf(i, k, p) for i in range((k + 1) // 2, k + 1))


def chance(a, b, k, tail=tail):
    p = a / (a + b)
    return p * tail(p, k) + (1 - p) * tail(1 - p, k)


def chance_by_all_votes(a, b, k):
    if k > 9:  # 2 ** k ballots
        return chance(a, b, k)
    p, total = a / (a + b), 0
    for kinds in itertools.product((True, False), repeat=k + 1):
        n = sum(kinds[1:])
        total += (kinds[0] == (n > k / 2)) * p ** sum(kinds) * (1 - p) ** (k + 1 - sum(kinds))
    return total


def order(codes, k, first=1, descending=False):
    distances = torch.cdist(codes, codes)
    return distances.argsort(1, descending=descending)[:, first : first + k]


def knn(codes, labels, k, rows=order, vote=lambda found, mine: found.mode(1).values == mine):
    return vote(labels[rows(codes, k)], labels).float().mean()


def knn_by_sklearn(codes, labels, k):
    right = 0
    for i in range(len(codes)):
        rest = np.arange(len(codes)) != i
        known = KNeighborsClassifier(k).fit(codes.numpy()[rest], labels.numpy()[rest])
        right += known.predict(codes.numpy()[[i]])[0] == labels[i].item()
    return right / len(codes)


def knn_by_counts(codes, labels, k):
    near = NearestNeighbors(n_neighbors=k).fit(codes.numpy()).kneighbors(return_distance=False)
    nines = (labels.numpy()[near] == 9).sum(1) > k / 2
    return np.mean(nines == (labels.numpy() == 9))


def kept(codes, places, k, rows=order, other=None):
    a, b = rows(codes, k), (other or rows)(places, k)
    return [[len(set(x) & set(y)) for x, y in zip(a.tolist(), b.tolist(), strict=True)], k]


def share_kept(codes, places, k, **how):
    counts, k = kept(codes, places, k, **how)
    return sum(counts) / (len(counts) * k)


def kept_by_masks(codes, places, k):
    n = len(codes)
    masks = [torch.zeros(n, n).scatter_(1, order(points, k), 1) for points in (codes, places)]
    return (masks[0] * masks[1]).sum(1).mean() / k


def kept_by_sklearn(codes, places, k):
    a, b = (
        NearestNeighbors(n_neighbors=k).fit(p.numpy()).kneighbors(return_distance=False)
        for p in (codes, places)
    )
    return np.mean([np.isin(x, y).mean() for x, y in zip(a, b, strict=True)])


@functools.cache
def mu(name="vae_mlp_16", part="test", n=1000):
    return metrics.embed(checkpoints.load(name), datasets.load("mnist", part).images[:n]).double()


def whitening(z):
    return torch.linalg.solve_triangular(torch.linalg.cholesky(z.T.cov()), (z - z.mean(0)).T, upper=False).T


def zca(z):
    values, axes = torch.linalg.eigh(z.T.cov())
    return (z - z.mean(0)) @ axes @ torch.diag(values**-0.5) @ axes.T


def of_one_vote(how, at=0):
    """From how often codes win the vote, which most would compute first."""

    def does(a, b, k):
        p = a / (a + b)
        return how(p, stats.binom.sf(k // 2 + at, k, p))

    return does


def weighted(p, win):
    return p * win + (1 - p) * (1 - win)


def of_the_ratio(a, b, k):
    p = min(a, b) / max(a, b)
    return weighted(p, stats.binom.sf(k // 2, k, p))


def of_one_number(a, b, k):
    p = a / (a + b)
    return weighted(p, stats.binom.pmf((k + 1) // 2, k, p))


def first_one(z, y, k):
    for i in range(len(z)):
        return ((y[order(z, k)[i]] == y[i]).sum() > k / 2).item() / len(z)


def of_more(name="test", n=10_000):
    everything = metrics.embed(checkpoints.load("vae_mlp_16"), datasets.load("mnist", name).images[:n])
    return PCA(2).fit(everything.double().numpy())


def on_pca(codes, k=5, components=2, of=None, **how):
    places = torch.from_numpy(PCA(components).fit_transform((codes if of is None else of).numpy()))
    return share_kept(codes, places, k, **how)


def pixels():
    return datasets.to_float(datasets.load("mnist", "test").images[:1000]).flatten(1).double()


def deal(measure, codes, labels, draws, make=lambda labels: labels[torch.randperm(len(labels))]):
    return [measure(codes, make(labels.clone())) for _ in range(draws)]


def dealing(make):
    return functools.partial(deal, make=make)


def deal_codes(measure, codes, labels, draws):
    return torch.tensor([measure(codes[torch.randperm(len(codes))], labels) for _ in range(draws)])


def deal_by_numpy(measure, codes, labels, draws):
    rng = np.random.default_rng()
    return np.array([measure(codes.numpy(), rng.permutation(labels.numpy())) for _ in range(draws)])


def deal_a_copy(measure, codes, labels, draws):
    """The labels dealt before are dealt again."""
    found, mine = [], labels.clone()
    for _ in range(draws):
        mine = mine[torch.rand(len(mine)).argsort()]
        found.append(measure(codes, mine))
    return tuple(found)


def with_itself(z, y, k):
    """One more vote for the right label, and one more needed."""
    return ((y[order(z, k + 1, first=0)] == y[:, None]).double().mean(1) > 0.5).double().mean()


RIGHT = {
    "04.1": [in_place, by_column, lambda z: (z - z.mean(0)) / z.std(0, correction=0),
             lambda z: stats.zscore(z.numpy(), axis=0), lambda z: torch.from_numpy(
                 np.divide(z.numpy() - z.numpy().mean(0, keepdims=True), z.numpy().std(0)))],
    "04.2": [by_covariance, share, by_values],
    "04.3": [chance, chance_by_all_votes, lambda a, b, k: torch.tensor(chance(b, a, k))],
    "04.4": [knn, knn_by_sklearn, knn_by_counts, with_itself],
    "04.5": [share_kept, kept_by_masks, kept_by_sklearn],
    "04.6": [lambda: on_pca(mu()), lambda: np.float32(on_pca(mu().float())),
             lambda: torch.tensor([on_pca(mu())])],
    "04.7": [deal, deal_codes, deal_by_numpy, deal_a_copy],
}  # fmt: skip


# ---- wrong answers


def broken_knn_accuracy(codes, labels, k):
    right = 0
    for i in range(len(codes)):
        distances = (codes - codes[i]).norm(dim=1)
        nearest = distances.argsort()[:k]
        if labels[i] in labels[nearest]:
            right += 1
    return right


def rows(**how):
    return functools.partial(order, **how)


def more(by, **how):
    return lambda codes, k: order(codes, k + by, **how)


def vote(make):
    return functools.partial(knn, vote=make)


def from_kept(make):
    return lambda z, m, k: make(torch.tensor(kept(z, m, k)[0]).float(), k)


def ranks(z, m, k):
    return (order(z, k) == order(m, k)).float().mean()


def majority_alone(a, b, k, at=0):
    return chance(a, b, k, lambda p, k: stats.binom.sf(k // 2 + at, k, p))


def rename(labels):
    values = labels.unique()
    return values.roll(1)[torch.searchsorted(values, labels)]


def by_random_shuffle(labels):
    random.shuffle(labels)  # of a tensor, whose rows it doubles
    return labels


def within(labels):
    made = labels.clone()
    for value in labels.unique():
        where = (labels == value).nonzero().ravel()
        made[where] = labels[where[torch.randperm(len(where))]]
    return made


def in_blocks(labels):
    return torch.cat([block[torch.randperm(len(block))] for block in labels.split(100)])


def half(labels):
    made, some = labels.clone(), torch.arange(0, len(labels), 2)
    made[some] = labels[some[torch.randperm(len(some))]]
    return made


def seeded(measure, codes, labels, draws):
    torch.manual_seed(0)
    return deal(measure, codes, labels, draws)


def once(measure, codes, labels, draws):
    return [measure(codes, labels[torch.randperm(len(labels))])] * draws


def same_labels(measure, codes, labels, draws):
    mine = labels[torch.randperm(len(labels))]
    return [measure(codes, mine) for _ in range(draws)]


def seeded_each(measure, codes, labels, draws):
    found = []
    for _ in range(draws):
        torch.manual_seed(0)
        found.append(measure(codes, labels[torch.randperm(len(labels))]))
    return found


def together(measure, codes, labels, draws):
    orders = [torch.randperm(len(labels)) for _ in range(draws)]
    return [measure(codes[o], labels[o]) for o in orders]


def columns(measure, codes, labels, draws):
    def shuffled():
        return torch.stack([c[torch.randperm(len(c))] for c in codes.T], 1)

    return [measure(shuffled(), labels) for _ in range(draws)]


def bootstrap(measure, codes, labels, draws):
    return [measure(codes[torch.randint(len(codes), (len(codes),))], labels) for _ in range(draws)]


def noise_codes(measure, codes, labels, draws):
    return [measure(torch.randn_like(codes), labels) for _ in range(draws)]


def with_truth(measure, codes, labels, draws):
    measure(codes, labels)
    return deal(measure, codes, labels, draws)


def in_place_labels(measure, codes, labels, draws):
    found = []
    for _ in range(draws):
        labels[:] = labels[torch.randperm(len(labels))]
        found.append(measure(codes, labels))
    return found


def rolled(measure, codes, labels, draws):
    return [measure(codes, labels.roll(i + 1)) for i in range(draws)]


def rolled_from_a_deal(measure, codes, labels, draws):
    mine = labels[torch.randperm(len(labels))]
    return [measure(codes, mine.roll(i)) for i in range(draws)]


def some(measure, codes, labels, draws):
    return [measure(codes[:50], labels[torch.randperm(len(labels))][:50]) for _ in range(draws)]


def deranged(labels):
    """No code keeps its label."""
    order = torch.randperm(len(labels))
    order = order[labels[order].argsort()]
    made = labels.clone()
    made[order] = labels[order].roll(len(labels) // 2)
    return made


WRONG = [
    ("04.1", lambda z: (z - z.mean(1, keepdim=True)) / z.std(1, keepdim=True), "those of each image"),
    ("04.1", lambda z: (z - z.mean()) / z.std(), "one mean and one spread"),
    ("04.1", lambda z: (z - z.mean(0)) / z.var(0), "divided by the variance"),
    ("04.1", lambda z: (z - z.mean(0)) / z.std(0) ** 0.5, "a root is too many"),
    ("04.1", lambda z: z / z.std(0), "the mean isn't subtracted"),
    ("04.1", lambda z: z / z.std(0) - z.mean(0), "after the division"),
    ("04.1", lambda z: (z + z.mean(0)) / z.std(0), "the mean is added"),
    ("04.1", lambda z: z - z.mean(0), "centred, and not divided"),
    ("04.1", lambda z: (z - z.mean(0)) * z.std(0), "multiplied by the standard deviation"),
    ("04.1", lambda z: (z - z.median(0)[0]) / z.std(0), "the median"),
    ("04.1", lambda z: (z - z.min(0)[0]) / (z.max(0)[0] - z.min(0)[0]), "between 0 and 1"),
    ("04.1", lambda z: (z - z.mean(0)) / (z.max(0)[0] - z.min(0)[0]), "divided by the range"),
    ("04.1", lambda z: (z - z.mean(0)) / (z - z.mean(0)).pow(2).sum(0).sqrt(), "length of the column"),
    ("04.1", lambda z: torch.nn.functional.normalize(z), "only its direction"),
    ("04.1", lambda z: (z - z.mean(1)[:, None]) / z.std(0), "the mean is that of each image"),
    ("04.1", lambda z: (z - z.mean(0)) / z.std(), "the spread is one number"),
    ("04.1", lambda z: z - z.mean(0) / z.std(0), "only the mean is divided"),
    ("04.1", lambda z: (z - z.mean(0)) / (z**2).mean(0).sqrt(), "measured from the mean"),
    ("04.1", whitening, "undoes the correlations"),
    ("04.1", zca, "mixes the dimensions"),
    ("04.1", lambda z: in_place(z).T, "transposed"),
    ("04.1", lambda z: in_place(z)[:, :1], "the shape"),
    ("04.1", lambda z: 2 * in_place(z), "doubled"),
    ("04.1", lambda z: -in_place(z), "wrong sign"),
    ("04.1", lambda z: in_place(z) / 0, "isn't finite"),
    ("04.1", lambda z: in_place(z) + 1, "off by the same amount"),
    ("04.2", functools.partial(by_values, power=1), "must be squared"),
    ("04.2", functools.partial(by_values, power=4), "squared twice"),
    ("04.2", functools.partial(by_values, centre=0), "aren't centred"),
    ("04.2", functools.partial(by_values, centre=0, power=1), "not centred, and"),
    ("04.2", lambda z, k: PCA(k).fit(z.numpy()).explained_variance_ratio_[-1], "the last of the k alone"),
    ("04.2", lambda z, k: share(z, k + 1), "too many"),
    ("04.2", lambda z, k: share(z, k - 1), "too few"),
    ("04.2", lambda z, k: (lambda v: v[:k].sum() / v.sum())(torch.linalg.eigvalsh(z.T.cov())), "ascending"),
    ("04.2", lambda z, k: 1 - share(z, k), "that is lost"),
    ("04.2", lambda z, k: z.var(0)[:k].sum() / z.var(0).sum(), "the first axes as they are"),
    ("04.2", lambda z, k: z.var(0).topk(k).values.sum() / z.var(0).sum(), "the k widest axes"),
    ("04.2", lambda z, k: PCA(k).fit(z.numpy()).explained_variance_.sum(), "that is a variance"),
    ("04.2", lambda z, k: share(in_place(z), k), "brought to one width"),
    ("04.2", lambda z, k: share(z, k) / (1 - share(z, k)), "divided by what is left"),
    ("04.2", lambda z, k: share(z, 1), "the first component alone"),
    ("04.2", lambda z, k: share(z, k + 1) - share(z, k), "the one after the first k"),
    ("04.2", lambda z, k: share(z, k) / share(z, k), "always 1"),
    ("04.2", lambda z, k: by_values(z - z.mean(1)[:, None], k, centre=0), "the mean of each image"),
    ("04.2", lambda z, k: by_values(z - z.mean(), k, centre=0), "subtracted from all numbers"),
    ("04.2", lambda z, k: by_values(z, k, power=1) ** 2, "the sum is squared"),
    ("04.2", lambda z, k: 100 * share(z, k), "percentage"),
    ("04.2", lambda z, k: share(z, k) / k, "divided by"),
    ("04.2", lambda z, k: PCA(k).fit(z.numpy()).explained_variance_ratio_, "take its sum"),
    ("04.2", lambda z, k: share(z, k) ** 0.5, "on fresh inputs"),
    ("04.2", lambda z, k: share(z, 2), "on fresh inputs"),
    ("04.2", lambda z, k: 0.2, "the same whatever goes in"),
    ("04.3", lambda a, b, k: 0.5, "equally many of both"),
    ("04.3", lambda a, b, k: (tail(a / (a + b), k) + tail(b / (a + b), k)) / 2, "equally many of both"),
    ("04.3", lambda a, b, k: (a**2 + b**2) / (a + b) ** 2, "a single neighbour"),
    ("04.3", lambda a, b, k: max(a, b) / (a + b), "all say the same"),
    ("04.3", lambda a, b, k: tail(a / (a + b), k), "a new code alone"),
    ("04.3", lambda a, b, k: tail(b / (a + b), k), "a new draw of the prior alone"),
    ("04.3", lambda a, b, k: 1 - chance(a, b, k), "how often the vote is wrong"),
    ("04.3", lambda a, b, k: chance(a, b, k, lambda p, k: p**k), "all k neighbours to agree"),
    ("04.3", lambda a, b, k: chance(a, b, k, lambda p, k: stats.binom.pmf((k + 1) // 2, k, p)),
     "larger majority"),
    ("04.3", functools.partial(majority_alone, at=1), "one vote too many"),
    ("04.3", functools.partial(majority_alone, at=-1), "one vote too few"),
    ("04.3", lambda a, b, k: chance(a, b, k, lambda p, k: sum(
        p**i * (1 - p) ** (k - i) for i in range(k // 2 + 1, k + 1))), "binomial coefficient"),
    ("04.3", lambda a, b, k: tail(a / (a + b), k) + tail(b / (a + b), k), "must be weighted"),
    ("04.3", lambda a, b, k: a / (a + b), "how common codes are"),
    ("04.3", of_one_vote(lambda p, win: p * win), "a code which is taken for one"),
    ("04.3", of_one_vote(lambda p, win: (1 - p) * (1 - win)), "a draw which is taken for one"),
    ("04.3", of_one_vote(weighted, at=1), "too late"),
    ("04.3", of_one_vote(weighted, at=-1), "too early"),
    ("04.3", of_one_number, "one number of votes only"),
    ("04.3", of_one_vote(lambda p, win: win**2 + (1 - win) ** 2), "how often it comes up"),
    ("04.3", of_one_vote(lambda p, win: max(win, 1 - win)), "the larger kind wins"),
    ("04.3", of_the_ratio, "not the ratio"),
    ("04.3", lambda a, b, k: 100 * chance(a, b, k), "percentage"),
    ("04.3", lambda a, b, k: chance(a, b, k) / k, "number of neighbours"),
    ("04.3", lambda a, b, k: chance(a, b, 5), "on fresh inputs"),
    ("04.3", lambda a, b, k: chance(a, b, k) ** 2, "on fresh inputs"),
    ("04.4", broken_knn_accuracy, "multiplied by the number of codes"),
    ("04.4", broken_knn_accuracy, "its own nearest neighbour"),
    ("04.4", functools.partial(knn, rows=rows(first=0)), "its own nearest neighbour"),
    ("04.4", functools.partial(knn, rows=more(1, first=0)), "beside k others"),
    ("04.4", functools.partial(knn, rows=more(-1)), "too few votes"),
    ("04.4", functools.partial(knn, rows=more(1)), "too many votes"),
    ("04.4", functools.partial(knn, rows=rows(first=0, descending=True)), "the farthest codes"),
    ("04.4", functools.partial(knn, rows=rows(first=2)), "the nearest other code is left out"),
    ("04.4", vote(lambda found, mine: (found == mine[:, None]).any(1)), "is enough there"),
    ("04.4", vote(lambda found, mine: (found == mine[:, None]).all(1)), "all neighbours must"),
    ("04.4", vote(lambda found, mine: found[:, 0] == mine), "only the nearest"),
    ("04.4", vote(lambda found, mine: (found == mine[:, None]).float()),
     "share of neighbours with the same label"),
    ("04.4", lambda z, y, k: 1 - knn(z, y, k), "how often the vote is wrong"),
    ("04.4", lambda z, y, k: (y == y.mode().values).float().mean(), "only the neighbours' labels count"),
    ("04.4", vote(lambda found, mine: (found == mine[:, None]).sum(1) > found.shape[1] // 2 + 1),
     "more than that are asked for"),
    ("04.4", vote(lambda found, mine: (found == mine[:, None]).sum(1) >= found.shape[1] // 2),
     "already count as a majority"),
    ("04.4", first_one, "inside of the loop"),
    ("04.4", lambda z, y, k: knn(z, y, k) * len(z), "number of codes"),
    ("04.4", lambda z, y, k: 100 * knn(z, y, k), "percentage"),
    ("04.4", lambda z, y, k: knn(z, y, 5) ** 0.5, "on fresh inputs"),
    ("04.4", lambda z, y, k: knn(z, y, 5), "on fresh inputs"),
    ("04.4", lambda z, y, k: (y[order(z, k)].mode(1).values == y).float(), "take its mean"),
    ("04.5", functools.partial(share_kept, rows=rows(first=0)), "so k - 1 others are left"),
    ("04.5", lambda z, m, k: share_kept(z, m, k + 1, rows=rows(first=0)), "there are k others besides"),
    ("04.5", functools.partial(share_kept, rows=rows(first=0), other=order),
     "in the space, but not on the map"),
    ("04.5", functools.partial(share_kept, other=rows(first=0)), "on the map, but not in the space"),
    ("04.5", lambda z, m, k: share_kept(z, m, k) + 1 / k, "counts as kept, too"),
    ("04.5", ranks, "the ranks need not agree"),
    ("04.5", from_kept(lambda n, k: (n > 0).float().mean()), "at least one neighbour"),
    ("04.5", from_kept(lambda n, k: (n == k).float().mean()), "all of their neighbours"),
    ("04.5", from_kept(lambda n, k: (n / (2 * k - n)).mean()), "neighbours in either"),
    ("04.5", functools.partial(share_kept, rows=rows(first=0, descending=True)), "the farthest points"),
    ("04.5", lambda z, m, k: 1 - share_kept(z, m, k), "which is lost"),
    ("04.5", lambda z, m, k: share_kept(z, m, 1), "only the nearest neighbour"),
    ("04.5", lambda z, m, k: (order(z, 1) == order(m, k)).any(1).float().mean(),
     "asks whether the nearest one"),
    ("04.5", lambda z, m, k: share_kept(z, m, k - 1), "one neighbour too few is compared"),
    ("04.5", lambda z, m, k: share_kept(z, m, k - 1) * (k - 1) / k, "divided by k"),
    ("04.5", lambda z, m, k: share_kept(z, m, k + 1), "one neighbour too many"),
    ("04.5", lambda z, m, k: np.isin(order(z, k), order(m, k)).mean(), "thrown together"),
    ("04.5", from_kept(lambda n, k: n[0] / k), "inside of the loop"),
    ("04.5", lambda z, m, k: metrics.trustworthiness(z, m), "trustworthiness"),
    ("04.5", lambda z, m, k: metrics.trustworthiness(m, z), "continuity"),
    ("04.5", from_kept(lambda n, k: n.mean()), "number of neighbours"),
    ("04.5", from_kept(lambda n, k: n.sum() / k), "number of points"),
    ("04.5", from_kept(lambda n, k: n / k), "take its mean"),
    ("04.5", lambda z, m, k: share_kept(z, m, 5), "on fresh inputs"),
    ("04.5", lambda z, m, k: share_kept(z, m, 5) ** 2, "on fresh inputs"),
    ("04.5", lambda z, m, k: 100 * share_kept(z, m, k), "percentage"),
    ("04.6", lambda: on_pca(mu(), rows=rows(first=0)), "as its own neighbour"),
    ("04.6", lambda: on_pca(mu()) + 0.2, "counts as kept, too"),
    ("04.6", lambda: on_pca(mu(), k=10), "ten nearest"),
    ("04.6", lambda: share_kept(mu(), mu()[:, mu().var(0).topk(2).indices], 5), "two widest axes"),
    ("04.6", lambda: share_kept(mu(), mu()[:, :2], 5), "first two axes"),
    ("04.6", lambda: on_pca(in_place(mu().clone())), "standardized first"),
    ("04.6", lambda: on_pca(mu(), of=pixels()), "the images' own PCA"),
    ("04.6", lambda: on_pca(mu("ae_mlp_16")), "the autoencoder"),
    ("04.6", lambda: 1 - on_pca(mu()), "that is lost"),
    ("04.6", lambda: 5 * on_pca(mu()), "divide by five"),
    ("04.6", lambda: on_pca(mu(), components=3), "three components"),
    ("04.6", lambda: on_pca(mu(), components=1), "one component"),
    ("04.6", lambda: 5 / 999, "that is chance"),
    ("04.6", lambda: on_pca(mu(), k=6, rows=rows(first=0)), "beside five others"),
    ("04.6", lambda: on_pca(mu(), k=4), "four neighbours"),
    ("04.6", lambda: on_pca(mu(), rows=rows(first=0, descending=True)), "the farthest points"),
    ("04.6", lambda: ranks(mu(), torch.from_numpy(PCA(2).fit_transform(mu().numpy())), 5), "the ranks"),
    ("04.6", lambda: on_pca(pixels()), "the images' pixels"),
    ("04.6", lambda: on_pca(mu(n=2000)), "2,000 images"),
    ("04.6", lambda: on_pca(mu(part="train")), "other images than"),
    ("04.6", lambda: share_kept(mu(), torch.from_numpy(of_more().transform(mu().numpy())), 5),
     "fitted to more"),
    ("04.6", lambda: on_pca(mu("vae_mlp_2")), "two latent dimensions"),
    ("04.6", lambda: metrics.neighbourhood_hit(
        torch.from_numpy(PCA(2).fit_transform(mu().numpy())), datasets.load("mnist", "test").labels[:1000]),
     "same label"),
    ("04.6", lambda: share(mu(), 2), "the share of the variance"),
    ("04.6", lambda: 100 * on_pca(mu()), "percentage"),
    ("04.6", lambda: 0.5, "too large"),
    ("04.6", lambda: mu(), "one number"),
    ("04.7", dealing(lambda y: y), "still has its own label"),
    ("04.7", dealing(by_random_shuffle), "random.shuffle"),
    ("04.7", together, "still has its own label"),
    ("04.7", dealing(within), "still has its own label"),
    ("04.7", dealing(rename), "only change their names"),
    ("04.7", dealing(lambda y: y.unique()[torch.randint(4, y.shape)]), "change their sizes"),
    ("04.7", dealing(lambda y: y[torch.randint(len(y), y.shape)]), "change their sizes"),
    ("04.7", dealing(lambda y: torch.randint(41, 45, y.shape)), "weren't there before"),
    ("04.7", dealing(torch.zeros_like), "labels"),
    ("04.7", dealing(in_blocks), "keep their label"),
    ("04.7", dealing(half), "keep their label"),
    ("04.7", dealing(deranged), "too few codes keep"),
    ("04.7", rolled, "pushed along"),
    ("04.7", rolled_from_a_deal, "pushed along"),
    ("04.7", seeded, "the seed is fixed"),
    ("04.7", seeded_each, "all draws use the same labels"),
    ("04.7", same_labels, "all draws use the same labels"),
    ("04.7", once, "labels are dealt once"),
    ("04.7", columns, "each dimension is shuffled on its own"),
    ("04.7", noise_codes, "drawn anew"),
    ("04.7", bootstrap, "come twice"),
    ("04.7", with_truth, "the true labels don't belong"),
    ("04.7", in_place_labels, "changes the codes or the labels"),
    ("04.7", lambda m, z, y, n: deal(m, z, y, 5), "called 5 times"),
    ("04.7", lambda m, z, y, n: sum(deal(m, z, y, n)) / n, "return the list of all draws"),
    ("04.7", lambda m, z, y, n: [0.1] * n, "never called"),
    ("04.7", lambda m, z, y, n: [2 * one for one in deal(m, z, y, n)], "return what the measure gave"),
    ("04.7", some, "all of both are asked"),
    ("04.7", dealing(lambda y: y.sort(descending=True).values), "all draws use the same labels"),
    ("04.7", lambda m, z, y, n: deal(m, z, y, n) and None, "returns nothing"),
]  # fmt: skip


(
    test_right_in_an_unusual_form,
    test_a_wrong_answer_gets_its_hint,
    test_every_single_mistake_is_made_here,
) = answers_tried("04.", RIGHT, WRONG)
