"""An exported translator: ONNX Runtime computes, and the search is the library's own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.incremental import Best, best_tokens

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ENCODER, DECODER_STEP = "encoder.onnx", "decoder_step.onnx"
COPIED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "limbeck.json")
"""Files of a model folder that an exported one has too."""


def require(*packages: str) -> None:
    """Refuse to go on without a package.

    Raises:
        LimbeckError: One is not installed.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise LimbeckError(f"{package} is not installed: pip install 'limbeck[onnx]'")


class OnnxTranslation:
    """The two graphs of an exported folder, to be searched like a model.

    Args:
        config: The model's configuration.
        encoder: A session of ``encoder.onnx``.
        decoder_step: A session of ``decoder_step.onnx``.
    """

    files = ("config.json", ENCODER, DECODER_STEP)
    training = False
    device = torch.device("cpu")

    def __init__(self, config: IKDMMTConfig, encoder: InferenceSession, decoder_step: InferenceSession) -> None:
        self.config, self.encoder, self.decoder_step = config, encoder, decoder_step

    @classmethod
    def load(cls, folder: Path) -> OnnxTranslation:
        """Load the graphs of a folder that `limbeck export` wrote; they use as many threads as torch.

        Raises:
            LimbeckError: `onnxruntime` is not installed, or a file is damaged.
        """
        require("onnxruntime")
        try:
            config = IKDMMTConfig.from_pretrained(folder)
        except Exception as error:
            raise LimbeckError(f"{folder / 'config.json'}: cannot be loaded: {' '.join(str(error).split())}") from None
        encoder, step = (_session(folder / name) for name in (ENCODER, DECODER_STEP))
        layers = (len(step.get_outputs()) - 1) // 2
        if (layers, step.get_outputs()[0].shape[-1]) != (config.decoder_layers, config.vocab_size):
            raise LimbeckError(f"{folder}: {DECODER_STEP} and config.json do not belong together")
        return cls(config, encoder, step)

    def eval(self) -> OnnxTranslation:
        """Nothing: a graph knows no training mode."""
        return self

    def begin(
        self,
        input_ids: Int[Tensor, "b s"],
        visual_features: Tensor | None = None,
        visual_mask: Tensor | None = None,
    ) -> OnnxDecoding:
        """Encode sentences, padded on the right; nothing of their translations is there yet."""
        if visual_features is not None:
            raise ValueError("an exported model takes no visual_features")
        mask, *cross = self.encoder.run(None, {"input_ids": input_ids.numpy()})
        return OnnxDecoding(self, mask, cross)


class OnnxDecoding:
    """A batch in translation; what is kept between steps are the arrays that ONNX Runtime gave."""

    def __init__(self, model: OnnxTranslation, mask: Any, cross: list[Any]) -> None:
        self.session = model.decoder_step
        _, *self.outputs = [output.name for output in self.session.get_outputs()]
        self.fixed = dict(zip(self._names("cross"), cross, strict=True)) | {"mask": mask}
        size = model.config.d_model // model.config.num_heads
        empty = torch.zeros(len(mask), model.config.num_heads, 0, size).numpy()
        self.past = dict.fromkeys(self._names("past"), empty)
        self.parents: Tensor | None = None

    def step(self, newest: Int[Tensor, "sentences beams"], count: int) -> Best:
        """Add a token to every row; gives the ``count`` best tokens to follow each."""
        return best_tokens(self.logits(newest), count)

    def logits(self, newest: Int[Tensor, "sentences beams"]) -> Float[Tensor, "rows vocab"]:
        """Add a token to every row; gives the logits of the next."""
        # Before the first step rows have nothing to continue, so that any row will do.
        parents = torch.zeros_like(newest) if self.parents is None else self.parents
        chosen = {"newest": newest.contiguous().numpy(), "parents": parents.contiguous().numpy()}
        logits, *present = self.session.run(None, chosen | self.fixed | self.past)
        self.past = dict(zip(self._names("past"), present, strict=True))
        self.parents = torch.arange(newest.numel()).view_as(newest)
        return torch.from_numpy(logits)

    def select(self, parents: Int[Tensor, "kept beams"], kept: Int[Tensor, " kept"] | None) -> None:
        """Go on with other rows; see :class:`~limbeck.models.ikd_mmt.incremental.Decoding`."""
        self.parents = parents
        if kept is not None:
            self.fixed = {name: array[kept.numpy()] for name, array in self.fixed.items()}

    def _names(self, which: str) -> list[str]:
        return [name.replace("present", which) for name in self.outputs]


def _session(file: Path) -> InferenceSession:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base below it
        raise LimbeckError(f"{file}: cannot be loaded: {' '.join(str(error).split())}") from None
