import ast
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from distributed import LocalCluster
from scipy import stats
from sklearn.decomposition import PCA

from latentlab_helpers import datasets, losses, metrics, models
from latentlab_helpers import results as shown
from tools.claims import __main__ as tool
from tools.claims import data, measures, rules, runs
from tools.claims.rules import BOTH, CLAIMS, Claim, Part
from tools.quote import quote

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = {
    who for claim in CLAIMS.values() for part in claim.parts for who in (part.subject, part.reference)
}
COMPARATIVE = [n for n, claim in CLAIMS.items() if any(p.reference in BOTH for p in claim.parts)]


@pytest.fixture(scope="module")
def results():
    return shown.load("claims")


def swapped(measured):
    other = {"ae": "vae", "vae": "ae", "ae control": "vae control", "vae control": "ae control"}
    return {who: measured[other.get(who, who)] for who in measured}


# --- rules -------------------------------------------------------------------------------------------

BELOW = Part("error", "ae", "vae", lower=True, margin=0.05, relative=True)
ABOVE = Part("share", "vae", "control", lower=False, margin=0.02, relative=False)


@pytest.mark.parametrize(
    "part, subject, reference, agreeing",
    [
        (BELOW, [90, 94, 80], [100, 100, 100], 3),
        (BELOW, [90, 96, 110], [100, 100, 100], 1),
        (BELOW, [95, 95, 95.1], [100, 100, 100], 2),  # exactly the margin is enough
        (BELOW, [-106, -104, 0], [-100, -100, -100], 1),
        (ABOVE, [0.53, 0.51, 0.9], [0.5, 0.5, 0.5], 2),
        (ABOVE, [0.5, 0.4, 0.1], [0.5, 0.5, 0.5], 0),
        (replace(ABOVE, margin=0.5), [1.0, 1.5, 0.99], [0.5, 1.0, 0.5], 2),
        (ABOVE, [float("nan")] * 3, [0.5, 0.5, 0.5], 0),
    ],
)
def test_a_seed_agrees_if_it_is_beyond_the_margin(part, subject, reference, agreeing):
    measured = {"ae": {}, "vae": {}, "control": {}}
    measured[part.subject][part.metric], measured[part.reference][part.metric] = subject, reference
    assert part.agreeing(measured) == agreeing


def test_a_rule_says_who_is_ahead_of_whom_and_by_how_much():
    assert BELOW.rule == "AE below VAE by 5 %"
    assert ABOVE.rule == "VAE above control by 0.02"


def test_chance_and_interval_are_those_of_the_paired_t_test():
    ae, vae = [9.0, 9.3, 8.8, 9.1], [10.0, 10.4, 9.9, 10.0]
    measured = {"ae": {"error": ae}, "vae": {"error": vae}}
    d = np.subtract(ae, vae)
    mean, half = d.mean(), stats.t.ppf(0.975, 3) * d.std(ddof=1) / 2
    assert BELOW.interval(measured) == pytest.approx((mean, mean - half, mean + half))
    beyond = -d - 0.05 * np.array(vae)
    t = beyond.mean() / (beyond.std(ddof=1) / 2)
    assert BELOW.chance(measured) == pytest.approx(stats.t.sf(t, 3))
    paired = stats.ttest_rel(ae, np.multiply(0.95, vae), alternative="less")
    assert BELOW.chance(measured) == pytest.approx(paired.pvalue)


@pytest.mark.parametrize(
    "values, reference, chance",
    [
        ([0.6] * 3, [0.5] * 3, 0.0),
        ([0.51] * 3, [0.5] * 3, 1.0),
        ([0.6], [0.5], 1.0),
        ([float("nan"), 1], [0, 0], 1),
    ],
)
def test_without_any_spread_there_is_no_chance_and_without_numbers_no_proof(values, reference, chance):
    assert ABOVE.chance({"vae": {"share": values}, "control": {"share": reference}}) == chance


def test_holm_asks_the_best_of_many_for_more(monkeypatch):
    """Of three, the least p must be below 5 % / 3, the next below 5 % / 2; after a failure none holds."""
    parts = tuple(replace(BELOW, metric=name) for name in "abcd")
    monkeypatch.setattr(rules, "CLAIMS", {1: Claim("", parts)})
    chances = {"a": 0.03, "b": 0.016, "c": 0.024}
    monkeypatch.setattr(Part, "chance", lambda part, measured: chances[part.metric])
    numbers = {name: [1.0, 1.0] for name in chances}
    found = rules.holding({"ae": numbers, "vae": numbers, "control": {}})
    assert [found[1, part] for part in parts] == [True, True, True, None], "d was not measured"
    chances["c"] = 0.026
    found = rules.holding({"ae": numbers, "vae": numbers, "control": {}})
    assert [found[1, part] for part in parts] == [False, True, False, None], (
        "0.03 < 0.05, but after a failure"
    )
    chances["b"] = 0.017
    assert not any(rules.holding({"ae": numbers, "vae": numbers, "control": {}}).values())


def test_a_ledger_without_any_difference_says_so_nearly_always():
    """Numbers dealt by the same dice to all: in at most 5 % of such ledgers does anything hold."""
    metrics_of = {part.metric for claim in CLAIMS.values() for part in claim.parts}
    generator, some = np.random.default_rng(0), 0
    for _ in range(40):
        measured = {
            who: {metric: generator.normal(1, 0.1, 10).tolist() for metric in metrics_of}
            for who in ("ae", "vae", "control")
        }
        some += any(rules.holding(measured).values())
    assert some <= 2


@pytest.mark.parametrize(
    "holds, verdict",
    [
        ([True, True], "holds"),
        ([True, None], "holds"),
        ([True, False], "holds partly"),
        ([False, False], "does not hold"),
        ([None, None], "does not hold"),
    ],
)
def test_a_verdict_counts_the_parts(holds, verdict):
    assert rules.verdict(holds) == verdict


def test_a_control_made_from_a_model_is_held_against_that_model():
    """The AE is ahead of its own control; of the VAE's, or of the mean of both, it isn't."""
    parts = [Part("share", who, "control", lower=False, margin=0.02, relative=False) for who in BOTH]
    measured = {
        "ae": {"share": [0.5, 0.5]},
        "vae": {"share": [0.9, 0.9]},
        "control": {},
        "ae control": {"share": [0.4, 0.3]},
        "vae control": {"share": [0.8, 0.95]},
    }
    assert [part.agreeing(measured) for part in parts] == [2, 1]


def test_seeds_are_paired_and_none_is_left_out():
    with pytest.raises(ValueError, match="argument"):
        BELOW.chance({"ae": {"error": [1] * 4}, "vae": {"error": [2] * 5}})
    assert BELOW.chance({"ae": {"error": []}, "vae": {"error": []}}) == 1, "nothing measured, nothing shown"


@pytest.mark.parametrize(
    "values, text",
    [
        ([0.0081, 0.0083, 0.0082], "0.0082 ± 0.0001"),
        ([104.2, 105.1, 104.8], "104.7 ± 0.5"),
        ([1200, 1300, 1250], "1\N{NARROW NO-BREAK SPACE}250 ± 50"),
        ([0.02686, 0.02686], "0.0269"),  # a fixed control has no spread
        ([1, 1, 1], "1.00"),
        ([-0.02, 0.019], "0.00 ± 0.03"),
        ([-0.2, -0.3], "-0.25 ± 0.07"),
    ],
)
def test_mean_and_spread(values, text):
    assert shown.mean_and_spread(values) == text


def test_a_line_of_the_ledger_has_the_numbers_and_both_rules(monkeypatch):
    other = Part("share", "ae", "control", lower=False, margin=0.02, relative=False)
    monkeypatch.setattr(rules, "CLAIMS", {1: Claim("It is so", (BELOW, other, ABOVE), "chance")})
    measured = {
        "ae": {"error": [9, 9.2, 9.1], "share": [0.6, 0.5, 0.55]},
        "vae": {"error": [10, 10, 10], "share": [0.7, 0.72, 0.71]},
        "control": {"share": [0.5, 0.5, 0.5]},
    }
    elsewhere = {"ae": {"error": [9.6, 9.2]}, "vae": {"error": [10, 10.1]}, "control": {}}
    (entry,) = rules.ledger(measured, {"shoes": elsewhere})
    assert entry["verdict"] == "holds partly" and entry["replications"] == {"shoes": "does not hold"}
    title, error, share = entry["rows"]
    assert title == "| **1. It is so: holds partly** (control: chance) | | | | | | | does not hold |"
    assert error == (
        "| error | 9.1 ± 0.1 | 10.0 |  | AE below VAE by 5 %: yes | -0.9 (-1.1 to -0.7) | 3 of 3 | no |"
    )
    assert share.startswith(
        "| share | 0.55 ± 0.05 | 0.71 ± 0.01 | 0.500 "
        "| AE above control by 0.02: no<br>VAE above control by 0.02: yes | "
    )
    assert share.endswith("| 2 of 3<br>3 of 3 | –<br>– |")


# --- the results that the repository holds -----------------------------------------------------------


def test_the_file_holds_every_run_of_the_matrix(results):
    planned = {run.name: run for run in runs.matrix()}
    assert set(results["runs"]) == set(planned) and len(planned) == len(runs.matrix())
    for name, run in planned.items():
        settings = results["runs"][name]["settings"]
        assert settings["seed"] == run.seed and settings["latent_dim"] == run.latent_dim
        assert results["runs"][name]["numbers"] and sum(results["runs"][name]["seconds"].values()) > 0
    assert {"python", "torch", "torchvision", "numpy"} <= set(results["versions"])


def test_what_is_judged_follows_from_the_runs(results):
    assert runs.measured(results["runs"]) == results["measured"]
    for world, measured in results["replications"].items():
        assert runs.measured(results["runs"], world) == measured
    assert set(results["replications"]) == set(runs.WORLDS) - {""}


def rounded(found):
    """The same with eight digits of every number: versions of SciPy differ in the last ones."""
    if isinstance(found, dict):
        return {key: rounded(value) for key, value in found.items()}
    if isinstance(found, list):
        return [rounded(value) for value in found]
    return float(f"{found:.8g}") if isinstance(found, float) else found


def test_the_ledger_follows_from_the_runs(results):
    measured = runs.measured(results["runs"])
    again = json.loads(json.dumps(rules.ledger(measured, results["replications"])))
    assert rounded(again) == rounded(results["ledger"])
    assert (results["seeds"], results["sizes"]) == (list(rules.SEEDS), list(rules.SIZES))
    page = (ROOT / "docs" / "ledger.md").read_text("utf-8")
    table = "\n".join([rules.HEADER, *(row for entry in results["ledger"] for row in entry["rows"])])
    assert f"<!-- claims -->\n{table}\n<!-- /claims -->" in page
    verdicts = re.findall(r"\*\*(\d+)\. .*?: (holds|holds partly|does not hold)\*\*", page)
    assert [int(number) for number, _ in verdicts] == list(range(1, 11))


def test_the_ledger_counts_who_agrees_and_who_says_the_contrary():
    measured = {"ae": {"error": [90, 100, 107]}, "vae": {"error": [100, 100, 100]}}
    assert (BELOW.agreeing(measured), BELOW.opposing(measured)) == (1, 1), "by the margin, either way"
    assert ABOVE.opposing({"vae": {"share": [0]}, "control": {"share": [1]}}) == 0, "a control claims nothing"


def test_what_notebooks_ask_of_the_ledger():
    assert shown.claim(3)["text"] == CLAIMS[3].text
    assert [part["metric"] for part in shown.claim(5)["parts"]] == [part.metric for part in CLAIMS[5].parts]
    lines = shown.differences(1).splitlines()
    assert len(lines) == 2 + len(CLAIMS[1].parts) and "MNIST | convolutional | Fashion-MNIST |" in lines[0]
    assert lines[2].startswith("| fall of the training loss | AE above control by 0.02 | 0.")
    with pytest.raises(ValueError, match="no claim 11; the ledger has 1 to 10"):
        shown.claim(11)
    with pytest.raises(ValueError, match="'claim'; there are: attributes, bench, claims"):
        shown.load("claim")


def test_there_are_ten_claims_each_measured_on_ten_seeds(results):
    assert list(CLAIMS) == list(range(1, 11))
    for claim in CLAIMS.values():
        for part in claim.parts:
            for values in (
                results["measured"][part.subject][part.metric],
                part.compared_with(results["measured"]),
            ):
                assert len(values) == 10 and np.isfinite(values).all(), part


def test_no_seed_is_missing_of_what_is_tried_again(results):
    """Seeds are paired by their order, so a number that some of them lack would pair strangers."""
    for world, (_, _, seeds) in list(runs.WORLDS.items())[1:]:
        for claim in CLAIMS.values():
            for part in claim.parts:
                measured = results["replications"][world]
                counts = {len(measured[part.subject].get(part.metric, ())), len(part.compared_with(measured))}
                assert counts in ({len(seeds)}, {0}), (world, part)


def test_whatever_holds_of_one_against_the_other_fails_when_they_change_places(results):
    before, after = (rules.holding(m) for m in (results["measured"], swapped(results["measured"])))
    comparing = [(n, part) for n, part in before if part.reference in BOTH]
    assert comparing and not [key for key in comparing if before[key] and after[key]]


def test_no_claim_holds_of_the_control_itself(results):
    control = results["measured"]["control"]
    measured = dict(results["measured"])
    for who in BOTH:
        measured[who] = {**control, **measured[f"{who} control"]}
    found = rules.holding(measured)
    assert not any(holds for (_, part), holds in found.items() if part.reference == "control")


def test_every_claim_is_comparative_or_has_a_control():
    for number, claim in CLAIMS.items():
        assert number in COMPARATIVE or all(part.reference == "control" for part in claim.parts)
        assert len({(p.metric, p.subject, p.reference) for p in claim.parts}) == len(claim.parts)


def test_a_run_has_one_thread_and_gives_the_others_back(monkeypatch):
    before, seen = torch.get_num_threads(), []
    monkeypatch.setattr(runs, "_performed", lambda run: seen.append(torch.get_num_threads()))
    torch.set_num_threads(3)
    try:
        runs.perform(None)
        assert seen == [1] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


# --- the tool ----------------------------------------------------------------------------------------


def test_pca_as_a_model_is_pca():
    pca = measures.Linear("mnist", 4)
    images, x = datasets.load("mnist", "train").images, data.floats("mnist", "test")[:200]
    direct = PCA(4, svd_solver="covariance_eigh").fit(datasets.to_float(images).flatten(1).numpy())
    expected = direct.inverse_transform(direct.transform(x.flatten(1).numpy()))
    np.testing.assert_allclose(metrics.reconstruct(pca, x).flatten(1), np.clip(expected, 0, 1), atol=2e-3)
    codes = metrics.embed(pca, images)
    torch.testing.assert_close(codes.T.cov(), torch.eye(4), atol=0.01, rtol=0)


def test_the_pace_is_read_from_its_curve():
    points = [
        {"step": 25 * i, "seconds": float(i), "loss": 100 + 400 * 0.5**i, "mse": (70 - i) / 1000}
        for i in range(57)
    ]
    numbers = runs.pace_numbers(points)
    assert numbers["steps to 95 % of its own fall"] == 125  # 1 - 0.5⁵ is the first above 0.95
    assert (numbers["steps to MSE 0.03"], numbers["seconds to MSE 0.03"]) == (1000, 40.0)
    assert (numbers["steps to MSE 0.02"], numbers["reached MSE 0.02"]) == (1250, 1)
    assert (numbers["steps to MSE 0.012"], numbers["reached MSE 0.012"]) == (1400, 0), (
        "the last step stands for it"
    )


def test_the_pace_is_taken_without_the_time_of_looking(few, monkeypatch):
    monkeypatch.setattr(
        runs, "images", lambda name, split: datasets.ImageSet(few.byte(), torch.zeros(len(few)))
    )
    run = runs.Run("ae", 2, 0, constant_lr=True, groups=("pace",))
    model, _, pace = runs.train(run)
    points, target = pace.points, pace.points[6]["mse"]
    assert [point["step"] for point in points] == list(range(0, 101, 10))
    assert points[-1]["loss"] < points[0]["loss"]
    seconds = [point["seconds"] for point in points]
    assert seconds == sorted(seconds) and pace.looking > 0
    assert pace.at_target is None, "so little training reaches none of the targets"
    monkeypatch.setattr(runs, "TARGETS", (1, 1, target, 0))
    again, _, pace = runs.train(run)
    assert metrics.reconstruction_mse(pace.at_target, few) == target > points[-1]["mse"], "of that moment"
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_the_gaussian_with_the_best_variance_is_the_best_gaussian(generator):
    logits, x = torch.randn(5, 1, 4, 4, generator=generator), torch.rand(5, 1, 4, 4, generator=generator)
    best = runs.optimal_gaussian(logits, x).item()
    mean, sigma = torch.sigmoid(logits), losses.mse(logits, x).sqrt()

    def with_sigma(sigma):
        return -torch.distributions.Normal(mean, sigma).log_prob(x).sum().item() / len(x)

    assert best == pytest.approx(with_sigma(sigma), rel=1e-5)
    assert best < min(with_sigma(0.9 * sigma), with_sigma(1.1 * sigma))


def test_pairs_differ_and_follow_their_seed():
    starts, ends = measures.pairs("mnist", 1, 3, 8)
    assert starts.shape == ends.shape == (measures.PAIRS, 1, 28, 28)
    again, other = (measures.pairs("mnist", seed, 3, 8)[0] for seed in (1, 2))
    assert torch.equal(starts, again) and not torch.equal(starts, other)
    starts, ends = measures.pairs("mnist", 1)
    assert len(starts) == measures.PAIRS and (starts - ends).flatten(1).norm(dim=1).min() > 0


def test_a_blend_is_straight_and_even():
    numbers = measures.path_numbers(measures.blended(*measures.pairs("mnist", 0)), 16)
    assert numbers == {
        "path length, 16-D": pytest.approx(1, abs=1e-4),
        "path unevenness, 16-D": pytest.approx(0, abs=1e-3),
    }


class Thick(torch.nn.Module):
    """Decodes a code's first number as the width of a bar."""

    def decode(self, z):
        x = torch.arange(28) - 13.5
        half = (4 + z[:, 0]).view(-1, 1, 1, 1) / 2
        bar = (half - x.abs().view(1, 1, 1, 28) + 0.5).clamp(0, 1)
        return bar.expand(-1, 1, 28, 28) * (x.abs() < 10).float().view(1, 1, 28, 1)


def test_a_direction_that_thickens_correlates_with_thickness():
    bases = torch.randn(5, 3, generator=measures.generator(0)) * 0.1
    along, across = torch.tensor([1.5, 0, 0]), torch.tensor([0, 1.5, 0])
    r, change = measures.response(Thick(), bases, along, "thickness")
    assert r > 0.98 and change == pytest.approx(3, rel=0.1)
    r, change = measures.response(Thick(), bases, -along, "thickness")
    assert r < -0.98 and change == pytest.approx(-3, rel=0.1)
    r, change = measures.response(Thick(), bases, across, "thickness")
    assert not abs(r) > 0.1 and abs(change) < 0.1


def test_losses_of_the_runs_are_the_same_reconstruction(few):
    x = datasets.to_float(few[:50])
    torch.manual_seed(0)
    ae = models.Autoencoder(3)
    expected = losses.bernoulli(ae(x), x)
    assert torch.equal(runs.Run("ae", 3, 0).loss(ae, x)["loss"], expected)
    torch.manual_seed(0)
    vae = models.VariationalAutoencoder(3)
    terms = runs.Run("vae", 3, 0, beta=4.0).loss(vae, x, measures.generator(0))
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + 4 * terms["kl"])


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A matrix whose runs cost nothing, in a repository of its own and in this process."""
    few = [run for run in tool.matrix() if run.latent_dim == 4]
    numbers = dict.fromkeys((part.metric for claim in CLAIMS.values() for part in claim.parts), 1.0)
    performed = []

    def perform(run):
        if len(performed) == perform.stop:
            raise KeyboardInterrupt
        performed.append(run.name)
        return {"settings": {"seed": run.seed}, "numbers": numbers, "seconds": {"training": 1.0}}

    perform.stop = None
    monkeypatch.setattr(tool, "matrix", lambda: few)
    monkeypatch.setattr(tool, "perform", perform)
    monkeypatch.setattr(tool, "calibrate", lambda name: {"noise": {"confidence A": 0.5}})
    monkeypatch.setattr(tool, "WORLDS", {"": ("mnist", "mlp", (1,))})
    monkeypatch.setattr(tool, "spread", lambda jobs, scheduler: joblib.parallel_config("sequential"))
    monkeypatch.setattr(tool, "RESULTS", tmp_path / "claims.json")
    monkeypatch.setattr(tool, "LEDGER", tmp_path / "ledger.md")
    marks = ("claims", "calibration", "costs", "comparisons")
    page = "".join(f"<!-- {mark} -->\nstale\n<!-- /{mark} -->\n" for mark in marks)
    (tmp_path / "ledger.md").write_text(page, "utf-8")
    monkeypatch.setattr(tool, "measured", lambda *_: dict.fromkeys(("ae", "vae", "control"), {
        part.metric: [1.0] * 5 for claim in CLAIMS.values() for part in claim.parts
    }))  # fmt: skip
    monkeypatch.setattr("sys.argv", ["claims"])
    return performed, perform, tmp_path


def test_it_goes_on_where_it_was_stopped(small, capsys):
    performed, perform, folder = small
    perform.stop = 3
    with pytest.raises(KeyboardInterrupt):
        tool.main()
    assert len(json.loads((folder / "claims.json").read_text("utf-8"))["runs"]) == 3
    assert "stale" in (folder / "ledger.md").read_text("utf-8")
    perform.stop = None
    assert tool.main() == 0
    assert performed == [run.name for run in tool.matrix()], "none twice, none left out"
    assert "2 of 10 seeds done" in capsys.readouterr().out
    page = (folder / "ledger.md").read_text("utf-8")
    assert "does not hold" in page and "stale" not in page and "| noise | 0.5 |" in page
    assert not list(folder.glob("*.part"))


def squared(x):
    return {"x": x * x, "process": os.getpid()}


JOBS = {str(x): (squared, x) for x in range(6)}


def test_runs_stand_side_by_side_in_processes_of_this_machine():
    with tool.spread(2, None):
        found = dict(tool.each(JOBS))
    assert {name: each["x"] for name, each in found.items()} == {str(x): x * x for x in range(6)}
    assert os.getpid() not in {each["process"] for each in found.values()}


def test_a_cluster_of_two_workers_does_the_same_and_repeats_a_recorded_run(results):
    """A real Dask cluster, two processes of one thread, that is reached by its address."""
    recorded = runs.Run("ae", 2, 3, groups=("compression",))
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        workers = {worker.pid for worker in cluster.workers.values()}
        with tool.spread(1, cluster.scheduler_address):
            found = dict(tool.each({**JOBS, "run": (runs.perform, recorded)}))
    numbers = found.pop("run")["numbers"]
    assert set(numbers) == {"test MSE, 2-D", "test loss"}
    for name, value in numbers.items():
        assert value == pytest.approx(results["runs"][recorded.name]["numbers"][name], rel=0.05), name
    assert {name: each["x"] for name, each in found.items()} == {str(x): x * x for x in range(6)}
    assert {each["process"] for each in found.values()} <= workers and os.getpid() not in workers


def test_results_of_two_versions_do_not_mix(small, capsys, monkeypatch):
    performed, perform, folder = small
    (folder / "claims.json").write_text(
        json.dumps({"versions": {"torch": "0"}, "runs": {}, "code": tool.code()})
    )
    with pytest.raises(SystemExit, match="2"):
        tool.main()
    assert "--fresh" in capsys.readouterr().err and not performed
    monkeypatch.setattr("sys.argv", ["claims", "--fresh"])
    assert tool.main() == 0 and len(performed) == len(tool.matrix())


def test_results_of_other_code_are_stale_until_they_are_verified(small, capsys, monkeypatch):
    performed, perform, folder = small
    file = folder / "claims.json"
    assert tool.main() == 0
    found = json.loads(file.read_text("utf-8"))
    assert found["code"] == tool.code()
    found["code"]["latentlab_helpers/losses.py"] = "another"
    file.write_text(json.dumps(found), "utf-8")
    with pytest.raises(SystemExit, match="2"):
        tool.main()
    said = capsys.readouterr().err
    assert "losses.py has changed" in said and "metrics.py" not in said
    monkeypatch.setattr("sys.argv", ["claims", "--verify"])
    found["runs"]["ae_4_seed1"]["numbers"] = {"test loss": 1.01}
    file.write_text(json.dumps(found), "utf-8")
    monkeypatch.setattr(tool, "perform", lambda run: {"numbers": {"test loss": 1.0}})
    with pytest.raises(SystemExit, match="2"):
        tool.main()
    assert "recorded 1.01" in capsys.readouterr().err
    assert json.loads(file.read_text("utf-8"))["code"]["latentlab_helpers/losses.py"] == "another"
    for run in found["runs"].values():
        run["numbers"] = {"test loss": 1.0, "seconds to MSE 0.03": 9.0}
    file.write_text(json.dumps(found), "utf-8")
    assert tool.main() == 0
    assert json.loads(file.read_text("utf-8"))["code"] == tool.code()


def test_the_digest_of_the_code_sees_code_and_nothing_else(tmp_path):
    for name in tool.MEASURED_BY:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    losses = tmp_path / "latentlab_helpers" / "losses.py"
    text = losses.read_text("utf-8")
    losses.write_text(
        "# a comment\n\n" + text.replace("Mean squared error per pixel", "MSE per pixel"), "utf-8"
    )
    assert tool.code(tmp_path) == tool.code()
    losses.write_text(text.replace("0.5 * (mu.square()", "0.6 * (mu.square()"), "utf-8")
    changed = tool.code(tmp_path)
    assert [name for name in changed if changed[name] != tool.code()[name]] == ["latentlab_helpers/losses.py"]


def test_the_digest_is_of_all_that_a_run_imports():
    """Whatever the measuring files import of the course, but for rules, weights, paths and other data."""
    reached, waiting = set(), ["tools/claims/runs.py", "tools/claims/calibration.py"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                base = node.module or ""
                base = f"latentlab_helpers.{base}".rstrip(".") if node.level else base
                for one in (base, *(f"{base}.{each.name}" for each in node.names)):
                    path = one.replace(".", "/") + ".py"
                    if (ROOT / path).is_file() and path not in reached | set(waiting):
                        waiting.append(path)
    names = ("files", "checkpoints", "conditional", "results", "shapes")
    apart = {f"latentlab_helpers/{name}.py" for name in names}
    assert reached - apart - {"tools/claims/rules.py"} == set(tool.MEASURED_BY)


def test_the_recorded_results_are_this_codes(results):
    assert results["code"] == tool.code(), "run 'python course.py claims --verify'"


def test_a_word_that_it_does_not_know_is_refused(small, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["claims", "--again"])
    with pytest.raises(SystemExit, match="2"):
        tool.main()
    assert "--again" in capsys.readouterr().err


def test_quote_writes_between_the_right_marks(tmp_path):
    page = tmp_path / "page.md"
    both = "<!-- claims -->\n{}\n<!-- /claims -->\n<!-- bench -->\nold\n<!-- /bench -->\n"
    page.write_text(both.format(""), "utf-8")
    quote(page, "claims", "new")
    assert page.read_text("utf-8") == both.format("new")
    with pytest.raises(ValueError, match="no marks <!-- speed -->"):
        quote(page, "speed", "new")
