"""Exit codes, one-line errors, and a start that imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import limbeck as package
from limbeck.cli.app import VERBS, execute
from limbeck.errors import TrainingError
from tests.cli.toys import limbeck, write_toy


@pytest.mark.parametrize("arguments", [["--help"], ["ls"], ["run", "--help"], ["--version"]])
def test_light_start(arguments: list[str]) -> None:
    code = (
        "import sys; from limbeck.cli.app import execute; code = execute(sys.argv[1:]);"
        "heavy = {'torch', 'numpy', 'transformers', 'matplotlib', 'sacrebleu'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb, text in VERBS.items():
        assert verb in shown
        assert text in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out == f"limbeck {package.__version__}\n"


def test_usage_mistakes_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["rnu"]) == 2
    assert "Did you mean 'run'" in capsys.readouterr().err
    assert execute(["ls", "--bogus"]) == 2
    assert execute([]) == 2


def test_user_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["show", "no-such-system"]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("error: no system is called 'no-such-system'")
    assert written.err.count("\n") == 1


def test_failures_keep_their_codes(tmp_path: Path) -> None:
    toy = write_toy(tmp_path)
    diverged = limbeck("run", toy, "--end", "diverged", "--out", tmp_path / "a")
    assert (diverged.returncode, diverged.stderr.splitlines()[-1]) == (1, "error: the loss is not finite")
    assert "Traceback" not in diverged.stderr
    with pytest.raises(TrainingError):
        execute(["run", str(toy), "--end", "diverged", "--out", str(tmp_path / "b"), "--debug"])


def test_bugs_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a bug"):
        execute(["run", str(write_toy(tmp_path)), "--end", "crash", "--out", str(tmp_path / "a")])


def test_interrupted_is_130(tmp_path: Path) -> None:
    stopped = limbeck("run", write_toy(tmp_path), "--end", "interrupt", "--out", tmp_path / "a")
    assert stopped.returncode == 130
    assert "Traceback" not in stopped.stderr


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'from limbeck.cli.app import main; main()' show {write_toy(tmp_path)} | true"
    assert subprocess.run(command, shell=True, capture_output=True, text=True).stderr == ""


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert execute(["run", str(write_toy(tmp_path)), "--out", str(tmp_path / "file" / "run")]) == 2
    assert "lies below a file" in capsys.readouterr().err
