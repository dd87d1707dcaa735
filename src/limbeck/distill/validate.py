"""What can be known of a configuration before any weights are loaded."""

from __future__ import annotations

from pathlib import Path

from limbeck.distill.checks import check_method, check_prompts
from limbeck.distill.config import DistillConfig
from limbeck.distill.splits import read_splits
from limbeck.errors import LimbeckError
from limbeck.methods.find import make_method


def validated(config: DistillConfig) -> list[str]:
    """Check method, store, files, columns, classes and lengths.

    Args:
        config: What was asked for.

    Returns:
        What was found, a line each.

    Raises:
        LimbeckError: Something is not possible; the message says what.
    """
    method = None if config.method is None else make_method(config.method)
    if method is not None:
        check_method(method, config)
    for name in (config.teacher, config.student.name):
        if name is not None and name.startswith(("/", "./", "../", "~")) and not Path(name).exists():
            raise LimbeckError(f"no such folder: {name}")
    splits = read_splits(config, own_tokenizers=method is not None and method.own_tokenizers)
    check_prompts(config, splits)
    terms = "none, labels alone" if method is None else f"{method.name}, terms {', '.join(method.weights)}"
    lines = [f"method: {terms}"]
    for name, split in (("train", splits.train), ("val", splits.val), ("test", splits.test)):
        lines.append(f"{name}: " + ", ".join(f"{number:,} {what}" for what, number in split.amounts().items()))
    steps = config.plan.steps_in_all(len(splits.train.loader(seed=config.plan.seed)))
    lines.append(f"steps: {steps:,}")
    if splits.labels:
        lines.append(f"classes: {', '.join(splits.labels)}")
    return lines
