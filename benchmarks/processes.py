"""What the benchmarks share: the processor's name, and measurements that have a process of their own.

A script gives what it measures to :func:`is_child` before anything else, and asks for a measurement with :func:`ask`,
which starts the script again. What runs there has one thread, unless it takes more, and what it gives is JSON.
"""

from __future__ import annotations

import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limbeck.errors import LimbeckError

if TYPE_CHECKING:  # the world is measured without torch
    from torch import Tensor

Step = Callable[[], "Tensor"]
"""Does what is measured, and gives the loss."""

_FLAG = "--child"


class NotMeasured(Exception):
    """Why there is no measurement, in a line."""


def processor() -> str:
    """The name of the processor, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def is_child(measure: Callable[..., Any]) -> bool:
    """Whether this process was started by :func:`ask`; if so, ``measure`` was called and its result printed."""
    if sys.argv[1:2] != [_FLAG]:
        return False
    import torch

    torch.set_num_threads(1)
    try:
        found = {"found": measure(**json.loads(sys.argv[2]))}
    except LimbeckError as error:
        found = {"refused": str(error)}
    print(json.dumps(found))
    return True


def ask(**given: Any) -> Any:
    """What the script measures in a process of its own.

    Args:
        given: Arguments of the script's measurement; they travel as JSON.

    Raises:
        NotMeasured: What was asked for is refused, or the process ended with an error.
    """
    run = subprocess.run(
        [sys.executable, sys.argv[0], _FLAG, json.dumps(given)], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise NotMeasured((run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1])
    said = json.loads(run.stdout.splitlines()[-1])
    if "refused" in said:
        raise NotMeasured(said["refused"])
    return said["found"]


def medians(turns: int, **given: Any) -> dict[str, float]:
    """The median of each figure over some processes; see :func:`ask`."""
    found = [ask(**given) for _ in range(turns)]
    return {key: statistics.median(one[key] for one in found) for key in found[0]}


def take(step: Step, rounds: int) -> dict[str, float]:
    """Seconds of processor time (the least of the rounds), MiB beyond the process's highest before, the last loss."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times, value = [], 0.0
    for _ in range(rounds):
        start = time.process_time()
        loss = step()
        times.append(time.process_time() - start)
        value = float(loss)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": min(times), "mib": peak / 1024, "value": value}
