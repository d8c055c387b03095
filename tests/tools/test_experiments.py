"""The runs of every lesson: they are told apart, and the file is of those that the code asks for."""

import json

import pytest
import torch

from tools import conditional, gan, harder, ladder, objectives, prior
from tools.experiments import packed, settings, unpacked

COMMANDS = {tool.RESULTS.stem: tool for tool in (objectives, conditional, gan, harder, ladder, prior)}
MEASURED = [name for name, tool in COMMANDS.items() if tool.RESULTS.is_file()]
FLOORS = {"floor", "floors"}  # what is real learns nothing, and so takes no time


def written(name):
    return json.loads(COMMANDS[name].RESULTS.read_text("utf-8"))["runs"]


def test_the_results_of_all_lessons_are_shipped():
    assert {"objectives", "conditional", "gan", "harder", "prior"} <= set(MEASURED)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_runs_are_told_apart(name):
    runs = COMMANDS[name].matrix()
    assert len({run.name for run in runs}) == len(runs)
    assert len({json.dumps(settings(run)) for run in runs}) == len(runs)


@pytest.mark.parametrize("name", MEASURED)
def test_what_is_written_was_made_with_these_settings(name):
    wanted = {run.name: settings(run) for run in COMMANDS[name].matrix()}
    for run, made in written(name).items():
        assert made["settings"] == wanted[run], f"python course.py {name}: {run} is stale"
        assert made["numbers"]["seconds"] > 0 or made["settings"]["group"] in FLOORS


@pytest.mark.parametrize("name", ["conditional", "gan"])
def test_a_label_that_is_written_has_the_first_seeds(name):
    seeds = {}
    for run in written(name).values():
        of = run["settings"]
        seeds.setdefault((of["group"], of["label"]), []).append(of["seed"])
    assert seeds
    for label, found in seeds.items():
        assert found == list(range(len(found))), label


def test_samples_come_back_from_the_file_a_byte_each():
    images = torch.rand(3, 1, 4, 5)
    back = unpacked(packed(images), 1, 4, 5)
    torch.testing.assert_close(back / 255, images, atol=0.5 / 255 + 1e-6, rtol=0)
