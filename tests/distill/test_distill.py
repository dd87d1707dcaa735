"""`distill` from its settings to a saved student."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import (
    BertForSequenceClassification,
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
)

from limbeck.distill.cache import cache_teacher
from limbeck.distill.config import DistillConfig
from limbeck.distill.models import CLASSES
from limbeck.distill.prepare import prepare
from limbeck.distill.run import distill
from limbeck.distill.task import model_inputs
from limbeck.errors import LimbeckError
from limbeck.teachers.store.settings import StoreSettings
from limbeck.training.callbacks import Callback, Progress
from tests.distill.toys import MODELS, bert, causal, project, rows, save, tokenizer, write_jsonl


def configured(path: Path, *changes: str) -> DistillConfig:
    return DistillConfig.read_changed(path, changes)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("task", MODELS)
def test_every_task_ends_with_a_student_that_transformers_loads(tmp_path: Path, task: str) -> None:
    config = configured(project(tmp_path, task))
    done = distill(config, tmp_path / "run", progress=False)
    student = getattr(transformers, CLASSES[config.task]).from_pretrained(done.model)
    reader = transformers.AutoImageProcessor if task == "image-classification" else transformers.AutoTokenizer
    processor = reader.from_pretrained(done.model)
    assert student.config.num_hidden_layers == 1
    ready = prepare(config)
    batch = ready.splits.val.collator(list(enumerate(ready.splits.val.examples[:4])))
    ready.task.student.load_state_dict(student.state_dict())
    ready.task.eval()
    with torch.no_grad():
        terms = ready.task(batch)
        again = student.eval()(**model_inputs(student, config.task, batch))[0]
        assert torch.equal(again, ready.task.student(**model_inputs(ready.student, config.task, batch))[0])
    assert all(term.total.isfinite() for term in terms.values())
    known = "to_dict" if task == "image-classification" else "get_vocab"
    assert getattr(processor, known)() == getattr(ready.splits.processor, known)()
    card = (done.model / "README.md").read_text(encoding="utf-8")
    assert all(part in card for part in ("arXiv", "model-index", CLASSES[config.task], str(tmp_path / "val")))
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["metrics"]
    assert found.keys() == {"student before", "student", "teacher"}


def test_a_student_learns_what_its_teacher_says(tmp_path: Path) -> None:
    """Against the same run on the data's labels alone, it must come nearer to the teacher."""
    path = project(tmp_path, plan={"lr": 1e-2, "max_steps": 40})
    taught = distill(configured(path), tmp_path / "taught", progress=False).metrics
    change = ("cross_entropy=1", "method={name: logits, weight: 1.0e-9}")
    alone = distill(configured(path, *change), tmp_path / "alone", progress=False).metrics
    assert taught["student"]["kl"] < 0.3 * alone["student"]["kl"]
    assert alone["student"]["kl"] > alone["student before"]["kl"]


@pytest.mark.parametrize(
    "task", ["causal-lm", "seq2seq", "sequence-classification", "token-classification", "image-classification"]
)
def test_a_store_of_all_classes_teaches_as_the_live_teacher(tmp_path: Path, task: str) -> None:
    path = project(tmp_path, task)
    config = configured(path, "cross_entropy=0.3")
    cache_teacher(config, tmp_path / "store", StoreSettings(keep="full", dtype="fp32"), progress=False)
    live = distill(config, tmp_path / "live", progress=False)
    stored = distill(configured(path, "cross_entropy=0.3", "store=store"), tmp_path / "stored", progress=False)
    ours, theirs = weights(live.model), weights(stored.model)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-3, atol=1e-4)
    assert stored.metrics["student"]["kl"] == pytest.approx(live.metrics["student"]["kl"], rel=1e-2, abs=1e-5)


def test_large_batches_and_accumulated_small_ones_are_one(tmp_path: Path) -> None:
    path = project(tmp_path, cross_entropy=0.5, data={"train": "train.jsonl", "val": "val.jsonl", "max_length": 24})
    write_jsonl(tmp_path / "train.jsonl", rows("causal-lm", 16))
    # AdamW's first step divides a gradient by itself; a large epsilon keeps the gradient's own size.
    plan = ["plan.max_steps=3", "plan.eps=0.1", "plan.clip=null"]
    whole = distill(configured(path, "batch_size=16", *plan), tmp_path / "whole", progress=False)
    parts = distill(configured(path, "batch_size=4", "plan.accumulate=4", *plan), tmp_path / "parts", progress=False)
    before = prepare(configured(path)).student.state_dict()
    ours, theirs = weights(whole.model), weights(parts.model)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(value, before[name]) for name, value in ours.items())


def test_without_a_method_the_labels_alone_are_learnt(tmp_path: Path) -> None:
    """And no teacher is asked: its head need not fit the data."""
    path = project(tmp_path, "sequence-classification", student="teacher", method=None, cross_entropy=1.0)
    save(bert(BertForSequenceClassification, labels=5), tmp_path / "teacher", marks=True)
    done = distill(configured(path, "plan.max_steps=60"), tmp_path / "run", progress=False)
    assert done.metrics["student"]["accuracy"] > 0.9
    assert done.metrics.keys() == {"student before", "student"}
    assert transformers.AutoConfig.from_pretrained(done.model).id2label == {0: "no", 1: "yes"}


@pytest.mark.parametrize(
    "change", ["gradient_checkpointing=true", pytest.param("compile=true", marks=pytest.mark.slow)]
)
def test_what_saves_memory_or_time_changes_nothing(tmp_path: Path, change: str) -> None:
    path = project(tmp_path)
    plain = weights(distill(configured(path), tmp_path / "plain", progress=False).model)
    other = weights(distill(configured(path, change), tmp_path / "other", progress=False).model)
    for name, value in plain.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4)


class Stop(Callback):
    """Ends a run as a kill would: without a word."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, progress: Progress) -> None:
        if progress.step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "changes",
    [
        ("method={name: taid, alpha: 0.1}",),
        ("student.lora={rank: 2, dropout: 0.1}",),
        ("sampling={policy: adaptive, share: 1.0, replay: 8, max_new_tokens: 4}", "plan.validate_every=1"),
        ("sampling={share: 0.7, max_new_tokens: 4}",),
    ],
    ids=["taid", "lora", "adaptive sampling", "sampling"],
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    tmp_path: Path, changes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project(tmp_path, plan={"lr": 1e-2, "max_steps": 9, "save_every": 2})
    config = configured(path, *changes)
    whole = distill(config, tmp_path / "whole", progress=False)
    from limbeck.distill import run

    with monkeypatch.context() as patched:
        patched.setattr(run, "MethodClock", lambda: _Both(Stop(7)))
        with pytest.raises(KeyboardInterrupt):
            distill(config, tmp_path / "stopped", progress=False)
    again = distill(config, tmp_path / "stopped", resume=True, progress=False)
    assert (again.model / "model.safetensors").read_bytes() == (whole.model / "model.safetensors").read_bytes()


class _Both(Callback):
    def __init__(self, stop: Stop) -> None:
        from limbeck.training.clock import MethodClock

        self.clock, self.stop = MethodClock(), stop

    def on_step(self, progress: Progress) -> None:
        self.stop.on_step(progress)
        self.clock.on_step(progress)


def test_a_model_is_whole_or_absent_and_metrics_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, out = configured(project(tmp_path)), tmp_path / "run"
    from limbeck.distill import run

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run, "write_card", stop)
        with pytest.raises(KeyboardInterrupt):
            distill(config, out, progress=False)
    assert not (out / "model").exists()
    assert not (out / "metrics.json").exists()
    written = []
    for _ in range(2):  # goes on after the kill, then is asked again
        done = distill(config, out, resume=True, progress=False)
        assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
            file.name for file in done.model.iterdir()
        }
        assert not list(out.glob(".*model"))
        written.append((done.model / "model.safetensors").read_bytes())
    assert written[0] == written[1]
    assert (out / "metrics.json").exists()


def test_adaptors_are_merged_and_the_rest_stays(tmp_path: Path) -> None:
    config = configured(project(tmp_path), "student.lora.rank=2")
    ready = prepare(config)
    frozen = {name: value.clone() for name, value in ready.student.get_base_model().state_dict().items()}
    done = distill(config, tmp_path / "run", progress=False)
    saved = weights(done.model)
    assert not any("lora" in name for name in saved)
    assert torch.equal(saved["model.embed_tokens.weight"], frozen["model.embed_tokens.weight"])
    moved = "model.layers.0.mlp.up_proj.weight"
    base = frozen[moved.replace("up_proj", "up_proj.base_layer")]
    assert not torch.equal(saved[moved], base)
    # A change of rank 2.
    assert int(torch.linalg.matrix_rank(saved[moved] - base, atol=1e-6)) <= 2


def test_a_student_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    from limbeck.errors import LimbeckError

    path = project(tmp_path)
    other = causal()
    other.resize_token_embeddings(30)
    save(other, tmp_path / "other")
    with pytest.raises(LimbeckError, match=r"the teacher's vocab_size is \d+, the student's 30"):
        prepare(configured(path, "student=other"))


@pytest.mark.parametrize("task", ["sequence-classification", "seq2seq"])
def test_hidden_states_do_not_depend_on_how_batches_are_filled_up(tmp_path: Path, task: str) -> None:
    inside = "encoder.block.0" if task == "seq2seq" else "bert.encoder.layer.0"
    settings = [f"method={{name: hidden, pairs: {{{inside}: {inside}}}}}", "cross_entropy=1"]
    config = project(tmp_path, task)

    def told(size: int) -> float:
        ready = prepare(configured(config, *settings, f"batch_size={size}"))
        ready.task.eval()
        with torch.no_grad():
            for parameter in ready.student.parameters():
                parameter.mul_(1.1)
            terms = [ready.task(batch)[f"hidden/{inside}"] for batch in ready.splits.val.loader(shuffle=False)]
        return float(sum(term.total for term in terms) / sum(term.count for term in terms))

    assert told(1) == pytest.approx(told(12), rel=1e-4)


def test_own_texts_are_drawn_once_where_gradients_are_accumulated(tmp_path: Path) -> None:
    config = project(tmp_path)
    own = ["sampling.share=0.5", "sampling.max_new_tokens=5", "plan.max_steps=3", "plan.epochs=3"]
    distill(configured(config, *own, "plan.accumulate=4", "batch_size=2"), tmp_path / "run", progress=False)
    rows_ = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text("utf-8").splitlines()]
    assert rows_[-1]["step"] == 3


def test_packs_that_a_model_would_read_through_are_refused(tmp_path: Path) -> None:
    config = project(tmp_path)
    small: dict[str, Any] = {"vocab_size": len(tokenizer()), "hidden_size": 16, "pad_token_id": 0, "bos_token_id": 3}
    for name, made in (
        ("gpt2", GPT2LMHeadModel(GPT2Config(n_embd=16, n_head=2, n_layer=2, n_positions=64, **small))),
        ("bloom", BloomForCausalLM(BloomConfig(n_layer=2, n_head=2, **small))),
        ("mamba", MambaForCausalLM(MambaConfig(num_hidden_layers=2, state_size=4, **small))),
    ):
        save(made, tmp_path / name)
        of_it = configured(config, f"teacher={name}", f"student={name}", "data.pack=true")
        if name == "gpt2":
            assert prepare(of_it).config.data.pack
            continue
        with pytest.raises(LimbeckError, match=f"{name}: a .* reads on from one packed row into the next"):
            prepare(of_it)
        prepare(configured(config, f"teacher={name}", f"student={name}"))
