"""Multi30k: image captions and their translations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from limbeck.data.text import read_lines
from limbeck.errors import LimbeckError

LANGUAGES = ("en", "de", "fr", "cs")
SPLITS = ("train", "val", "test_2016_flickr", "test_2017_flickr", "test_2017_mscoco", "test_2018_flickr")

TextStyle = Literal["tok", "raw"]


@dataclass(frozen=True)
class Captions:
    """One split of one language pair.

    Args:
        split: Its name.
        source: Sentences to translate.
        target: Their translations.
        image_ids: The number in each picture's file name, or -1 where it has none.
    """

    split: str
    source: list[str]
    target: list[str]
    image_ids: list[int]


class Multi30k:
    """Reads a folder as the data set's repository lays it out: ``raw``, ``tok`` and ``image_splits``; gzipped or not.

    Args:
        folder: The folder.
        pair: Languages as ``"en-de"``.
        style: ``"tok"`` reads the lower-cased, normalised, tokenised files, ``"raw"`` the sentences themselves.

    Raises:
        LimbeckError: If the folder or the language pair is not there.

    Reference:
        Elliott et al., "Multi30K: Multilingual English-German Image Descriptions", 2016, arXiv 1605.00459.
    """

    def __init__(self, folder: str | Path, pair: str = "en-de", style: TextStyle = "tok") -> None:
        self.folder = Path(folder)
        self.style = style
        languages = pair.split("-")
        if len(languages) != 2 or languages[0] == languages[1] or not set(languages) <= set(LANGUAGES):
            raise LimbeckError(f"pair: got {pair!r}, expected two different ones of {', '.join(LANGUAGES)}, as 'en-de'")
        self.source_language, self.target_language = languages
        if not (self.folder / style).is_dir():
            raise LimbeckError(f"{self.folder}: no folder {style!r} in it; expected a copy of the Multi30k repository")

    def read(self, split: str) -> Captions:
        """Read one split.

        Raises:
            LimbeckError: If the split is unknown, a file is missing, or the files are not parallel.
        """
        if split not in SPLITS:
            raise LimbeckError(f"split: got {split!r}, possible: {', '.join(SPLITS)}")
        source, target = (read_lines(self._path(split, lang)) for lang in (self.source_language, self.target_language))
        names = read_lines(self.folder / "image_splits" / f"{split}.txt")
        if not len(source) == len(target) == len(names):
            raise LimbeckError(
                f"{self.folder}, {split}: {len(source)} lines in {self.source_language}, {len(target)} in "
                f"{self.target_language} and {len(names)} pictures: they must be parallel"
            )
        return Captions(split, source, target, _image_ids(names))

    def splits(self) -> list[str]:
        """The splits that both languages have."""
        pair = (self.source_language, self.target_language)
        return [split for split in SPLITS if all(self._path(split, language).is_file() for language in pair)]

    def _path(self, split: str, language: str) -> Path:
        middle = "lc.norm.tok." if self.style == "tok" else ""
        plain = self.folder / self.style / f"{split}.{middle}{language}"
        zipped = plain.with_name(f"{plain.name}.gz")
        return plain if plain.is_file() and not zipped.is_file() else zipped


def _image_ids(names: Sequence[str]) -> list[int]:
    stems = (name.partition("#")[0].partition(".")[0] for name in names)
    return [int(stem) if stem.isdigit() else -1 for stem in stems]
