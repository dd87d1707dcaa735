"""Where a training runs."""

from __future__ import annotations

import functools
import subprocess
import sys

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState

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
    return Accelerator(cpu=chosen.type == "cpu")


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
