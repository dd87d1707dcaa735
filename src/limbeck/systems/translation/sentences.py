"""Sentences as people write them, through a saved translator and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from limbeck.data.moses import MosesText
from limbeck.errors import LimbeckError
from limbeck.models.ikd_mmt.search import Hypothesis, SearchOptions
from limbeck.models.ikd_mmt.translator import Progress, Translator
from limbeck.systems.translation.text_handling import TextHandling


@dataclass(frozen=True)
class Translation:
    """A translation as it is written, and its score: log-probability over length to the penalty."""

    text: str
    score: float


class SentenceTranslator:
    """A translator that makes of a sentence what its model was trained on, and a sentence of what that gives.

    Args:
        translator: Model, tokenizer and search.
        handling: How text was written where the model learnt; ``None`` where nothing is noted, or where sentences come
            lower-cased and tokenised and shall stay so.
    """

    def __init__(self, translator: Translator[Any], handling: TextHandling | None = None) -> None:
        self.translator = translator
        self.handling = handling
        plain = handling is None or handling.text == "plain"
        self._moses = None if handling is None or plain else MosesText(handling.source, handling.target)

    @classmethod
    def load(
        cls,
        folder: Path,
        options: SearchOptions | None = None,
        *,
        backend: Literal["torch", "onnx"] = "torch",
        device: str = "cpu",
        tokenized: bool = False,
    ) -> SentenceTranslator:
        """Load a model folder.

        Args:
            folder: As `limbeck train` or, for ONNX, `limbeck export` writes it.
            options: How to search.
            backend: What computes.
            device: A torch device, for ``"torch"``.
            tokenized: Whether sentences come lower-cased and tokenised, and shall stay so.

        Raises:
            LimbeckError: It is no translator's folder, or the model needs pictures.
        """
        translator: Translator[Any]
        if backend == "onnx":
            translator = Translator.load_onnx(folder, options)
        else:
            translator = Translator.load(folder, options, device=device)
        if translator.model.config.visual == "given":
            raise LimbeckError(f"{folder}: this model reads pictures (visual='given'); it cannot translate text alone")
        # Whoever has tokenised text need not care what a note says.
        return cls(translator, None if tokenized else TextHandling.read(folder))

    def ids(self, sentence: str) -> list[int]:
        """The tokens that the encoder reads for a sentence, its end among them."""
        ids: list[int] = self.translator.tokenizer(self._prepared(sentence)).input_ids
        return ids

    def search(
        self, sentences: Sequence[str], *, most: int = 1, progress: Progress | None = None, first: int = 1
    ) -> list[list[Translation]]:
        """Translations of each sentence, best first; none of an empty one.

        Args:
            sentences: What to translate.
            most: How many of each.
            progress: Told how many sentences were done.
            first: The number by which the translator's ``warn`` hears of the first sentence.
        """
        prepared = [self._prepared(sentence) for sentence in sentences]
        found = self.translator.search(prepared, progress=progress, first=first)
        return [[Translation(self._written(one), one.score) for one in best[:most]] for best in found]

    def _prepared(self, sentence: str) -> str:
        return sentence if self._moses is None else self._moses.tokenize(sentence)

    def _written(self, hypothesis: Hypothesis) -> str:
        text = self.translator.text(hypothesis)
        return text if self._moses is None else self._moses.detokenize(text)
