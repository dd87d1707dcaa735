"""Students out of their teachers."""

from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from limbeck.errors import LimbeckError
from limbeck.students.inherit import inherit, kept_layers
from tests.distill.toys import bert, causal, seq2seq


@pytest.mark.parametrize("make", [lambda: causal(3), lambda: bert(layers=3), seq2seq])
def test_all_layers_are_the_teacher_itself(make) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    teacher = make().eval()
    student = inherit(teacher, teacher.config.num_hidden_layers)
    inputs = {"input_ids": torch.tensor([[4, 5, 6, 7]])}
    if teacher.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = torch.tensor([[0, 4]])
    with torch.no_grad():
        assert torch.equal(student(**inputs)[0], teacher(**inputs)[0])
    assert all(a.data_ptr() != b.data_ptr() for a, b in zip(student.parameters(), teacher.parameters(), strict=True))


def test_left_out_layers_are_those_that_were_not_named() -> None:
    """A teacher whose middle layer does nothing says the same without it."""
    torch.manual_seed(0)
    teacher = causal(3).eval()
    with torch.no_grad():
        teacher.model.layers[1].self_attn.o_proj.weight.zero_()
        teacher.model.layers[1].mlp.down_proj.weight.zero_()
    ids = torch.tensor([[4, 5, 6, 7]])
    with torch.no_grad():
        expected = teacher(ids).logits
        torch.testing.assert_close(inherit(teacher, [0, 2])(ids).logits, expected)
        assert not torch.allclose(inherit(teacher, [0, 1])(ids).logits, expected)


def test_fewer_units_are_the_first_ones() -> None:
    """A teacher whose last units do nothing says the same without them."""
    torch.manual_seed(0)
    teacher = causal(2).eval()
    with torch.no_grad():
        for layer in teacher.model.layers:
            layer.mlp.down_proj.weight[:, 20:] = 0
            layer.self_attn.o_proj.weight[:, 8:] = 0
    student = inherit(teacher, 2, {"intermediate_size": 20, "num_attention_heads": 2, "num_key_value_heads": 1}).eval()
    ids = torch.tensor([[4, 5, 6, 7]])
    with torch.no_grad():
        torch.testing.assert_close(student(ids).logits, teacher(ids).logits)


def test_what_cannot_be_cut_is_told() -> None:
    config = GPT2Config(vocab_size=20, n_embd=8, n_layer=2, n_head=2, n_positions=16)
    teacher = GPT2LMHeadModel(config)
    assert inherit(teacher, [1]).config.n_layer == 1
    with pytest.raises(LimbeckError, match="c_attn"):
        inherit(teacher, [1], {"n_embd": 4})
    with pytest.raises(LimbeckError, match=r"would be \(64, 16\); the teacher's is \(32, 16\)"):
        inherit(causal(2), 1, {"intermediate_size": 64})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_hidden_layers", "two"),
        ("num_hidden_layers", 1.5),
        ("hidden_size", None),
        ("intermediate_size", "32"),
        ("to_dict", 3),
        ("num_attention_heads", 3),
        ("num_attention_heads", 0),
        ("hidden_act", "foo"),
    ],
)
def test_impossible_settings_are_told(name: str, value: object) -> None:
    with pytest.raises(LimbeckError, match=r"^student\.config[.:]") as caught:
        inherit(bert(), 1, {name: value})
    assert "\n" not in str(caught.value)


def test_t5_keeps_its_positions_without_its_first_layer() -> None:
    """A teacher whose first layers do nothing says the same without them."""
    torch.manual_seed(0)
    teacher = seq2seq().eval()
    with torch.no_grad():
        for stack in (teacher.encoder, teacher.decoder):
            for layer in stack.block[0].layer:
                for name, part in layer.named_modules():
                    if name.split(".")[-1] in ("o", "wo"):
                        part.weight.zero_()
            stack.block[0].layer[0].SelfAttention.relative_attention_bias.weight.normal_()
        inputs = {"input_ids": torch.tensor([[4, 5, 6, 7]]), "decoder_input_ids": torch.tensor([[0, 4, 9]])}
        torch.testing.assert_close(inherit(teacher, [1])(**inputs).logits, teacher(**inputs).logits)


@pytest.mark.parametrize(
    ("layers", "depth", "expected"),
    [(1, 1, [0]), (2, 12, [0, 11]), (4, 12, [0, 4, 7, 11]), (12, 12, list(range(12))), ([3], 12, [3])],
)
def test_which_layers(layers: int | list[int], depth: int, expected: list[int]) -> None:
    assert kept_layers(layers, depth) == expected
