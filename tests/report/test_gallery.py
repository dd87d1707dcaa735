"""The page shows what runs hold, escapes it, needs nothing from elsewhere, and is the same each time."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from limbeck.errors import LimbeckError
from limbeck.report.axes import Axis
from limbeck.report.curves import panels, styles
from limbeck.report.gallery import render, write
from limbeck.report.runs import read_run, read_runs
from limbeck.systems.cards import Card
from limbeck.systems.findings import Findings
from tests.report.toys import SCORE, findings, write_log, write_run, write_training

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=\"alert('2')\">"
VOID = {"meta", "link", "br", "img", "input", "hr", "line", "rect", "circle", "path", "polyline"}


class Page(HTMLParser):
    """What a browser would find, and an error where tags are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """All words, with single blanks."""
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str, kind: str = "") -> list[dict[str, str]]:
        """Attributes of all elements of a tag and class."""
        return [
            found for name, found in self.tags if name == tag and (not kind or kind in found.get("class", "").split())
        ]


def card(slug: str = "toy", arxiv: str = "2401.00001", title: str = "A paper <b>") -> Card:
    return Card(slug, title, 2024, arxiv, "toys", (), "It helps.", "", (), "toy", Path("toy.py"))


def page(*folders: Path, cards: dict[str, Card] | None = None) -> Page:
    return Page(render([read_run(folder) for folder in folders], {"toy": card()} if cards is None else cards))


def test_a_run_is_shown(tmp_path: Path) -> None:
    shown = page(write_run(tmp_path / "first"))
    for part in (
        "A paper <b>",
        "(2024, arXiv 2401.00001)",
        "It helps.",
        "✓ holds distilling helps",
        "✗ fails the ablation is as good",
        "? open the loss is lower, too",
        "✓ holds: 1 ✗ fails: 1 ? open: 1",
        "The no kd against The kd, accuracy",
        "needed more than -3",
        "The kd : this is kd",
        "a note of the system",
        "Student's t over seeds",
        "torch 2.x",
        "scale default",
    ):
        assert part in shown.text, part
    assert {link["href"] for link in shown.of("a")} == {"#runs", "#run-1", "https://arxiv.org/abs/2401.00001"}
    assert "run-1" in {found.get("id") for found in shown.of("article")}
    judged = findings().verdicts()[0]
    assert f"{judged.advantage:+.2f} [{judged.low:+.2f}, {judged.high:+.2f}]" in shown.text


def test_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    text = render([read_run(write_run(tmp_path / "run"))], {"toy": card()})
    shown = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in shown.tags}
    assert not re.search(r"url\(|@import|src=", text)
    assert re.findall(r"https?://[^\s\"'<]+", text) == ["https://arxiv.org/abs/2401.00001"] * 2
    policies = [found for found in shown.of("meta") if found.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0]["content"].startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_marks_stand_where_numbers_are(tmp_path: Path) -> None:
    shown = page(write_run(tmp_path / "run"))
    found = findings()
    columns = 4 + 3  # arms with accuracy, arms with loss
    assert len(shown.of("circle", "dot")) == 3 * columns + 1  # three seeds each, and one in the key
    seeds = [bar["aria-label"] for bar in shown.of("svg", "method") if "aria-label" in bar]
    by_seed = found.to_json()["scores_by_seed"]["accuracy"]["kd"].values()
    assert seeds[0] == "seeds: " + ", ".join(f"{score:.3g}" for score in by_seed)
    # The order of the drawing is that of the numbers: on one axis, a larger score lies further right.
    places = [float(mark["x"].rstrip("%")) for mark in shown.of("svg") if mark.get("y") == "50%" and mark["x"] != "50%"]
    scores = [found.score(arm, "accuracy") for arm in found.arms]
    assert sorted(range(4), key=places[:4].__getitem__) == sorted(range(4), key=scores.__getitem__)
    assert all(0 <= place <= 100 for place in places)


def test_claims_about_one_column_share_an_axis(tmp_path: Path) -> None:
    shown = page(write_run(tmp_path / "run"))
    first, second, third = (line["x1"] for line in shown.of("line", "zero"))
    assert first == second != third
    holds, fails, _ = (line["x1"] for line in shown.of("line", "margin"))
    assert holds == first
    assert float(fails.rstrip("%")) < float(first.rstrip("%"))


def test_method_stands_out_not_by_colour_alone(tmp_path: Path) -> None:
    shown = page(write_run(tmp_path / "run"))
    assert len(shown.of("li", "highlight")) == 2
    assert len(shown.of("tr", "highlight")) == 1
    lines = shown.of("polyline")
    kinds = {line["class"] for line in lines}
    assert kinds == {"line colour-0 dash-0", "line colour-1 dash-1 strong"}
    assert len(lines) == 4 * 3  # four trainings; loss, and the two columns that all validations have
    assert "Validation: words" in shown.text
    assert "aux" not in shown.text


def test_curves() -> None:
    (style,) = styles(["a"])
    rows: list[Any] = [
        {"step": 0, "loss": 4.0},
        {"step": 5},
        {"step": 5, "loss": None},
        {"step": 6, "loss": float("nan")},
        {"step": 7, "loss": "much"},
        {"step": 8, "loss": True},
        {"step": "last", "loss": 1.0},
        {"step": 9, "loss": 10**400},
        {"step": 10, "loss": 2.0},
    ]
    (panel,) = panels({"a": rows}, {"a": style})
    assert panel.summary == "Training loss by step: a from 4 to 2."
    points = [tuple(map(float, point.split(","))) for point in panel.lines[0].points.split()]
    assert [x for x, _ in points] == [0, 100]
    assert points[0][1] < points[1][1]  # SVG counts downwards
    assert panels({"a": [{"step": 1}]}, {"a": style}) == []
    (single,) = panels({"a": [{"step": 3, "loss": 1.0}]}, {"a": style})
    assert single.lines[0].points == "50,50 50,50"


def test_long_logs_are_thinned_and_keep_their_end() -> None:
    (style,) = styles(["a"])
    (panel,) = panels({"a": [{"step": step, "loss": float(step)} for step in range(10_001)]}, {"a": style})
    points = panel.lines[0].points.split()
    assert len(points) <= 301
    assert (points[0].split(",")[0], points[-1].split(",")[0]) == ("0", "100")


def test_styles_differ() -> None:
    made = styles(map(str, range(32)))
    assert len({(style.colour, style.dash) for style in made}) == 32


@pytest.mark.parametrize("values", [[0.0], [3.0, 3.0], [-1e100, 1e100], [1e16, 1e16 + 2], [1e-12, 2e-12], [-5.0, 7.0]])
def test_every_value_is_on_its_axis(values: list[float]) -> None:
    axis = Axis.over(values)
    assert all(0 <= float(axis.at(value)) <= 100 for value in values)
    assert all(0 <= float(tick.at) <= 100 for tick in axis.ticks())
    assert 1 <= len(axis.ticks()) <= 6


def hostile() -> Findings:
    """Every text that findings have is an attack."""
    found = findings()
    found.arms = {
        name: dataclasses.replace(arm, title=HOSTILE, description=HOSTILE) for name, arm in found.arms.items()
    }
    found.claims = [dataclasses.replace(claim, text=HOSTILE) for claim in found.claims]
    found.notes = [HOSTILE]
    found.system = HOSTILE
    found.spent = {arm: {1: {HOSTILE: 3.0}} for arm in found.arms}
    return found


def test_what_runs_hold_is_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "<b onclick=alert(1)>'\"&"
    folder.mkdir()
    safe = write_run(tmp_path / "safe", config={HOSTILE: HOSTILE})
    write_run(
        folder,
        hostile(),
        config={"environment": {HOSTILE: HOSTILE, "date": HOSTILE}, "scale": HOSTILE, "system": HOSTILE},
    )
    write_log(folder / HOSTILE.replace("/", "-"), [{"step": 1, "loss": 1, "val/" + HOSTILE: 1}])
    trained = write_training(
        tmp_path / "trained", {HOSTILE: {"segments": 1, "metrics": {HOSTILE: {**SCORE, "signature": HOSTILE}}}}
    )
    (trained / "config.yaml").write_text(json.dumps({"arm": HOSTILE, "seed": HOSTILE}))
    cards = {"toy": card(title=HOSTILE)}
    shown = page(folder, safe, trained, cards=cards)
    assert not any(name.startswith("on") for _, attributes in shown.tags for name in attributes)
    assert {tag for tag, _ in shown.tags} == {tag for tag, _ in page(safe, write_training(tmp_path / "t")).tags}
    assert shown.text.count("alert(1)") > 20
    assert folder.name in shown.text


def test_text_that_utf8_cannot_hold_is_replaced(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["notes"] = ["\ud800 half of a pair"]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    write([read_run(folder)], tmp_path / "new" / "page.html", {})
    assert "? half of a pair" in (tmp_path / "new" / "page.html").read_text("utf-8")


def test_the_same_runs_give_the_same_page(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / "a"), write_training(tmp_path / "b")]
    first, second = (render([read_run(folder) for folder in folders], {"toy": card()}) for _ in range(2))
    assert first == second


def test_systems_gather_their_runs(tmp_path: Path) -> None:
    for name, system in (("a", "toy"), ("b", "gone"), ("c", "toy")):
        write_run(tmp_path / name, findings(system))
    shown = page(write_training(tmp_path / "single"), *(tmp_path / name for name in "abc"))
    overview = shown.text[: shown.text.index("seeds 1, 2, 3")]
    assert "holds: 2 ✗ fails: 2 ? open: 2 Runs: a , c" in overview
    headings = [found["id"] for found in shown.of("h2") if found["id"].startswith("run-")]
    assert headings == [f"run-{number}-title" for number in (1, 2, 3, 4)]
    places = [shown.text.index(f"{title} {name} ") for title, name in (("toy", "a"), ("toy", "c"), ("gone", "b"))]
    assert places == sorted(places)
    assert shown.text.index("ikd single ") > places[-1]
    assert "gone Not in this version's catalogue. ✓ holds: 1" in overview
    assert "The catalogue of this version has no system 'gone'" in shown.text


def test_a_copy_and_a_smoke_run_are_told(tmp_path: Path) -> None:
    shown = page(write_run(tmp_path / "run", config={"system": "mine.py", "scale": "smoke"})).text
    assert "Run from a file of its own (mine.py)" in shown
    assert "Its scores mean nothing" in shown
    assert "Its scores mean nothing" not in page(write_run(tmp_path / "other")).text


def test_a_training_is_shown(tmp_path: Path) -> None:
    shown = page(write_training(tmp_path / "mine"))
    for part in ("Single trainings", "ikd mine", "pair en-de", "seed 7", "news 1,200 30.50 [28.00, 33.00]", "case:lc"):
        assert part in shown.text, part
    assert "Claims" not in shown.words
    assert len(shown.of("polyline")) == 1


def test_one_seed_and_no_claims_and_no_logs(tmp_path: Path) -> None:
    found = findings(seeds=(4,))
    found.claims.clear()
    found.save(tmp_path / "bare")
    shown = page(tmp_path / "bare").text
    assert "It states no claim." in shown
    assert "one seed: they say nothing about training again" in shown
    assert "Configuration" not in shown


def test_what_can_be_done_without_is_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "config.yaml").write_text("a: [1")
    (folder / "kd" / "seed-1" / "log.jsonl").write_text('{"step": 1\n{"step": 2, "loss": 1}\n')
    write_log(folder / "odd", [3, [1], "x", {"loss": 1}])
    shown = page(folder)
    assert "config.yaml is not YAML" in shown.text
    assert "kd/seed-1/log.jsonl is damaged" in shown.text
    assert len([line for line in shown.of("polyline") if line["class"].endswith("strong")]) == 3


def damaged(path: Path, name: str, value: Any) -> None:
    """Change one entry of metrics.json."""
    metrics = json.loads((path / "metrics.json").read_text())
    metrics[name] = value
    (path / "metrics.json").write_text(json.dumps(metrics))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("format", 99, "findings of format 99"),
        ("system", ["a"], "the system's name is"),
        ("samples", 10**15, "are no bootstrap"),
        ("level", 2, "are no bootstrap"),
        ("notes", None, "contradict themselves"),
        ("arms", [{"name": "kd", "title": "x", "role": "boss"}], "has the role 'boss'"),
        ("claims", [{"text": "x", "arm": "kd", "baseline": "nobody", "metric": "accuracy"}], "nobody"),
        (
            "claims",
            [{"text": "x", "arm": "kd", "baseline": "alone", "metric": "accuracy", "margin": "3"}],
            "contradict",
        ),
        (
            "claims",
            [{"text": "x", "arm": "kd", "baseline": "alone", "metric": "accuracy", "margin": float("nan")}],
            "NaN or a number beyond",
        ),
        ("claims", [{"text": "x", "arm": "kd", "baseline": "big", "metric": "loss"}], "has no 'loss'"),
    ],
)
def test_damaged_findings_are_one_line(tmp_path: Path, name: str, value: Any, told: str) -> None:
    folder = write_run(tmp_path / "run")
    damaged(folder, name, value)
    with pytest.raises(LimbeckError) as caught:
        read_run(folder)
    assert told in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_runs_are_found_below_and_shown_once(tmp_path: Path) -> None:
    write_run(tmp_path / "all" / "b")
    write_training(tmp_path / "all" / "deep" / "a")
    write_run(tmp_path / "all" / ".hidden")
    (tmp_path / "all" / "pictures").mkdir()
    warnings: list[str] = []
    found = read_runs([tmp_path / "all", tmp_path / "all" / "b"], warnings.append)
    assert [run.folder.name for run in found] == ["b", "a"]
    assert warnings == []
