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
        LimbeckError: There is no such model, it is not of that class, or it does not read text or pictures alone.
    """
    config = load_pretrained(transformers.AutoConfig, name)
    named = model_class or next(iter(config.architectures or []), "AutoModel")
    kind = getattr(transformers, named, None)
    if kind is None:
        raise LimbeckError(f"{name}: transformers has no class {named!r}")
    if not _fits(config, named):
        raise LimbeckError(f"{name}: transformers has no {named} for a {config.model_type}")
    if named.endswith("ForSequenceClassification") and getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = 0  # they refuse a batch without one, and no shape depends on it
    build: Callable[[Any], nn.Module] = kind.from_config if named.startswith("Auto") else kind
    try:
        with quiet_transformers():
            try:
                # Shapes alone: nothing is computed, and nothing takes memory.
                with torch.device("meta"):
                    return _run(build(config), config, name)
            except RuntimeError:
                # A model that decides by what it sees. Torch has no narrower error for that (NotImplementedError is one
                # of these, too); whatever else was wrong is wrong again with real tensors, and told then.
                return _run(build(config), config, name)
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise LimbeckError(f"{name}: {named} does not run on text or on pictures alone ({reason})") from None


def fits(name: str, model_class: str) -> bool:
    """Whether a model can be of a class of `transformers`.

    Args:
        name: A folder or hub name.
        model_class: One of its Auto classes.

    Raises:
        LimbeckError: There is no such model.
    """
    return _fits(load_pretrained(transformers.AutoConfig, name), model_class)


def _fits(config: Any, model_class: str) -> bool:
    possible = getattr(getattr(transformers, model_class), "_model_mapping", None)
    return possible is None or type(config) in possible


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
