"""Files of rows, right and wrong."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import pytest

from limbeck.distill.config import DataFile
from limbeck.distill.rows import read_rows
from limbeck.errors import LimbeckError
from tests.distill.toys import pictures

VALUES = [{"text": "ein Hund, der schläft", "label": "1"}, {"text": 'a "red" cat', "label": "0"}]


def written(path: Path) -> Path:
    import pandas

    frame = pandas.DataFrame(VALUES)
    if path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".tsv":
        path.write_text("".join("\t".join(row) + "\n" for row in (("text", "label"), *(v.values() for v in VALUES))))
    else:
        frame.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    rows = read_rows(DataFile(file=written(tmp_path / f"data{suffix}")))
    assert [dict(row.values) for row in rows] == VALUES
    assert read_rows(DataFile(file=tmp_path / f"data{suffix}", rows=1))[0].values == VALUES[0]


def test_text_may_be_gzipped(tmp_path: Path) -> None:
    plain = written(tmp_path / "data.csv")
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert [dict(row.values) for row in read_rows(DataFile(file=tmp_path / "data.csv.gz"))] == VALUES


def test_a_table_without_names_is_given_them(tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"
    path.write_text("good film\t1")
    (row,) = read_rows(DataFile(file=path, header=["text", "label"]))
    assert row.values == {"text": "good film", "label": "1"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": "b"\n', "a.jsonl, line 2: not JSON"),
        ("a.jsonl", "[1, 2]\n", "a.jsonl, line 1: got [1, 2], expected an object"),
        ("a.jsonl", "", "has no rows"),
        ("a.csv", "text,label\na,1,2\n", "a.csv, line 2: 3 cells, expected 2 (text, label)"),
        ("a.csv", 'text\n"a', "a.csv, line 2: unexpected end of data"),
        ("a.tsv", "text\tlabel\nalone\n", "a.tsv, line 2: 1 cells, expected 2"),
        ("a.parquet", "no table", "a.parquet: "),
        ("a.csv", "text,text,label\na,b,yes\n", "a.csv: two columns are called 'text'"),
        ("a.jsonl", '{"label": ' + "9" * 5000 + "}", "a.jsonl, line 1: cannot be read as JSON (Exceeds the limit"),
        ("a.jsonl", "[" * 100_000, "a.jsonl, line 1: cannot be read as JSON"),
        ("a.txt", "a", "got the format '.txt', possible: .jsonl, .csv, .tsv, .parquet"),
    ],
)
def test_a_wrong_file_is_told_by_its_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(LimbeckError) as caught:
        read_rows(DataFile(file=tmp_path / name))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("a.jsonl", {"header": ["a", "b"]}, "'header' is for .csv and .tsv"),
        ("a.jsonl", {"split": "test"}, "got split 'test' beside a file; it goes with 'dataset'"),
        ("a.csv", {"subset": "y"}, "got subset 'y' beside a file"),
        (None, {"dataset": "d", "header": ["a"]}, "'header' is for"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    tmp_path: Path, name: str | None, setting: dict[str, Any], message: str
) -> None:
    file = None if name is None else written(tmp_path / name)
    with pytest.raises(LimbeckError, match=message):
        read_rows(DataFile(file=file, **setting))


def test_hidden_folders_are_no_classes(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "train", 4)
    before = [row.values for row in read_rows(DataFile(file=folder))]
    for place in (folder / ".thumbnails", folder / "dark" / ".ipynb_checkpoints"):
        place.mkdir()
        shutil.copy(folder / "dark" / "000.png", place / "a.png")
    shutil.copy(folder / "dark" / "000.png", folder / "dark" / "._000.png")
    assert [row.values for row in read_rows(DataFile(file=folder))] == before


def test_a_file_that_is_absent_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match="no such file"):
        read_rows(DataFile(file=tmp_path / "none.jsonl"))
    (tmp_path / "bytes.jsonl").write_bytes(b'{"text": "a"}\n{"text": "\xff"}\n')
    with pytest.raises(LimbeckError, match="line 2: not UTF-8"):
        read_rows(DataFile(file=tmp_path / "bytes.jsonl"))
