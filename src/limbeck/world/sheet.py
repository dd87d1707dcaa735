"""The contact sheet: scenes side by side with what is said of them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from limbeck.world.lexicon import LANGUAGES
from limbeck.world.scenes import Scenes

if TYPE_CHECKING:
    from PIL.Image import Image

_TILE = 288  # side of a picture on the sheet, in pixels
_GAP = 16
_TEXT = 13
_LINE = 18
_CHARACTERS = 38  # a line of a caption
_LINES = 10  # under a picture
_COLOURS = ((230, 60, 60), (60, 120, 230), (40, 160, 80), (200, 120, 20), (150, 70, 190), (20, 160, 170))


def contact_sheet(scenes: Scenes, *, columns: int = 4, boxes: bool = False) -> Image:
    """Pictures in a grid, each with its number, setting and ambiguous word, and its captions beneath.

    Args:
        scenes: What to show.
        columns: How many pictures side by side.
        boxes: Whether to draw the boxes and name the kinds.

    Raises:
        ValueError: ``columns`` is not positive.

    Example:
        >>> from limbeck.world import World
        >>> contact_sheet(World().scenes("val", count=3), columns=3).width
        928
    """
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns!r}")
    columns = min(columns, len(scenes))
    rows = -(-len(scenes) // columns)
    height = _TILE + _LINES * _LINE + _GAP
    sheet = Image.new("RGB", (columns * (_TILE + _GAP) + _GAP, rows * height + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    face = str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"))  # Pillow's own font lacks accents
    font, small = ImageFont.truetype(face, _TEXT), ImageFont.truetype(face, 11)
    scale = _TILE / scenes.world.image_size
    images, corners = scenes.images(), scenes.boxes()
    captions = [scenes.captions(language) for language in LANGUAGES]
    for number, pixels in enumerate(images):
        left = _GAP + number % columns * (_TILE + _GAP)
        top = _GAP + number // columns * height
        picture = Image.fromarray(pixels).resize((_TILE, _TILE), Image.Resampling.NEAREST)
        sheet.paste(picture, (left, top))
        if boxes:
            for column in np.nonzero(scenes.present[number])[0].tolist():
                x0, y0, x1, y1 = (corners[number, column] * scale).tolist()
                pen.rectangle((left + x0, top + y0, left + x1, top + y1), outline=_COLOURS[column], width=2)
                name = scenes.world.kind_names[int(scenes.objects[number, column])]
                spot = (left + x0 + 2, top + min(y0, _TILE - 15))
                pen.rectangle(pen.textbbox(spot, name, font=small), fill="white")
                pen.text(spot, name, fill=_COLOURS[column], font=small)
        item = scenes.ambiguous[number]
        head = f"{scenes.index[number]}  {scenes.world.setting_names[int(scenes.setting[number])]}"
        pen.text((left, top + _TILE + 4), head + (f"  [{item.word}: {item.sense}]" if item else ""), "gray", font=font)
        line = 1
        for language, sentences in zip(LANGUAGES, captions, strict=True):
            shade = {"en": "black", "de": "#7a1f1f", "fr": "#1f3a7a"}[language]
            for words in textwrap.wrap(sentences[number], _CHARACTERS):
                pen.text((left, top + _TILE + 4 + line * _LINE), words, shade, font=font)
                line += 1
    return sheet
