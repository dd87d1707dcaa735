"""One distillation from its settings to a saved model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from limbeck.distill.card import write_card
from limbeck.distill.config import DistillConfig
from limbeck.distill.metrics import final_metrics
from limbeck.distill.prepare import Ready, prepare
from limbeck.distill.sampling import SamplerClock
from limbeck.distill.task import DistillTask
from limbeck.errors import writing
from limbeck.files import whole_folder
from limbeck.methods.base import Method
from limbeck.models.quiet import quiet_transformers
from limbeck.training.callbacks import Callback, History
from limbeck.training.clock import MethodClock
from limbeck.training.loop import fit
from limbeck.training.resume import FREE
from limbeck.training.run_folder import RunFolder, environment
from limbeck.training.trackers import make_accelerator
from limbeck.training.validation import on_device


@dataclass(frozen=True)
class Distilled:
    """What a distillation left behind.

    Args:
        model: The folder of the student, which `transformers` loads.
        metrics: Of held-out rows: of the student before and after, and of the teacher.
        history: What happened.
    """

    model: Path
    metrics: Mapping[str, Mapping[str, float]]
    history: History


def distill(
    config: DistillConfig,
    out: Path,
    *,
    resume: bool = False,
    accelerator: Accelerator | None = None,
    progress: bool = True,
) -> Distilled:
    """Distil, and save the student with its card.

    Args:
        config: What, from whom, by what.
        out: The run's folder; the model is in its folder ``model``.
        resume: Whether to go on with what is in the folder.
        accelerator: One made beforehand; by default one for what there is.
        progress: Whether to show how far it is.

    Raises:
        LimbeckError: A part cannot be had, the parts do not go together, or the folder holds another run.
        TrainingError: A loss is not finite; the last checkpoint is kept.
    """
    run = RunFolder(out, resume=resume)
    run.refuse_other(config.asked(), free=[f"plan.{name}" for name in FREE])
    ready = prepare(config)
    run.write_config({**config.asked(), "environment": environment()})
    accelerator = accelerator or make_accelerator()
    ready.task.to(accelerator.device)
    before = final_metrics(ready, "test")
    _look_ahead(ready, accelerator)
    callbacks: list[Callback] = [MethodClock()]
    if ready.task.sampler is not None:
        callbacks.append(SamplerClock(ready.task.sampler))
    if config.compile:
        head = ready.task.head
        (ready.student if head is None else head.body).compile()  # in place, so that names of weights stay
    history = fit(
        ready.task,
        ready.splits.train.loader(seed=config.plan.seed),
        config.plan,
        run=run,
        validation_loader=ready.splits.val.loader(shuffle=False),
        callbacks=callbacks,
        resume=resume,
        accelerator=accelerator,
        progress=progress,
    )
    metrics = {"student before": before, **_after(ready)}
    model = out / "model"
    with whole_folder(model) as unfinished:
        save_student(ready, unfinished)
        write_card(unfinished, config, ready, metrics)
    run.write_metrics({"metrics": metrics})  # last: it says that the run is finished
    return Distilled(model, metrics, history)


def _look_ahead(ready: Ready, accelerator: Accelerator) -> None:
    """Show a method that asks for it all training data once, where the training will run."""
    method, teacher = ready.task.method, ready.task.teacher
    if method is None or teacher is None or type(method).prepare is Method.prepare:
        return
    loader = ready.splits.train.loader(shuffle=False)
    method.prepare(teacher, (on_device(batch, accelerator) for batch in loader))


def save_student(ready: Ready, folder: Path) -> Path:
    """Write the student so that `transformers` alone can load it; adaptors are merged into it.

    Its tokenizer gets the chat template by which the student has read dialogues.
    """
    student: Any = ready.student
    if hasattr(student, "merge_and_unload"):
        student = student.merge_and_unload()
    processor = ready.splits.processor
    if ready.splits.template is not None:
        processor.chat_template = ready.splits.template
    with quiet_transformers(), writing(folder):
        student.save_pretrained(folder)
        processor.save_pretrained(folder)
    return folder


def _after(ready: Ready) -> dict[str, dict[str, float]]:
    found = {"student": final_metrics(ready, "test")}
    reads_alike = ready.task.method is not None and not ready.task.method.own_tokenizers
    if ready.teacher is not None and reads_alike:
        own = DistillTask(ready.task.name, ready.teacher, None, None, head=ready.teacher_head)
        found["teacher"] = final_metrics(ready, "test", own)
    return found
