"""Learning-rate schedules: pure functions from the step to a factor."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["constant", "linear", "cosine", "inverse_sqrt"]


def lr_factor(step: int, *, schedule: Schedule, warmup: int = 0, total: int | None = None, floor: float = 0.0) -> float:
    """What the peak learning rate is multiplied by at one optimiser step.

    With ``t`` the step, ``w`` the warm-up, ``T`` the total and ``f`` the floor, the warm-up is ``t / w`` for
    ``t < w``, and then, with ``p = (t - w) / (T - w)``:

    - ``constant``: ``1``;
    - ``linear``: ``f + (1 - f) (1 - p)``;
    - ``cosine``: ``f + (1 - f) (1 + cos(pi p)) / 2``;
    - ``inverse_sqrt``: ``max(f, sqrt(max(w, 1) / t))``.

    Args:
        step: The optimiser step that is about to be made; the first is 1.
        schedule: The shape after the warm-up.
        warmup: Steps of the warm-up; its last has the factor 1.
        total: All steps, the warm-up among them. ``linear`` and ``cosine`` need it, and stay at the floor after it.
        floor: The smallest factor after the warm-up.

    Raises:
        ValueError: ``linear`` or ``cosine`` without ``total``.

    Example:
        >>> [lr_factor(step, schedule="linear", warmup=2, total=6) for step in (1, 2, 4, 6, 7)]
        [0.5, 1.0, 0.5, 0.0, 0.0]
        >>> lr_factor(400, schedule="inverse_sqrt", warmup=100)
        0.5
    """
    if step < warmup:
        return step / warmup
    if schedule == "constant":
        return 1.0
    if schedule == "inverse_sqrt":
        return max(floor, math.sqrt(max(warmup, 1) / step))
    if total is None:
        raise ValueError(f"the schedule {schedule!r} needs the number of all steps")
    passed = min(1.0, (step - warmup) / max(total - warmup, 1))
    remaining = 1 - passed if schedule == "linear" else (1 + math.cos(math.pi * passed)) / 2
    return floor + (1 - floor) * remaining
