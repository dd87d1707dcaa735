"""AdamW as the plan has it."""

from __future__ import annotations

import torch
from torch import nn

from limbeck.errors import TrainingError
from limbeck.training.plan import Plan


def learning_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name; a tied one under the first of its names.

    Raises:
        TrainingError: There are none.
    """
    parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
    if not parameters:
        raise TrainingError(f"{type(module).__name__} has no parameter that learns (requires_grad is off everywhere)")
    return parameters


def adamw(parameters: dict[str, nn.Parameter], plan: Plan) -> torch.optim.AdamW:
    """The optimiser: decay for tensors of two or more axes, none for biases and norms.

    Args:
        parameters: What learns, on its device.
        plan: Gives rate, betas, epsilon, decay, and whether to fuse.
    """
    values = list(parameters.values())
    groups = [
        {"params": [value for value in values if value.ndim >= 2], "weight_decay": plan.weight_decay},
        {"params": [value for value in values if value.ndim < 2], "weight_decay": 0.0},
    ]
    fused = plan.fused and all(value.is_floating_point() and value.device.type in _FUSED for value in values)
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=plan.lr, betas=plan.betas, eps=plan.eps, fused=fused
    )


_FUSED = ("cpu", "cuda")
