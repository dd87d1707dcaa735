"""Where a model can be looked into: its modules by their paths, with the shapes of what they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.models.pretrained import load_pretrained
from limbeck.models.quiet import quiet_transformers
from limbeck.models.size import parameters_of
from limbeck.signals import first_tensor

BATCH, TOKENS = 3, 11
"""Sizes of the input, which shapes are told by name for."""


@dataclass(frozen=True)
class Site:
    """One module.

    Args:
        path: Its dotted path, as `signals.tap` and the methods take it.
        kind: The name of its class.
        shape: Of the first tensor that it gives: numbers, and ``"batch"`` and ``"tokens"`` for what the input decides;
            None where it did not run, or gives no tensor.
        parameters: How many it has.
    """

    path: str
    kind: str
    shape: tuple[int | str, ...] | None
    parameters: int


def sites(name: str, model_class: str | None = None) -> list[Site]:
    """List a model's modules; of the model itself only its configuration is read, no weights.

    Args:
        name: A folder or hub name.
        model_class: A class of `transformers`; by default the one that the configuration names.

    Raises:
        LimbeckError: There is no such model, or it reads neither text nor pictures.
    """
    config = load_pretrained(transformers.AutoConfig, name)
    named = model_class or next(iter(config.architectures or []), "AutoModel")
    kind = getattr(transformers, named, None)
    if kind is None:
        raise LimbeckError(f"{name}: transformers has no class {named!r}")
    build: Callable[[Any], nn.Module] = kind.from_config if named.startswith("Auto") else kind
    with quiet_transformers():
        try:
            # Shapes alone: nothing is computed, and nothing takes memory.
            with torch.device("meta"):
                return _run(build(config), config, name)
        except RuntimeError:
            # A model that decides by what it sees. Torch has no narrower error for that (NotImplementedError is one of
            # these, too); whatever else was wrong is wrong again with real tensors, and told then.
            return _run(build(config), config, name)


@torch.no_grad()
def _run(model: Any, config: Any, name: str) -> list[Site]:
    shapes: dict[str, tuple[int | str, ...]] = {}

    def keep(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _given: Any, output: Any) -> None:
            try:
                shapes[path] = _told(first_tensor(path, output))
            except LimbeckError:  # it gives no tensor
                return

        return hook

    handles = [module.register_forward_hook(keep(path)) for path, module in model.named_modules() if path]
    try:
        model.eval()(**_inputs(model, config, name))
    finally:
        for handle in handles:
            handle.remove()
    return [
        Site(path, type(module).__name__, shapes.get(path), parameters_of(module))
        for path, module in model.named_modules()
        if path
    ]


def _inputs(model: Any, config: Any, name: str) -> dict[str, Tensor]:
    if model.main_input_name == "pixel_values":
        vision = getattr(config, "vision_config", config)
        size = getattr(vision, "image_size", None) or 224
        height, width = (size, size) if isinstance(size, int) else size
        return {"pixel_values": torch.zeros(BATCH, getattr(vision, "num_channels", 3), height, width)}
    if model.main_input_name != "input_ids":
        raise LimbeckError(f"{name}: reads {model.main_input_name}; text and pictures can be listed")
    ids = torch.ones(BATCH, TOKENS, dtype=torch.long)
    return {"input_ids": ids, "decoder_input_ids": ids} if config.is_encoder_decoder else {"input_ids": ids}


def _told(tensor: Tensor) -> tuple[int | str, ...]:
    names: dict[int, tuple[int, str]] = {0: (BATCH, "batch"), 1: (TOKENS, "tokens")}
    return tuple(
        names[axis][1] if axis in names and size == names[axis][0] else size for axis, size in enumerate(tensor.shape)
    )
