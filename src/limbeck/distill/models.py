"""Teacher, student and tokenizer, by folder or hub name."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from transformers import PreTrainedModel

from limbeck.distill.config import DistillConfig, Lora, StudentSettings, TaskName
from limbeck.distill.lengths import padded_positions
from limbeck.errors import LimbeckError
from limbeck.methods.base import Method
from limbeck.models.heads import Head, take_apart
from limbeck.models.pretrained import load_pretrained
from limbeck.models.size import parameters_of
from limbeck.students.inherit import apply_changes, inherit

Made = TypeVar("Made")

CLASSES: dict[TaskName, str] = {
    "causal-lm": "AutoModelForCausalLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "sequence-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "embedding": "AutoModel",
    "image-classification": "AutoModelForImageClassification",
}


def load_tokenizer(name: str) -> Any:
    """A fast tokenizer that can pad.

    Raises:
        LimbeckError: There is none of that name, it is not a fast one, or it has nothing to fill a batch up with.
    """
    tokenizer = load_pretrained(transformers.AutoTokenizer, name)
    # For a folder without one, `transformers` makes one that knows no words.
    files = {"tokenizer.json", *type(tokenizer).vocab_files_names.values()}
    if Path(name).is_dir() and not any((Path(name) / file).exists() for file in files):
        told = f"has no tokenizer (none of {', '.join(sorted(files))})"
        raise LimbeckError(f"{name}: {told}; name another folder with 'tokenizer'")
    if not tokenizer.is_fast:
        raise LimbeckError(f"{name}: its tokenizer has no fast version, which is needed to know words and offsets")
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise LimbeckError(
                f"{name}: its tokenizer has neither pad_token nor eos_token; set one of them in its folder"
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(name: str) -> Any:
    """A model's configuration.

    Raises:
        LimbeckError: There is none of that name.
    """
    return load_pretrained(transformers.AutoConfig, name)


def load_processor(name: str) -> Any:
    """An image processor.

    Raises:
        LimbeckError: There is none of that name.
    """
    return load_pretrained(transformers.AutoImageProcessor, name)


def load_model(name: str, task: TaskName, **how: Any) -> PreTrainedModel:
    """A model for a task, in fp32.

    Args:
        name: A folder, a hub name, or a ``.gguf`` file (package `gguf`).
        task: Which head it gets.
        how: Passed on to ``from_pretrained``.

    Raises:
        LimbeckError: It cannot be loaded, or has no one state for each token of a text whose vector is sought.
    """
    return load_whole(name, task, **how)[0]


def load_whole(name: str, task: TaskName, **how: Any) -> tuple[PreTrainedModel, list[str]]:
    """A model for a task, and which of a classifier's modules are new, since what was loaded has none that fit.

    Args:
        name: A folder, a hub name, or a ``.gguf`` file (package `gguf`).
        task: Which head it gets.
        how: Passed on to ``from_pretrained``.

    Raises:
        LimbeckError: It cannot be loaded.
    """
    kind = getattr(transformers, CLASSES[task])
    found: tuple[PreTrainedModel, dict[str, Any]] = load_pretrained(
        kind, name, dtype="float32", output_loading_info=True, **how
    )
    model, info = found
    if task == "embedding" and "decoder_input_ids" in inspect.signature(type(model).forward).parameters:
        raise LimbeckError(
            f"{name}: a {type(model).__name__} has encoder and decoder; the task 'embedding' needs an encoder alone"
        )
    if not task.endswith("classification"):
        return model, []
    # Weights of another shape are told with both shapes.
    weights = [*info["missing_keys"], *(key if isinstance(key, str) else key[0] for key in info["mismatched_keys"])]
    return model, sorted({weight.rpartition(".")[0] for weight in weights} - {""})


def make_student(
    settings: StudentSettings, teacher: PreTrainedModel | None, config: DistillConfig, classes: int = 0
) -> tuple[PreTrainedModel, list[str]]:
    """The student, as its settings say, and the paths of the modules that are new beside what was loaded.

    Args:
        settings: Where it comes from.
        teacher: Where it comes from the teacher; loaded if need be.
        config: Names teacher and task.
        classes: How many the data has; a model without a head for so many gets a new one.

    Raises:
        LimbeckError: It cannot be made.
    """
    head = {"num_labels": classes, "ignore_mismatched_sizes": True} if classes else {}
    if settings.name is not None:
        student, new = load_whole(settings.name, config.task, **head)
        return _trainable(student, settings), new
    source, new = (teacher, []) if teacher is not None else load_whole(config.teacher, config.task, **head)
    return with_changes_told(settings, lambda: _out_of(source, settings)), new


def _out_of(source: PreTrainedModel, settings: StudentSettings) -> PreTrainedModel:
    if settings.layers is not None:
        return inherit(source, settings.layers, settings.config)
    made = copy.deepcopy(source.config)
    apply_changes(made, settings.config or {})
    return type(source)(made)


def with_changes_told(settings: StudentSettings, do: Callable[[], Made]) -> Made:
    """Tell whatever goes wrong as what it comes from: changes to a configuration that do not go together.

    Args:
        settings: Of the student.
        do: Makes it, or calls it.

    Raises:
        LimbeckError: Something went wrong, and there are changes.
    """
    try:
        return do()
    except LimbeckError:
        raise
    except Exception as error:  # models check their settings here and there, and mostly not at all
        if not settings.config:
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise LimbeckError(f"student.config: {settings.config} makes no model that runs ({reason})") from None


def _trainable(student: PreTrainedModel, settings: StudentSettings) -> PreTrainedModel:
    quantizer = getattr(student, "hf_quantizer", None)
    if quantizer is not None and settings.lora is None:
        kind = quantizer.quantization_config.quant_method.value
        raise LimbeckError(
            f"student: the weights of {settings.name} are quantised ({kind}) and cannot be trained; name a model of "
            "whole weights, or train adaptors beside them (student.lora)"
        )
    return student


def fill_alike(model: PreTrainedModel, tokenizer: Any) -> None:
    """Let a classifier know what batches are filled up with: decoders judge a text by the last token that is not that.

    Args:
        model: Its configuration changes, and so what is saved of it.
        tokenizer: Fills the batches up.
    """
    # Where positions are counted from the padding's id, another id would shift them.
    if padded_positions(model) is None:
        for config in (model.config, model.config.get_text_config()):
            config.pad_token_id = tokenizer.pad_token_id


def name_classes(student: Any, labels: Sequence[str]) -> None:
    """Let a student's configuration say the classes' names, in the order of its logits."""
    if labels and student.config.num_labels == len(labels):
        student.config.id2label = dict(enumerate(labels))
        student.config.label2id = {label: at for at, label in enumerate(labels)}


def adapted(student: PreTrainedModel, lora: Lora, new: Sequence[str] = ()) -> Any:
    """The student with low-rank adaptors; all else is frozen, but for what is new and has yet to learn anything.

    Args:
        student: Gets the adaptors.
        lora: Where, and of which rank.
        new: Paths of modules without trained weights.

    Raises:
        LimbeckError: The package `peft` is missing, or there are no such modules.
    """
    try:
        import peft
    except ImportError:
        raise LimbeckError("student.lora needs the package peft: pip install 'limbeck[lora]'") from None
    settings = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.modules,
        modules_to_save=[*new] or None,
    )
    try:
        return peft.get_peft_model(student, settings)
    except ValueError as error:
        raise LimbeckError(f"student.lora: {' '.join(str(error).split())}") from None


def head_of(model: Any, name: str, config: DistillConfig, method: Method | None) -> Head | None:
    """The head of a model whose logits shall be made a chunk at a time; None where they shall or can not.

    Raises:
        LimbeckError: A chunk was asked for by number, and the model's logits are not made by a linear layer alone.
    """
    if config.task != "causal-lm" or config.chunk is None or not (method is None or method.positionwise):
        return None
    try:
        return take_apart(model, name, None if config.chunk == "auto" else config.chunk)
    except LimbeckError as error:
        if config.chunk == "auto":
            return None
        raise LimbeckError(f"chunk: {error}; set it to auto or null") from None


@dataclass(frozen=True)
class Sizes:
    """How large a model is.

    Args:
        parameters: In all.
        trained: Of them, those that learn.
    """

    parameters: int
    trained: int

    @classmethod
    def of(cls, model: Any) -> Sizes:
        """Count a model's parameters."""
        return cls(parameters_of(model), parameters_of(model, learning=True))


def check_vocabularies(teacher: PreTrainedModel, student: PreTrainedModel, task: TaskName) -> None:
    """Refuse two models that do not speak of the same classes.

    Raises:
        LimbeckError: Vocabularies or classes differ.
    """
    if task == "embedding":
        return
    name = "num_labels" if task.endswith("classification") else "vocab_size"
    ours, theirs = (getattr(model.config.get_text_config(), name) for model in (student, teacher))
    if ours != theirs:
        raise LimbeckError(
            f"the teacher's {name} is {theirs}, the student's {ours}: logits of different classes cannot be compared; "
            "take a student of the same tokenizer and labels"
        )


@torch.no_grad()
def check_causal(model: PreTrainedModel, name: str) -> None:
    """Refuse a language model that looks ahead: it would be taught, and teach, to copy what it shall predict.

    Args:
        model: Called on a few tokens, of which the last is changed.
        name: For the message.

    Raises:
        LimbeckError: What it says of the first tokens depends on the last.
    """
    was_training = model.training
    ids = torch.arange(4, device=model.device)[None] % model.config.get_text_config().vocab_size
    other = ids.clone()
    other[0, -1] = ids[0, 0]
    first, second = (model.eval()(input_ids=one, use_cache=False).logits[0, :-1] for one in (ids, other))
    model.train(was_training)
    # The first tokens go through the same operations on the same numbers, so that hardly a bit may differ.
    if (first - second).abs().max() > 1e-5 * first.abs().max():
        raise LimbeckError(f"{name}: a {type(model).__name__} that sees the tokens that it shall predict; not causal")
