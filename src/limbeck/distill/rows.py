"""Rows of a data set, each with the place that an error message names."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from limbeck.data.text import iterate_lines
from limbeck.distill.config import DataFile
from limbeck.errors import LimbeckError, near_matches

FORMATS = (".jsonl", ".csv", ".tsv", ".parquet")
TABLES = (".csv", ".tsv")
"""Formats that may be without names of columns."""


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        values: By column.
        where: Its file and line, or its number, for messages.
        folder: What the names of files in it are relative to.
    """

    values: Mapping[str, Any]
    where: str
    folder: Path = Path()

    def get(self, column: str, kind: type | tuple[type, ...]) -> Any:
        """The value of a column.

        Raises:
            LimbeckError: There is no such column here, or its value is of another type.
        """
        if column not in self.values:
            raise LimbeckError(f"{self.where}: no column {column!r}; {near_matches(column, self.values)}")
        value = self.values[column]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            wanted = " or ".join(_KINDS.get(one, one.__name__) for one in kinds)
            raise LimbeckError(f"{self.where}: column {column!r} is {_short(value)}, expected {wanted}")
        return value

    def text(self, column: str) -> str:
        """A column of text that is not blank.

        Raises:
            LimbeckError: There is none, or it is blank.
        """
        value: str = self.get(column, str)
        if not value.strip():
            raise LimbeckError(f"{self.where}: column {column!r} is empty")
        return value


def read_rows(source: DataFile) -> list[Row]:
    """Read all rows.

    Args:
        source: A file, or a data set of the `datasets` library.

    Raises:
        LimbeckError: It is missing, of an unknown format, empty, or a line of it is not what it should be; or a setting
            has no meaning for it.
    """
    _check_settings(source)
    rows = list(islice(_rows(source), source.rows))
    if not rows:
        raise LimbeckError(f"{source.title()} has no rows{_EMPTY if source.file and source.file.is_dir() else ''}")
    return rows


def _check_settings(source: DataFile) -> None:
    """Refuse what would be passed over in silence."""
    if source.header is not None and (source.file is None or _format(source.file) not in TABLES):
        raise LimbeckError(f"{source.title()}: 'header' is for {' and '.join(TABLES)}; the columns have names here")
    if source.file is None:
        return
    for name, value, meant in (("split", source.split, "train"), ("subset", source.subset, None)):
        if value != meant:
            raise LimbeckError(f"{source.file}: got {name} {value!r} beside a file; it goes with 'dataset'")


def _rows(source: DataFile) -> Iterator[Row]:
    if source.file is None:
        return _data_set(source)
    if source.file.is_dir():
        return _class_folders(source.file)
    readers = {".jsonl": _json_lines, ".csv": _table, ".tsv": _table, ".parquet": _parquet}
    suffix = _format(source.file)
    if suffix not in readers:
        raise LimbeckError(f"{source.file}: got the format {suffix or 'without a name'!r}, possible: {_LISTED}")
    if not source.file.is_file():
        raise LimbeckError(f"no such file: {source.file}")
    return readers[suffix](source)


def _format(path: Path) -> str:
    """The ending that says what a file is; text may be gzipped."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def _json_lines(source: DataFile) -> Iterator[Row]:
    assert source.file is not None
    for number, line in enumerate(iterate_lines(source.file), 1):
        if not line.strip():
            continue
        where = f"{source.file}, line {number}"
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise LimbeckError(f"{where}: not JSON ({error.msg}, column {error.colno})") from None
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
            raise LimbeckError(f"{where}: cannot be read as JSON ({str(error).partition(';')[0]})") from None
        if not isinstance(values, dict):
            raise LimbeckError(f"{where}: got {_short(values)}, expected an object of columns and values")
        yield Row(values, where, source.file.parent)


def _table(source: DataFile) -> Iterator[Row]:
    """CSV as spreadsheets write it; in TSV a quotation mark is a character like any other."""
    assert source.file is not None
    tabs = _format(source.file) == ".tsv"
    how: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if tabs else {"strict": True}
    reader = csv.reader((f"{line}\n" for line in iterate_lines(source.file)), **how)
    try:
        header = source.header or next(reader, [])
        _check_columns(header, source.file)
        for cells in reader:
            if not cells:
                continue
            where = f"{source.file}, line {reader.line_num}"
            if len(cells) != len(header):
                raise LimbeckError(f"{where}: {len(cells)} cells, expected {len(header)} ({', '.join(header)})")
            yield Row(dict(zip(header, cells, strict=True)), where, source.file.parent)
    except csv.Error as error:
        raise LimbeckError(f"{source.file}, line {reader.line_num}: {error}") from None


def _check_columns(names: Sequence[str], path: Path) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise LimbeckError(f"{path}: two columns are called {twice!r}; rename one of them")


def _parquet(source: DataFile) -> Iterator[Row]:
    assert source.file is not None
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        number, file = 0, parquet.ParquetFile(source.file)
        _check_columns(file.schema_arrow.names, source.file)
        for batch in file.iter_batches():
            for values in batch.to_pylist():
                number += 1
                yield Row(values, f"{source.file}, row {number}", source.file.parent)
    except (arrow.ArrowException, OSError) as error:
        raise LimbeckError(f"{source.file}: {' '.join(str(error).split())}") from None


def _class_folders(folder: Path) -> Iterator[Row]:
    """Pictures in a folder of each class, in the order of their names; what is hidden by a dot is none of them."""
    from PIL import Image

    endings = Image.registered_extensions()
    for path in sorted(folder.glob("*/**/*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in endings and not hidden and path.is_file():
            yield Row({"image": str(inside), "label": inside.parts[0]}, str(path), folder)


def _data_set(source: DataFile) -> Iterator[Row]:
    import datasets

    try:
        found = datasets.load_dataset(source.dataset, source.subset, split=source.split)
    except Exception as error:  # the library has no base class for what may go wrong
        raise LimbeckError(f"data set {source.dataset!r}: {' '.join(str(error).split())}") from None
    for number, values in enumerate(found, 1):
        yield Row(values, f"{source.title()}, row {number}")


_EMPTY = ": a folder of pictures has a folder inside for each class, and pictures in these"
_LISTED = ", ".join(FORMATS)
_KINDS: dict[type, str] = {str: "text", list: "a list", int: "a whole number", float: "a number"}


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
