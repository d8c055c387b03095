"""course.py, without the network: that it installs what it should is shown by every run of the tests."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import course

ROOT = Path(course.__file__).parent


@pytest.fixture
def sandbox(tmp_path, monkeypatch):
    """An environment's folder of the test's own, and an install that notes its calls."""
    monkeypatch.setenv("LATENTLAB_ENV", str(tmp_path / "env"))
    calls = []

    def install(folder, python, fresh, lowest):
        calls.append(fresh)
        time.sleep(0.2)  # long enough that a second call meets the first
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()
        (folder / "half").touch()

    monkeypatch.setattr(course, "install", install)
    return tmp_path / "env", calls


def test_it_installs_once(sandbox):
    _, calls = sandbox
    assert course.environment() == course.environment()
    assert calls == [True]


def test_a_set_up_that_was_interrupted_starts_anew(sandbox, monkeypatch):
    folder, calls = sandbox
    good = course.install

    def interrupted(folder, python, fresh, lowest):
        good(folder, python, fresh, lowest)
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        course.environment()
    monkeypatch.setattr(course, "install", good)
    course.environment()
    assert calls == [True, True] and (folder / course.STAMP).is_file()


def test_new_dependencies_are_added_to_the_environment_that_is_there(sandbox, monkeypatch, tmp_path):
    _, calls = sandbox
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(course, "ROOT", root)
    (root / "pyproject.toml").write_text("[project]\n[tool.x]\na = 1")
    course.environment()
    (root / "pyproject.toml").write_text("[project]\n[tool.x]\na = 2")
    course.environment()
    assert calls == [True], "a tool's settings need no install"
    (root / "pyproject.toml").write_text("[project]\ndependencies = []\n[tool.x]\na = 2")
    course.environment()
    assert calls == [True, False]


def test_another_python_makes_the_environment_anew(sandbox, monkeypatch):
    _, calls = sandbox
    course.environment()
    monkeypatch.setattr(sys, "version", "3.99.0 (something newer)")
    course.environment()
    assert calls == [True, True]


def test_two_at_once_install_once(sandbox, capsys):
    _, calls = sandbox
    with ThreadPoolExecutor(4) as pool:
        pythons = {future.result() for future in [pool.submit(course.environment) for _ in range(4)]}
    assert calls == [True] and len(pythons) == 1
    assert "Another set-up is running" in capsys.readouterr().out


def test_a_lock_that_its_process_left_behind_holds_nobody_up(tmp_path):
    code = f"import course, os, pathlib; course.locked(pathlib.Path({str(tmp_path / 'lock')!r})); os._exit(1)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT)
    assert (tmp_path / "lock").exists()
    course.locked(tmp_path / "lock").close()


def test_a_folder_that_cannot_be_made_says_what_to_do(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "env.lock").mkdir()  # so that SQLite can't open it
    for name in ("file/env", "env"):
        monkeypatch.setenv("LATENTLAB_ENV", str(tmp_path / name))
        with pytest.raises(SystemExit, match="LATENTLAB_ENV"):
            course.environment()


@pytest.mark.parametrize("name", ["thesis.txt", "pyvenv.cfg", course.STAMP])
def test_a_folder_that_is_somebody_elses_is_left_alone(tmp_path, monkeypatch, name):
    (tmp_path / name).write_text("irreplaceable")
    monkeypatch.setenv("LATENTLAB_ENV", str(tmp_path))
    with pytest.raises(SystemExit, match="LATENTLAB_ENV"):
        course.environment()
    assert (tmp_path / name).read_text() == "irreplaceable"


def test_starting_anew_clears_what_the_interrupted_set_up_left(tmp_path, monkeypatch):
    commands_of(monkeypatch, tmp_path, answers=[])
    monkeypatch.setattr(course, "reachable", lambda url: False)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "half a package").touch()
    (tmp_path / course.STAMP).write_text("not finished")
    course.install(tmp_path, Path(sys.executable), fresh=False)
    assert (tmp_path / "lib" / "half a package").exists()
    course.install(tmp_path, Path(sys.executable), fresh=True)
    assert [path.name for path in tmp_path.iterdir()] == [course.STAMP]


def test_a_read_only_checkout_uses_the_environment_that_is_in_it(sandbox, monkeypatch, tmp_path):
    """A teacher's folder: set up once, then used by all."""
    _, calls = sandbox
    monkeypatch.delenv("LATENTLAB_ENV")
    root = tmp_path / "root"
    root.mkdir()
    (root / "pyproject.toml").write_text("[project]")
    monkeypatch.setattr(course, "ROOT", root)
    python = course.environment()
    assert python.is_relative_to(root) and calls == [True]
    monkeypatch.setattr(course, "state", lambda: tmp_path / "elsewhere")
    assert course.environment() == python and calls == [True]
    (root / "pyproject.toml").write_text("[project]\nchanged = 1")
    assert course.environment().is_relative_to(tmp_path / "elsewhere") and calls == [True, True]


def commands_of(monkeypatch, tmp_path, answers):
    """The commands that `install` runs, when the one at each place in `answers` fails."""
    commands = []

    def run(command, **kwargs):
        commands.append(" ".join(map(str, command)))
        return subprocess.CompletedProcess(command, int(any(word in commands[-1] for word in answers)))

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.mark.parametrize(
    "platform, gpu, reachable, expected",
    [
        ("linux", None, True, True),
        ("linux", None, False, False),
        ("linux", "/usr/bin/nvidia-smi", True, False),
        ("darwin", None, True, False),
        ("win32", None, True, False),
    ],
)
def test_pytorchs_cpu_build_where_it_helps(monkeypatch, tmp_path, platform, gpu, reachable, expected):
    commands = commands_of(monkeypatch, tmp_path, answers=[])
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("shutil.which", lambda name: gpu)
    monkeypatch.setattr(course, "reachable", lambda url: reachable)
    course.install(tmp_path, Path(sys.executable), fresh=True)
    assert any("--index-url " + course.CPU_INDEX in line for line in commands) == expected
    assert "[lab,test,lint]" in commands[-2] and "--index-url" not in commands[-2]
    assert "import torch, torchvision, latentlab_helpers" in commands[-1], "from one index, or it fails"


def test_a_cpu_build_that_fails_half_way_falls_back(monkeypatch, tmp_path):
    commands = commands_of(monkeypatch, tmp_path, answers=["--index-url"])
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(course, "reachable", lambda url: True)
    course.install(tmp_path, Path(sys.executable), fresh=True)
    assert "[lab,test,lint]" in commands[-2]


@pytest.mark.parametrize("reachable", [True, False])
def test_the_oldest_versions_are_chosen_by_uv(monkeypatch, tmp_path, reachable):
    commands = commands_of(monkeypatch, tmp_path, answers=[])
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(course, "reachable", lambda url: reachable)
    course.install(tmp_path, Path(sys.executable), fresh=True, lowest=True)
    assert "--resolution lowest-direct" in commands[-2] and "[lab,test]" in commands[-2]
    assert ("--torch-backend cpu" in commands[-2]) == reachable
    assert "-m pip install" in commands[-3] and commands[-3].endswith("uv")


def test_the_oldest_versions_have_an_environment_of_their_own(sandbox, monkeypatch, tmp_path):
    folder, calls = sandbox
    newest, oldest = course.environment(), course.environment(lowest=True)
    assert newest.is_relative_to(folder) and oldest.is_relative_to(f"{folder}-lowest")
    assert course.environment(lowest=True) == oldest and calls == [True, True]


@pytest.mark.parametrize("step", ["venv", "[lab,test,lint]", "import torch"])
def test_a_step_that_fails_stops_with_a_hint(monkeypatch, tmp_path, step):
    commands_of(monkeypatch, tmp_path, answers=[step])
    monkeypatch.setattr(course, "reachable", lambda url: False)
    with pytest.raises(SystemExit, match="The set-up stopped"):
        course.install(tmp_path, Path(sys.executable), fresh=True)


def test_an_address_that_does_not_answer_is_not_reachable():
    assert not course.reachable("http://127.0.0.1:9/")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_autoencoder.ipynb").write_text("original")
    monkeypatch.setattr(course, "ROOT", tmp_path)
    return tmp_path


def test_the_reader_works_on_copies_that_are_never_overwritten(checkout, capsys):
    copy = course.working_copies() / "01_autoencoder.ipynb"
    assert copy.read_text() == "original" and not capsys.readouterr().out
    copy.write_text("the reader's own")
    (checkout / "notebooks" / "02_new.ipynb").write_text("new")
    for room in ("exercises", ".ipynb_checkpoints"):
        (checkout / "notebooks" / room).mkdir()
        (checkout / "notebooks" / room / "01_autoencoder.ipynb").write_text("tasks")
    (checkout / "notebooks" / "01_autoencoder.ipynb").write_text("improved")
    (checkout / "latentlab.html").write_text("the page")
    later = copy.stat().st_mtime + 10
    os.utime(checkout / "notebooks" / "01_autoencoder.ipynb", (later, later))
    assert course.working_copies() == copy.parent
    assert copy.read_text() == "the reader's own"
    assert (copy.parent / "02_new.ipynb").read_text() == "new"
    assert (copy.parent / "exercises" / "01_autoencoder.ipynb").read_text() == "tasks"
    assert not (copy.parent / ".ipynb_checkpoints").exists()
    assert (copy.parent / "latentlab.html").read_text() == "the page"
    assert re.search("01_autoencoder.ipynb has changed", capsys.readouterr().out)
    assert (checkout / "notebooks" / "01_autoencoder.ipynb").read_text() == "improved"


def test_git_ignores_what_the_course_makes():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    for name in (
        ".latentlab/x",
        ".latentlab.lock",
        ".latentlab-lowest/x",
        "my_notebooks/01_autoencoder.ipynb",
        "handout/notebooks/01_autoencoder.ipynb",
    ):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT).returncode == 0, name


def test_a_read_only_checkout_keeps_its_state_elsewhere(checkout, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    state = course.state()
    assert state.is_dir() and state.parent == tmp_path / "data"


@pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")
@pytest.mark.parametrize("theirs", ["mode", "owner", "link"])
def test_nothing_runs_from_a_temporary_folder_that_others_can_write(checkout, monkeypatch, tmp_path, theirs):
    """Anybody can make a folder of that name before the course does, and put a Python into it."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "file"))  # in which no folder can be made
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    mine = course.state()
    assert mine.parent == tmp_path and mine.stat().st_mode & 0o777 == 0o700 and course.state() == mine
    if theirs == "mode":
        mine.chmod(0o777)
    elif theirs == "owner":
        monkeypatch.setattr(os, "getuid", lambda: 4711)
    else:
        mine.rmdir()
        (tmp_path / "elsewhere").mkdir()
        mine.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SystemExit, match="LATENTLAB_ENV"):
        course.state()


BESIDE = ["-n", "logical", "--maxprocesses", "4"]


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["test", "-k", "x"], ["-m", "pytest", *BESIDE, "-k", "x"]),
        (["test", "--lowest", "tests/helpers"], ["-m", "pytest", *BESIDE, "tests/helpers"]),
        (["test", "-n0"], ["-m", "pytest", "-n0"]),
        (["test", "-n", "3"], ["-m", "pytest", "-n", "3"]),
        (["test", "--pdb"], ["-m", "pytest", "--pdb"]),
        (["lint", "--fix"], ["-m", "tools.lint", "--fix"]),
        (["build", "01.ipynb"], ["-m", "tools.build", "01.ipynb"]),
        (["weights"], ["-m", "tools.weights"]),
        (["bench", "start"], ["-m", "tools.bench", "start"]),
        (["page"], ["-m", "tools.page"]),
        (["site", "--to", "there"], ["-m", "tools.site", "--to", "there"]),
        (["likelihood"], ["-m", "tools.likelihood"]),
        (["compress", "--to", "file"], ["-m", "tools.compress", "--to", "file"]),
        (["home", "URL"], ["-m", "tools.home", "URL"]),
    ],
)
def test_it_hands_over_to_the_tool(monkeypatch, arguments, expected):
    seen = run_main(monkeypatch, arguments)
    assert seen["line"] == ["OLDEST" if "--lowest" in arguments else "PYTHON", *expected]
    assert seen["cwd"] == ROOT
    settings = (seen["env"].get("OMP_WAIT_POLICY"), seen["env"].get("GOMP_SPINCOUNT"))
    assert settings == (("PASSIVE", "6000") if sys.platform == "linux" else (None, None))
    assert not {"PYTHONPATH", "PIP_USER"} & seen["env"].keys()


@pytest.mark.parametrize("root", [True, False])
def test_lab_opens_the_readers_copy_of_notebook_01(monkeypatch, checkout, root):
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000, raising=False)
    seen = run_main(monkeypatch, ["lab", "--no-browser"])
    folder = checkout / "my_notebooks"
    assert seen["line"][:4] == ["PYTHON", "-m", "jupyter", "lab"] and seen["line"][-1] == "--no-browser"
    assert "--LabApp.default_url=/lab/tree/01_autoencoder.ipynb" in seen["line"]
    assert f"--ServerApp.root_dir={folder}" in seen["line"]
    assert ("--allow-root" in seen["line"]) == root
    assert (folder / "01_autoencoder.ipynb").exists()


def run_main(monkeypatch, arguments):
    """What `course.py` would hand over to, where, and with which settings."""
    seen = {}
    for name in ("PYTHONPATH", "PIP_USER"):
        monkeypatch.setenv(name, "something")
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "put back after the test")
        monkeypatch.delenv(name)
    monkeypatch.setattr(course, "environment", lambda lowest: "OLDEST" if lowest else "PYTHON")
    monkeypatch.setattr(
        course, "hand_over", lambda line, cwd: seen.update(line=line, cwd=cwd, env=dict(os.environ))
    )
    monkeypatch.setattr(sys, "argv", ["course.py", *arguments])
    course.main()
    return seen


@pytest.mark.parametrize("system", ["posix", "nt"])
@pytest.mark.parametrize("code", [0, 1, 5])
def test_the_tools_answer_is_the_commands_answer(tmp_path, system, code):
    """In a process of its own, because it becomes the tool: the exit code, the folder, a red run."""
    if system == "posix" and os.name != "posix":
        pytest.skip("no exec here")
    tool = [sys.executable, "-c", f"import os, sys; print(os.getcwd()); sys.exit({code})"]
    script = f"import os, course; os.name = {system!r}; course.hand_over({tool!r}, {str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code and Path(done.stdout.strip()) == tmp_path.resolve()


@pytest.mark.parametrize("arguments, code", [([], 2), (["nonsense"], 2), (["--help"], 0)])
def test_it_explains_itself(arguments, code):
    done = subprocess.run([sys.executable, ROOT / "course.py", *arguments], capture_output=True, text=True)
    assert done.returncode == code and "python course.py lab" in done.stdout


def test_it_uses_the_standard_library_alone():
    text = (ROOT / "course.py").read_text()
    names = set(re.findall(r"^\s*(?:import|from) (\w+)", text, re.M))
    assert names <= set(sys.stdlib_module_names)
