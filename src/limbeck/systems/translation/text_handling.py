"""How text was written where a translator learnt, kept beside its weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from limbeck.errors import LimbeckError
from limbeck.files import write_json
from limbeck.systems.translation.corpus import Corpus

FILE = "limbeck.json"


@dataclass(frozen=True)
class TextHandling:
    """What a sentence must go through before the model, and back.

    Args:
        text: ``"tok"`` for lower-cased text tokenised as Moses does, ``"plain"`` for text as it is written.
        source: The language that is translated.
        target: The language it is translated into.
    """

    text: Literal["tok", "plain"]
    source: str
    target: str

    @classmethod
    def of(cls, corpus: Corpus) -> TextHandling:
        """That of a corpus."""
        source, target = corpus.pair.split("-")
        return cls("tok" if corpus.tokenized else "plain", source, target)

    @classmethod
    def read(cls, folder: Path) -> TextHandling | None:
        """That of a model folder; ``None`` where nothing is noted.

        Raises:
            LimbeckError: The note is damaged.
        """
        file = folder / FILE
        if not file.is_file():
            return None
        try:
            noted = json.loads(file.read_text(encoding="utf-8"))
            return cls(noted["text"], noted["source"], noted["target"])
        except (ValueError, KeyError, TypeError) as error:
            raise LimbeckError(f"{file}: expected text, source and target ({type(error).__name__}: {error})") from None

    def write(self, folder: Path) -> None:
        """Note it in a model folder."""
        write_json(folder / FILE, asdict(self))

    def __str__(self) -> str:
        written = "lower-cased and tokenised" if self.text == "tok" else "as it is written"
        return f"{self.source} to {self.target}, text {written}"
