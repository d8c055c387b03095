import ast
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from latentlab_helpers import datasets, losses, metrics, models
from latentlab_helpers import results as shown
from tools.claims import __main__ as tool
from tools.claims import measures, rules, runs
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
def test_a_part_holds_if_every_seed_agrees_by_the_margin(part, subject, reference, agreeing):
    measured = {"ae": {}, "vae": {}, "control": {}}
    measured[part.subject][part.metric], measured[part.reference][part.metric] = subject, reference
    assert part.agreeing(measured) == (agreeing, 3)
    assert part.holds(measured) == (agreeing == 3)


def test_a_rule_says_who_is_ahead_of_whom_and_by_how_much():
    assert BELOW.rule == "AE below VAE by 5 %"
    assert ABOVE.rule == "VAE above control by 0.02"


@pytest.mark.parametrize(
    "error, share, verdict",
    [(90, 0.6, "holds"), (90, 0.5, "holds partly"), (99, 0.6, "holds partly"), (99, 0.5, "does not hold")],
)
def test_a_verdict_counts_the_parts(error, share, verdict):
    measured = {
        "ae": {"error": [error] * 5},
        "vae": {"error": [100] * 5, "share": [share] * 5},
        "control": {"share": [0.5] * 5},
    }
    assert Claim("", (BELOW, ABOVE)).verdict(measured) == verdict


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
    assert [part.agreeing(measured) for part in parts] == [(2, 2), (1, 2)]


def test_seeds_are_paired_and_none_is_left_out():
    with pytest.raises(ValueError, match="argument"):
        BELOW.holds({"ae": {"error": [1] * 4}, "vae": {"error": [2] * 5}})
    assert not BELOW.holds({"ae": {"error": []}, "vae": {"error": []}}), "nothing measured, nothing shown"


@pytest.mark.parametrize(
    "values, text",
    [
        ([0.0081, 0.0083, 0.0082], "0.0082 ± 0.0001"),
        ([104.2, 105.1, 104.8], "104.7 ± 0.5"),
        ([1200, 1300, 1250], "1\N{NARROW NO-BREAK SPACE}250 ± 50"),
        ([0.02686, 0.02686], "0.0269 ± 0.0000"),
        ([1, 1, 1], "1.00 ± 0.00"),
        ([-0.02, 0.019], "0.00 ± 0.03"),
        ([-0.2, -0.3], "-0.25 ± 0.07"),
    ],
)
def test_mean_and_spread(values, text):
    assert shown.mean_and_spread(values) == text


def test_a_line_of_the_ledger_has_the_numbers_and_both_rules(monkeypatch):
    other = Part("share", "ae", "control", lower=False, margin=0.02, relative=False)
    monkeypatch.setitem(CLAIMS, 11, Claim("It is so", (BELOW, other, ABOVE), "chance"))
    measured = {
        "ae": {"error": [9, 9.2], "share": [0.6, 0.5]},
        "vae": {"error": [10, 10], "share": [0.7, 0.72]},
        "control": {"share": [0.5, 0.5]},
    }
    lines = rules.rows(11, measured)
    assert lines[0] == "| **11. It is so: holds partly** (control: chance) | | | | | |"
    assert lines[1] == "| error | 9.1 ± 0.1 | 10.0 ± 0.0 |  | AE below VAE by 5 % | 2 of 2 |"
    assert lines[2] == (
        "| share | 0.55 ± 0.07 | 0.71 ± 0.01 | 0.500 ± 0.000 | "
        "AE above control by 0.02<br>VAE above control by 0.02 | 1 of 2<br>2 of 2 |"
    )
    assert len(lines) == 3


# --- the results that the repository holds -----------------------------------------------------------


def test_the_file_holds_every_run_of_the_matrix(results):
    planned = {run.name: run for run in runs.matrix()}
    assert set(results["runs"]) == set(planned) and len(planned) == len(runs.matrix())
    for name, run in planned.items():
        settings = results["runs"][name]["settings"]
        assert settings["seed"] == run.seed and settings["latent_dim"] == run.latent_dim
        assert results["runs"][name]["numbers"] and results["runs"][name]["seconds"] > 0
    assert {"python", "torch", "torchvision", "numpy"} <= set(results["versions"])


def test_what_is_judged_follows_from_the_runs(results):
    assert runs.measured(results["runs"]) == results["measured"]


def test_the_ledger_follows_from_the_runs(results):
    measured = runs.measured(results["runs"])
    assert json.loads(json.dumps(rules.ledger(measured))) == results["ledger"]
    assert (results["seeds"], results["sizes"]) == (list(rules.SEEDS), list(rules.SIZES))
    page = (ROOT / "docs" / "ledger.md").read_text("utf-8")
    assert f"<!-- claims -->\n{shown.table(*CLAIMS)}\n<!-- /claims -->" in page
    verdicts = re.findall(r"\*\*(\d+)\. .*?: (holds|holds partly|does not hold)\*\*", page)
    assert [int(number) for number, _ in verdicts] == list(range(1, 11))


def test_the_ledger_counts_who_agrees_and_who_says_the_contrary():
    measured = {"ae": {"error": [90, 100, 107]}, "vae": {"error": [100, 100, 100]}}
    assert (BELOW.agreeing(measured), BELOW.opposing(measured)) == ((1, 3), 1), "by the margin, either way"
    assert ABOVE.opposing({"vae": {"share": [0]}, "control": {"share": [1]}}) == 0, "a control claims nothing"


def test_what_notebooks_ask_of_the_ledger():
    assert shown.claim(3)["text"] == CLAIMS[3].text
    assert [part["metric"] for part in shown.claim(5)["parts"]] == [part.metric for part in CLAIMS[5].parts]
    assert shown.table(1, 2).count("\n| **") == 2
    with pytest.raises(ValueError, match="no claim 11; the ledger has 1 to 10"):
        shown.claim(11)
    with pytest.raises(ValueError, match="'claim'; there are: attributes, bench, claims"):
        shown.load("claim")


def test_there_are_ten_claims_each_measured_on_five_seeds(results):
    assert list(CLAIMS) == list(range(1, 11))
    for claim in CLAIMS.values():
        for part in claim.parts:
            for values in (
                results["measured"][part.subject][part.metric],
                part.compared_with(results["measured"]),
            ):
                assert len(values) == 5 and np.isfinite(values).all(), part


@pytest.mark.parametrize("number", CLAIMS)
def test_a_comparative_verdict_flips_when_ae_and_vae_are_swapped(number, results):
    """Whatever holds of one against the other can't hold when they change places."""
    before, after = results["measured"], swapped(results["measured"])
    comparing = [part for part in CLAIMS[number].parts if part.reference in BOTH]
    for part in comparing:
        assert not (part.holds(before) and part.holds(after)), part
    if comparing == list(CLAIMS[number].parts) and CLAIMS[number].verdict(before) == "holds":
        assert CLAIMS[number].verdict(after) == "does not hold"


@pytest.mark.parametrize("number", CLAIMS)
def test_no_claim_holds_of_the_control_itself(number, results):
    control = results["measured"]["control"]
    against = [part for part in CLAIMS[number].parts if part.reference == "control"]
    measured = dict(results["measured"])
    for who in BOTH:
        measured[who] = {**control, **measured[f"{who} control"]}
    assert not any(part.holds(measured) for part in against)
    if against and len(against) == len(CLAIMS[number].parts):
        assert CLAIMS[number].verdict(measured) == "does not hold"


def test_every_claim_is_comparative_or_has_a_control():
    for number, claim in CLAIMS.items():
        assert number in COMPARATIVE or all(part.reference == "control" for part in claim.parts)
        assert len({(p.metric, p.subject, p.reference) for p in claim.parts}) == len(claim.parts)


def test_a_recorded_run_can_be_repeated(results):
    run = runs.Run("ae", 2, 3, groups=("compression",))
    assert run.name in results["runs"]
    numbers = runs.perform(run)["numbers"]
    assert set(numbers) == {"test MSE, 2-D", "test loss"}
    for name, value in numbers.items():
        assert value == pytest.approx(results["runs"][run.name]["numbers"][name], rel=0.05), name


# --- the tool ----------------------------------------------------------------------------------------


def test_pca_as_a_model_is_pca():
    pca = measures.Linear(4)
    images, x = datasets.load("mnist", "train").images, measures.floats("test")[:200]
    direct = PCA(4, svd_solver="covariance_eigh").fit(datasets.to_float(images).flatten(1).numpy())
    expected = direct.inverse_transform(direct.transform(x.flatten(1).numpy()))
    np.testing.assert_allclose(metrics.reconstruct(pca, x).flatten(1), np.clip(expected, 0, 1), atol=2e-3)
    codes = metrics.embed(pca, images)
    torch.testing.assert_close(codes.T.cov(), torch.eye(4), atol=0.01, rtol=0)


def test_the_pace_is_read_from_its_curve():
    points = [
        {"step": 25 * i, "seconds": float(i), "loss": 100 + 400 * 0.5**i, "mse": 1 / (i + 1)}
        for i in range(41)
    ]
    assert runs.pace_numbers(points) == {
        "steps to 95 %": 125,  # 1 - 0.5⁵ is the first above 0.95
        "seconds to 95 %": 5.0,
        "test MSE after 600 steps": 1 / 25,
    }


def test_the_pace_is_taken_without_the_time_of_looking(few, monkeypatch):
    monkeypatch.setattr(runs, "data", lambda split: datasets.ImageSet(few.byte(), torch.zeros(len(few))))
    monkeypatch.setattr(runs, "PACE_EPOCHS", 10)
    run = runs.Run("ae", 2, 0, constant_lr=True, groups=("pace",))
    model, history, points = runs.train(run)
    assert [point["step"] for point in points] == list(range(0, 101, 10))
    assert points[-1]["loss"] < points[0]["loss"]
    assert points[-1]["seconds"] <= sum(history.seconds)
    again = runs.train(run)[0]
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_pairs_differ_and_follow_their_seed():
    starts, ends = measures.pairs(1, 3, 8)
    assert starts.shape == ends.shape == (measures.PAIRS, 1, 28, 28)
    assert not torch.equal(starts, measures.pairs(2, 3, 8)[0]) and torch.equal(
        starts, measures.pairs(1, 3, 8)[0]
    )
    starts, ends = measures.pairs(1)
    assert len(starts) == measures.PAIRS and (starts - ends).flatten(1).norm(dim=1).min() > 0


def test_a_blend_is_straight_and_even():
    numbers = measures.path_numbers(measures.blended(*measures.pairs(0)), 16)
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
    """A matrix whose runs cost nothing, in a repository of its own."""
    few = [run for run in tool.matrix() if run.latent_dim == 4]
    numbers = dict.fromkeys((part.metric for claim in CLAIMS.values() for part in claim.parts), 1.0)
    performed = []

    def perform(run):
        if len(performed) == perform.stop:
            raise KeyboardInterrupt
        performed.append(run.name)
        return {"settings": {"seed": run.seed}, "numbers": numbers, "seconds": 1.0}

    perform.stop = None
    monkeypatch.setattr(tool, "matrix", lambda: few)
    monkeypatch.setattr(tool, "perform", perform)
    monkeypatch.setattr(tool, "RESULTS", tmp_path / "claims.json")
    monkeypatch.setattr(tool, "LEDGER", tmp_path / "ledger.md")
    (tmp_path / "ledger.md").write_text("<!-- claims -->\nold\n<!-- /claims -->\n", "utf-8")
    monkeypatch.setattr(tool, "measured", lambda runs: dict.fromkeys(("ae", "vae", "control"), {
        part.metric: [1.0] * 5 for claim in CLAIMS.values() for part in claim.parts
    }))  # fmt: skip
    monkeypatch.setattr("sys.argv", ["claims"])
    return performed, perform, tmp_path


def test_it_goes_on_where_it_was_stopped(small, capsys):
    performed, perform, folder = small
    perform.stop = 3
    with pytest.raises(KeyboardInterrupt):
        tool.main()
    assert len(json.loads((folder / "claims.json").read_text())["runs"]) == 3
    assert "old" in (folder / "ledger.md").read_text("utf-8")
    perform.stop = None
    assert tool.main() == 0
    assert performed == [run.name for run in tool.matrix()], "none twice, none left out"
    assert "2 of 5 seeds done" in capsys.readouterr().out
    assert "does not hold" in (folder / "ledger.md").read_text("utf-8")
    assert not list(folder.glob("*.part"))


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
        run["numbers"] = {"test loss": 1.0, "seconds to 95 %": 9.0}
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
    """Whatever the measuring files import of the course, in turn, but for rules, weights and paths."""
    reached, waiting = set(), ["tools/claims/runs.py"]
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
    apart = {"tools/claims/rules.py", "latentlab_helpers/files.py", "latentlab_helpers/checkpoints.py"}
    assert reached - apart - {"latentlab_helpers/results.py"} == set(tool.MEASURED_BY)


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
