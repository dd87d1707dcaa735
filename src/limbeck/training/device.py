"""Where a training runs."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.tracking import GeneralTracker
from accelerate.utils import GradientAccumulationPlugin

from limbeck.errors import LimbeckError

_BF16 = "import torch; one = torch.ones(64, 64, dtype=torch.bfloat16); torch.nn.functional.linear(one, one)"


def accelerator_on(device: str) -> Accelerator:
    """An accelerator for the device that was asked for; left alone, Accelerate takes any GPU that it sees.

    Args:
        device: ``"cpu"``, or an accelerator such as ``"cuda"`` or ``"cuda:1"``.

    Example:
        >>> accelerator_on("cpu").device
        device(type='cpu')
    """
    chosen = torch.device(device)
    if chosen.type == "cuda" and chosen.index is not None:
        torch.cuda.set_device(chosen)
    # Accelerate holds a whole process to its first choice; a vision network and a translator may want different ones.
    if PartialState._shared_state and PartialState().device.type != chosen.type:
        AcceleratorState._reset_state(reset_partial_state=True)
    return plain_accelerator(cpu=chosen.type == "cpu")


def plain_accelerator(
    *, cpu: bool, trackers: Sequence[str | GeneralTracker] = (), folder: Path | None = None
) -> Accelerator:
    """One that leaves everything to the plan, whatever ``accelerate launch`` has put into the environment.

    Args:
        cpu: Whether to leave any GPU alone.
        trackers: Names that Accelerate knows, or trackers of one's own.
        folder: Where trackers write.
    """
    return Accelerator(
        cpu=cpu,
        # A process keeps its first choice, and asking for another is an error; check_plain says it in fewer words.
        mixed_precision=None if AcceleratorState._shared_state else "no",
        dynamo_backend="no",
        # The argument gradient_accumulation_steps would give way to the environment.
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        log_with=list(trackers) or None,
        project_dir=folder,
    )


def check_plain(accelerator: Accelerator) -> None:
    """See that an accelerator does nothing that is the plan's to decide.

    Raises:
        LimbeckError: It would run the forward pass in another precision, divide the gradient or compile the task.
    """
    found = {
        "mixed_precision": (accelerator.mixed_precision, "no"),
        "gradient_accumulation_steps": (accelerator.gradient_accumulation_steps, 1),
        "dynamo_backend": (accelerator.state.dynamo_plugin.backend.value.lower(), "no"),
    }
    others = [f"{name} {got!r} for {wanted!r}" for name, (got, wanted) in found.items() if got != wanted]
    if others:
        raise LimbeckError(
            f"the accelerator has {', '.join(others)}; the plan decides precision and accumulation, so make it by "
            "accelerator_on(device), before any other"
        )


@functools.cache
def check_bf16(device: str) -> None:
    """See that bf16 can be computed in.

    Some virtual machines tell of matrix instructions that they do not have; the first product then ends the process,
    which only another process can be told of.

    Args:
        device: The type of a device.

    Raises:
        LimbeckError: It cannot.
    """
    if device != "cpu":
        return
    tried = subprocess.run([sys.executable, "-c", _BF16], capture_output=True, check=False)
    if tried.returncode < 0:
        raise LimbeckError(
            f"precision: bf16 ends the process on this processor (signal {-tried.returncode}); take fp32, or set "
            "ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 in the environment"
        )
