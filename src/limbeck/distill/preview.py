"""What a distillation would take, measured on one batch."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from limbeck.distill.config import DistillConfig
from limbeck.distill.models import Sizes
from limbeck.distill.prepare import Ready, prepare
from limbeck.losses.linear_terms import chunk_size
from limbeck.models.size import parameters_of
from limbeck.training.validation import on_device

TRIALS = 3


@dataclass(frozen=True)
class Preview:
    """What a distillation would take.

    Args:
        models: Sizes of the student and, where there is one beside it, the teacher.
        amounts: What an epoch of the training data holds.
        steps: Of the optimiser, in all.
        memory: An estimate in bytes: weights of both models; gradients and two moments of AdamW for what learns;
            logits of both sides of the largest batch or chunk, with their gradient and their log-probabilities.
        step_seconds: Of one step, measured on some batches.
    """

    models: dict[str, Sizes]
    amounts: dict[str, int]
    steps: int
    memory: int
    step_seconds: float


def preview(config: DistillConfig, device: str) -> Preview:
    """Load everything, take some steps that change nothing, and say what all would take.

    Args:
        config: What was asked for.
        device: Where it would run.

    Raises:
        LimbeckError: A part cannot be had, or the parts do not go together.
    """
    ready = prepare(config)
    teacher = {} if ready.teacher is None else {"teacher": Sizes(parameters_of(ready.teacher), 0)}
    train = ready.splits.train
    return Preview(
        models={**teacher, "student": Sizes.of(ready.student)},
        amounts=train.amounts(),
        steps=config.plan.steps_in_all(len(train.loader(seed=config.plan.seed))) or 0,
        memory=_bytes(ready, device.partition(":")[0]),
        step_seconds=_seconds_of_step(ready, device) * config.plan.accumulate,
    )


def _seconds_of_step(ready: Ready, device: str) -> float:
    """The mean time of forward and backward pass of a few batches."""
    from limbeck.training.device import accelerator_on

    accelerator = accelerator_on(device)
    task = ready.task.to(accelerator.device).train()
    seconds = []
    for number, batch in enumerate(ready.splits.train.loader(seed=ready.config.plan.seed)):
        start = time.perf_counter()
        terms = task(task.draw(on_device(batch, accelerator)))
        torch.stack(
            [task.weights[name] * term.mean() for name, term in terms.items() if name in task.weights]
        ).sum().backward()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        task.zero_grad(set_to_none=True)
        if number + 1 == TRIALS:
            break
    # The first pays for what is made once.
    return min(seconds)


def _bytes(ready: Ready, device: str) -> int:
    student = Sizes.of(ready.student)
    held = 4 * student.parameters + 12 * student.trained
    if ready.teacher is not None:
        held += 4 * parameters_of(ready.teacher)
    if ready.config.task in ("causal-lm", "seq2seq"):
        longest = max(len(example.targets) for example in ready.splits.train.texts())
        vocabulary = ready.student.config.get_text_config().vocab_size
        positions = longest * ready.config.batch_size
        if (head := ready.task.head) is not None:
            positions = min(positions, chunk_size(vocabulary, device, head.chunk))
            held += 4 * head.linear.weight.numel()  # its gradient is taken before the backward pass
        held += 4 * 4 * positions * vocabulary
    return held
