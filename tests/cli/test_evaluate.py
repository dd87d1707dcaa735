"""`limbeck evaluate` on files, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU as SacreBLEU

from limbeck.cli.app import execute
from tests.cli.toys import limbeck


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    random = np.random.default_rng(0)
    words = ["ein", "Mann", "Hund", "läuft", "über", "die", "Brücke", "zwei", "Frauen", "lesen"]
    references = [" ".join(random.choice(words, size=8)) for _ in range(120)]

    def noisy(rate: float) -> list[str]:
        return [" ".join("x" if random.random() < rate else w for w in line.split()) for line in references]

    paths = {}
    for name, lines in (("references", references), ("good", noisy(0.1)), ("bad", noisy(0.3))):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        paths[name] = str(tmp_path / f"{name}.txt")
    return paths


def test_scores_are_sacrebleus(files: dict[str, str]) -> None:
    done = limbeck("evaluate", "--hypotheses", files["good"], "--references", files["references"], "--json")
    assert (done.returncode, done.stderr) == (0, "")
    written = json.loads(done.stdout)
    lines = {name: Path(path).read_text(encoding="utf-8").splitlines() for name, path in files.items()}
    bleu = SacreBLEU()
    expected = bleu.corpus_score(lines["good"], [lines["references"]])
    found = written["metrics"]["BLEU"]
    assert found["value"] == pytest.approx(expected.score, abs=1e-9)
    assert found["signature"] == str(bleu.get_signature())
    assert found["low"] < found["value"] < found["high"]
    assert list(written["metrics"]) == ["BLEU", "chrF", "TER"]
    assert written["segments"] == 120


def test_comparison(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--hypotheses", files["good"], "--references", files["references"]]
    arguments += ["--baseline", files["bad"], "--language", "de", "--lowercase", "--tokenize", "none"]
    assert execute([*arguments, "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert metrics["BLEU"]["comparison"]["low"] > 0
    assert metrics["TER"]["comparison"]["high"] < 0
    assert not metrics["TER"]["higher_is_better"]
    assert metrics["METEOR-exact-stem"]["comparison"]["p_value"] < 0.01
    assert "case:lc" in metrics["BLEU"]["signature"]
    assert execute(arguments) == 0
    shown = capsys.readouterr().out
    assert "METEOR-exact-stem" in shown
    assert "< 0.001" in shown
    assert metrics["BLEU"]["signature"] in shown


def test_refusals(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*arguments: str) -> str:
        assert execute(["evaluate", *arguments]) == 2
        return capsys.readouterr().err

    good, references = ["--hypotheses", files["good"]], ["--references", files["references"]]
    assert "references: no such file" in refused(*good, "--references", str(tmp_path / "no.txt"))
    short = tmp_path / "short.txt"
    short.write_text("ein Hund\n")
    assert f"{short} has 1 lines but {files['references']} has 120" in refused("--hypotheses", str(short), *references)
    assert f"{short} has 1 lines" in refused(*good, *references, "--baseline", str(short))
    assert f"{short} has 1 lines" in refused(*good, *references, "--sources", str(short))
    short.write_bytes(b"gut\nsch\xf6n\n")
    assert f"{short}, line 2: not UTF-8" in refused("--hypotheses", str(short), *references)
    short.write_text("")
    assert "is empty" in refused("--hypotheses", str(short), *references)
    assert "no language 'xx'" in refused(*good, *references, "--language", "xx")
    assert "unknown tokenizer 'spm'" in refused(*good, *references, "--tokenize", "spm")
    assert "--level" in refused(*good, *references, "--level", "95")
    assert "--references" in refused(*good)


def test_warnings(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["evaluate", "--hypotheses", files["references"], "--references", files["references"]]) == 0
    assert "warning: the hypotheses are the references" in capsys.readouterr().err
    (tmp_path / "h.txt").write_text("ein hund .\n\n")
    (tmp_path / "r.txt").write_text("ein hund .\nzwei hunde .\n")
    arguments = ["evaluate", "--hypotheses", str(tmp_path / "h.txt"), "--references", str(tmp_path / "r.txt")]
    assert execute(arguments) == 0
    written = capsys.readouterr().err
    assert "1 of 2 hypotheses are empty" in written
    assert "look tokenised already" in written
    assert execute([*arguments, "--tokenize", "none"]) == 0
    assert "look tokenised" not in capsys.readouterr().err
