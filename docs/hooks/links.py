"""Links that are right in the repository, made right on the site."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pages import ROOT, api_page

PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files of the root and the pages that stand for them."""

_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")


def site_links(markdown: str, source: str, page: str) -> str:
    """Markdown whose links to files of the repository lead to pages of the site.

    A link to code leads to the page of the module, any other file outside docs/ is found under ``files/``.

    Args:
        markdown: The text.
        source: Where it is written: a path in the repository.
        page: Where it is shown: a path under docs/.
    """

    def changed(link: re.Match[str]) -> str:
        place = _place(source, link[1])
        target = None if place is None else _target(place)
        if target is None:
            return link[0]
        anchor = "" if target.startswith("api/") else link[2] or ""
        return os.path.relpath(target, os.path.dirname(page) or ".") + anchor

    return _outside_code(markdown, lambda text: _LINK.sub(changed, text))


def linked_without_page(markdown: str, source: str) -> Iterator[tuple[str, Path]]:
    """What a text links to that the site does not hold by itself: where it shall be, and the file or folder."""
    prose = "".join(_FENCE.split(markdown)[::2])
    for link in _LINK.finditer(prose):
        place = _place(source, link[1])
        target = None if place is None else _target(place)
        if place is not None and target is not None and (target.startswith("files/") or place.is_dir()):
            yield target, place


def listing(folder: Path) -> str:
    """A page for a folder: its files."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return f"# {folder.name}\n\n" + "".join(f"- [{name}]({name})\n" for name in names)


def _place(source: str, link: str) -> Path | None:
    """The file of the repository; ``None`` if there is none, which mkdocs will tell."""
    place = Path(os.path.normpath(ROOT / os.path.dirname(source) / link))
    return place if place.exists() and place.is_relative_to(ROOT) else None


def _target(place: Path) -> str | None:
    path = place.relative_to(ROOT).as_posix()
    if path.startswith("docs/"):
        return path.removeprefix("docs/") + ("/index.md" if place.is_dir() else "")
    return PAGES.get(path) or api_page(place) or (f"files/{path}" if place.is_file() else None)


def _outside_code(markdown: str, change: Callable[[str], str]) -> str:
    parts = _FENCE.split(markdown)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))
