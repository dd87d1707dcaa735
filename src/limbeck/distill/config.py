"""What `limbeck distill` is told: task, teacher, student, data, method and plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from limbeck.errors import LimbeckError
from limbeck.settings import Settings, read_changed
from limbeck.training.plan import Plan

TaskName = Literal[
    "causal-lm", "seq2seq", "sequence-classification", "token-classification", "embedding", "image-classification"
]

PLAN: dict[str, Any] = {"lr": 1e-4, "betas": (0.9, 0.98), "schedule": "cosine", "epochs": 3, "clip": 1.0}
"""What a plan leaves out."""

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Lora(Settings):
    """Low-rank adaptors in place of full training (package `peft`); they are merged into the saved model.

    Args:
        rank: Of the matrices.
        alpha: They are scaled by ``alpha / rank``.
        dropout: Before them.
        modules: Names of the linear layers that get one; ``"all-linear"`` takes all but the head.
    """

    rank: Positive = 16
    alpha: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    modules: str | list[str] = "all-linear"


class StudentSettings(Settings):
    """Where the student comes from: ``name``; or ``config`` or ``layers``, or both, out of the teacher.

    Args:
        name: A folder or hub name.
        config: Changes to the teacher's configuration (``{num_hidden_layers: 2}``, say); the weights are new. With
            ``layers``: smaller sizes (``{intermediate_size: 256}``), to which the teacher's weights are cut.
        layers: Out of the teacher: the numbers of the layers that it keeps, or how many, evenly spaced from first to
            last.
        lora: Train low-rank adaptors only.
    """

    name: str | None = None
    config: dict[str, Any] | None = None
    layers: Positive | list[Annotated[int, Field(ge=0)]] | None = None
    lora: Lora | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        inherits = self.layers is not None
        if (self.name is not None) + (self.config is not None or inherits) != 1:
            raise ValueError("either 'name', or 'config' and 'layers' out of the teacher, say where it comes from")
        if isinstance(self.layers, list) and (not self.layers or sorted(set(self.layers)) != self.layers):
            raise ValueError(f"'layers' are numbers in rising order, got {self.layers}")
        if self.lora is not None and self.name is None and not inherits:
            raise ValueError(
                "'lora' trains adaptors beside weights that stay as they are, and 'config' alone makes random ones: "
                "give 'layers', too, or leave 'lora' out"
            )
        return self


class DataFile(Settings):
    """Where rows come from: a file, or a data set of the `datasets` library.

    Args:
        file: ``.jsonl``, ``.csv`` or ``.tsv``, gzipped or not, or ``.parquet``; or a folder of pictures with a folder
            inside for each class. Relative to the configuration file.
        dataset: A name of the `datasets` library.
        subset: Its configuration.
        split: Its split.
        header: Names of the columns of a ``.csv`` or ``.tsv`` without a first line of names.
        rows: Read so many at most.
    """

    file: Path | None = None
    dataset: str | None = None
    subset: str | None = None
    split: str = "train"
    header: list[str] | None = None
    rows: Positive | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.dataset is None):
            raise ValueError("exactly one of 'file' and 'dataset' must be given")
        return self

    def title(self) -> str:
        """How messages and cards call it."""
        return str(self.file) if self.file is not None else f"{self.dataset} ({self.split})"


class Data(Settings):
    """What is learnt from.

    Args:
        train: Rows to learn from; a plain string is a file.
        val: Held-out rows; without them ``val_share`` of the training rows is held out.
        val_share: See ``val``.
        test: Rows for the final metrics only; by default those of ``val``.
        columns: Which column is what, where names differ: ``{text: sentence}``. What a task reads:
            causal-lm ``text``, or ``prompt`` and ``completion``, or ``messages``; seq2seq ``source`` and ``target``;
            sequence-classification ``text``, optionally ``text_pair``, and ``label``; token-classification ``tokens``
            and ``labels``; embedding ``text``, optionally ``text_pair`` and ``score`` (for Spearman's correlation);
            image-classification ``image`` (a file's name, relative to the file that names it) and ``label``.
        max_length: Tokens of a sequence at most.
        long: What happens to a longer one: an error, or it is cut (completions are never cut to nothing).
        template: A Jinja file with a chat template for ``messages``; by default the tokenizer's.
        pack: causal-lm: put several rows into one sequence of ``max_length``; they do not see one another.
        workers: Processes that read pictures; 0 reads them in the training process.
    """

    train: DataFile
    val: DataFile | None = None
    val_share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    test: DataFile | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    max_length: Annotated[int, Field(ge=2)] = 512
    long: Literal["error", "cut"] = "cut"
    template: Path | None = None
    pack: bool = False
    workers: Annotated[int, Field(ge=0)] = 0

    @field_validator("train", "val", "test", mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value


class Sampling(Settings):
    """Training on what the student itself writes (causal-lm with prompts).

    Args:
        policy: ``"on-policy"`` draws with a constant share (GKD, arXiv 2306.13649); ``"adaptive"`` raises the share
            each time the validation loss rises, and reuses what was drawn (DistiLLM, arXiv 2402.03898).
        share: The share of batches that the student writes; where adaptive, the highest.
        max_new_tokens: Of a sample.
        temperature: Of the sampling.
        replay: Adaptive: samples that are kept for reuse.
    """

    policy: Literal["on-policy", "adaptive"] = "on-policy"
    share: Share = 0.5
    max_new_tokens: Positive = 64
    temperature: Annotated[float, Field(gt=0)] = 1.0
    replay: Positive = 256


class DistillConfig(Settings):
    """One distillation.

    Args:
        task: What the models do.
        teacher: A folder or hub name of a model that `transformers` loads.
        store: A folder of stored teacher outputs that `limbeck cache` wrote; the teacher is then never run, and loaded
            only to see that the store is its own, and for a student that is made of it.
        student: Where the student comes from; a plain string is a folder or hub name.
        tokenizer: A folder or hub name; by default the teacher's.
        processor: image-classification: a folder or hub name of an image processor; by default the teacher's.
        data: What is learnt from.
        method: ``name`` and its own settings (:mod:`limbeck.methods`); null learns from the labels alone, which needs
            ``cross_entropy`` and asks no teacher: the baseline, or how a teacher is fine-tuned.
        cross_entropy: Weight of the cross-entropy against the data's own labels, which batches that the student writes
            do not have; 0 leaves it out.
        sampling: Train on the student's own samples.
        chunk: causal-lm: positions whose logits over the vocabulary, the student's and the teacher's, are there at a
            time; ``auto`` chooses how many, where method and models allow it, and null holds those of a whole batch.
        batch_size: Sequences a batch.
        gradient_checkpointing: Compute activations twice rather than keep them.
        compile: Let `torch.compile` compile student and teacher.
        plan: The training plan; what it leaves out is in :data:`PLAN`.
        environment: What a run noted of its machine; it has no part in the training.

    Raises:
        LimbeckError: A key is unknown or a value is not possible.
    """

    task: TaskName
    teacher: str
    store: Path | None = None
    student: StudentSettings
    tokenizer: str | None = None
    processor: str | None = None
    data: Data
    method: dict[str, Any] | None = Field(default_factory=lambda: {"name": "logits"})
    cross_entropy: Annotated[float, Field(ge=0)] = 0.0
    sampling: Sampling | None = None
    chunk: Positive | Literal["auto"] | None = "auto"
    batch_size: Positive = 8
    gradient_checkpointing: bool = False
    compile: bool = False
    plan: Plan = Field(default_factory=lambda: Plan(**PLAN))
    environment: dict[str, Any] = Field(default_factory=dict)

    @field_validator("student", mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("method", mode="before")
    @classmethod
    def _method_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("plan", mode="before")
    @classmethod
    def _whole_plan(cls, plan: Any) -> Any:
        if not isinstance(plan, Mapping):
            return plan
        whole = {**PLAN, **plan}
        if "max_steps" in plan:
            whole["epochs"] = plan.get("epochs")
        return whole

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.data.pack and self.task != "causal-lm":
            raise ValueError(f"'data.pack' is for causal-lm, got the task {self.task!r}")
        if self.sampling is not None and (self.task != "causal-lm" or self.store is not None or self.data.pack):
            raise ValueError("'sampling' is for causal-lm with a live teacher and without 'data.pack'")
        if isinstance(self.chunk, int) and self.task != "causal-lm":
            raise ValueError(f"'chunk' is for causal-lm, got the task {self.task!r}")
        if self.method is None and (not self.cross_entropy or self.store is not None):
            raise ValueError("without a method there must be 'cross_entropy', and a 'store' has no use")
        pictures = self.task == "image-classification"
        if (pictures and self.tokenizer is not None) or (not pictures and self.processor is not None):
            raise ValueError("a 'tokenizer' is for text, a 'processor' for the task 'image-classification'")
        if self.task == "embedding" and self.cross_entropy:
            raise ValueError("'cross_entropy' has no labels to learn from in the task 'embedding'")
        return self

    @classmethod
    def read_changed(cls, path: str | Path, changes: Sequence[str] = ()) -> DistillConfig:
        """Read the file, with changes such as ``"plan.lr=0.001"``; paths in the result are absolute.

        Raises:
            LimbeckError: The file cannot be read, or it or a change holds a wrong key or value.
        """
        values = read_changed(path, changes)
        try:
            return cls(**values)._placed(Path(path).resolve().parent)
        except LimbeckError as error:
            raise LimbeckError(f"{path}: {error}") from None

    def asked(self) -> dict[str, Any]:
        """What the user asked for, in plain values."""
        return self.model_dump(mode="json", exclude={"environment"})

    def _placed(self, base: Path) -> DistillConfig:
        def file(source: DataFile | None) -> DataFile | None:
            if source is None or source.file is None:
                return source
            return source.model_copy(update={"file": base / source.file.expanduser()})

        def model(name: str | None) -> str | None:
            # A hub name looks like a relative path; what lies beside the configuration is meant first.
            if name is None:
                return None
            place = base / Path(name).expanduser()
            return str(place) if place.is_dir() or (place.suffix == ".gguf" and place.is_file()) else name

        data = self.data
        placed: dict[str, Any] = {"train": file(data.train), "val": file(data.val), "test": file(data.test)}
        if data.template is not None:
            placed["template"] = base / data.template.expanduser()
        changes: dict[str, Any] = {
            "data": data.model_copy(update=placed),
            "teacher": model(self.teacher),
            "tokenizer": model(self.tokenizer),
            "processor": model(self.processor),
            "student": self.student.model_copy(update={"name": model(self.student.name)}),
        }
        if self.store is not None:
            changes["store"] = base / self.store.expanduser()
        return self.model_copy(update=changes)
