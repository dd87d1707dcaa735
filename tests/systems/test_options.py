"""Wrong options of systems are told before anything is trained."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from limbeck.cli.app import execute
from limbeck.errors import LimbeckError
from limbeck.systems.options import at_least, between, more_than

LANGUAGE = [
    *((slug, "steps", "0", "at least 1") for slug in ("dac-kl", "frontier-kd", "miniplm", "swing", "taid", "topkld")),
    ("dac-kl", "noise", "-0.1", "0 to 1"),
    ("dac-kl", "noise", "nan", "0 to 1"),
    ("dac-kl", "own-share", "1.5", "0 to 1"),
    ("ddk", "steps", "1", "at least 2"),
    ("ddk", "updates", "0", "at least 2"),
    ("ddk", "updates", "1", "at least 2"),
    ("ddk", "updates", "-1", "at least 2"),
    ("ddk", "smoothing", "2.0", "0 to 1"),
    ("ddk", "smoothing", "-1.0", "0 to 1"),
    ("ddk", "smoothing", "nan", "0 to 1"),
    ("ddk", "kl-weight", "-0.2", "at least 0"),
    ("ddk", "kl-weight", "nan", "at least 0"),
    ("frontier-kd", "wrong-labels", "1.5", "0 to 1"),
    ("miniplm", "keep", "nan", "more than 0 and at most 1"),
    ("miniplm", "keep", "0.0", "more than 0 and at most 1"),
    ("miniplm", "keep", "-0.5", "more than 0 and at most 1"),
    ("miniplm", "keep", "1.5", "more than 0 and at most 1"),
    ("swing", "repeats", "0", "at least 1"),
    ("swing", "noise", "1.5", "0 to 1"),
    ("taid", "lr", "0.0", "more than 0"),
    ("taid", "lr", "nan", "more than 0"),
    ("taid", "lr", "inf", "a finite number, more than 0"),
    ("taid", "teacher-widths", "[]", "at least one, none of them twice"),
    ("taid", "teacher-widths", "[32, 32, 96]", "at least one, none of them twice"),
    ("topkld", "k", "-1", "at least 1"),
    ("topkld", "k", "0", "at least 1"),
]
PICTURES = [
    (slug, "steps", "0", "at least 1")
    for slug in ("distillweighted", "diswot", "dmae", "hard", "m2mkd", "mix-kd", "nd-loss", "ofa-kd", "tgeo-kd", "trg")
]
RETRIEVAL = [(slug, "steps", "0", "at least 1") for slug in ("dse", "margin-mse")]
INCONTEXT = [
    ("mend", "steps", "0", "at least 1"),
    *(("mend", "vectors", vectors, "1 to 7") for vectors in ("-1", "0", "8", "17")),
]
THEORY = [
    ("sinkd", "steps", "0", "at least 1"),
    ("self-distill-gt", "steps", "0", "at least 1"),
    ("self-distill-gt", "generations", "0", "at least 1"),
    ("self-distill-gt", "noise", "-0.5", "at least 0"),
    ("self-distill-gt", "noise", "nan", "at least 0"),
    ("self-distill-gt", "wrong-labels", "1.5", "0 to 1"),
    ("self-distill-gt", "wrong-labels", "nan", "0 to 1"),
]
WORKERS = [(slug, "workers", "0", "at least 1") for slug in ("mend", "taid", "nd-loss")]


@pytest.mark.parametrize(
    ("system", "option", "value", "wanted"), [*PICTURES, *LANGUAGE, *RETRIEVAL, *INCONTEXT, *THEORY, *WORKERS]
)
def test_a_wrong_option_is_told_before_anything_is_trained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    system: str,
    option: str,
    value: str,
    wanted: str,
) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    line = ["run", system, "--scale", "smoke", f"--{option}", value, "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert execute(line) == 2
    assert f"--{option}: got {value}, expected {wanted}\n" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_width_is_told_before_the_models_that_choose_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    line = ["run", "miniplm", "--scale", "smoke", "--width", "7", "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert execute(line) == 2
    assert "width 7: does not go with 2 heads" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_bounds_are_possible_and_so_is_what_was_left_out() -> None:
    at_least(1, steps=1, generations=None)
    more_than(0, at_most=1, keep=1.0)
    between(0, 1, noise=0.0, own_share=1.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(LimbeckError):
        at_least(0, noise=value)
    with pytest.raises(LimbeckError):
        more_than(0, lr=value)
    with pytest.raises(LimbeckError):
        between(0, 1, noise=value)
