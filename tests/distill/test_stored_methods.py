"""What methods read of a teacher is what its store has, or the two are refused together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from limbeck.cli.app import execute
from limbeck.distill.cache import cache_teacher
from limbeck.distill.config import DistillConfig
from limbeck.distill.prepare import prepare
from limbeck.errors import LimbeckError
from limbeck.losses.divergence import forward_kl, reverse_kl
from limbeck.methods.find import make_method
from limbeck.signals import SparseLogits
from limbeck.teachers.store.settings import Keep
from tests.distill.toys import project


def configured(path: Path, *changes: str) -> DistillConfig:
    return DistillConfig.read_changed(path, changes)


def hidden_terms(path: Path, method: str, *store: str) -> dict[str, float]:
    ready = prepare(configured(path, f"method={method}", *store))
    ready.task.eval()
    terms: dict[str, Tensor] = {}
    for batch in ready.splits.train.loader(shuffle=False):
        for name, term in ready.task(batch).items():
            if name.startswith("hidden"):
                terms[name] = terms.get(name, torch.zeros(())) + term.total.detach()
    return {name: float(total) for name, total in terms.items()}


@pytest.mark.parametrize(
    ("task", "pairs"),
    [
        ("token-classification", "{bert.encoder.layer.0: bert.encoder.layer.1}"),
        ("sequence-classification", "{bert.encoder.layer.0: bert.encoder.layer.1}"),
        ("sequence-classification", "{bert.pooler: bert.pooler}"),
        ("seq2seq", "{encoder.block.0: encoder.block.1, decoder.block.0: decoder.block.1}"),
        ("causal-lm", "{model.layers.0: model.layers.1}"),
    ],
)
def test_stored_hidden_states_are_those_that_are_compared(tmp_path: Path, task: Any, pairs: str) -> None:
    """Also those of words' later pieces, of marks, and of a source longer than its target."""
    path = project(tmp_path, task)
    method = f"{{name: hidden, pairs: {pairs}}}"
    cache_teacher(configured(path, f"method={method}"), tmp_path / "store", progress=False)
    live, stored = hidden_terms(path, method), hidden_terms(path, method, "store=store")
    assert live.keys() == stored.keys()
    assert stored == {name: pytest.approx(total, rel=1e-2) for name, total in live.items()}
    assert all(total > 0.0 for total in live.values())


@pytest.mark.parametrize(
    ("method", "keep", "message"),
    [
        ({"name": "logits", "temperature": 2.0}, "top-k", "'logits' with a store of 'top-k': rest='bucket' .* needs"),
        ({"name": "logits", "divergence": "reverse_kl"}, "sample", "'logits' with a store of 'sample': classes that"),
        ({"name": "taid"}, "sample", "'taid' with a store of 'sample': classes that were drawn"),
        ({"name": "dkd"}, "top-k", "'dkd' reads all classes of the teacher, and the store has 'top-k'; .* --keep full"),
        ({"name": "logit-mse"}, "full", "'logit-mse' compares the teacher's scores themselves"),
    ],
)
def test_what_a_store_does_not_have_is_told_before_it_is_written(
    method: dict[str, Any], keep: Keep, message: str
) -> None:
    with pytest.raises(LimbeckError, match=message):
        make_method(method).check_stored(keep)


@pytest.mark.parametrize(
    ("method", "keep"),
    [
        ({"name": "logits", "temperature": 2.0}, "full"),
        ({"name": "logits", "temperature": 2.0, "options": {"rest": "renormalise"}}, "nucleus"),
        ({"name": "logits"}, "sample"),
        ({"name": "taid"}, "top-k"),
        ({"name": "dkd"}, "full"),
        ({"name": "standardised", "method": {"name": "logit-mse"}}, "full"),
    ],
)
def test_what_a_store_does_have(method: dict[str, Any], keep: Keep) -> None:
    make_method(method).check_stored(keep)


def test_cache_and_distill_refuse_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, store = project(tmp_path), str(tmp_path / "store")
    assert execute(["cache", str(path), "method.temperature=2", "--out", store]) == 2
    assert "store of 'top-k'" in capsys.readouterr().err
    assert execute(["cache", str(path), "--out", store]) == 0
    out = tmp_path / "run"
    assert execute(["distill", str(path), "store=store", "method.temperature=2", "--out", str(out)]) == 2
    assert "take rest='renormalise'" in capsys.readouterr().err
    assert execute(["distill", str(path), "method=dkd", "--out", str(out)]) == 2
    assert "'dkd' reads the class of a whole text or picture, and the task 'causal-lm' has none" in (
        capsys.readouterr().err
    )


def test_drawn_classes_are_for_forward_kl_alone() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 6)
    drawn = SparseLogits(torch.tensor([[0, 2, 3]]), torch.tensor([[0.5, 0.25, 0.25]]).log(), sampled=True)
    forward_kl(logits, drawn[:1].to("cpu"))
    with pytest.raises(ValueError, match="right on average alone"):
        reverse_kl(logits, drawn[:1].to("cpu"))


def test_a_temperature_among_the_options_is_refused() -> None:
    with pytest.raises(LimbeckError, match="'temperature' is a setting of the method, not one of 'options'"):
        make_method({"name": "logits", "options": {"temperature": 4.0}})


def test_a_store_knows_its_teacher_by_its_settings_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project(tmp_path)
    assert execute(["cache", str(path), "--out", str(tmp_path / "store")]) == 0
    written = tmp_path / "teacher" / "config.json"
    settings = json.loads(written.read_text(encoding="utf-8"))
    written.write_text(json.dumps({**settings, "rms_norm_eps": 0.5}), encoding="utf-8")
    assert execute(["distill", str(path), "store=store", "--out", str(tmp_path / "run")]) == 2
    assert "teacher_fingerprint" in capsys.readouterr().err
