"""Pictures with classes: from folders, rows and data sets' tables, and what may be wrong with them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

from limbeck.cli.app import execute
from limbeck.distill.config import DistillConfig
from limbeck.distill.splits import read_splits
from tests.distill.toys import pictures, project, write_jsonl


def config(folder: Path, **data: Any) -> Path:
    return project(folder, "image-classification", **({"data": data} if data else {}))


def vit_weights(folder: Path) -> list[torch.Tensor]:
    return list(AutoModelForImageClassification.from_pretrained(folder).state_dict().values())


def pixels(path: Path) -> torch.Tensor:
    """All training pictures, in the order of their rows."""
    batches = list(read_splits(DistillConfig.read_changed(path)).train.loader(shuffle=False))
    rows = torch.cat([batch["row"] for batch in batches])
    return torch.cat([batch["pixel_values"] for batch in batches])[rows.argsort()]


def test_folders_rows_and_tables_of_bytes_give_the_same_pictures(tmp_path: Path) -> None:
    path = config(tmp_path)
    wanted = pixels(path)
    assert wanted.shape == (40, 3, 16, 16)
    files = sorted((tmp_path / "train").glob("*/*.png"))
    rows = [{"file": str(file.relative_to(tmp_path)), "label": file.parent.name} for file in files]
    write_jsonl(tmp_path / "train.jsonl", rows)
    table = [{"file": {"bytes": file.read_bytes(), "path": None}, "label": file.parent.name} for file in files]
    pandas.DataFrame(table).to_parquet(tmp_path / "train.parquet")
    for name in ("train.jsonl", "train.parquet"):
        text = path.read_text().replace("train: train", f"columns: {{image: file}}\n  train: {name}")
        (tmp_path / "other.yaml").write_text(text)
        val = tmp_path / "val.jsonl"
        write_jsonl(val, [{"file": str(file), "label": file.parent.name} for file in files[:4]])
        (tmp_path / "other.yaml").write_text(text.replace("val: val", "val: val.jsonl"))
        torch.testing.assert_close(pixels(tmp_path / "other.yaml"), wanted, rtol=0, atol=0)


def test_a_student_is_saved_with_what_reads_its_pictures(tmp_path: Path) -> None:
    path = config(tmp_path)
    assert execute(["distill", str(path), "plan.max_steps=30", "cross_entropy=1", "--out", str(tmp_path / "run")]) == 0
    model = AutoModelForImageClassification.from_pretrained(tmp_path / "run" / "model")
    processor = AutoImageProcessor.from_pretrained(tmp_path / "run" / "model")
    files = sorted(pictures(tmp_path / "new", 10, seed=5).glob("*/*.png"))
    said = model(**processor([Image.open(file) for file in files], return_tensors="pt")).logits.argmax(-1)
    assert [model.config.id2label[int(at)] for at in said] == [file.parent.name for file in files]


def test_a_stored_teacher_knows_its_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path)
    assert execute(["cache", str(path), "--out", str(tmp_path / "store")]) == 0
    assert execute(["distill", str(path), "store=store", "--out", str(tmp_path / "run")]) == 0
    file = next((tmp_path / "train").glob("*/*.png"))
    Image.new("RGB", (20, 20)).save(file)
    capsys.readouterr()
    assert execute(["distill", str(path), "store=store", "--out", str(tmp_path / "other")]) == 2
    assert "store" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["{name: hard, every: 2}", "{name: tgeo, classes: 2}"])
def test_methods_that_call_the_networks_themselves(tmp_path: Path, method: str) -> None:
    path = config(tmp_path)
    before = torch.stack([one.sum() for one in vit_weights(tmp_path / "teacher")])
    assert execute(["distill", str(path), f"method={method}", "--out", str(tmp_path / "run")]) == 0
    assert execute(["distill", str(path), f"method={method}", "--dry-run"]) == 0
    assert torch.equal(before, torch.stack([one.sum() for one in vit_weights(tmp_path / "teacher")]))
    student, other = (vit_weights(tmp_path / name) for name in ("run/model", "teacher"))
    assert not torch.equal(student[-1], other[-1])


def test_what_a_store_cannot_say_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path)
    assert execute(["cache", str(path), "--out", str(tmp_path / "store")]) == 0
    assert execute(["distill", str(path), "store=store", "method=hard", "--out", str(tmp_path / "run")]) == 2
    assert "method hard: needs both networks themselves" in capsys.readouterr().err


def test_pictures_read_by_other_processes_are_the_same(tmp_path: Path) -> None:
    path = config(tmp_path)
    text = path.read_text().replace("train: train", "workers: 1\n  train: train")
    (tmp_path / "workers.yaml").write_text(text)
    torch.testing.assert_close(pixels(tmp_path / "workers.yaml"), pixels(path), rtol=0, atol=0)


def _cut(folder: Path) -> None:
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "PNG")
    (folder / "train" / "dark" / "000.png").write_bytes(whole.getvalue()[:900])


def _no_picture(folder: Path) -> None:
    (folder / "train" / "dark" / "000.png").write_text("no picture")


def _no_classes(folder: Path) -> None:
    for file in (folder / "train").glob("*/*"):
        file.rename(folder / "train" / file.name)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_no_picture, "000.png: column 'image': cannot identify image file"),
        (_cut, "000.png, image: the picture cannot be read"),
        (_no_classes, "has no rows: a folder of pictures has a folder inside for each class"),
    ],
)
def test_wrong_pictures_are_named(tmp_path: Path, spoil: Any, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path)
    spoil(tmp_path)
    assert execute(["distill", str(path), "--out", str(tmp_path / "run")]) == 2
    assert told in capsys.readouterr().err


def test_what_is_for_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path)
    assert execute(["validate", str(path), "tokenizer=teacher"]) == 2
    assert "a 'tokenizer' is for text" in capsys.readouterr().err
    assert execute(["validate", str(path)]) == 0
    assert "train: 40 pictures" in capsys.readouterr().out
