from pathlib import Path

import pytest
from PIL import Image

from limbeck.cli.app import execute
from limbeck.world import World
from limbeck.world.sheet import contact_sheet


def test_show_writes_a_sheet_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scenes.png"
    assert execute(["world", "show", "--split", "ambiguous", "--count", "5", "--boxes", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    with Image.open(out) as sheet:
        assert sheet.width > sheet.height / 2


def test_words_lists_the_ambiguous_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["world", "words", "--language", "fr"]) == 0
    out = capsys.readouterr().out
    assert "chauve-souris, batte" in out
    assert "lunettes, verres" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "--split", "dev"], "no split 'dev': choose from train, val, test, ambiguous"),
        (["show", "--count", "0"], "--count must lie between 1 and"),
        (["show", "--size", "4"], "image_size must be a whole number"),
        (["show", "--start", "-2"], "start must be a whole number"),
        (["show", "--out", "scenes.gif"], "--out must name a .png file"),
        (["show", "--count", "1", "--out", "/nowhere/at/all.png"], "cannot write '/nowhere/at/all.png'"),
        (["words", "--language", "es"], "no language 'es': choose from en, de, fr"),
    ],
)
def test_a_users_mistake_is_one_line_and_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["world", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_a_sheet_has_room_for_every_caption() -> None:
    scenes = World(ambiguous_share=1.0).scenes("train", count=6)
    sheet = contact_sheet(scenes, columns=3)
    assert sheet.size == (3 * 304 + 16, sheet.height)
    with pytest.raises(ValueError, match="columns must be at least 1"):
        contact_sheet(scenes, columns=0)
