"""The list of a model's modules, against what a tap captures in the model itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
)

from limbeck.cli.app import execute
from limbeck.models.quiet import quiet_transformers
from limbeck.models.sites import BATCH, TOKENS, sites
from limbeck.models.size import parameters_of
from limbeck.signals import tap
from tests.distill.toys import bert, causal, seq2seq, vit


def resnet() -> ResNetForImageClassification:
    return ResNetForImageClassification(
        ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic")
    )


def clip() -> CLIPModel:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    words, pictures = {"vocab_size": 30, "max_position_embeddings": 20}, {"image_size": 16, "patch_size": 8}
    return CLIPModel(CLIPConfig(text_config=sizes | words, vision_config=sizes | pictures, projection_dim=8))


FAMILIES: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": causal,
    "t5": seq2seq,
    "bert": bert,
    "vit": vit,
    "resnet": resnet,
}
OTHERS: dict[str, Callable[[], PreTrainedModel]] = {"clip": clip}


def saved(family: str, folder: Path) -> PreTrainedModel:
    model = (FAMILIES | OTHERS)[family]()
    with quiet_transformers():
        model.save_pretrained(folder)
    (folder / "model.safetensors").unlink()  # shapes need no weights
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_are_those_that_a_tap_captures(tmp_path: Path, family: str) -> None:
    model = saved(family, tmp_path).eval()
    found = {site.path: site for site in sites(str(tmp_path))}
    assert list(found) == [path for path, _ in model.named_modules() if path]
    shaped = [path for path, site in found.items() if site.shape is not None]
    ids = torch.ones(BATCH, TOKENS, dtype=torch.long)
    inputs = {"input_ids": ids, **({"decoder_input_ids": ids} if family == "t5" else {})}
    if family in ("vit", "resnet"):
        size = getattr(model.config, "image_size", 224)
        inputs = {"pixel_values": torch.zeros(BATCH, 3, size, size)}
    with torch.no_grad(), tap(model, shaped) as captured:
        model(**inputs)
    names = {"batch": BATCH, "tokens": TOKENS}
    for path in shaped:
        shape = found[path].shape
        assert shape is not None
        assert tuple(names.get(size, size) if isinstance(size, str) else size for size in shape) == captured[path].shape
        assert found[path].parameters == parameters_of(model.get_submodule(path))
    assert len(shaped) > len(found) / 2


@pytest.mark.parametrize(
    ("family", "task", "message"),
    [
        (
            "vit",
            ["--task", "causal-lm"],
            "no AutoModelForCausalLM for a vit; possible: --task embedding",
        ),
        ("llama", ["--task", "image-classification"], "for a llama; possible: --task causal-lm or sequence-class"),
        ("clip", [], "CLIPModel does not run on text or on pictures alone"),
    ],
)
def test_what_cannot_be_listed_is_told(
    tmp_path: Path, family: str, task: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(family, tmp_path)
    assert execute(["sites", str(tmp_path), *task]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert execute(["sites", str(tmp_path), "--task", told.split("--task ")[1].split()[-1]]) == 0


def test_a_classifier_without_padding_is_listed(tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    assert sites(str(tmp_path), "AutoModelForSequenceClassification")[-1].path == "score"


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved("vit", tmp_path)
    assert execute(["sites", str(tmp_path), "--find", "layers", "--depth", "3", "--plain"]) == 0
    assert capsys.readouterr().out.split() == ["vit.layers", "vit.layers.0", "vit.layers.1"]
    assert execute(["sites", str(tmp_path), "--find", "layers"]) == 0
    assert "batch, 5, 16" in capsys.readouterr().out
    assert execute(["sites", str(tmp_path), "--find", "nothing"]) == 2
    assert execute(["sites", str(tmp_path), "--task", "image-clasification"]) == 2
    assert "image-classification" in capsys.readouterr().err
    assert execute(["sites", str(tmp_path / "nowhere")]) == 2
