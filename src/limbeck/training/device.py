"""Where a training runs."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState


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
