"""`limbeck distill` and `limbeck validate` as users meet them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from limbeck.cli.app import execute
from tests.cli.toys import limbeck
from tests.distill.toys import bert, causal, project, save, write_jsonl


def test_distils_from_a_file_with_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = limbeck("distill", project(tmp_path), "plan.max_steps=2", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "agreement" in done.stdout
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["metrics"]["student"]["kl"] >= 0
    again = ["distill", str(tmp_path / "config.yaml"), "plan.max_steps=2", "--out", str(tmp_path / "run")]
    assert execute(again) == 2
    assert "is not empty; resume" in capsys.readouterr().err
    assert execute([*again, "method=taid", "--resume"]) == 2
    assert "method.name 'logits'; it cannot go on with 'taid'" in capsys.readouterr().err


def test_a_dry_run_tells_sizes_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = project(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert execute(["distill", str(config), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("parameters", "memory", "steps", "tokens", "time in all"))
    assert sorted(tmp_path.rglob("*")) == before


def test_validate_needs_no_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = project(tmp_path)
    (tmp_path / "teacher" / "model.safetensors").unlink()
    assert execute(["validate", str(config)]) == 0
    assert "train: 40 sequences" in capsys.readouterr().out


def _spoil(name: str, line: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / name
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([*lines[:2], line, *lines[3:]]) + "\n", encoding="utf-8")

    return do


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _another_teacher(folder: Path) -> None:
    save(bert(), folder / "teacher")


def _a_plan_twice(folder: Path) -> None:
    config = folder / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "\nplan: {lr: 1.0}\n", encoding="utf-8")


def _half_a_gguf(folder: Path) -> None:
    (folder / "half.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")


def _nothing(folder: Path) -> None:
    del folder


@pytest.mark.parametrize(
    ("spoil", "changes", "message"),
    [
        (_spoil("train.jsonl", '{"prompt": '), [], "train.jsonl, line 3: not JSON"),
        (_spoil("train.jsonl", '{"prompt": "a"}'), [], "train.jsonl, line 3: no column 'completion'"),
        (
            _spoil("val.jsonl", '{"prompt": "a", "completion": " "}'),
            [],
            "val.jsonl, line 3: column 'completion' is empty",
        ),
        (_remove("val.jsonl"), [], "no such file"),
        (_nothing, ["data.max_length=8", "data.long=error"], "data.max_length is 8"),
        (_nothing, ["metod=taid"], "unknown key 'metod'; did you mean 'method'?"),
        (_nothing, ["method.divergence=forward"], "did you mean 'forward_kl'"),
        (_nothing, ["student.layers=3"], "student.layers: got 3, and the teacher has 2"),
        (_nothing, ["student.layers=[0, 7]"], "student.layers: no layer 7; the teacher's are 0 to 1"),
        (_nothing, ["student={config: {hidden: 8}}"], "student.config: no setting 'hidden'"),
        (
            _nothing,
            ["student={config: {num_hidden_layers: 1}, lora: {rank: 2}}"],
            "give 'layers', too, or leave 'lora' out",
        ),
        (_nothing, ["teacher=./nowhere"], "cannot be loaded"),
        (_nothing, ["task=translation"], "task: got 'translation'"),
        (_nothing, ["method={name: hidden, pairs: {lay: model.layers.0}}"], "has no module 'lay'"),
        (_nothing, ["method=embedding"], "method: 'embedding' compares sentence vectors"),
        (_nothing, ["store=nowhere"], "nowhere"),
        (_nothing, ["sampling={share: 2}"], "share"),
        (_a_plan_twice, [], "config.yaml: the key 'plan' is there twice in"),
        (_half_a_gguf, ["teacher=half.gguf"], "half.gguf: cannot be loaded"),
        (_another_teacher, [], "sees the tokens that it shall predict"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path,
    spoil: Callable[[Path], None],
    changes: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = project(tmp_path)
    spoil(tmp_path)
    capsys.readouterr()
    code = execute(["distill", str(config), *changes, "--out", str(tmp_path / "run")])
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert (code, len(told)) == (2, 1), told
    assert message in told[0]


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_a_mistyped_monitor_can_be_typed_again(
    tmp_path: Path, resume: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["distill", str(project(tmp_path)), "plan.max_steps=1", "--out", str(tmp_path / "run"), *resume]
    assert execute([*asked, "plan.monitor=agreemnt"]) == 2
    assert "no validation gives 'agreemnt'; did you mean 'agreement'" in capsys.readouterr().err
    assert execute([*asked, "plan.monitor=agreement"]) == 0


def test_what_lay_in_a_folder_is_not_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = project(tmp_path)
    (tmp_path / "own").mkdir()
    own = config.rename(tmp_path / "own" / "config.yaml")
    assert execute(["distill", str(own), "--out", str(tmp_path / "own")]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert own.exists()


def test_a_folder_without_a_tokenizer_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`transformers` makes a tokenizer for BERT that knows no words."""
    config = project(tmp_path, "sequence-classification")
    for path in (tmp_path / "teacher").glob("*token*"):
        path.unlink()
    assert execute(["validate", str(config)]) == 2
    assert "teacher: has no tokenizer (none of " in capsys.readouterr().err


def test_a_run_below_a_file_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert execute(["distill", str(project(tmp_path)), "--out", str(tmp_path / "file" / "run")]) == 2
    assert "lies below a file" in capsys.readouterr().err


def test_validate_knows_a_store_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["validate", str(project(tmp_path)), "store=nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_loss_that_is_no_number_keeps_the_last_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = project(tmp_path, plan={"lr": 1e30, "max_steps": 6, "save_every": 1, "clip": None})
    assert execute(["distill", str(config), "--out", str(tmp_path / "run")]) == 1
    assert "forward_kl" in capsys.readouterr().err
    assert any((tmp_path / "run" / "checkpoints").glob("step-*"))


def test_a_store_of_another_teacher_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = project(tmp_path)
    assert execute(["cache", str(config), "--out", str(tmp_path / "store")]) == 0
    save(causal(), tmp_path / "teacher")
    code = execute(["distill", str(config), "store=store", "--out", str(tmp_path / "run")])
    assert code == 2
    assert "teacher" in capsys.readouterr().err


def test_a_changed_row_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = project(tmp_path)
    assert execute(["cache", str(config), "--out", str(tmp_path / "store")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    rows[5]["completion"] = "the red film"
    write_jsonl(tmp_path / "train.jsonl", rows)
    assert execute(["distill", str(config), "store=store", "--out", str(tmp_path / "run")]) == 2
    assert "row 5" in capsys.readouterr().err
