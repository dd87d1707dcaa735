"""A store comes out whole, and the same, however often its writing is stopped and by how many processes it is done."""

from __future__ import annotations

import errno
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.signals import Signals, SparseLogits
from limbeck.teachers.store.reader import StoredTeacher
from limbeck.teachers.store.settings import StoreSettings
from limbeck.teachers.store.write import write_store
from limbeck.teachers.store.writer import StoreWriter
from tests.teachers.killed import ROWS, SETTINGS, run, write
from tests.teachers.toys import batch_of, batches, teacher


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    write(folder)
    found = files(folder)
    assert len(found) == 2 + sum(name.startswith("shard") for name in found) >= 7
    return found


def signals(folder: Path, rows: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    found = StoredTeacher(folder)(batch_of(rows))
    assert isinstance(found.logits, SparseLogits)
    return found.logits.ids, found.logits.log_probs, found.hidden["1"]


@pytest.mark.parametrize("change", [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 55, 57, 58])
def test_killed_at_a_change_of_a_file(whole: dict[str, bytes], tmp_path: Path, change: int) -> None:
    assert run(tmp_path, change=change) == -signal.SIGKILL
    assert not (tmp_path / "manifest.json").exists()
    write(tmp_path)
    assert files(tmp_path) == whole


@pytest.mark.parametrize("batch", [1, 5, 12])
def test_killed_at_a_batch(whole: dict[str, bytes], tmp_path: Path, batch: int) -> None:
    assert run(tmp_path, at_batch=batch) == -signal.SIGKILL
    write(tmp_path)
    assert files(tmp_path) == whole


def test_killed_while_a_shard_is_written_and_again(whole: dict[str, bytes], tmp_path: Path) -> None:
    sizes = [len(content) for name, content in whole.items() if name.startswith("shard")]
    # No file can grow beyond half a shard, then not beyond the first, then only not to the largest.
    for size in (sizes[0] // 2, sizes[0], max(sizes) - 1):
        assert run(tmp_path, size=size) == -signal.SIGXFSZ
        assert len(list((tmp_path / ".unfinished-00000").iterdir())) == 1
    write(tmp_path)
    assert files(tmp_path) == whole


def test_written_again_changes_nothing(whole: dict[str, bytes], tmp_path: Path) -> None:
    write(tmp_path)
    calls: list[Any] = []
    write_store(calls.append, batches(ROWS, 2), tmp_path, SETTINGS, name="toy", progress=False)  # type: ignore[arg-type]
    assert not calls
    assert files(tmp_path) == whole


def test_more_rows_are_added_later(tmp_path: Path) -> None:
    for number in (6, 12):
        settings = StoreSettings(k=4)
        manifest = write_store(teacher(), batches(number), tmp_path, settings, name="toy", progress=False)
        assert manifest is not None
        assert (manifest.rows, len(manifest.shards)) == (number, number // 6)
    StoredTeacher(tmp_path, verify=True).check(rows=12)


def test_two_processes_write_one_store(whole: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    for name, content in whole.items():
        (tmp_path / "one" / name).write_bytes(content)
    two = tmp_path / "two"
    assert run(two, 1, 2) == 0
    with pytest.raises(LimbeckError, match=r"not finished: part 0 of 2 is not complete"):
        StoredTeacher(two)
    assert run(two, 0, 2, at_batch=4) == -signal.SIGKILL
    with pytest.raises(LimbeckError, match=r"not finished: part 0 of 2 is not complete"):
        StoredTeacher(two)
    with pytest.raises(LimbeckError, match="processes: the store has 2, 1 were asked for"):
        write(two)
    assert run(two, 0, 2) == 0
    rows = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0)).tolist()
    for ours, theirs in zip(signals(two, rows), signals(tmp_path / "one", rows), strict=True):
        assert torch.equal(ours, theirs)
    assert StoredTeacher(two).manifest.data_fingerprint == StoredTeacher(tmp_path / "one").manifest.data_fingerprint
    # Whoever comes first makes the manifest, where a kill left none.
    (two / "manifest.json").unlink()
    assert len(StoredTeacher(two)) == ROWS


def test_more_processes_than_batches(tmp_path: Path) -> None:
    settings = StoreSettings(k=4)
    for process in (2, 0, 1):
        found = write_store(
            teacher(), batches(6), tmp_path, settings, name="toy", process=process, processes=3, progress=False
        )
    assert found is not None
    assert found.rows == 6


def test_the_same_rows_twice_are_refused(tmp_path: Path) -> None:
    for process, loader in ((0, batches(6)), (1, batches(6)[::-1])):
        with StoreWriter(tmp_path, teacher="toy", process=process, processes=2) as writer:
            writer.add(loader[0], teacher()(loader[0]))
            writer.add(loader[1], teacher()(loader[1]))
            if process == 0:
                assert writer.finish() is None
            else:
                with pytest.raises(LimbeckError, match="row 0 is in the store twice"):
                    writer.finish()


def test_going_on_with_something_else_is_refused(tmp_path: Path) -> None:
    settings = StoreSettings(k=4, shard_megabytes=0.0001)
    known: dict[str, Any] = {"teacher": "toy", "teacher_fingerprint": "f" * 64, "tokenizer": "t" * 64, "template": None}
    loader = batches(6)
    with StoreWriter(tmp_path, settings, **known) as writer:
        writer.add(loader[0], teacher()(loader[0]))
        with pytest.raises(LimbeckError, match="part 0 is being written by another process"):
            StoreWriter(tmp_path, settings, **known)
    for changes, told in (
        ({"teacher": "other"}, "teacher: the store has 'toy', was asked for 'other'"),
        (
            {"teacher_fingerprint": "e" * 64},
            "teacher_fingerprint: the store has ffffffffffff, was asked for eeeeeeeeeeee",
        ),
        ({"tokenizer": "e" * 64}, "tokenizer: the store has tttttttttttt"),
        ({"template": "e" * 64}, "template: the store has none, was asked for eeeeeeeeeeee"),
        ({"settings": StoreSettings(k=5)}, "k: the store has 4, was asked for 5"),
    ):
        with pytest.raises(LimbeckError, match=told):
            StoreWriter(tmp_path, **{"settings": settings} | known | changes)
    with StoreWriter(tmp_path, settings, **known) as writer:
        assert writer.has(loader[0])
        assert not writer.has(loader[1])
        changed = loader[0]["input_ids"].clone()
        changed[1, 0] += 1
        with pytest.raises(LimbeckError, match="row 1 of the data has changed since the store was begun"):
            writer.has({**loader[0], "input_ids": changed})
        logits = teacher()(loader[1]).logits
        assert isinstance(logits, Tensor)
        with pytest.raises(LimbeckError, match="vocab_size: the store has 300, a batch has 299"):
            writer.add(loader[1], Signals(logits[..., :-1]))


def test_a_truncated_shard_is_refused_when_writing_goes_on(tmp_path: Path) -> None:
    write(tmp_path)
    shard = tmp_path / "shard-00000-00001.safetensors"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(LimbeckError, match=r"shard-00000-00001.safetensors: cannot be read"):
        write(tmp_path)


def test_a_full_disk_costs_what_was_not_written_yet(whole: dict[str, bytes], tmp_path: Path) -> None:
    sizes = [len(content) for name, content in whole.items() if name.startswith("shard")]
    for size, found in ((100, errno.EFBIG), (sizes[0] - 1, errno.EIO), (max(sizes) - 1, errno.EIO)):
        assert run(tmp_path, full=size) == found
    write(tmp_path)
    assert files(tmp_path) == whole


def test_the_summary_says_what_a_token_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_store(teacher(), batches(), tmp_path, StoreSettings(k=4), name="toy")
    assert manifest is not None
    size = sum(path.stat().st_size for path in tmp_path.glob("shard-*"))
    assert manifest.bytes == size
    tokens = sum(int(batch["mask"].sum()) for batch in batches())
    told = capsys.readouterr().err
    assert f"12 rows, {tokens} tokens" in told
    assert f"{size / tokens:.1f} bytes/token, {tokens * 300 * 2 / size:.1f} times smaller" in told
