"""A user's own parallel text, and the pictures that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from limbeck.data.text import check_parallel, iterate_lines, read_lines
from limbeck.errors import LimbeckError
from limbeck.settings import Settings
from limbeck.systems.translation.corpus import Corpus, Part


class ParallelFiles(Settings):
    """The files of one split; their lines belong together.

    Args:
        source: Sentences to translate, plain or ``.gz``.
        target: Their translations.
        pictures: A line a sentence: the path of its picture, relative to this file; empty where it has none.
    """

    source: Path
    target: Path
    pictures: Path | None = None

    def placed(self, base: Path) -> ParallelFiles:
        """The same files, their paths taken relative to a folder."""
        pictures = None if self.pictures is None else base / self.pictures.expanduser()
        source, target = base / self.source.expanduser(), base / self.target.expanduser()
        return ParallelFiles(source=source, target=target, pictures=pictures)

    def texts(self) -> tuple[list[str], list[str]]:
        """Both sides.

        Raises:
            LimbeckError: A file cannot be read, they do not pair, or a sentence is empty.
        """
        source, target = read_lines(self.source, what="source"), read_lines(self.target, what="target")
        check_parallel(source, self.source, target, self.target)
        for path, lines in ((self.source, source), (self.target, target)):
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    raise LimbeckError(f"{path}, line {number}: the sentence is empty")
        return source, target

    def picture_paths(self) -> list[Path | None]:
        """For each line of ``pictures`` the picture's path.

        Raises:
            LimbeckError: The file cannot be read, or a picture is missing.
        """
        if self.pictures is None:
            return []
        paths = [
            self.pictures.parent / line.strip() if line.strip() else None
            for line in iterate_lines(self.pictures, what="pictures")
        ]
        for number, path in enumerate(paths, 1):
            if path is not None and not path.is_file():
                raise LimbeckError(f"{self.pictures}, line {number}: no such picture: {path}")
        return paths


@dataclass(frozen=True)
class FileCorpus:
    """Where a corpus of one's own lies.

    Args:
        pair: As ``"en-de"``.
        train: To learn from.
        val: To choose by; also what is reported where there is no test.
        tests: To report, each with its name.
        tokenized: Whether the text is lower-cased and tokenised, as Multi30k's ``tok`` files are.
    """

    pair: str
    train: ParallelFiles
    val: ParallelFiles
    tests: tuple[tuple[str, ParallelFiles], ...] = ()
    tokenized: bool = False

    def read(self) -> Corpus:
        """Read all files. A picture's number is its place in :meth:`pictures`.

        Raises:
            LimbeckError: A file is missing, is not parallel to its neighbour, or has an empty sentence; a picture is
                missing.
        """
        numbers = {path: number for number, path in enumerate(self.pictures())}
        parts = {}
        for name, files in self._splits().items():
            source, target = files.texts()
            paths = files.picture_paths()
            if files.pictures is None:
                paths = [None] * len(source)
            elif len(paths) != len(source):
                counts = f"{files.pictures} has {len(paths)} lines but {files.source} has {len(source)}"
                raise LimbeckError(f"{counts}: they must pair line by line")
            parts[name] = Part(source, target, [-1 if path is None else numbers[path] for path in paths])
        train, val = parts.pop("train"), parts.pop("val")
        origin = tuple(str(path) for files in self._splits().values() for path in _present(files))
        tests = {name.removeprefix("tests."): part for name, part in parts.items()}
        return Corpus(self.pair, train, val, tests or {"val": val}, self.tokenized, origin)

    def pictures(self) -> dict[Path, str]:
        """Every picture once, with the line where it is first asked for.

        Raises:
            LimbeckError: A picture is missing.
        """
        places: dict[Path, str] = {}
        for files in self._splits().values():
            for number, path in enumerate(files.picture_paths(), 1):
                if path is not None:
                    places.setdefault(path, f"{files.pictures}, line {number}")
        return places

    def _splits(self) -> dict[str, ParallelFiles]:
        return {"train": self.train, "val": self.val, **{f"tests.{name}": files for name, files in self.tests}}


class PictureFiles:
    """Pictures in files of any kind that Pillow reads, by number.

    Args:
        places: Their paths, and where each was asked for.
    """

    def __init__(self, places: dict[Path, str]) -> None:
        self.paths: Sequence[Path] = list(places)
        self.places = places

    def __contains__(self, number: int) -> bool:
        return 0 <= number < len(self.paths)

    def read(self, number: int, size: int) -> NDArray[np.uint8]:
        """One picture as it is meant to be seen, ``(3, size, size)``, scaled bilinearly.

        Raises:
            LimbeckError: It is damaged, or no picture.
        """
        path = self.paths[number]
        try:
            with Image.open(path) as opened:
                upright = ImageOps.exif_transpose(opened).convert("RGB")
            return np.asarray(upright.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        except Exception as error:  # what Pillow's readers raise at damaged files has no common base
            raise LimbeckError(f"{self.places[path]}: {path} is no whole picture ({error})") from None


def _present(files: ParallelFiles) -> list[Path]:
    return [path for path in (files.source, files.target, files.pictures) if path is not None]
