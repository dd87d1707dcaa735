"""Batches that the student writes itself, so that it is taught where it will be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.distill.batches import Collator
from limbeck.distill.config import Sampling
from limbeck.distill.examples import Example, next_tokens
from limbeck.errors import LimbeckError
from limbeck.models.generation import continuations, ended
from limbeck.training.callbacks import Callback, Progress

WRITTEN = "written"
"""A column of batches whose words are the student's own: a teacher may judge them, and they are no labels."""


class StudentSampler(nn.Module):
    """Replaces a share of the batches by the student's own completions of their prompts.

    Args:
        settings: How.
        tokenizer: Tells the ends of completions.
        max_length: Tokens of a sequence at most.

    Reference:
        Agarwal et al., "On-Policy Distillation of Language Models", ICLR 2024, arXiv 2306.13649; for the adaptive share
        and the replay Ko et al., "DistiLLM", ICML 2024, arXiv 2402.03898.
    """

    labelled = False
    """Whether what is written is right, and cross-entropy learns from it as from the data's own words."""

    share: Tensor
    fresh: Tensor
    last_loss: Tensor
    kept: Tensor
    sizes: Tensor
    written: Tensor

    def __init__(self, settings: Sampling, tokenizer: Any, max_length: int) -> None:
        super().__init__()
        self.settings, self.max_length = settings, max_length
        self.pad, self.end = tokenizer.pad_token_id, tokenizer.eos_token_id
        self.collator = Collator("causal-lm", self.pad)
        adaptive = settings.policy == "adaptive"
        # All that decides what comes next is in buffers, and so in the checkpoint.
        self.register_buffer("share", torch.tensor(0.0 if adaptive else settings.share))
        self.register_buffer("fresh", torch.tensor(1.0))
        self.register_buffer("last_loss", torch.tensor(float("inf")))
        replay = settings.replay if adaptive else 0
        self.register_buffer("kept", torch.zeros(replay, max_length, dtype=torch.int32))
        self.register_buffer("sizes", torch.zeros(replay, 2, dtype=torch.int32))
        self.register_buffer("written", torch.tensor(0))

    def forward(self, batch: Batch, student: Any) -> Batch:
        """The batch itself, or one that the student wrote, with ``written`` where its words are not to be learnt.

        Args:
            batch: With prompts.
            student: Writes; in eval mode, without gradients.

        Raises:
            LimbeckError: The batch has no prompts.
        """
        if torch.rand(()) >= self.share:
            return batch
        if "prompt" not in batch:
            raise LimbeckError("sampling: the rows have no prompts; give columns 'prompt' and 'completion'")
        device, number = batch["input_ids"].device, len(batch["input_ids"])
        if torch.rand(()) >= self.fresh and self.written > 0:
            examples = self._replayed(number)
        else:
            examples = self._completed(batch, student)
            self._keep(examples)
        made = dict(self.collator([(-1, example) for example in examples]))
        if not self.labelled:
            made[WRITTEN] = torch.ones(number, dtype=torch.bool)
        return {name: value.to(device) for name, value in made.items()}

    def follow(self, progress: float) -> None:
        """Replay more and write less as the training goes on (adaptive)."""
        if self.settings.policy == "adaptive":
            self.fresh.fill_(1.0 - progress)

    def heed(self, loss: float) -> None:
        """Raise the share where the validation loss has risen (adaptive)."""
        if self.settings.policy != "adaptive":
            return
        if loss > float(self.last_loss):
            self.share.fill_(min(float(self.share) + 0.1, self.settings.share))
        self.last_loss.fill_(loss)

    def _completed(self, batch: Batch, student: Any) -> list[Example]:
        lengths = batch["prompt"].tolist()
        prompts = [
            ids[:length].tolist()[-(self.max_length - 1) :]
            for ids, length in zip(batch["input_ids"], lengths, strict=True)
        ]
        completions = continuations(
            student,
            prompts,
            pad=self.pad,
            do_sample=True,
            temperature=self.settings.temperature,
            max_new_tokens=min(self.settings.max_new_tokens, self.max_length - max(map(len, prompts))),
            eos_token_id=self.end,
        )
        return [
            next_tokens([*prompt, *ended(rest, {self.end})], prompt=len(prompt))
            for prompt, rest in zip(prompts, completions, strict=True)
        ]

    def _keep(self, examples: list[Example]) -> None:
        for example in examples if len(self.kept) else ():
            at = int(self.written) % len(self.kept)
            length = len(example.input_ids)
            self.kept[at, :length] = torch.tensor(example.input_ids, dtype=torch.int32)
            self.sizes[at] = torch.tensor([example.prompt, length], dtype=torch.int32)
            self.written += 1

    def _replayed(self, number: int) -> list[Example]:
        chosen = torch.randint(min(int(self.written), len(self.kept)), (number,))
        examples = []
        for at in chosen.tolist():
            prompt, length = self.sizes[at].tolist()
            examples.append(next_tokens(self.kept[at, :length].tolist(), prompt=prompt))
        return examples


class SamplerClock(Callback):
    """Tells a sampler how far the training is and how it goes.

    Args:
        sampler: Which.
    """

    def __init__(self, sampler: StudentSampler) -> None:
        self.sampler = sampler

    def on_step(self, progress: Progress) -> None:
        """Before each step."""
        self.sampler.follow(progress.share)

    def on_validation(self, progress: Progress, row: Mapping[str, float]) -> None:
        """After a validation."""
        self.sampler.heed(row["val/loss"])
