"""`limbeck cache`: from a configuration of `limbeck distill` to a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limbeck.cli.app import execute
from limbeck.teachers.store.reader import StoredTeacher
from tests.distill.toys import project
from tests.teachers.test_text_local import WORDS, model, tokenizer


@pytest.fixture
def config(tmp_path: Path) -> Path:
    model().save_pretrained(tmp_path / "teacher")
    tokenizer().save_pretrained(tmp_path / "teacher")
    rows = [" ".join(WORDS[4 + (row + at) % 20] for at in range(3 + row % 4)) for row in range(30)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))
    path = tmp_path / "config.yaml"
    path.write_text(
        "task: causal-lm\nteacher: teacher\nstudent: {config: {n_embd: 8}}\nbatch_size: 4\n"
        "data: {train: train.jsonl, val_share: 0.2, max_length: 8}\nplan: {max_steps: 4}\n"
    )
    return path


def test_a_store_is_written_and_trained_from(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    written = ["cache", str(config), "--keep", "top-k", "--k", "5", "--device", "cpu", "--out", str(store)]
    assert execute(written) == 0
    assert "30 rows, 133 tokens" in capsys.readouterr().err
    found = StoredTeacher(store, verify=True).manifest
    assert (found.description.keep, found.description.vocab_size, found.entries) == ("top-k", len(WORDS), 5 * 133)
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    assert execute(written) == 0
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before
    trained = ["distill", str(config), f"store={store}", "--device", "cpu", "--out", str(tmp_path / "run")]
    assert execute(trained) == 0
    capsys.readouterr()
    (tmp_path / "train.jsonl").write_text((tmp_path / "train.jsonl").read_text().replace("w3", "w4"))
    assert execute([*trained[:-1], str(tmp_path / "other")]) == 2
    told = capsys.readouterr().err
    assert "is not what the teacher saw" in told


def test_a_file_is_no_store(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["cache", str(config), "--device", "cpu", "--out", str(config)]) == 2
    assert capsys.readouterr().err == f"error: {config}: is a file; a store needs a folder\n"


@pytest.mark.parametrize(
    ("task", "keep"),
    [("sequence-classification", "full"), ("image-classification", "full"), ("token-classification", "top-k")],
)
def test_what_is_kept_by_default(tmp_path: Path, task: str, keep: str) -> None:
    store = tmp_path / "store"
    assert execute(["cache", str(project(tmp_path, task)), "--device", "cpu", "--out", str(store)]) == 0
    assert StoredTeacher(store).manifest.description.keep == keep


def test_two_processes_and_wrong_options(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["cache", str(config), "--device", "cpu", "--out", str(tmp_path / "store")]
    for process, told in (("1", "this part is complete; others are not"), ("0", "30 rows")):
        assert execute([*base, "--process", process, "--processes", "2"]) == 0
        assert told in capsys.readouterr().err
    for wrong, told in (
        (["--keep", "best"], "StoreSettings.keep: got 'best'"),
        (["--keep", "full", "--k", "3"], "'k' has no meaning with keep 'full'"),
        (["--process", "2", "--processes", "2"], "--process 2: of 2 processes; possible: 0 to 1"),
        (["--k", "5"], "processes: the store has 2, 1 were asked for"),
        (["--processes", "2", "--k", "5"], "k: the store has 64, was asked for 5"),
        (["task=embedding"], ""),
    ):
        assert execute([*base, *wrong]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert told in error
        assert error.count("\n") == 1
