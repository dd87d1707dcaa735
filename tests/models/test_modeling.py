"""The model as `transformers` knows it: saved, loaded, trained, switched to eval."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limbeck.batch import IGNORED
from limbeck.models.ikd_mmt.modeling import IKDMMTForTranslation
from tests.models.toys import EOS, MAPS, SOURCE, TARGET, config, features, translator

LABELS = torch.tensor([[7, 6, 5, 11, 4, EOS], [12, 9, 8, EOS, IGNORED, IGNORED], [3, EOS, *[IGNORED] * 4]])


@pytest.mark.parametrize("visual", ["none", "given", "generated", "predicted"])
def test_saved_and_loaded(visual: str, tmp_path: Path) -> None:
    model = translator(visual)
    model.save_pretrained(tmp_path)
    loaded = IKDMMTForTranslation.from_pretrained(tmp_path, dtype=torch.float64)
    assert not loaded.training
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())
    given = {"visual_features": features(3)} if visual == "given" else {}
    # Not bit for bit: how a matrix product rounds depends on where in memory its weights lie.
    torch.testing.assert_close(
        loaded(SOURCE, decoder_input_ids=TARGET, **given).logits,
        model(SOURCE, decoder_input_ids=TARGET, **given).logits,
        rtol=1e-10,
        atol=1e-10,
    )
    if visual == "generated":
        assert model.encoder.inverse is not None
        assert loaded.encoder.inverse is not None
        found, kept = (
            network.down(network.top(torch.ones(1, 8).double()))
            for network in (loaded.encoder.inverse, model.encoder.inverse)
        )
        assert all(torch.equal(found[name], kept[name]) for name in kept)


def test_eval_is_deterministic_and_training_is_not() -> None:
    model = translator("generated")

    def logits() -> torch.Tensor:
        return model(SOURCE, decoder_input_ids=TARGET).logits

    assert torch.equal(logits(), logits())
    model.train()
    assert not torch.equal(logits(), logits())


def test_the_generator_is_part_of_the_model() -> None:
    """It is in the checkpoint, learns from translation alone, and what it makes reaches the translation."""
    model = translator("generated")
    names = [name for name in model.state_dict() if name.startswith("encoder.inverse.")]
    assert any("unpool" in name for name in names)
    assert any("blocks" in name for name in names)
    model(SOURCE, labels=LABELS).loss.backward()
    assert model.encoder.inverse is not None
    for module in (model.encoder.inverse.unpool, model.encoder.inverse.norm):
        assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in module.parameters())
    before = model(SOURCE, decoder_input_ids=TARGET).logits
    with torch.no_grad():
        for value in model.encoder.inverse.unpool.parameters():
            value.mul_(2.0)
    assert not torch.allclose(before, model(SOURCE, decoder_input_ids=TARGET).logits)


def test_a_translator_has_the_papers_size() -> None:
    model = IKDMMTForTranslation(config(vocab_size=1000, d_model=128, num_heads=4, ffn_dim=256, encoder_layers=4))
    text_only = sum(value.numel() for name, value in model.named_parameters() if "encoder.layers" in name)
    attention, feed_forward, norms = 4 * (128 * 128 + 128), 2 * 128 * 256 + 256 + 128, 2 * 2 * 128
    assert text_only == 4 * (attention + feed_forward + norms)
    assert model.encoder.embedding.weight.shape == (1000, 128)


def test_loss_is_the_mean_over_counted_labels() -> None:
    model = translator()
    output = model(SOURCE, labels=LABELS)
    inputs = model.shift_right(LABELS)
    assert inputs.tolist() == [[1, 7, 6, 5, 11, 4], [1, 12, 9, 8, 2, 0], [1, 3, 2, 0, 0, 0]]
    scores = model(SOURCE, decoder_input_ids=inputs).logits.log_softmax(-1)
    values = [
        -scores[row, at, int(label)]
        for row, at in (LABELS != IGNORED).nonzero().tolist()
        for label in [LABELS[row, at]]
    ]
    torch.testing.assert_close(output.loss, torch.stack(values).mean())


def test_imagined_vector_is_of_the_real_tokens() -> None:
    model = translator("predicted")
    encoded = model.encoder(SOURCE)
    assert model.imagine is not None
    assert model.imagined(encoded).shape == (3, MAPS[-1].channels)
    mean = encoded.last_hidden_state[1, :3].mean(0)
    torch.testing.assert_close(model.imagined(encoded)[1], model.imagine(mean))
    plain = translator()
    with pytest.raises(ValueError, match="visual='none' imagines no vector"):
        plain.imagined(plain.encoder(SOURCE))


def test_something_to_decode() -> None:
    with pytest.raises(ValueError, match="give decoder_input_ids or labels"):
        translator()(SOURCE)


def test_a_new_embedding_is_used_everywhere() -> None:
    model = translator()
    table = torch.nn.Embedding(20, 8, padding_idx=0).double()
    model.set_input_embeddings(table)
    assert model.get_input_embeddings() is table
    assert model(SOURCE, decoder_input_ids=TARGET).logits.shape[-1] == 20
