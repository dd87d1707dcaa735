"""IKD-MMT as a model of `transformers`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import Seq2SeqLMOutput

from limbeck.batch import IGNORED
from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.decoder import Decoder, KeyValueCache, TransformersCache
from limbeck.models.ikd_mmt.encoder import EncoderOutput, MultimodalEncoder
from limbeck.models.ikd_mmt.incremental import TorchDecoding


class IKDMMTForTranslation(PreTrainedModel, GenerationMixin):
    """Translates captions with visual tokens that it generates itself from the sentence.

    Depending on ``config.visual`` it is the paper's model, its image-must counterpart, Imagination or a plain
    Transformer; the translator is the same in all of them.

    Reference:
        Peng et al., "Distill the Image to Nowhere: Inversion Knowledge Distillation for Multimodal Machine
        Translation", EMNLP 2022, arXiv 2210.04468.

    Example:
        >>> import torch
        >>> model = IKDMMTForTranslation(IKDMMTConfig(vocab_size=50, d_model=16, num_heads=2, ffn_dim=32)).eval()
        >>> model(input_ids=torch.tensor([[5, 6, 2]]), labels=torch.tensor([[7, 8, 9, 2]])).logits.shape
        torch.Size([1, 4, 50])
    """

    config_class = IKDMMTConfig
    base_model_prefix = "ikd_mmt"
    main_input_name = "input_ids"
    _no_split_modules = ["EncoderLayer", "DecoderLayer", "InverseBlock"]  # noqa: RUF012 (the base class declares it so)
    _supports_sdpa = True

    def __init__(self, config: IKDMMTConfig) -> None:
        super().__init__(config)
        self.encoder = MultimodalEncoder(config)
        self.decoder = Decoder(config)
        # Imagination's head: the picture's pooled vector, from the encoder's mean state.
        self.imagine = nn.Linear(config.d_model, config.maps[-1].channels) if config.visual == "predicted" else None
        self.post_init()

    def get_encoder(self, modality: str | None = None) -> MultimodalEncoder:
        """The encoder; ``generate()`` runs it once a sentence."""
        return self.encoder

    def get_input_embeddings(self) -> nn.Embedding:
        """The one embedding matrix."""
        return self.encoder.embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the one embedding matrix."""
        assert isinstance(value, nn.Embedding)
        self.encoder.embedding = value

    def decode(
        self,
        decoder_input_ids: Int[Tensor, "b t"],
        encoded: EncoderOutput,
        cache: KeyValueCache | None = None,
        start: int = 0,
    ) -> Float[Tensor, "b t d"]:
        """Decoder states before the vocabulary projection; ``start`` is the position of the first input."""
        assert encoded.last_hidden_state is not None
        assert encoded.mask is not None
        embedded = self.encoder.embed(decoder_input_ids, start)
        return self.decoder(embedded, encoded.last_hidden_state, encoded.mask, cache)

    def project(self, states: Float[Tensor, "*positions d"]) -> Float[Tensor, "*positions vocab"]:
        """Logits over the vocabulary, by the shared embedding matrix."""
        return F.linear(states, self.encoder.embedding.weight)

    def begin(
        self,
        input_ids: Int[Tensor, "b s"],
        visual_features: Tensor | None = None,
        visual_mask: Tensor | None = None,
    ) -> TorchDecoding:
        """Encode sentences, padded on the right, to be translated a token at a time, as the search does."""
        return TorchDecoding(self, self.encoder(input_ids, None, visual_features, visual_mask))

    def imagined(self, encoded: EncoderOutput) -> Float[Tensor, "b channels"]:
        """Imagination's guess of the picture's pooled vector, from the encoder's mean state."""
        if self.imagine is None or encoded.last_hidden_state is None or encoded.mask is None:
            raise ValueError(f"a model with visual={self.config.visual!r} imagines no vector")
        counted = encoded.mask.unsqueeze(-1)
        mean = encoded.last_hidden_state.masked_fill(~counted, 0.0).sum(1) / counted.sum(1).clamp(min=1)
        return self.imagine(mean)

    def shift_right(self, labels: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
        """Decoder inputs for labels: the start token, then all labels but the last."""
        start = labels.new_full((len(labels), 1), self.config.decoder_start_token_id)
        shifted = torch.cat([start, labels[:, :-1]], dim=1)
        return shifted.masked_fill(shifted == IGNORED, self.config.pad_token_id)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        visual_features: Tensor | None = None,
        visual_mask: Tensor | None = None,
        encoder_outputs: EncoderOutput | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        return_dict: bool | None = None,
        **unused: Any,
    ) -> Seq2SeqLMOutput:
        """The interface of `transformers`; training uses the parts, :meth:`decode` and :meth:`project`.

        Args:
            input_ids: Source tokens, ``(batch, source)``, padded on the right.
            attention_mask: 1 at tokens.
            decoder_input_ids: Target tokens so far, ``(batch, target)``; made from ``labels`` where these are given.
            visual_features: Top maps of real pictures, where ``visual="given"``.
            visual_mask: True where a sentence has a picture.
            encoder_outputs: The encoder's output, instead of the above.
            past_key_values: The cache of earlier steps.
            labels: Target tokens, -100 at padding; the loss is their mean cross-entropy.
            use_cache: Whether to keep keys and values.
            return_dict: Accepted for `transformers`; the output is always a ``Seq2SeqLMOutput``.
            unused: Other arguments of ``generate()``, ignored.
        """
        encoded = encoder_outputs
        if encoded is None:
            assert input_ids is not None
            encoded = self.encoder(input_ids, attention_mask, visual_features, visual_mask)
        if decoder_input_ids is None:
            if labels is None:
                raise ValueError("give decoder_input_ids or labels")
            decoder_input_ids = self.shift_right(labels)
        if past_key_values is None and use_cache and not self.training:
            past_key_values = EncoderDecoderCache(DynamicCache(), DynamicCache())
        cache = None if past_key_values is None else TransformersCache(past_key_values)
        start = 0 if past_key_values is None else past_key_values.get_seq_length()
        logits = self.project(self.decode(decoder_input_ids, encoded, cache, start))
        loss = None if labels is None else F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=past_key_values,
            encoder_last_hidden_state=encoded.last_hidden_state,
        )

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            if isinstance(module, nn.Linear):
                init.xavier_uniform_(module.weight)
            else:
                init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=self.config.d_model**-0.5)
            if module.padding_idx is not None:
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, nn.LayerNorm | nn.GroupNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
