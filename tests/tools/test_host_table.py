"""The table of docs/hosts.md, and what `course.py hosts` saw."""

import json

import pytest

from tools import hosts


@pytest.fixture
def results():
    return json.loads(hosts.RESULTS.read_text("utf-8"))


def test_the_docs_have_the_table_of_what_was_seen(results):
    assert f"<!-- hosts -->\n{hosts.table(results)}\n<!-- /hosts -->" in hosts.DOCS.read_text("utf-8")


def test_each_host_was_seen_with_all_instruments_in_all_steps(results):
    assert [*results["hosts"]] == [*hosts.HOSTS]
    for name, host in results["hosts"].items():
        wanted = {"open", "two", "reload", "dark"} if name == "voila" else set(hosts.STEPS)
        assert set(host["seen"]) == wanted
        assert all(set(seen) == set(hosts.KINDS) for seen in host["seen"].values())


def test_no_slider_is_dead_and_nobody_reads_of_an_error(results):
    for host in results["hosts"].values():
        for step, seen in host["seen"].items():
            allowed = {"alive", "still picture"} if step in ("html", "without") else {"alive"}
            assert set(seen.values()) <= allowed, step


def test_a_cell_names_those_that_differ():
    assert hosts.cell(None) == "—"
    assert hosts.cell({"Pad": "alive", "Draw": "alive"}) == "alive"
    assert hosts.cell({"Pad": "alive", "Draw": "error"}) == "alive: Pad; error: Draw"
