"""What one model says about one batch, and the tap that captures it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.errors import LimbeckError, near_matches

Pick = Callable[[str, Any], Tensor]
"""Finds the tensor to keep: from a module's path and what the module returned."""


@dataclass(frozen=True)
class SparseLogits:
    """The likeliest classes of each position with their log-probabilities; of the others, only what they have together.

    Args:
        ids: Classes, each at most once a position.
        log_probs: Their natural log-probabilities under the *full* softmax at temperature 1, so that the mass left
            over is ``1 - sum exp``. An unused slot has ``-inf``; its id is 0 and means nothing.
        sampled: Whether the classes were drawn, and the log-probabilities are those of an estimate that is right on
            average alone: for losses that are linear in it, which forward KL is.

    Raises:
        LimbeckError: The shapes differ, ids are no integers, or log-probabilities no floating-point numbers.

    Example:
        >>> import torch
        >>> sparse = SparseLogits.top(torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log(), k=2)
        >>> sparse.ids.tolist(), round(float(sparse.rest().exp()), 6)
        ([[0, 1]], 0.25)
    """

    ids: Int[Tensor, "*positions k"]
    log_probs: Float[Tensor, "*positions k"]
    sampled: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.ids.shape != self.log_probs.shape or self.ids.dim() == 0:
            ids, values = tuple(self.ids.shape), tuple(self.log_probs.shape)
            raise LimbeckError(f"sparse logits: ids {ids} and log_probs {values} must have the same shape (..., k)")
        if self.ids.is_floating_point() or not self.log_probs.is_floating_point():
            kinds = f"{self.ids.dtype} and {self.log_probs.dtype}"
            raise LimbeckError(f"sparse logits: ids must be integers and log_probs floating point, got {kinds}")

    @classmethod
    def top(cls, logits: Float[Tensor, "*positions vocab"], k: int) -> SparseLogits:
        """Keep the ``k`` likeliest classes of dense logits, likeliest first; no more than there are."""
        wide = logits if logits.dtype.itemsize >= 4 else logits.float()
        values, ids = wide.topk(min(k, wide.shape[-1]), dim=-1)
        return cls(ids, values - wide.logsumexp(-1, keepdim=True))

    @property
    def k(self) -> int:
        """Slots a position."""
        return self.ids.shape[-1]

    @property
    def positions(self) -> torch.Size:
        """The shape without the slots."""
        return self.ids.shape[:-1]

    def rest(self) -> Float[Tensor, "*positions"]:
        """The log of the mass left over, in float32 at least: ``-inf`` where it is complete, also by rounding."""
        wide = torch.promote_types(self.log_probs.dtype, torch.float32)
        return torch.log1p(-self.log_probs.to(wide).exp().sum(-1).clamp(max=1.0))

    def to(self, *args: Any, **kwargs: Any) -> SparseLogits:
        """As ``Tensor.to``: both to a device, the log-probabilities alone to a type."""
        log_probs = self.log_probs.to(*args, **kwargs)
        return replace(self, ids=self.ids.to(log_probs.device), log_probs=log_probs)

    def __getitem__(self, at: Any) -> SparseLogits:
        """The positions that a mask, a number, a slice or a tensor of numbers chooses."""
        return replace(self, ids=self.ids[at], log_probs=self.log_probs[at])

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class LinearLogits:
    """Logits that are not computed yet: hidden states, and the head that will project them.

    They are ``z = scale * (hidden @ weight.T + bias)``, or ``softcap * tanh(z / softcap)``.

    Args:
        hidden: States before the head.
        weight: The head's, as in ``torch.nn.functional.linear``.
        bias: The head's, if it has one.
        scale: The head's outputs are multiplied by it.
        softcap: What the size of a logit stays below; None leaves them as they are.
        chunk: Positions that a loss projects at a time; None leaves that to the loss.

    Raises:
        LimbeckError: Hidden states and head differ in width, or weight and bias in vocabulary.
    """

    hidden: Float[Tensor, "*positions width"]
    weight: Float[Tensor, "vocab width"]
    bias: Float[Tensor, " vocab"] | None = None
    scale: float = field(default=1.0, kw_only=True)
    softcap: float | None = field(default=None, kw_only=True)
    chunk: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.hidden.shape[-1] != self.weight.shape[-1]:
            widths = f"hidden states of width {self.hidden.shape[-1]}, a head for {self.weight.shape[-1]}"
            raise LimbeckError(f"linear logits: {widths}")
        if self.bias is not None and self.bias.shape != self.weight.shape[:1]:
            raise LimbeckError(f"linear logits: {len(self.weight)} classes, a bias of {tuple(self.bias.shape)}")

    @property
    def positions(self) -> torch.Size:
        """The shape without the vocabulary."""
        return self.hidden.shape[:-1]

    @property
    def shape(self) -> torch.Size:
        """The shape that the logits would have."""
        return torch.Size((*self.positions, len(self.weight)))

    def dense(self) -> Float[Tensor, "*positions vocab"]:
        """The logits, all at once."""
        return self.finished(F.linear(self.hidden, self.weight, self.bias))

    def finished(self, projected: Float[Tensor, "*some vocab"]) -> Float[Tensor, "*some vocab"]:
        """What becomes of the outputs of the linear layer itself."""
        scaled = projected if self.scale == 1.0 else self.scale * projected
        return scaled if self.softcap is None else self.softcap * torch.tanh(scaled / self.softcap)

    def of(self, hidden: Float[Tensor, "*some width"]) -> LinearLogits:
        """The same head over other states."""
        return replace(self, hidden=hidden)

    def detach(self) -> LinearLogits:
        """The same without gradients."""
        bias = None if self.bias is None else self.bias.detach()
        return replace(self, hidden=self.hidden.detach(), weight=self.weight.detach(), bias=bias)

    def __getitem__(self, at: Any) -> LinearLogits:
        """The positions that a mask, a number, a slice or a tensor of numbers chooses."""
        return self.of(self.hidden[at])


@dataclass(frozen=True)
class Signals:
    """What one model said about one batch.

    A teacher and a student each give one; a method compares the two. Everything is optional: a model gives what the
    method's :class:`~limbeck.methods.base.Needs` ask for and nothing else.

    Args:
        logits: Scores before the softmax, ``(batch, ..., classes)``; of a stored teacher, the likeliest classes; of a
            language model that shall not hold them all at once, hidden states and head.
        hidden: Named hidden states: by dotted module path (``"encoder.layer.3"``) or by an adaptor's own names
            (``"image"``, ``"stage4"``). Any shape whose first axis is the batch.
        attention: Named attention maps, ``(batch, heads, queries, keys)``.
        mask: True where a position counts; its axes are those of the signal that the method compares.
    """

    logits: Tensor | SparseLogits | LinearLogits | None = None
    hidden: Mapping[str, Tensor] = field(default_factory=dict)
    attention: Mapping[str, Tensor] = field(default_factory=dict)
    mask: Tensor | None = None


@contextmanager
def tap(module: nn.Module, names: Sequence[str], pick: Pick | None = None) -> Iterator[dict[str, Tensor]]:
    """Capture what submodules return while the ``with`` block runs.

    Gradients flow through what is captured. The hooks are off when the block ends, also after an exception. A module
    that runs several times in one block leaves its last output.

    Args:
        module: The model; neither it nor its class is changed.
        names: Dotted paths of its submodules, as in ``module.named_modules()``; ``""`` is the module itself.
        pick: Finds the tensor in a module's output; by default :func:`first_tensor`.

    Yields:
        The captured tensors by path: empty at first, filled as the modules run.

    Raises:
        LimbeckError: There is no submodule of that path, or its output holds no tensor.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        >>> with tap(model, ["0"]) as hidden:
        ...     output = model(torch.ones(2, 4))
        >>> bool((hidden["0"].relu() == output).all())
        True
    """
    if isinstance(names, str):
        raise LimbeckError(f"names: got the text {names!r}, expected a sequence of module paths")
    modules = {name: _submodule(module, name) for name in names}
    captured: dict[str, Tensor] = {}
    handles = []
    try:
        for name, part in modules.items():
            handles.append(part.register_forward_hook(_keeper(captured, name, pick or first_tensor)))
        yield captured
    finally:
        for handle in handles:
            handle.remove()


def first_tensor(name: str, output: Any) -> Tensor:
    """The output itself if it is a tensor, or the first tensor of a tuple, list, mapping or ``ModelOutput``.

    Args:
        name: The module's path, for the message.
        output: What the module returned.

    Raises:
        LimbeckError: There is no tensor in it.
    """
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    for value in values:
        if isinstance(value, Tensor):
            return value
    raise LimbeckError(f"the module {name!r} returned a {type(output).__name__} without a tensor; give a pick function")


def _submodule(module: nn.Module, name: str) -> nn.Module:
    try:
        return module.get_submodule(name)
    except AttributeError:
        paths = [path for path, _ in module.named_modules(remove_duplicate=False) if path]
        message = f"{type(module).__name__} has no module {name!r}; {near_matches(name, paths)}"
        raise LimbeckError(message) from None


def _keeper(captured: dict[str, Tensor], name: str, pick: Pick) -> Callable[[nn.Module, Any, Any], None]:
    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        captured[name] = pick(name, output)

    return keep
