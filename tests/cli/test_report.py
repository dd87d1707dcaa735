"""`limbeck report` from a run to a page, and what it says when there is none to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from limbeck.cli.app import execute
from tests.cli.toys import limbeck, write_toy
from tests.report.toys import findings, write_run, write_training


def test_from_a_run_to_a_page(tmp_path: Path) -> None:
    toy = write_toy(tmp_path)
    ran = limbeck("run", toy, "--seeds", 2, "--out", tmp_path / "runs" / "coins", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    done = limbeck("report", "runs", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 run written to gallery.html\n", "")
    page = (tmp_path / "gallery.html").read_text(encoding="utf-8")
    for part in ("the biased coin is right more often", "Fair coin", "coins", "Training loss", "bias: 0.9"):
        assert part in page
    assert limbeck("report", "runs/coins", "--out", "again/page.html", cwd=tmp_path).returncode == 0
    assert (tmp_path / "again" / "page.html").read_bytes() == (tmp_path / "gallery.html").read_bytes()


def test_a_catalogue_system_has_its_paper(tmp_path: Path) -> None:
    write_run(tmp_path / "run", findings("ikd-mmt"))
    assert execute(["report", str(tmp_path / "run"), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<a href="https://arxiv.org/abs/2210.04468" rel="noopener">Distill the Image to Nowhere' in page


def test_a_broken_run_among_others_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, out = tmp_path / "runs", tmp_path / "page.html"
    write_run(runs / "good")
    write_training(runs / "trained")
    for name in ("cut", "no-statistics", "unfinished"):
        write_run(runs / name)
    text = (runs / "cut" / "metrics.json").read_text()
    (runs / "cut" / "metrics.json").write_text(text[: len(text) // 2])
    (runs / "no-statistics" / "statistics.safetensors").unlink()
    (runs / "unfinished" / "metrics.json").unlink()
    assert execute(["report", str(runs), "--out", str(out)]) == 0
    written = capsys.readouterr()
    assert written.out == f"2 runs written to {out}\n"
    cut, lacking, unfinished = written.err.splitlines()
    assert cut.startswith(f"warning: left out: {runs / 'cut' / 'metrics.json'}: is not JSON")
    assert lacking.startswith(f"warning: left out: no findings in {runs / 'no-statistics'}")
    assert unfinished == f"warning: left out: {runs / 'unfinished'}: the run is not finished: it has no metrics.json"
    for name in ("cut", "no-statistics", "unfinished"):
        assert execute(["report", str(runs / name), "--out", str(out)]) == 2
        assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        ({"news": {"segments": 3}}, "tests.news.metrics: Field required"),
        ({"news": {"segments": 3, "metrics": {"BLEU": {"value": "x"}}}}, "tests.news.metrics.BLEU.value"),
        ([], "tests: Input should be a valid dictionary"),
    ],
)
def test_damaged_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str], tests: object, told: str) -> None:
    write_training(tmp_path / "run", tests)
    assert execute(["report", str(tmp_path / "run"), "--out", str(tmp_path / "page.html")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'run' / 'metrics.json'}: {told}")
    assert error.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_folders_that_are_no_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty" / "inside").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    write_run(tmp_path / "good")
    (tmp_path / "bad" / "run").mkdir(parents=True)
    (tmp_path / "bad" / "run" / "metrics.json").write_text("[" * 100_000)
    for name, told in (
        ("missing", "missing: no such folder"),
        ("file", "file: is a file"),
        ("empty", "empty: holds no run (none of metrics.json,"),
        ("bad", "bad: holds no run (none of the 1 runs below it can be read)"),
    ):
        line = ["report", str(tmp_path / "good"), str(tmp_path / name), "--out", str(tmp_path / "page.html")]
        assert execute(line) == 2
        assert f"error: {tmp_path}/{told}" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
    assert execute(["report"]) == 2


def test_only_pages_are_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    before = (run / "metrics.json").read_bytes()
    assert execute(["report", str(run), "--out", str(run / "metrics.json")]) == 2
    assert "exists and is no HTML page; it is not replaced" in capsys.readouterr().err
    assert (run / "metrics.json").read_bytes() == before
    assert execute(["report", str(run), "--out", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html><p>an earlier one")
    assert execute(["report", str(run), "--out", str(page)]) == 0
    assert "an earlier one" not in page.read_text(encoding="utf-8")
