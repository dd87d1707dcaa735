"""`limbeck compare`: what it reads, what it trains, what it tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from limbeck.cli.app import execute
from limbeck.errors import LimbeckError
from limbeck.systems.findings import Findings
from limbeck.systems.vision.compare import parse_arm


def test_arms_are_read_and_what_networks_answer_is_filled_in() -> None:
    assert parse_arm("logits:temperature=4,weight=2+nd:align=norm", classes=7) == [
        {"name": "logits", "temperature": 4, "weight": 2},
        {"name": "nd", "student": "features", "teacher": "features", "classes": 7, "align": "norm"},
    ]
    assert parse_arm("ofa:stages=[stages.0,stages.1],eps=1.2", classes=7) == [
        {"name": "ofa", "stages": ["stages.0", "stages.1"], "eps": 1.2}
    ]
    assert parse_arm("hidden", classes=7)[0]["pairs"] == {"features": "features"}
    assert parse_arm("nd:student=stages.1", classes=7)[0]["student"] == "stages.1"


@pytest.mark.parametrize(
    ("arm", "told"),
    [
        ("logit", "did you mean 'logits'"),
        ("logits:temprature=4", "did you mean 'temperature'"),
        ("logits:temperature", "expected SETTING=VALUE"),
        ("logits:temperature=hot", "temperature: got 'hot'"),
        ("logits+", "no method ''"),
        ("logits:temperature=2+logits:temperature=8,weight=0.1", "term 'forward_kl' is of logits and of logits"),
        ("logits+standardised:method={name: logits}", "term 'forward_kl' is of logits and of standardised"),
        ("uld", "'uld' is for texts"),
    ],
)
def test_wrong_arms_are_told(arm: str, told: str) -> None:
    with pytest.raises(LimbeckError, match=told):
        parse_arm(arm, classes=7)


def test_without_a_weight_labels_have_no_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    asked = ["compare", "logits", "dkd", "--labels", "0", "--scale", "smoke", "--workers", "1", "--device", "cpu"]
    assert execute([*asked, "--out", str(tmp_path / "run")]) == 0
    findings = Findings.load(tmp_path / "run")
    assert list(findings.arms) == ["teacher", "logits", "dkd"]
    assert findings.claims == []


def test_every_arm_gets_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    asked = ["compare", "hidden", "dkd+nd:weight=0.5", "--student", "resnet,vit", "--scale", "smoke", "--workers", "1"]
    assert execute([*asked, "--device", "cpu", "--out", str(tmp_path / "run")]) == 0
    findings = Findings.load(tmp_path / "run")
    arms = ("labels", "hidden", "dkd+nd:weight=0.5")
    students = {f"{arm} -> {family}" for arm in arms for family in ("resnet", "vit")}
    assert findings.arms.keys() == {"teacher", *students}
    assert {(cost["steps"], cost["pictures"]) for name in students for cost in findings.spent[name].values()} == {
        (4.0, 256.0)
    }
    assert len(findings.claims) == 4
    assert (tmp_path / "run" / "results.md").read_text(encoding="utf-8").startswith("# Methods compared on world")
    assert execute(["compare", "logits", "--data", "cifar"]) == 2
    assert execute(["compare", "logits", "--student", "resnets"]) == 2
    assert "did you mean 'resnet'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["embedding"], "'embedding': the student has no module 'embedding'"),
        (["hidden:pairs={stages.0: stages.9}"], "the teacher has no module 'stages.9'; did you mean 'stages.2' or"),
        (["logits", "--student", "resnet,resnet"], "the student 'resnet' is named twice"),
    ],
)
def test_what_cannot_be_compared_is_told_before_the_teacher_is_trained(
    tmp_path: Path,
    arguments: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    assert execute(["compare", *arguments, "--scale", "smoke", "--out", str(tmp_path / "run")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "run").exists()
