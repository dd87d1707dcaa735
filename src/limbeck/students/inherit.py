"""A student out of its teacher: some of its layers, and where wished a part of their width."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor
from transformers import PreTrainedModel

from limbeck.errors import LimbeckError, near_matches

DEPTHS = ("num_hidden_layers", "num_layers", "encoder_layers", "decoder_layers", "num_decoder_layers")
"""What configurations call the number of their layers."""

FUSED = re.compile(r"c_attn|qkv|query_key_value|Wqkv")
"""Queries, keys and values in one matrix: its first rows are not the first rows of each."""

FIRST = "relative_attention_bias"
"""T5's distances between positions: all layers read them, and the first alone has them."""


def inherit(
    teacher: PreTrainedModel, layers: int | Sequence[int], changes: Mapping[str, Any] | None = None
) -> PreTrainedModel:
    """Make a smaller model of the same kind that begins with the teacher's weights.

    Layers are copied as they are. Where ``changes`` make a size smaller, the first rows and columns of a matrix are
    kept, so that heads and units stay whole if the size of a head stays.

    Args:
        teacher: Not changed.
        layers: The numbers of the layers that are kept, or how many, evenly spaced from the first to the last. A model
            with encoder and decoder keeps the same in both.
        changes: To the configuration.

    Raises:
        LimbeckError: There is no such layer or setting, a size would grow, or matrices cannot be cut.

    Example:
        >>> from transformers import LlamaConfig, LlamaForCausalLM
        >>> config = LlamaConfig(vocab_size=20, hidden_size=8, intermediate_size=16, num_hidden_layers=4,
        ...                      num_attention_heads=2, num_key_value_heads=2)
        >>> teacher = LlamaForCausalLM(config)
        >>> student = inherit(teacher, [0, 3])
        >>> bool((student.model.layers[1].mlp.up_proj.weight == teacher.model.layers[3].mlp.up_proj.weight).all())
        True
    """
    kept = kept_layers(layers, depth(teacher))
    config = smaller_config(teacher.config, kept, changes or {})
    try:
        student: PreTrainedModel = type(teacher)(config)
    except (KeyError, ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        raise LimbeckError(f"student.config: {' '.join(str(error).split())}") from None
    given = teacher.state_dict()
    with torch.no_grad():
        for name, value in student.state_dict().items():
            value.copy_(_cut(name, given[_in_teacher(name, kept, teacher)], value.shape))
    student.tie_weights()
    if teacher.can_generate():
        student.generation_config = copy.deepcopy(teacher.generation_config)
    return student.train(teacher.training)


def depth(model: PreTrainedModel) -> int:
    """How many layers a model has; encoder and decoder must have equally many.

    Raises:
        LimbeckError: They differ, or the configuration does not tell.
    """
    found = {getattr(model.config, name) for name in DEPTHS if hasattr(model.config, name)} - {None}
    if len(found) != 1:
        raise LimbeckError(f"{type(model).__name__}: its configuration tells no one number of layers (got {found})")
    number: int = found.pop()
    return number


def kept_layers(layers: int | Sequence[int], depth: int) -> list[int]:
    """The numbers of the layers that are kept.

    Raises:
        LimbeckError: There are not as many.

    Example:
        >>> kept_layers(3, 12), kept_layers(1, 12), kept_layers([0, 5], 12)
        ([0, 6, 11], [0], [0, 5])
    """
    if isinstance(layers, int):
        if layers > depth:
            raise LimbeckError(f"student.layers: got {layers}, and the teacher has {depth}")
        return [round(at * (depth - 1) / max(layers - 1, 1) + 1e-9) for at in range(layers)]
    beyond = [number for number in layers if number >= depth]
    if beyond:
        raise LimbeckError(f"student.layers: no layer {beyond[0]}; the teacher's are 0 to {depth - 1}")
    return list(layers)


def smaller_config(config: Any, kept: Sequence[int], changes: Mapping[str, Any]) -> Any:
    """The teacher's configuration with fewer layers, and with changes.

    Raises:
        LimbeckError: A change names no setting, or the layers again.
    """
    made = copy.deepcopy(config)
    for name in DEPTHS:
        if getattr(made, name, None) is not None:
            setattr(made, name, len(kept))
    if getattr(made, "layer_types", None):
        made.layer_types = [made.layer_types[number] for number in kept]
    apply_changes(made, changes)
    for name in DEPTHS:
        if getattr(made, name, None) not in (None, len(kept)):
            told = f"{name} is {getattr(made, name)}, and student.layers keeps {len(kept)}"
            raise LimbeckError(f"student.config: {told}; leave one of the two out")
    return made


def apply_changes(config: Any, changes: Mapping[str, Any]) -> None:
    """Change settings of a model's configuration in place.

    Raises:
        LimbeckError: A change names no setting, or has a value that is not possible.
    """
    before = {name: getattr(config, name, None) for name in DEPTHS}
    for name, value in changes.items():
        if not hasattr(config, name) or callable(getattr(config, name)):
            raise LimbeckError(f"student.config: no setting {name!r}; {near_matches(name, config.to_dict())}")
        try:
            setattr(config, name, value)
        except (StrictDataclassError, AttributeError, TypeError, ValueError) as error:
            raise LimbeckError(f"student.config.{name}: got {value!r}: {' '.join(str(error).split())}") from None
    # A model without layers runs, and no library refuses it; settings may go by other names, so all are looked at.
    for name, value in before.items():
        now = getattr(config, name, None)
        if now != value and (not isinstance(now, int) or now < 1):
            raise LimbeckError(f"student.config: {name} is {now!r}, expected a whole number of at least 1")
    kinds, layers = getattr(config, "layer_types", None), getattr(config, "num_hidden_layers", None)
    if kinds and layers is not None and layers < len(kinds) and "layer_types" not in changes:
        config.layer_types = kinds[:layers]  # a model runs without, and cannot be saved


def _in_teacher(name: str, kept: Sequence[int], teacher: PreTrainedModel) -> str:
    """The name that a student's weight has in its teacher: the first number in it is that of the layer."""
    layers = depth(teacher)
    stacks = [
        path for path, part in teacher.named_modules() if isinstance(part, torch.nn.ModuleList) and len(part) == layers
    ]
    for path in sorted(stacks, key=len):
        if match := re.match(rf"({re.escape(path)}\.)(\d+)(\..*)", name):
            layer = 0 if FIRST in name else kept[int(match[2])]
            return f"{match[1]}{layer}{match[3]}"
    return name


def _cut(name: str, value: Tensor, shape: torch.Size) -> Tensor:
    if value.shape == shape:
        return value
    if len(value.shape) != len(shape) or any(ours > theirs for ours, theirs in zip(shape, value.shape, strict=True)):
        raise LimbeckError(f"student.config: {name} would be {tuple(shape)}; the teacher's is {tuple(value.shape)}")
    if FUSED.search(name):
        raise LimbeckError(f"student.config: {name} holds queries, keys and values in one and cannot be cut")
    return value[tuple(slice(size) for size in shape)]
