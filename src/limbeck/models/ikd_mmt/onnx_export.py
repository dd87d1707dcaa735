"""From a model folder to two ONNX graphs: the sentence once, and one step of its translation."""

from __future__ import annotations

import copy
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.export import Dim

from limbeck.errors import LimbeckError
from limbeck.models.ikd_mmt.decoder import DecoderLayer, KeysValues
from limbeck.models.ikd_mmt.encoder import EncoderOutput
from limbeck.models.ikd_mmt.layers import Positions, sinusoidal_positions
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from limbeck.models.ikd_mmt.onnx_model import COPIED, DECODER_STEP, ENCODER, OnnxTranslation, require
from limbeck.models.ikd_mmt.translator import Translator

TOLERANCE = 1e-4
"""The most that a logit may differ from PyTorch's, relative to the largest logit where that is above 1."""

OPSET = 18


class ExportError(LimbeckError):
    """The exporter's fault, not the user's: the graphs compute something else."""

    exit_code = 1


class ExportedEncoder(nn.Module):
    """The encoder, its generator of visual tokens, and what every decoder layer makes of the states."""

    def __init__(self, model: IKDMMTForTranslation) -> None:
        super().__init__()
        self.encoder, self.layers = model.encoder, model.decoder.layers

    def forward(self, input_ids: Int[Tensor, "b s"]) -> tuple[Tensor, ...]:
        """The mask, then keys and values layer by layer."""
        encoded = self.encoder(input_ids)
        assert encoded.last_hidden_state is not None
        assert encoded.mask is not None
        memory: list[Tensor] = []
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            memory.extend(layer.cross_attention.keys_values(encoded.last_hidden_state))
        return encoded.mask, *memory


class _StepCache:
    """The decoder's cache as inputs and outputs of a graph."""

    def __init__(self, past: list[Tensor], cross: list[Tensor], parents: Tensor) -> None:
        self.past, self.crossed, self.parents = past, cross, parents
        self.present: list[Tensor] = []

    def append(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Add the new positions of a layer's self-attention; gives all so far."""
        past = (tensor.index_select(0, self.parents) for tensor in self.past[2 * layer : 2 * layer + 2])
        now = [torch.cat([old, new], dim=2) for old, new in zip(past, (keys, values), strict=True)]
        self.present += now
        return now[0], now[1]

    def cross(self, layer: int, make: Callable[[], KeysValues]) -> KeysValues:
        """A layer's keys and values over the encoder's states."""
        return self.crossed[2 * layer], self.crossed[2 * layer + 1]


class ExportedStep(nn.Module):
    """One token more for each beam of each sentence."""

    def __init__(self, model: IKDMMTForTranslation) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        newest: Int[Tensor, "s k"],
        parents: Int[Tensor, "s k"],
        mask: Tensor,
        cross: list[Tensor],
        past: list[Tensor],
    ) -> tuple[Tensor, ...]:
        """Logits ``(sentences x beams, vocabulary)``, then keys and values of the rows so far, layer by layer."""
        cache = _StepCache(past, cross, parents.flatten())
        encoded = EncoderOutput(
            last_hidden_state=mask, mask=mask
        )  # its states are not read: the cache has what of them is
        states = self.model.decode(newest.view(-1, 1), encoded, cache, past[0].shape[2])
        return self.model.project(states[:, -1]), *cache.present


def export_onnx(folder: Path, out: Path) -> float:
    """Write a model folder's graphs, and what a translator needs beside them, into another folder.

    The graphs are run and compared with PyTorch before the folder appears.

    Args:
        folder: A model folder as `limbeck train` saves.
        out: A folder that is not there yet, or is empty.

    Returns:
        The largest difference of a logit from PyTorch's, relative to the largest logit where that is above 1.

    Raises:
        LimbeckError: The packages are not installed, the model reads pictures, or ``out`` is taken.
        ExportError: The graphs do not give what PyTorch gives.
    """
    require("onnx", "onnxscript", "onnxruntime")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise LimbeckError(f"--out: {out} is there already and is not empty")
    if not out.absolute().parent.is_dir():
        raise LimbeckError(f"no such folder: {out.absolute().parent}")
    translator = Translator.load(folder)
    model = translator.model
    if model.config.visual == "given":
        raise LimbeckError(
            f"{folder}: this model reads pictures (visual='given'); it cannot be exported for text alone"
        )
    with TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}-") as name:
        made = Path(name) / "made"
        made.mkdir()
        write_graphs(model, made)
        for file in COPIED:
            if (folder / file).is_file():
                shutil.copyfile(folder / file, made / file)
        difference = largest_difference(model, OnnxTranslation.load(made))
        if not difference <= TOLERANCE:
            raise ExportError(
                f"{folder}: the exported graphs differ from PyTorch by {difference:.1e}, more than {TOLERANCE:.0e}"
            )
        made.replace(out)
    return difference


def write_graphs(model: IKDMMTForTranslation, folder: Path) -> None:
    """Write ``encoder.onnx`` and ``decoder_step.onnx``; sentences, beams and lengths are free."""
    model = copy.deepcopy(model).float().eval()
    model.encoder.positions = _ComputedPositions(model.config.d_model)
    layers = [f"{layer}.{kind}" for layer in range(model.config.decoder_layers) for kind in ("keys", "values")]
    cross_names, past_names = ([f"{which}.{layer}" for layer in layers] for which in ("cross", "past"))
    batch, source = Dim("batch"), Dim("source")
    ids = torch.tensor([[4, 5, 6, 2, 0], [4, 5, 6, 7, 2], [4, 2, 0, 0, 0]]).clamp(max=model.config.vocab_size - 1)
    encoder = ExportedEncoder(model)
    _export(encoder, (ids,), folder / ENCODER, ["input_ids"], ["mask", *cross_names], ({0: batch, 1: source},))

    mask, *cross = encoder(ids)
    beams, steps = 2, 4
    heads, size = model.config.num_heads, model.config.d_model // model.config.num_heads
    newest = ids[:, :beams].contiguous()
    parents = torch.arange(newest.numel()).view_as(newest)
    # Rows before the step are a size of their own: a sentence may have left the batch since.
    past = [torch.randn(newest.numel() + 3, heads, steps, size) for _ in layers]
    sentence, memory = Dim("sentences"), Dim("memory")
    rows = {0: sentence, 1: Dim("beams")}
    shapes = (
        rows,
        rows,
        {0: sentence, 1: memory},
        [{0: sentence, 2: memory}] * len(cross),
        [{0: Dim("rows_before"), 2: Dim("steps")}] * len(past),
    )
    inputs = ["newest", "parents", "mask", *cross_names, *past_names]
    outputs = ["logits", *(f"present.{layer}" for layer in layers)]
    _export(ExportedStep(model), (newest, parents, mask, cross, past), folder / DECODER_STEP, inputs, outputs, shapes)


class _ComputedPositions(Positions):
    """Computed at each call: a table that is kept and grown is nothing for a graph."""

    def __call__(self, start: int, length: int, like: Tensor) -> Tensor:
        return sinusoidal_positions(length, self.width, start=start).to(like.dtype)


def _export(
    module: nn.Module,
    arguments: tuple[Any, ...],
    file: Path,
    inputs: list[str],
    outputs: list[str],
    shapes: tuple[Any, ...],
) -> None:
    with torch.no_grad(), _quiet():
        torch.onnx.export(
            module.eval(),
            arguments,
            str(file),
            input_names=inputs,
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of its own workings and warns of much; what matters is checked afterwards."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@torch.no_grad()
def largest_difference(model: IKDMMTForTranslation, exported: OnnxTranslation) -> float:
    """The largest difference of a logit, over batches of other sizes than the graphs were made with.

    Sentences leave and beams swap between steps, as in a search.
    """
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for sentences, source, beams in ((1, 1, 1), (1, 9, 5), (4, 6, 1), (5, 12, 3)):
        ids = torch.randint(1, model.config.vocab_size, (sentences, source), generator=generator)
        ids[-1, source // 2 + 1 :] = model.config.pad_token_id or 0
        ours, theirs = model.begin(ids), exported.begin(ids)
        for step in range(6):
            newest = torch.randint(1, model.config.vocab_size, (sentences, beams), generator=generator)
            expected = model.project(ours.states(newest))
            # Models of many values have large logits; what counts is the difference relative to their size.
            difference = (theirs.logits(newest) - expected).abs() / expected.abs().max().clamp(min=1.0)
            largest = max(largest, float(difference.max())) if difference.isfinite().all() else float("nan")
            kept = None
            parents = torch.arange(sentences * beams).view(sentences, beams).flip(1)
            if step == 3 and sentences > 1:
                kept = torch.arange(1, sentences)
                parents, sentences = parents[1:], sentences - 1
            ours.select(parents, kept)
            theirs.select(parents, kept)
    return largest
