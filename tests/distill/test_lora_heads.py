"""Under adaptors, a head that is new learns as a whole; one that was trained stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

from limbeck.distill.config import DistillConfig
from limbeck.distill.prepare import prepare
from limbeck.distill.run import distill
from tests.distill.toys import bert, project, save


def learning(model: torch.nn.Module) -> set[str]:
    names = {name for name, value in model.named_parameters() if value.requires_grad}
    return {name.removeprefix("base_model.model.") for name in names}


@pytest.mark.parametrize("modules", ["[query, value]", "[query, dense, classifier]", "all-linear"])
@pytest.mark.parametrize("method", ["logits", "null"])
def test_a_new_head_learns_and_is_saved(tmp_path: Path, modules: str, method: str) -> None:
    path = project(tmp_path, "sequence-classification", cross_entropy=1.0)
    save(bert(), tmp_path / "base", marks=True)
    changes = [f"student={{name: base, lora: {{rank: 2, modules: {modules}}}}}", f"method={method}"]
    config = DistillConfig.read_changed(path, changes)
    before = prepare(config).student
    first = before.state_dict()["base_model.model.classifier.modules_to_save.default.weight"].clone()
    assert {"classifier.modules_to_save.default.weight", "classifier.modules_to_save.default.bias"} <= learning(before)
    done = distill(config, tmp_path / "run", progress=False)
    saved = load_file(done.model / "model.safetensors")
    assert (saved["classifier.weight"] - first).abs().min() > 0
    student, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        done.model, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert torch.equal(student.classifier.weight, saved["classifier.weight"])
    base = load_file(tmp_path / "base" / "model.safetensors")
    assert torch.equal(saved["bert.embeddings.word_embeddings.weight"], base["embeddings.word_embeddings.weight"])


def test_layers_of_a_base_model_get_a_new_head_that_learns(tmp_path: Path) -> None:
    path = project(tmp_path, "token-classification", cross_entropy=1.0, method=None)
    save(bert(), tmp_path / "teacher", marks=True)
    changes = ["student={layers: 1, lora: {rank: 2, modules: [query]}}"]
    assert "classifier.modules_to_save.default.weight" in learning(
        prepare(DistillConfig.read_changed(path, changes)).student
    )


def test_a_trained_head_stays(tmp_path: Path) -> None:
    path = project(tmp_path, "sequence-classification")
    changes = ["student={name: teacher, lora: {rank: 2, modules: [query]}}"]
    found = learning(prepare(DistillConfig.read_changed(path, changes)).student)
    assert found
    assert all("lora" in name for name in found)


def test_hidden_states_have_the_paths_that_the_model_has_by_itself(tmp_path: Path) -> None:
    path = project(tmp_path)
    changes = ["student={layers: 1, lora: {rank: 2}}", "method={name: hidden, pairs: {model.layers.0: model.layers.1}}"]
    ready = prepare(DistillConfig.read_changed(path, changes))
    term = ready.task(next(iter(ready.splits.train.loader())))["hidden/model.layers.0"]
    term.total.backward()
    assert any(value.grad is not None and bool(value.grad.any()) for value in ready.student.parameters())
