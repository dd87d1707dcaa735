"""What a distillation would take, measured on one batch."""

from __future__ import annotations

import time

import torch

from limbeck.distill.config import DistillConfig
from limbeck.distill.models import Sizes
from limbeck.distill.prepare import Ready, counted_tokens, prepare
from limbeck.report.tables import Grid
from limbeck.training.validation import on_device

TRIALS = 3


def preview(config: DistillConfig, device: str) -> list[Grid]:
    """Sizes, memory, tokens, steps and time, as tables.

    Memory is an estimate: weights of both models; gradients and two moments of AdamW for what learns; logits of both
    sides of the largest batch, with their gradient and their log-probabilities. Time is measured on some batches and
    multiplied by the steps.

    Args:
        config: What was asked for.
        device: Where it would run.

    Raises:
        LimbeckError: A part cannot be had, or the parts do not go together.
    """
    ready = prepare(config)
    student = Sizes.of(ready.student)
    rows = [("student", f"{student.parameters:,}", f"{student.trained:,}")]
    if ready.teacher is not None:
        rows.insert(0, ("teacher", f"{Sizes.of(ready.teacher).parameters:,}", "0"))
    loader = ready.splits.train.loader(seed=config.plan.seed)
    steps = config.plan.steps_in_all(len(loader)) or 0
    examples = ready.splits.train.examples
    per_step = _seconds_of_step(ready, device) * config.plan.accumulate
    facts = [
        ("sequences", f"{len(examples):,}"),
        ("tokens an epoch", f"{ready.splits.train.tokens():,}"),
        ("of them to learn", f"{counted_tokens(examples):,}"),
        ("steps", f"{steps:,}"),
        ("memory, estimated", f"{_bytes(ready) / 2**30:.2f} GiB"),
        ("time of a step, measured", f"{per_step:.2f} s"),
        ("time in all, estimated", f"{steps * per_step / 60:.1f} min"),
    ]
    return [
        Grid("Models", ("", "parameters", "that learn"), tuple(rows)),
        Grid("Training", ("", "amount"), tuple(facts)),
    ]


def _seconds_of_step(ready: Ready, device: str) -> float:
    """The mean time of forward and backward pass of a few batches."""
    from limbeck.training.device import accelerator_on

    accelerator = accelerator_on(device)
    task = ready.task.to(accelerator.device).train()
    seconds = []
    for number, batch in enumerate(ready.splits.train.loader(seed=ready.config.plan.seed)):
        start = time.perf_counter()
        terms = task(on_device(batch, accelerator))
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


def _bytes(ready: Ready) -> int:
    student = Sizes.of(ready.student)
    held = 4 * student.parameters + 12 * student.trained
    if ready.teacher is not None:
        held += 4 * Sizes.of(ready.teacher).parameters
    if ready.config.task in ("causal-lm", "seq2seq"):
        longest = max(len(example.targets) for example in ready.splits.train.examples)
        vocabulary = ready.student.config.get_text_config().vocab_size
        held += 4 * 4 * longest * ready.config.batch_size * vocabulary
    return held
