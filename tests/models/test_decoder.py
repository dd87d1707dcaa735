"""The decoder looks left only, and gives the same one token at a time as all at once."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache, EncoderDecoderCache

from limbeck.models.ikd_mmt.decoder import BeamCache
from limbeck.models.ikd_mmt.encoder import EncoderOutput
from tests.models.toys import SOURCE, TARGET, features, translator


@pytest.mark.parametrize("place", [1, 3, 5])
def test_what_comes_later_is_not_seen(place: int) -> None:
    model = translator()
    encoded = model.encoder(SOURCE)
    changed = TARGET.clone()
    changed[:, place:] = 10
    one, other = model.decode(TARGET, encoded), model.decode(changed, encoded)
    torch.testing.assert_close(one[:, :place], other[:, :place], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(one[:, place], other[:, place])


@pytest.mark.parametrize("visual", ["none", "given", "generated"])
def test_a_token_at_a_time_with_the_own_cache(visual: str) -> None:
    model = translator(visual)
    encoded = model.encoder(SOURCE, None, features(3) if visual == "given" else None)
    whole, cache = model.decode(TARGET, encoded), BeamCache()
    for step in range(TARGET.shape[1]):
        part = model.decode(TARGET[:, step : step + 1], encoded, cache, step)
        torch.testing.assert_close(part[:, 0], whole[:, step], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("visual", ["none", "generated"])
def test_a_token_at_a_time_with_the_cache_of_transformers(visual: str) -> None:
    model = translator(visual)
    encoded = model.encoder(SOURCE)
    whole = model(encoder_outputs=encoded, decoder_input_ids=TARGET).logits
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    for step in range(TARGET.shape[1]):
        output = model(
            encoder_outputs=encoded, decoder_input_ids=TARGET[:, step : step + 1], past_key_values=cache, use_cache=True
        )
        torch.testing.assert_close(output.logits[:, 0], whole[:, step], rtol=1e-6, atol=1e-6)
    assert cache.get_seq_length() == TARGET.shape[1]


def test_beams_share_reorder_and_leave() -> None:
    """Three beams a sentence over one copy of its states; they swap histories, and a sentence leaves the batch."""
    model = translator()
    encoded = model.encoder(SOURCE)
    beams = 3
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(3, 13, (3 * beams, 4), generator=generator)
    cache = BeamCache()
    for step in range(2):
        model.decode(tokens[:, step : step + 1], encoded, cache, step)
    rows = torch.tensor([2, 0, 0, 4, 5, 3, 6, 8, 6])
    cache.reorder(rows)
    kept = torch.tensor([0, 2])
    of_kept = torch.tensor([0, 1, 2, 6, 7, 8])
    cache.reorder(of_kept)
    cache.keep_sentences(kept)
    left = EncoderOutput(last_hidden_state=encoded.last_hidden_state[kept], mask=encoded.mask[kept])
    found = model.decode(tokens[of_kept, 2:3], left, cache, 2)[:, 0]
    for row, beam in enumerate(of_kept.tolist()):
        history = torch.cat([tokens[rows[beam], :2], tokens[beam, 2:3]])[None]
        alone = model.decode(history, model.encoder(SOURCE[beam // beams :][:1]))[0, -1]
        torch.testing.assert_close(found[row], alone, rtol=1e-6, atol=1e-6)
