import errno
import io
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from latentlab_helpers import files
from latentlab_helpers.files import write_whole


@pytest.fixture
def stop_before_moving(monkeypatch):
    """The disk fills up when all is written but nothing is moved: what is there then?"""

    def full(source, target):
        assert Path(source).read_bytes() == b"new", "it was to be moved before it was whole"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)


@pytest.mark.parametrize("content", ["Größe: 28 × 28\n", b"\x00\xff", "", b""])
def test_what_is_written_is_there(tmp_path, content):
    path = tmp_path / "new" / "folder" / "file"
    assert write_whole(str(path), content) == path
    assert path.read_bytes() == (content.encode("utf-8") if isinstance(content, str) else content)
    assert list(path.parent.iterdir()) == [path]


def test_lines_end_alike_on_every_system(tmp_path, monkeypatch):
    r"""Where text is opened as on Windows, "\n" still is one byte."""
    opened = io.open

    def on_windows(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, **more):
        if "b" not in mode and newline is None:
            newline = "\r\n"
        return opened(file, mode, buffering, encoding, errors, newline, **more)

    for module in (io, sys.modules["builtins"]):
        monkeypatch.setattr(module, "open", on_windows)
    (tmp_path / "control").write_text("a\nb\n")
    write_whole(tmp_path / "file", "a\nb\n")
    monkeypatch.undo()
    assert (tmp_path / "control").read_bytes() == b"a\r\nb\r\n", "the disguise works"
    assert (tmp_path / "file").read_bytes() == b"a\nb\n"


def test_a_file_is_moved_to_its_place_and_a_failure_leaves_no_trace(tmp_path, stop_before_moving):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_write_that_breaks_off_leaves_no_trace(tmp_path, monkeypatch, error):
    class Broken(io.BytesIO):
        def write(self, content):
            raise error

    opened = os.fdopen

    def breaking(handle, mode):
        opened(handle, mode).close()
        return Broken()

    monkeypatch.setattr(os, "fdopen", breaking)
    with pytest.raises(error):
        write_whole(tmp_path / "file", "new")
    assert not list(tmp_path.iterdir())


def test_each_writer_has_a_temporary_file_of_its_own(tmp_path, monkeypatch):
    """Eight writers, all of whom have written before the first moves: each moves what it wrote."""
    path, moved = tmp_path / "file", []
    together, move = threading.Barrier(8), os.replace

    def late(source, target):
        together.wait(timeout=20)
        moved.append((Path(source), Path(source).read_bytes()))
        together.wait(timeout=20)
        move(source, target)

    monkeypatch.setattr(os, "replace", late)
    contents = [bytes([digit]) * 1000 for digit in range(8)]
    writers = [threading.Thread(target=write_whole, args=(path, content)) for content in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(content for _, content in moved) == contents
    assert len({source for source, _ in moved}) == 8
    assert {source.parent for source, _ in moved} == {tmp_path}, "a move is atomic only within a file system"
    assert path.read_bytes() in contents and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_others_may_read_what_was_written(tmp_path):
    assert stat.S_IMODE(write_whole(tmp_path / "file", "").stat().st_mode) == 0o644


def test_what_is_shipped_lies_in_the_package_or_in_the_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "package")
    assert files.shipped("data/a") == tmp_path / "data" / "a"
    (tmp_path / "package" / "_shipped" / "data" / "a").mkdir(parents=True)
    assert files.shipped("data/a") == tmp_path / "package" / "_shipped" / "data" / "a"
    assert files.shipped("data/b") == tmp_path / "data" / "b"
