"""Tables say what the findings say; figures are images with something on them."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from limbeck.evaluation.metrics import Accuracy, Mean
from limbeck.report import bars, plots, tables
from limbeck.systems.findings import Findings


def found(seeds: tuple[int, ...] = (1, 2, 3)) -> Findings:
    findings = Findings("toy")
    accuracy, loss = Accuracy(), Mean("loss", lower_is_better=True)
    roles = (("big", "teacher", 0.9), ("alone", "baseline", 0.5), ("kd", "method", 0.8), ("no kd", "ablation", 0.5))
    for name, role, chance in roles:
        findings.declare(name, role=role, title=f"The {name}", parameters=1000, description="one | two")  # type: ignore[arg-type]
        for seed in seeds:
            random = np.random.default_rng(seed)
            findings.add(
                name, accuracy, seed, accuracy.statistics((random.random(200) < chance).tolist(), [True] * 200)
            )
            if name != "big":
                findings.add(name, loss, seed, loss.of(random.random(200)))
            findings.spend(name, seed, seconds=1.25, steps=200 if name == "alone" else 100)
    findings.claim("distilling helps", arm="kd", baseline="alone", metric="accuracy")
    findings.claim("the ablation is as good", arm="no kd", baseline="kd", metric="accuracy")
    findings.notes.append("a note of the system")
    return findings


def test_scores() -> None:
    grid = tables.scores(found())
    assert grid.header == ("arm", "role", "accuracy", "loss ↓")
    assert [row[0] for row in grid.rows] == ["The big", "The alone", "The kd", "The no kd"]
    assert grid.rows[0][3] == "-"
    interval = found().interval("kd", "accuracy")
    assert grid.rows[2][2] == f"{interval.value:.1f} [{interval.low:.1f}, {interval.high:.1f}]"


def test_small_differences_show_on_which_side_of_the_margin_they_lie() -> None:
    small = Findings("small", samples=200)
    loss = Mean("loss", lower_is_better=True)
    for arm, shift in (("one", 0.0), ("other", 0.0012)):
        small.declare(arm, role="method")
        small.add(arm, loss, 1, loss.of(np.linspace(0, 0.01, 40) + shift))
    small.claim("it is no worse", arm="other", baseline="one", metric="loss", margin=-0.005)
    assert tables.claims(small).rows[0][2] == "-0.0012 [-0.0012, -0.0012]"
    assert next(bars.claims(small)).numbers == "-0.0012 [-0.0012, -0.0012]"


@pytest.mark.parametrize(
    ("numbers", "margin", "shown"),
    [
        ((12.3, 10.0, 15.0), 0.0, "+12.30 [+10.00, +15.00]"),
        ((-0.001, -0.5, 0.4), 0.0, "+0.00 [-0.50, +0.40]"),
        ((0.0, 0.0, 0.0), 0.0, "+0.00 [+0.00, +0.00]"),
        ((0.021, 0.012, 0.03), 0.0, "+0.021 [+0.012, +0.030]"),
    ],
)
def test_digits_of_a_difference(numbers: tuple[float, float, float], margin: float, shown: str) -> None:
    assert tables.difference(*numbers, margin=margin) == shown


def test_claims_show_misses_like_hits() -> None:
    grid = tables.claims(found())
    assert [row[1] for row in grid.rows] == ["holds", "fails"]
    assert grid.rows[1][0] == "the ablation is as good (The no kd vs The kd, accuracy)"


def test_budgets_that_differ_are_told() -> None:
    assert tables.budgets(found()).rows[1] == ("The alone", "1,000", "200", "1.2")
    told = "\n".join(tables.notes(found()))
    assert "not under equal conditions: steps: The alone 200, The kd 100, The no kd 100" in told
    assert "Student's t over seeds" in told
    assert "one seed" in "\n".join(tables.notes(found(seeds=(1,))))


def test_markdown() -> None:
    text = tables.markdown(found(), title="toy: a title")
    assert text.startswith("# toy: a title\n")
    assert "- **The kd**: one | two" in text
    assert "- a note of the system" in text
    assert "| --- | --- | ---: | ---: |" in text
    assert tables.Grid("T", ("a",), (("x|y",),)).markdown().endswith("| x\\|y |")


def test_tables_fit_a_narrow_terminal() -> None:
    out = StringIO()
    console = Console(file=out, width=80)
    for grid in tables.grids(found()):
        console.print(grid.rich())
    shown = out.getvalue()
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert all(text in shown for text in ("holds", "fails", "The big", "teacher", "[", "1,000"))


def test_figures(tmp_path: Path) -> None:
    written = plots.write(found(), tmp_path / "plots")
    assert [path.name for path in written] == ["accuracy.png", "loss.png", "claims.png"]
    for path in written:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert min(pixels.shape[:2]) > 200
        assert (pixels[0] == 255).all()  # a light background
        assert (pixels < 200).any()


def test_curves_skip_rows_without_the_value(tmp_path: Path) -> None:
    rows: list[dict[str, float | None]] = [
        {"step": 1, "loss": 3.0},
        {"step": 2},
        {"step": 3, "loss": None},
        {"step": 4, "loss": 1.0},
    ]
    path = plots.curves({"run": rows, "empty": []}, tmp_path / "new" / "loss.png")
    assert (np.asarray(Image.open(path).convert("L")) < 200).any()
