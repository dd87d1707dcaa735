"""From sentences to sentences, with a model folder and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic

from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast
from typing_extensions import TypeVar

from limbeck.data.batching import pad_ids
from limbeck.errors import LimbeckError, writing
from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.incremental import Searchable
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from limbeck.models.ikd_mmt.onnx_model import OnnxTranslation
from limbeck.models.ikd_mmt.search import Hypothesis, SearchOptions, search
from limbeck.models.quiet import quiet_transformers

Progress = Callable[[int], None]

ModelT = TypeVar("ModelT", bound=Searchable, default=IKDMMTForTranslation)


def move(model: IKDMMTForTranslation, device: str) -> IKDMMTForTranslation:
    """The model on a device; ``transformers`` wraps ``to`` in a way that type checkers cannot follow."""
    nn.Module.to(model, device)
    return model


def require_files(folder: Path, *names: str, by: str) -> None:
    """Refuse a folder that lacks a file.

    Raises:
        LimbeckError: There is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise LimbeckError(f"no such folder: {folder}")
    for name in names:
        if not (folder / name).is_file():
            raise LimbeckError(f"{folder}: no file {name!r} in it; expected a folder as `{by}` writes")


def _tokenizer(folder: Path, entries: int) -> PreTrainedTokenizerFast:
    try:
        with quiet_transformers():
            tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder)
    except Exception as error:
        raise LimbeckError(
            f"{folder}: tokenizer.json: not a model that can be loaded: {' '.join(str(error).split())}"
        ) from None
    if len(tokenizer) != entries:
        raise LimbeckError(f"{folder}: the tokenizer has {len(tokenizer)} entries and the model {entries}")
    return tokenizer


class Translator(Generic[ModelT]):
    """A model with its tokenizer.

    Args:
        model: The model; it is put into eval mode.
        tokenizer: Its tokenizer.
        options: How to search.
        batch_tokens: Padded source tokens a batch.
        max_source_tokens: A longer sentence is cut there, and ``warn`` is told.
        warn: Told of what was done to a sentence, with its number from 1.
    """

    def __init__(
        self,
        model: ModelT,
        tokenizer: PreTrainedTokenizerFast,
        options: SearchOptions | None = None,
        *,
        batch_tokens: int = 4096,
        max_source_tokens: int = 512,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        model.eval()
        self.model = model
        self.tokenizer = tokenizer
        self.options = options or SearchOptions()
        self.batch_tokens = batch_tokens
        self.max_source_tokens = max_source_tokens
        self.warn = warn or (lambda message: None)

    @staticmethod
    def load(
        folder: str | Path, options: SearchOptions | None = None, *, device: str = "cpu"
    ) -> Translator[IKDMMTForTranslation]:
        """Load a saved model folder.

        Raises:
            LimbeckError: If the folder is missing, or holds no whole model of this kind, or there is no such
                device; the message says which.
        """
        folder = Path(folder)
        require_files(folder, "config.json", "model.safetensors", "tokenizer.json", by="limbeck train")
        try:
            with quiet_transformers():
                model: IKDMMTForTranslation
                report: dict[str, Any]
                model, report = IKDMMTForTranslation.from_pretrained(
                    str(folder), output_loading_info=True, ignore_mismatched_sizes=True
                )
        except Exception as error:
            raise LimbeckError(f"{folder}: not a model that can be loaded: {' '.join(str(error).split())}") from None
        # What does not fit is not left to chance: `transformers` would draw it at random and only warn.
        if model.config.model_type != IKDMMTConfig.model_type:
            raise LimbeckError(f"{folder}: holds a model of type {model.config.model_type!r}, not a translator")
        for wrong in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if names := sorted(key[0] if isinstance(key, tuple) else key for key in report[wrong]):
                what = f"{wrong.replace('_', ' ')}: {names[0]}{', ...' * (len(names) > 1)}"
                raise LimbeckError(f"{folder}: model.safetensors and config.json do not fit, {what}")
        tokenizer = _tokenizer(folder, model.config.vocab_size)
        try:
            return Translator(move(model, device), tokenizer, options)
        except (RuntimeError, AssertionError) as error:
            raise LimbeckError(f"device {device!r}: {str(error).splitlines()[0]}") from None

    @staticmethod
    def load_onnx(folder: str | Path, options: SearchOptions | None = None) -> Translator[OnnxTranslation]:
        """Load a folder that `limbeck export` wrote; ONNX Runtime computes, on the CPU.

        Raises:
            LimbeckError: `onnxruntime` is not installed, or a file is missing or damaged.
        """
        folder = Path(folder)
        require_files(folder, *OnnxTranslation.files, "tokenizer.json", by="limbeck export")
        model = OnnxTranslation.load(folder)
        return Translator(model, _tokenizer(folder, model.config.vocab_size), options)

    def save(self, folder: str | Path) -> None:
        """Save model and tokenizer; ``from_pretrained`` of both, and :meth:`load`, read them.

        Raises:
            LimbeckError: The model is an exported one, which has nothing to save.
        """
        if not isinstance(self.model, IKDMMTForTranslation):
            raise LimbeckError("an exported model is not saved; copy its folder")
        with quiet_transformers(), writing(Path(folder) / "model.safetensors"):
            self.model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    def translate(
        self,
        sentences: Sequence[str],
        *,
        visual: Callable[[Sequence[int]], tuple[Tensor, Tensor]] | None = None,
        progress: Progress | None = None,
    ) -> list[str]:
        """Translate sentences; the order is kept, and empty sentences stay empty.

        Args:
            sentences: What to translate.
            visual: For a model that reads pictures: from sentence numbers to top maps and which have one.
            progress: Told how many sentences were done.
        """
        return [self.text(best[0]) if best else "" for best in self.search(sentences, visual=visual, progress=progress)]

    def search(
        self,
        sentences: Sequence[str],
        *,
        visual: Callable[[Sequence[int]], tuple[Tensor, Tensor]] | None = None,
        progress: Progress | None = None,
        first: int = 1,
    ) -> list[list[Hypothesis]]:
        """All hypotheses of each sentence, best first; none for an empty one.

        Args:
            sentences: What to translate.
            visual: As in :meth:`translate`.
            progress: Told how many sentences were done.
            first: The number by which ``warn`` hears of the first sentence.
        """
        filled = [number for number, sentence in enumerate(sentences) if sentence.strip()]
        ids = dict(zip(filled, self.tokenizer([sentences[n] for n in filled]).input_ids, strict=True)) if filled else {}
        for number in filled:
            if len(ids[number]) > self.max_source_tokens:
                self.warn(f"sentence {number + first}: {len(ids[number])} tokens, cut to {self.max_source_tokens}")
                ids[number] = [*ids[number][: self.max_source_tokens - 1], ids[number][-1]]
        found: list[list[Hypothesis]] = [[] for _ in sentences]
        for batch in self._batches(sorted(filled, key=lambda number: len(ids[number])), ids):
            inputs, _ = pad_ids([ids[number] for number in batch], int(self.tokenizer.pad_token_id))
            features, present = visual(batch) if visual is not None else (None, None)
            device = self.model.device
            hypotheses = search(
                self.model,
                inputs.to(device),
                self.options,
                visual_features=None if features is None else features.to(device),
                visual_mask=None if present is None else present.to(device),
            )
            for number, best in zip(batch, hypotheses, strict=True):
                found[number] = best
            if progress is not None:
                progress(len(batch))
        return found

    def _batches(self, order: Sequence[int], ids: dict[int, list[int]]) -> Iterator[list[int]]:
        """Sentences of like length together; sorted from short to long, the last of a batch is its longest."""
        batch: list[int] = []
        for number in order:
            if batch and len(ids[number]) * (len(batch) + 1) > self.batch_tokens:
                yield batch
                batch = []
            batch.append(number)
        if batch:
            yield batch

    def text(self, hypothesis: Hypothesis) -> str:
        """The sentence that a hypothesis stands for."""
        return str(self.tokenizer.decode(hypothesis.tokens, skip_special_tokens=True))
