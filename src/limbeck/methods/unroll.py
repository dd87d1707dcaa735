"""Bilevel learning inside the one loop: a loss after one step of the student, and an AdamW that checkpoints keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
import torch.distributed
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel


def loss_after_step(
    student: nn.Module,
    seen: Tensor,
    inner: Callable[[Tensor], Tensor],
    held: Tensor,
    outer: Callable[[Tensor], Tensor],
    *,
    step: float,
) -> Tensor:
    """``outer(f(held; w - step * grad_w inner(f(seen; w))))``, differentiable through the step.

    Gradients flow to whatever the inner loss depends on beside the student. The student itself, its gradients and its
    running statistics are left as they are.

    Args:
        student: ``f``, from one tensor to its output.
        seen: What it steps on.
        inner: From its output to the loss that it steps down.
        held: What it is judged by.
        outer: From its output there to the loss.
        step: Length of the step.

    Reference:
        Finn et al., "Model-Agnostic Meta-Learning", ICML 2017, arXiv 1703.03400; there the start of the step is learnt.

    Example:
        >>> line, rate = nn.Linear(1, 1, bias=False), torch.tensor(1.0, requires_grad=True)
        >>> one = torch.ones(1, 1)
        >>> loss = loss_after_step(line, one, lambda y: rate * y.sum(), one, lambda y: y.sum(), step=0.5)
        >>> torch.autograd.grad(loss, rate)[0].item()
        -0.5
    """
    before = _free(student)

    def say(parameters: dict[str, Tensor], values: Tensor) -> Tensor:
        buffers = {name: value.clone() for name, value in student.named_buffers()}
        said: Tensor = functional_call(student, {**parameters, **buffers}, (values,))
        return said

    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
        inside = inner(say(before, seen))
        slopes = torch.autograd.grad(inside, list(before.values()), create_graph=True, allow_unused=True)
        after = {
            name: value if slope is None else value - step * slope
            for (name, value), slope in zip(before.items(), slopes, strict=True)
        }
        return outer(say(after, held))


class KeptAdamW(nn.Module):
    """AdamW for parameters that the loop's optimiser does not see; its moments are buffers, and so in the checkpoint.

    Decay is apart from the gradient: gradients through an unrolled step are so small that it would outweigh them.

    Args:
        parameters: What it moves.
        lr: Length of a step.
        weight_decay: Times the length of a step, the share that a parameter loses.

    Reference:
        Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, arXiv 1711.05101.
    """

    steps: Tensor

    def __init__(self, parameters: Iterable[Tensor], *, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__()
        self.lr, self.weight_decay = lr, weight_decay
        for number, value in enumerate(parameters):
            self.register_buffer(f"moments{number}", torch.zeros(2, *value.shape, dtype=value.dtype))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def descend(self, module: nn.Module, loss: Callable[[dict[str, Tensor]], Tensor]) -> None:
        """Move a module's parameters, the same as at the start, down a loss that is a function of them by name.

        Of several processes each has a loss of its own batch; all of them move down the mean of the gradients.
        """
        parameters = _free(module)
        slopes = torch.autograd.grad(loss(parameters), list(parameters.values()))
        self.step(module.parameters(), _mean_over_processes(slopes))

    @torch.no_grad()
    def step(self, parameters: Iterable[Tensor], gradients: Iterable[Tensor]) -> None:
        """Move the parameters, the same as at the start, down their gradients."""
        self.steps += 1
        time = int(self.steps)
        for number, (value, slope) in enumerate(zip(parameters, gradients, strict=True)):
            first, second = self.get_buffer(f"moments{number}")
            first.lerp_(slope, 0.1)
            second.lerp_(slope.square(), 0.001)
            unbiased = first / (1 - 0.9**time), (second / (1 - 0.999**time)).sqrt()
            value.mul_(1 - self.lr * self.weight_decay).sub_(self.lr * unbiased[0] / (unbiased[1] + 1e-8))


def _mean_over_processes(slopes: Sequence[Tensor]) -> list[Tensor]:
    """DDP, which adds the other gradients, does not see these."""
    if not torch.distributed.is_initialized():
        return list(slopes)
    means = [(slope / torch.distributed.get_world_size()).contiguous() for slope in slopes]
    for mean in means:
        torch.distributed.all_reduce(mean)
    return means


def _free(module: nn.Module) -> dict[str, Tensor]:
    """Its parameters by name, for gradients that do not reach the module itself."""
    return {name: value.detach().requires_grad_() for name, value in module.named_parameters()}
