"""Tells methods how far the training is."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from limbeck.methods.base import Method
from limbeck.training.callbacks import Callback, Progress


class MethodClock(Callback):
    """Before each step, lets every method of a task move its schedules."""

    def on_step(self, progress: Progress) -> None:
        """Before each step."""
        for method in methods_of(progress.task):
            method.begin_step(progress.share)


def methods_of(task: nn.Module) -> Iterator[Method]:
    """A task's methods: its attributes that are one, or a list of them; not what a method is made of.

    Example:
        >>> from limbeck.methods.logits import LogitDistillation
        >>> task = nn.Module()
        >>> task.methods = nn.ModuleList([LogitDistillation()])
        >>> [method.name for method in methods_of(task)]
        ['logits']
    """
    for part in task.children():
        for method in part if isinstance(part, nn.ModuleList) else (part,):
            if isinstance(method, Method):
                yield method
