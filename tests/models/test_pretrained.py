"""Damaged folders of models."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers

from limbeck.errors import LimbeckError
from limbeck.models.pretrained import load_pretrained
from tests.distill.toys import bert, save

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.safetensors", POINTER, "Git LFS"),
        ("model.safetensors", None, "cut short"),
        ("model.safetensors", b"", "damaged"),
        ("config.json", b"[]", "cannot be loaded"),
        ("config.json", b"3", "JSON"),
        ("config.json", b'{"model_type": "bert", "hidden_size": "x"}', "hidden_size"),
    ],
)
@pytest.mark.parametrize("loader", [transformers.AutoModel, transformers.AutoTokenizer])
def test_a_damaged_file_is_told(tmp_path: Path, loader: type, file: str, content: bytes | None, message: str) -> None:
    folder = save(bert(), tmp_path)
    (folder / file).write_bytes((folder / file).read_bytes()[:5000] if content is None else content)
    if loader is transformers.AutoTokenizer and file == "model.safetensors":
        assert load_pretrained(loader, str(folder)).is_fast
        return
    with pytest.raises(LimbeckError, match=message) as caught:
        load_pretrained(loader, str(folder))
    assert "\n" not in str(caught.value)
