"""A teacher that was stored says what it said live, and refuses what it did not see."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.losses.divergence import forward_kl
from limbeck.losses.pairs import Rest
from limbeck.signals import Signals, SparseLogits
from limbeck.teachers.store.fingerprints import teacher_fingerprint, tokenizer_fingerprint
from limbeck.teachers.store.reader import StoredTeacher
from limbeck.teachers.store.settings import StoreSettings
from limbeck.teachers.store.write import write_store
from limbeck.teachers.store.writer import StoreWriter
from tests.teachers.toys import VOCAB, WIDTH, batch_of, batches, teacher

SHUFFLED = [11, 3, 0, 7, 5]
TEMPLATE = "{{ messages }}"


class Words:
    """As much of a tokenizer as is read of one."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.special_tokens_map = {"pad_token": words[0]}

    def get_vocab(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}


def write(folder: Path, **settings: Any) -> Path:
    live = teacher(hidden="hidden" in settings)
    chosen = StoreSettings(**{"shard_megabytes": 0.01} | settings)
    tokenizer = Words("<pad>", "a")
    write_store(live, batches(), folder, chosen, name="toy", tokenizer=tokenizer, template=TEMPLATE, progress=False)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("store") / "exact", keep="top-k", k=VOCAB, dtype="fp32")


def kl_and_gradient(given: Signals, mask: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    assert isinstance(given.logits, Tensor | SparseLogits)
    torch.manual_seed(1)
    student = torch.randn(*mask.shape, VOCAB, requires_grad=True)
    rest: Rest = "bucket" if temperature == 1.0 else "renormalise"
    term = forward_kl(student, given.logits, temperature=temperature, mask=mask, rest=rest)
    (gradient,) = torch.autograd.grad(term.total, student)
    return term.total.detach(), gradient


@pytest.mark.parametrize(
    ("keep", "dtype", "tolerance"),
    [("top-k", "fp32", 1e-5), ("full", "fp32", 1e-5), ("top-k", "fp16", 5e-3), ("full", "fp16", 5e-3)],
)
def test_all_classes_stored_are_the_live_teacher(
    tmp_path: Path, keep: Literal["top-k", "full"], dtype: str, tolerance: float
) -> None:
    write(tmp_path, keep=keep, dtype=dtype, **({"k": VOCAB} if keep == "top-k" else {}))
    batch = batch_of(SHUFFLED, pad=2)
    mask: Tensor = batch["mask"]
    stored = StoredTeacher(tmp_path)(batch)
    assert isinstance(stored.logits, SparseLogits if keep == "top-k" else Tensor)
    assert stored.mask is mask
    for temperature in (1.0, 2.0):
        value, gradient = kl_and_gradient(teacher()(batch), mask, temperature)
        found = kl_and_gradient(stored, mask, temperature)
        torch.testing.assert_close(found[0], value, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(found[1], gradient, rtol=tolerance, atol=tolerance)


def test_top_k_is_that_of_the_live_teacher_and_unused_elsewhere(tmp_path: Path) -> None:
    write(tmp_path, keep="top-k", k=5, dtype="fp32")
    batch = batch_of(SHUFFLED)
    found, live = StoredTeacher(tmp_path)(batch).logits, teacher()(batch).logits
    assert isinstance(found, SparseLogits)
    assert isinstance(live, Tensor)
    mask = batch["mask"]
    expected = SparseLogits.top(live[mask], 5)
    assert torch.equal(found[mask].ids, expected.ids)
    torch.testing.assert_close(found[mask].log_probs, expected.log_probs)
    assert bool(found[~mask].log_probs.isneginf().all())
    assert found.ids.dtype == torch.int64


def test_a_nucleus_is_the_smallest_set_with_the_mass(tmp_path: Path) -> None:
    write(tmp_path, keep="nucleus", k=40, p=0.6, dtype="fp32")
    batch = batch_of(SHUFFLED)
    found, live = StoredTeacher(tmp_path)(batch).logits, teacher()(batch).logits
    assert isinstance(found, SparseLogits)
    assert isinstance(live, Tensor)
    sizes = []
    for kept, logits in zip(found[batch["mask"]].log_probs, live[batch["mask"]], strict=True):
        used = kept[kept.isfinite()].exp()
        likeliest = logits.softmax(-1).sort(descending=True).values
        torch.testing.assert_close(used, likeliest[: len(used)])
        assert float(used[:-1].sum()) < 0.6
        assert float(used.sum()) >= 0.6 or len(used) == 40
        sizes.append(len(used))
    assert len(set(sizes)) > 1
    assert max(sizes) == found.k


def test_hidden_states_a_position_and_a_row(tmp_path: Path) -> None:
    def live(batch: Batch) -> Signals:
        said = teacher(hidden=True)(batch)
        return Signals(said.logits, {"1": said.hidden["1"], "first": said.hidden["1"][:, 0]})

    settings = StoreSettings(k=3, hidden={"1": "position", "first": "row"}, shard_megabytes=0.0005)
    write_store(live, batches(), tmp_path, settings, name="toy", progress=False)
    batch = batch_of(SHUFFLED)
    expected, found = live(batch).hidden, StoredTeacher(tmp_path)(batch).hidden
    mask = batch["mask"]
    assert found["1"].shape == (*mask.shape, WIDTH)
    torch.testing.assert_close(found["1"][mask], expected["1"][mask].half().float())
    assert not found["1"][~mask].any()
    torch.testing.assert_close(found["first"], expected["first"].half().float())
    assert set(StoredTeacher(tmp_path, ["first"])(batch).hidden) == {"first"}
    with pytest.raises(LimbeckError, match="hidden: the store has no 'second'; possible: '1', 'first'"):
        StoredTeacher(tmp_path, ["second"])


def test_padding_and_company_do_not_matter(store: Path) -> None:
    stored = StoredTeacher(store)
    alone = stored(batch_of([7])).logits
    padded, left = batch_of([2, 7], pad=3), batch_of([2, 7], pad=3, left=True)
    assert isinstance(alone, SparseLogits)
    for batch in (padded, left):
        found = stored(batch).logits
        assert isinstance(found, SparseLogits)
        assert torch.equal(found[1][batch["mask"][1]].log_probs, alone[0][batch_of([7])["mask"][0]].log_probs)


def test_packed_sequences_are_known_whatever_their_padding(tmp_path: Path) -> None:
    def packed(rows: list[int], pad: int = 0) -> dict[str, Any]:
        batch = batch_of(rows, pad=pad)
        positions = batch.pop("attention_mask").cumsum(1) - 1
        return batch | {"position_ids": positions}

    with StoreWriter(tmp_path, StoreSettings(k=4), teacher="toy") as writer:
        writer.add(packed([2, 7, 3]), teacher()(packed([2, 7, 3])))
        writer.finish()
    stored = StoredTeacher(tmp_path)
    stored(packed([7], pad=5))
    changed = packed([7])
    changed["position_ids"][0, 1] = 0
    with pytest.raises(LimbeckError, match="row 7 of the data is not what the teacher saw"):
        stored(changed)


def test_a_classifier_keeps_all_classes(tmp_path: Path) -> None:
    pictures = torch.rand(10, 4)
    model = nn.Linear(4, 3).requires_grad_(False)
    loader = [{"x": pictures[at : at + 4], "row": torch.arange(10)[at : at + 4]} for at in (0, 4, 8)]
    manifest = write_store(lambda batch: Signals(model(batch["x"])), loader, tmp_path, name="linear", progress=False)
    assert manifest is not None
    assert (manifest.description.keep, manifest.description.seen, manifest.positions) == ("full", ["x"], 10)
    rows = torch.tensor([9, 0, 5])
    found = StoredTeacher(tmp_path)({"x": pictures[rows], "row": rows, "name": ["a", "b", "c"]}).logits
    torch.testing.assert_close(found, model(pictures[rows]).log_softmax(-1), rtol=2e-3, atol=2e-3)


def test_extreme_and_impossible_logits(tmp_path: Path) -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e6, 1e6, -torch.inf]])
    batch = {"x": torch.zeros(2, 1), "row": torch.arange(2)}
    with StoreWriter(tmp_path / "a", teacher="toy") as writer:
        writer.add(batch, Signals(logits))
        writer.finish()
    found = StoredTeacher(tmp_path / "a")(batch).logits
    assert isinstance(found, Tensor)
    assert found.tolist() == [[0.0, -20000.0, -10000.0], [-65504.0, 0.0, -torch.inf]]
    wrong = Signals(logits * torch.tensor([[1.0], [torch.nan]]))
    with StoreWriter(tmp_path / "b", teacher="toy") as writer, pytest.raises(LimbeckError, match="no softmax at row 1"):
        writer.add(batch, wrong)


def corrupt(key: str, value: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return change


def cut(folder: Path) -> None:
    shard = next(folder.glob("shard-*"))
    shard.write_bytes(shard.read_bytes()[:-7])


def flip(folder: Path) -> None:
    shard = next(folder.glob("shard-*"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (corrupt("format_version", 7), "format_version: the store has 7, this version of Limbeck reads 1"),
        (corrupt("surprise", 7), "is not the manifest of a teacher store"),
        (cut, "is truncated or changed"),
        (flip, "is damaged"),
        (lambda folder: next(folder.glob("shard-*")).unlink(), "is absent"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read"),
    ],
)
def test_a_damaged_store_is_refused(tmp_path: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(write(tmp_path, k=4))
    with pytest.raises(LimbeckError, match=told):
        StoredTeacher(tmp_path, verify=True)


def test_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match="is not a teacher store"):
        StoredTeacher(tmp_path)


def test_check_refuses_what_differs(store: Path) -> None:
    stored = StoredTeacher(store)
    fingerprint = teacher_fingerprint(teacher())
    stored.check(
        teacher_fingerprint=fingerprint,
        tokenizer=Words("<pad>", "a"),
        template=TEMPLATE,
        vocab_size=VOCAB,
        rows=12,
        data=stored.manifest.data_fingerprint,
    )
    other = tokenizer_fingerprint(Words("a", "<pad>"))
    for asked, told in (
        (
            {"teacher_fingerprint": teacher_fingerprint(teacher(1))},
            f"teacher_fingerprint: the store has {fingerprint[:12]}",
        ),
        ({"tokenizer": other}, f"tokenizer: the store has [0-9a-f]{{12}}, asked was {other[:12]}"),
        ({"tokenizer": Words("<pad>", "b")}, "tokenizer: the store has"),
        ({"template": TEMPLATE + " "}, "template: the store has"),
        ({"vocab_size": VOCAB + 1}, "vocab_size: the store has 300, asked was 301"),
        ({"data": "0" * 64}, "data: the store has [0-9a-f]{12}, asked was 000000000000"),
        ({"rows": 14}, "rows: the store has 12, asked were 14; the first that is missing is 12"),
    ):
        with pytest.raises(LimbeckError, match=told):
            stored.check(**asked)


def test_rows_that_are_missing_or_changed_are_named(store: Path) -> None:
    stored = StoredTeacher(store)
    batch = batch_of(SHUFFLED)
    with pytest.raises(LimbeckError, match=r"row 40 is not in the store \(it has 12, numbered 0 to 11\)"):
        stored(batch | {"row": torch.tensor([11, 3, 40, 7, 5])})
    with pytest.raises(LimbeckError, match="the batch has no 'row'"):
        stored({name: value for name, value in batch.items() if name != "row"})
    for key in ("input_ids", "targets"):
        changed = batch[key].clone()
        changed[3, 0] += 1
        with pytest.raises(LimbeckError, match="row 7 of the data is not what the teacher saw"):
            stored(batch | {key: changed})
    with pytest.raises(LimbeckError, match="row 11 of the data is not what the teacher saw"):
        stored(batch_of(SHUFFLED, prompt=1))
    # Without the comparison, what cannot be read is still refused.
    with pytest.raises(LimbeckError, match="row 0 has other counted positions"):
        StoredTeacher(store, check_rows=False)(batch_of(SHUFFLED, prompt=1))


def test_signals_that_cannot_be_stored(tmp_path: Path) -> None:
    batch = batch_of([0, 1])
    said = teacher()(batch)
    cases: list[tuple[dict[str, Any], Signals, dict[str, Any], str]] = [
        ({}, Signals(), {}, "written from dense logits; the teacher gives NoneType"),
        ({"row": torch.tensor([1, 1])}, said, {}, "a row twice"),
        ({"mask": batch["mask"][:, 1:]}, said, {}, "mask: got"),
        ({}, said, {"hidden": {"1": "row"}}, "the teacher gives no '1'"),
        ({}, Signals(said.logits, {"1": torch.ones(2, 1, 1)}), {"hidden": {"1": "position"}}, "not kept a position"),
        ({}, said, {"seen": ["pictures"]}, "the batch has no tensor 'pictures'"),
    ]
    for number, (changes, signals, settings, told) in enumerate(cases):
        writer = StoreWriter(tmp_path / str(number), StoreSettings(**settings), teacher="toy")
        with writer, pytest.raises(LimbeckError, match=told):
            writer.add(batch | changes, signals)


def test_the_store_is_read_by_need(store: Path) -> None:
    stored = StoredTeacher(store)
    stored(batch_of([0]))
    first = stored._shards[0]["log_probs"]
    maps = Path("/proc/self/maps").read_text()
    assert str(store / stored.manifest.shards[0].file) in maps
    assert first.nbytes == stored.manifest.shards[0].entries * 4


def test_the_fingerprint_sees_every_weight() -> None:
    model = nn.Linear(200, 200)
    before = teacher_fingerprint(model)
    assert teacher_fingerprint(teacher()) == teacher_fingerprint(teacher().model)
    assert teacher_fingerprint(nn.Sequential(model)) != before
    for index in ((3, 7), (199, 198)):
        with torch.no_grad():
            kept = model.weight[index].clone()
            model.weight[index] += 1e-3
            assert teacher_fingerprint(model) != before
            model.weight[index] = kept
    assert teacher_fingerprint(model) == before
    assert teacher_fingerprint(model.half()) != before
