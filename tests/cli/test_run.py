"""`limbeck run`, `show` and `cp` on a file of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from limbeck.cli.app import execute
from limbeck.systems.findings import Findings
from tests.cli.toys import limbeck, write_toy


def test_run_writes_everything_and_prints_verdicts(tmp_path: Path) -> None:
    write_toy(tmp_path)
    done = limbeck("run", "./coin.py", "--seeds", 3, "--steps=7", "--sizes", "[3, 4]", "--shout", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "TOSSING" in done.stderr
    assert "holds" in done.stdout
    assert "fails" in done.stdout
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("coin-")
    assert sorted(path.name for path in folder.iterdir()) == [
        "biased",
        "config.yaml",
        "metrics.json",
        "plots",
        "results.md",
        "statistics.safetensors",
    ]
    assert sorted(path.name for path in (folder / "plots").iterdir()) == ["accuracy.png", "claims.png", "training.png"]
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (config["system"], config["seeds"], config["scale"]) == ("coin.py", [1, 2, 3], "default")
    assert config["options"] == {
        "steps": 7,
        "bias": 0.9,
        "end": "well",
        "sizes": [3, 4],
        "limit": None,
        "shout": True,
    }
    assert config["environment"]["limbeck"]
    assert [j.verdict for j in Findings.load(folder).verdicts()] == ["holds", "fails"]
    assert json.loads((folder / "metrics.json").read_text())["system"] == "coin"
    report = (folder / "results.md").read_text()
    assert report.startswith("# coin: Coins [and] dice\n")
    assert "| the fair coin keeps up (Fair coin vs Biased coin, accuracy) | fails |" in report


def test_runs_with_the_same_seed_are_the_same(tmp_path: Path) -> None:
    toy = write_toy(tmp_path)
    for name in ("a", "b"):
        assert execute(["run", str(toy), "--seed", "5", "--out", str(tmp_path / name)]) == 0
    assert Findings.load(tmp_path / "a") == Findings.load(tmp_path / "b")
    assert Findings.load(tmp_path / "a").seeds("fair", "accuracy") == (5,)


def test_a_folder_holds_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy, out = str(write_toy(tmp_path)), str(tmp_path / "run")
    assert execute(["run", toy, "--out", out]) == 0
    assert execute(["run", toy, "--out", out]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert execute(["run", toy, "--out", out, "--resume"]) == 0
    capsys.readouterr()
    assert execute(["run", toy, "--out", out, "--resume", "--steps", "5"]) == 2
    assert "holds a run with options" in capsys.readouterr().err
    assert execute(["run", toy, "--resume"]) == 2
    assert "--resume needs --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stesp", "3"], "coin has no option --stesp; did you mean 'steps'"),
        (["--steps", "many"], "--steps: got 'many', expected int"),
        (["--steps"], "--steps needs a value"),
        (["--steps", "1", "--steps", "2"], "--steps is given twice"),
        (["--end", "badly"], "--end: got 'badly', expected Literal['well', 'diverged', 'crash', 'interrupt']"),
        (["--sizes", "[1, x]"], "--sizes: got '[1, x]', expected tuple[int, ...]"),
        (["--no-steps"], "coin has no option --no-steps"),
        (["more"], "'more' is not expected here"),
        (["--scale", "huge"], "unknown scale 'huge'; possible: smoke, default, full"),
        (["--device", "abacus"], "--device abacus"),
    ],
)
def test_mistakes(tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["run", str(write_toy(tmp_path)), "--out", str(tmp_path / "run"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "option", "value"),
    [
        (["--limit", "3"], "limit", 3),
        (["--limit", "null"], "limit", None),
        (["--bias", "1e-1"], "bias", 0.1),
        (["--bias", "-0.5"], "bias", -0.5),
        (["--no-shout"], "shout", False),
        (["--shout", "true"], "shout", True),
        (["--shout", "--steps", "3"], "shout", True),
    ],
)
def test_option_values(tmp_path: Path, arguments: list[str], option: str, value: object) -> None:
    assert execute(["run", str(write_toy(tmp_path)), "--out", str(tmp_path / "run"), *arguments]) == 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["options"][option] == value


def test_options_before_the_system(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["run", "--steps", "3", "coin"]) == 2
    assert "name the system first" in capsys.readouterr().err


def test_help_of_a_system_lists_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["run", str(write_toy(tmp_path)), "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--seeds" in shown
    assert "--bias" in shown
    assert "Literal['well', 'diverged', 'crash', 'interrupt']" in shown


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["show", str(write_toy(tmp_path))]) == 0
    shown = capsys.readouterr().out
    expected = ("Coins [and] dice", "https://arxiv.org/abs/2401.00001", "Claim: Bias helps.", "A biased coin", "--bias")
    assert all(text in shown for text in expected)


def test_cp_then_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy, mine = write_toy(tmp_path), tmp_path / "mine.py"
    assert execute(["cp", str(toy), str(mine)]) == 0
    assert f"limbeck run {mine}" in capsys.readouterr().out
    assert mine.read_text() == toy.read_text()
    assert execute(["cp", str(toy), str(mine)]) == 2
    assert "--force overwrites it" in capsys.readouterr().err
    assert execute(["cp", str(toy), str(mine), "--force"]) == 0
    assert execute(["cp", str(toy), str(tmp_path / "mine.txt")]) == 2
    assert execute(["cp", str(toy), str(tmp_path / "no" / "mine.py")]) == 2
    mine.write_text(mine.read_text().replace("bias: float = 0.9", "bias: float = 0.7"))
    assert execute(["run", str(mine), "--out", str(tmp_path / "run")]) == 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["options"]["bias"] == 0.7


def test_ls(capsys: pytest.CaptureFixture[str]) -> None:
    from limbeck.systems.cards import cards

    assert execute(["ls", "--plain"]) == 0
    assert capsys.readouterr().out.split() == list(cards())
    assert execute(["ls"]) == 0
    shown = capsys.readouterr().out
    assert all(slug in shown for slug in cards())
    assert execute(["ls", "--domain", "astrology"]) == 2
