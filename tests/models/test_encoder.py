"""Who sees what in the encoder, and its equations against a plain float64 computation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from limbeck.models.ikd_mmt.encoder import EncoderOutput
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from tests.models.toys import EOS, SOURCE, TARGET, features, translator

Array = NDArray[np.float64]
TOKENS = SOURCE.shape[1]


def states_of(encoded: EncoderOutput) -> Tensor:
    assert encoded.last_hidden_state is not None
    return encoded.last_hidden_state


def same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kv", ["previous", "input"])
@pytest.mark.parametrize("visual", ["none", "given", "generated"])
def test_padding_is_not_seen(kv: str, visual: str) -> None:
    """What stands at masked places changes nothing: neither states, nor sentence vector, nor picture."""
    model = translator(visual, kv=kv)
    given = features(3) if visual == "given" else None
    mask = SOURCE.ne(0)
    plain = model.encoder(SOURCE, None, given)
    changed = model.encoder(SOURCE.masked_fill(~mask, 11), mask.long(), given)
    assert torch.equal(plain.mask, changed.mask)
    same(states_of(plain)[plain.mask], states_of(changed)[plain.mask])
    same(plain.sentence, changed.sentence)
    if visual == "generated":
        same(plain.top_map, changed.top_map)
    same(model.decode(TARGET, plain), model.decode(TARGET, changed))


@pytest.mark.parametrize("kv", ["previous", "input"])
@pytest.mark.parametrize("visual", ["none", "given", "generated"])
def test_a_sentence_alone_is_as_in_a_batch(kv: str, visual: str) -> None:
    model = translator(visual, kv=kv)
    given = features(3) if visual == "given" else None
    together = model.encoder(SOURCE, None, given)
    decoded = model.decode(TARGET, together)
    for row in range(3):
        length = int(SOURCE[row].ne(0).sum())
        alone = model.encoder(SOURCE[row : row + 1, :length], None, None if given is None else given[row : row + 1])
        same(states_of(alone)[0, :length], states_of(together)[row, :length])
        same(states_of(alone)[0, length:], states_of(together)[row, TOKENS:])
        same(alone.sentence[0], together.sentence[row])
        same(model.decode(TARGET[row : row + 1], alone)[0], decoded[row])


@pytest.mark.parametrize("kv", ["previous", "input"])
def test_text_does_not_see_the_picture(kv: str) -> None:
    model = translator("given", kv=kv)
    one, other = (states_of(model.encoder(SOURCE, None, features(3, seed))) for seed in (1, 2))
    assert torch.equal(one[:, :TOKENS], other[:, :TOKENS])
    assert not torch.allclose(one[:, TOKENS:], other[:, TOKENS:])
    same(one[:, :TOKENS], states_of(_text_only(model).encoder(SOURCE)))


def _text_only(model: IKDMMTForTranslation) -> IKDMMTForTranslation:
    plain = translator("none", kv=model.config.kv)
    assert not plain.load_state_dict(model.state_dict(), strict=False).missing_keys
    return plain


def test_a_picture_that_is_not_there_is_not_seen() -> None:
    model = translator("given")
    present = torch.tensor([True, False, True])
    one, other = (
        model(SOURCE, decoder_input_ids=TARGET, visual_features=features(3, seed), visual_mask=present).logits
        for seed in (1, 2)
    )
    assert torch.equal(one[1], other[1])
    same(one[1], _text_only(model)(SOURCE, decoder_input_ids=TARGET).logits[1])
    assert not torch.allclose(one[0], other[0])
    assert not torch.allclose(one[2], other[2])


@pytest.mark.parametrize(
    ("visual", "given", "message"),
    [
        ("given", False, "visual_features are missing"),
        ("generated", True, "it takes no visual_features"),
        ("none", True, "a model with visual='none' takes no visual_features"),
        ("predicted", True, "a model with visual='predicted' takes no visual_features"),
    ],
)
def test_pictures_where_they_belong(visual: str, given: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        translator(visual).encoder(SOURCE, None, features(3) if given else None)


def test_places_become_tokens_in_reading_order() -> None:
    """A token is a place with all its channels; the released code mixes the two by a reshape."""
    model = translator("given")
    given = features(1)
    assert model.encoder.visual_tokens is not None
    tokens = model.encoder.visual_tokens(given)[0]
    linear = model.encoder.visual_tokens.projection
    for row in range(2):
        for column in range(3):
            same(tokens[3 * row + column], linear(given[0, :, row, column]))
    pooled = translator("given", visual_grid=1)
    assert pooled.encoder.visual_tokens is not None
    linear = pooled.encoder.visual_tokens.projection
    same(pooled.encoder.visual_tokens(given)[0], linear(given.mean((2, 3))))


# A plain computation, a sentence and a position at a time.


def affine(layer: nn.Linear, x: Array) -> Array:
    assert layer.bias is not None
    return layer.weight.detach().numpy() @ x + layer.bias.detach().numpy()


def normed(layer: nn.LayerNorm, x: Array) -> Array:
    centred = (x - x.mean()) / np.sqrt(x.var() + layer.eps)
    return np.asarray(centred * layer.weight.detach().numpy() + layer.bias.detach().numpy())


def attend(layer: Any, query: Array, memory: list[Array], heads: int) -> Array:
    width = len(query)
    size = width // heads
    asked = affine(layer.query, query)
    answers = [affine(layer.key_value, state) for state in memory]
    mixed = []
    for head in range(heads):
        at = slice(head * size, (head + 1) * size)
        scores = np.array([asked[at] @ answer[:width][at] / math.sqrt(size) for answer in answers])
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        mixed.append(sum(share * answer[width:][at] for share, answer in zip(shares, answers, strict=True)))
    return affine(layer.out, np.concatenate(mixed))


def fed(layer: Any, x: Array) -> Array:
    return affine(layer.down, np.maximum(affine(layer.up, x), 0.0))


def embedded(model: IKDMMTForTranslation, ids: list[int]) -> list[Array]:
    width = model.config.d_model
    table = model.encoder.embedding.weight.detach().numpy()
    vectors = []
    for position, token in enumerate(ids):
        angles = [position / 10_000 ** (index / (width // 2 - 1)) for index in range(width // 2)]
        place = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
        vectors.append(math.sqrt(width) * table[token] + np.array(place))
    return vectors


def plain_encoder(model: IKDMMTForTranslation, ids: list[int], given: Array | None) -> list[Array]:
    heads = model.config.num_heads
    embeddings = embedded(model, ids)
    states = list(embeddings)
    if given is not None:
        assert model.encoder.visual_tokens is not None
        places = given.reshape(len(given), -1).T
        states += [affine(model.encoder.visual_tokens.projection, place) for place in places]
    for any_layer in model.encoder.layers:
        layer: Any = any_layer
        text = embeddings if model.config.kv == "input" else states[: len(ids)]
        memory = [normed(layer.attention_norm, state) for state in text]
        states = [
            state + attend(layer.attention, normed(layer.attention_norm, state), memory, heads) for state in states
        ]
        states = [state + fed(layer.ffn, normed(layer.ffn_norm, state)) for state in states]
    return [normed(model.encoder.norm, state) for state in states]


def plain_decoder(model: IKDMMTForTranslation, ids: list[int], memory: list[Array]) -> Array:
    heads = model.config.num_heads
    states = embedded(model, ids)
    for any_layer in model.decoder.layers:
        layer: Any = any_layer
        own = [normed(layer.self_norm, state) for state in states]
        states = [
            state + attend(layer.self_attention, own[at], own[: at + 1], heads) for at, state in enumerate(states)
        ]
        states = [
            state + attend(layer.cross_attention, normed(layer.cross_norm, state), memory, heads) for state in states
        ]
        states = [state + fed(layer.ffn, normed(layer.ffn_norm, state)) for state in states]
    table = model.encoder.embedding.weight.detach().numpy()
    return np.stack([table @ normed(model.decoder.norm, state) for state in states])


@pytest.mark.parametrize("kv", ["previous", "input"])
@pytest.mark.parametrize("visual", ["none", "given"])
def test_equations(kv: str, visual: str) -> None:
    model = translator(visual, kv=kv)
    source, target, given = [5, 6, 7, EOS], [1, 9, 4], features(1) if visual == "given" else None
    memory = plain_encoder(model, source, None if given is None else given[0].numpy())
    encoded = model.encoder(torch.tensor([source]), None, given)
    # Positions are made in float32.
    np.testing.assert_allclose(states_of(encoded)[0].detach().numpy(), np.stack(memory), atol=1e-5)
    logits = model(encoder_outputs=encoded, decoder_input_ids=torch.tensor([target])).logits
    np.testing.assert_allclose(logits[0].detach().numpy(), plain_decoder(model, target, memory), atol=1e-4)
    sentence = np.mean(embedded(model, source), axis=0)
    np.testing.assert_allclose(encoded.sentence[0].detach().numpy(), sentence, atol=1e-5)


def test_both_kinds_of_keys_differ() -> None:
    one, other = translator(kv="previous"), translator(kv="input")
    assert not torch.allclose(states_of(one.encoder(SOURCE)), states_of(other.encoder(SOURCE)))
