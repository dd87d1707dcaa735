"""Cards come from source alone; only the chosen system is imported."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from limbeck.errors import LimbeckError
from limbeck.systems.cards import ARGUMENTS, Option, cards, find, read_cards
from limbeck.systems.registry import load, system

TOY = '''
"""A module."""
from __future__ import annotations

from typing import Literal

from limbeck.systems.findings import Findings
from limbeck.systems.lab import Lab
from limbeck.systems.registry import system


@system(slug="toy-mmt", title="A toy", year=2024, arxiv="2401.00001", domain="toys", needs=("logits",), claim="Yes.")
def toy(lab: Lab, *, steps: int = 10, mode: Literal["a", "b"] = "a", learning_rate: float | None = None) -> Findings:
    """The first
    sentence.

    More.
    """
    return Findings("toy")
'''


def written(tmp_path: Path, source: str) -> Path:
    path = tmp_path / "toy.py"
    path.write_text(source)
    return path


def test_card_of_a_file(tmp_path: Path) -> None:
    card = find(str(written(tmp_path, TOY)))
    assert (card.slug, card.title, card.year, card.domain) == ("toy-mmt", "A toy", 2024, "toys")
    assert (card.needs, card.claim, card.function) == (("logits",), "Yes.", "toy")
    assert card.url == "https://arxiv.org/abs/2401.00001"
    assert card.summary() == "The first sentence."
    assert card.options == (
        Option("steps", "int", "10"),
        Option("mode", "Literal['a', 'b']", "'a'"),
        Option("learning_rate", "float | None", "None"),
    )
    assert card.options[2].flag == "--learning-rate"


def test_types_that_the_package_names_are_spelt_out(tmp_path: Path) -> None:
    source = "from limbeck.systems.lab import Split\nOwn = int\n" + TOY
    source = source.replace("steps: int", "steps: Own").replace('Literal["a", "b"] = "a"', 'Split = "val"')
    assert [one.annotation for one in find(str(written(tmp_path, source))).options[:2]] == [
        "Own",
        "Literal['val', 'test']",
    ]


def test_reading_a_card_runs_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, TOY + "\nraise RuntimeError('imported')\n")
    assert next(read_cards(path)).slug == "toy-mmt"
    with pytest.raises(RuntimeError, match="imported"):
        load(str(path))


def test_load_gives_types_and_defaults(tmp_path: Path) -> None:
    loaded = load(str(written(tmp_path, TOY)))
    assert loaded.types()["steps"] is int
    assert loaded.types()["learning_rate"] == float | None
    assert loaded.defaults() == {"steps": 10, "mode": "a", "learning_rate": None}


def test_catalogue_is_sound_and_light() -> None:
    for slug, card in cards().items():
        assert slug == card.slug
        assert card.description, f"{slug} has no docstring"
        assert all(option.annotation and option.default for option in card.options)
    code = "import sys; from limbeck.systems.cards import cards; cards(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_unknown_slug_and_file(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match="no system is called 'no-such-system'"):
        find("no-such-system")
    with pytest.raises(LimbeckError, match="no such file"):
        find(str(tmp_path / "nothing.py"))
    with pytest.raises(LimbeckError, match=r"exactly one function under @system; it has none"):
        find(str(written(tmp_path, "x = 1\n")))
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LimbeckError, match=r"bytes\.py: is not UTF-8 text"):
        find(str(tmp_path / "bytes.py"))
    with pytest.raises(LimbeckError, match=r"it has toy-mmt, other"):
        find(str(written(tmp_path, TOY + TOY.replace("toy-mmt", "other"))))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("year=2024, ", "", "missing: year"),
        ("year=2024", "yaer=2024", r"missing: year; unknown: yaer"),
        ("year=2024", "year=int('2024')", "must be literals"),
        ("toy-mmt", "Toy MMT", "a slug is lower-case words"),
        ("def toy(", "def toy(:", r"toy\.py, line 13"),
    ],
)
def test_unreadable_cards(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(LimbeckError, match=message):
        find(str(written(tmp_path, TOY.replace(old, new))))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("*, steps: int = 10", "steps: int = 10, *", "'steps' must be keyword-only"),
        ("steps: int = 10", "steps=10", "'steps' needs a type and a default"),
        ("steps: int = 10", "steps: int", "'steps' needs a type and a default"),
        ("steps: int = 10", "seeds: int = 10", "'seeds' belongs to `limbeck run` itself"),
        ("lab: Lab, *", "*", "must take the lab"),
    ],
)
def test_unusable_signatures(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(LimbeckError, match=message):
        load(str(written(tmp_path, TOY.replace(old, new))))


def test_decorated_function_is_itself() -> None:
    def plain(lab: object, *, steps: int = 1) -> None:
        """Nothing."""

    assert system(slug="x", title="X", year=2024, domain="x")(plain) is plain


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "limbeck_test_neighbour.py").write_text("STEPS = 77\n")
    source = TOY.replace("steps: int = 10", "steps: int = STEPS")
    path = written(tmp_path, source.replace("from typing", "from limbeck_test_neighbour import STEPS\nfrom typing"))
    assert load(str(path)).defaults()["steps"] == 77


def test_cards_have_what_the_decorator_takes() -> None:
    taken = inspect.signature(system).parameters.items()
    assert {name: parameter.default is parameter.empty for name, parameter in taken} == ARGUMENTS
