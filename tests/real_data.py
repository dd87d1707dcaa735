"""Where the real data lies, and the mark of tests that read it."""

from __future__ import annotations

from pathlib import Path

import pytest

REAL_DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


def needs(folder: str) -> pytest.MarkDecorator:
    """Skip where a folder of the real data is absent."""
    return pytest.mark.skipif(not (REAL_DATA / folder).is_dir(), reason=f"no {folder} in {REAL_DATA}")
