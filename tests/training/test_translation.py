"""The translation task: its loss by hand, pictures that are missing, and any split of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor

from limbeck.batch import IGNORED, Batch
from limbeck.losses.term import Term
from limbeck.methods.base import Method
from limbeck.methods.ikd import InversionDistillation
from limbeck.methods.imagination import Imagination
from limbeck.models.vision.maps import MapSpec, maps_to_json
from limbeck.training.loop import fit
from limbeck.training.plan import Plan
from limbeck.training.step import StepGradient
from limbeck.training.translation import TranslationTask
from tests.methods.toys import real_maps, vision
from tests.models.toys import EOS, translator

SOURCE = torch.tensor([[5, 6, 7, EOS], [8, EOS, 0, 0], [9, 10, EOS, 0], [11, 4, 6, EOS]])
LABELS = torch.tensor([[7, 6, 5, EOS, IGNORED], [8, EOS, *[IGNORED] * 3], [4, 4, 10, 9, EOS], [3, EOS, *[IGNORED] * 3]])
PRESENT = torch.tensor([True, False, True, True])
TEACHER = vision()


def batch_of(rows: Sequence[int] = range(4), present: Tensor = PRESENT) -> Batch:
    """Some sentences of the four, with the maps of those that have a picture."""
    chosen = list(rows)
    number = torch.tensor([row for row in chosen if present[row]], dtype=torch.long)
    maps = {name: value[number] for name, value in real_maps(TEACHER, 4).items()}
    return {"input_ids": SOURCE[chosen], "labels": LABELS[chosen], "maps": maps, "present": present[chosen]}


def task_of(visual: str, **choices: Any) -> TranslationTask:
    changes: dict[str, Any] = {"vision_maps": maps_to_json(TEACHER.maps)} if visual != "none" else {}
    model = translator(visual, dropout=choices.pop("dropout", 0.0), **changes)
    method: Method | None = None
    if visual == "generated":
        method = InversionDistillation(TEACHER.maps, TEACHER, grain="block")
    elif visual == "predicted":
        method = Imagination(TEACHER.top)
    return TranslationTask(model, method, **choices).double().train()


def gradient_of(task: TranslationTask, batches: list[Batch]) -> dict[str, Tensor]:
    task.zero_grad()
    StepGradient(task, task, Accelerator(cpu=True), "fp32")(batches)
    return {name: value.grad.clone() for name, value in task.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("visual", ["none", "given", "generated", "predicted"])
def test_translation_is_the_plain_cross_entropy(visual: str, smoothing: float) -> None:
    task = task_of(visual, smoothing=smoothing)
    term = task(batch_of())["translation"]
    features = None
    if visual == "given":
        features = torch.zeros(4, 8, 4, 4, dtype=torch.float64)
        features[PRESENT] = real_maps(TEACHER, 4)["stage2"][PRESENT]
    shown = {"visual_features": features, "visual_mask": PRESENT} if visual == "given" else {}
    logits = task.model(SOURCE, labels=LABELS, **shown).logits
    plain = F.cross_entropy(logits.flatten(0, 1), LABELS.flatten(), label_smoothing=smoothing, reduction="sum")
    torch.testing.assert_close(term.total, plain)
    assert float(term.count) == float((LABELS != IGNORED).sum())
    parameters = [task.model.encoder.embedding.weight, *task.model.decoder.parameters()]
    for one, other in zip(
        torch.autograd.grad(term.total, parameters), torch.autograd.grad(plain, parameters), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_terms_count_the_pictures_that_are_there() -> None:
    terms = task_of("generated")(batch_of())
    assert terms.keys() == {"translation", "kd1/image", "kd1/stage1", "kd1/stage2", "kd2/stage1", "kd2/stage2"}
    assert {float(term.count) for name, term in terms.items() if name != "translation"} == {3.0}
    # The generated maps of the right sentences are compared: each alone adds up to all.
    alone = [task_of("generated")(batch_of([row])) for row in range(4)]
    for name, term in terms.items():
        torch.testing.assert_close(term.total, torch.stack([part[name].total for part in alone]).sum())


@pytest.mark.parametrize("visual", ["given", "generated", "predicted"])
def test_no_picture_at_all(visual: str) -> None:
    task = task_of(visual)
    batch = batch_of(present=torch.zeros(4, dtype=torch.bool))
    terms = task(batch)
    assert terms.keys() == task(batch_of()).keys()
    assert all(float(term.count) == 0 for name, term in terms.items() if name != "translation")
    gradients = gradient_of(task, [batch])
    assert gradients["model.encoder.embedding.weight"].abs().sum() > 0
    assert all(value.isfinite().all() for value in gradients.values())


def test_a_translator_with_pictures_does_not_see_those_of_others() -> None:
    """Whatever stands in the maps belongs to the sentences that have one; the sentence without is as text alone."""
    task = task_of("given").eval()
    batch = batch_of()
    other = {**batch, "maps": {name: value.flip(0) * 5 for name, value in batch["maps"].items()}}
    one, two = (task({**b, "labels": LABELS.masked_fill(PRESENT[:, None], IGNORED)}) for b in (batch, other))
    assert torch.equal(one["translation"].total, two["translation"].total)
    assert not torch.equal(task(batch)["translation"].total, task(other)["translation"].total)


@pytest.mark.parametrize("visual", ["none", "given", "generated"])
@pytest.mark.parametrize("halves", [[[0, 1], [2, 3]], [[1], [0, 2, 3]], [[0], [1], [2], [3]]])
def test_any_split_gives_the_same_gradient(visual: str, halves: list[list[int]]) -> None:
    """Also where a part has no picture."""
    task = task_of(visual)
    whole, parts = gradient_of(task, [batch_of()]), gradient_of(task, [batch_of(rows) for rows in halves])
    assert whole.keys() == parts.keys()
    assert len(whole) > 30
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-7, atol=1e-10, msg=name)


def test_weights_of_the_method_are_taken_over() -> None:
    assert task_of("none").weights == {"translation": 1.0}
    assert task_of("predicted").weights == {"translation": pytest.approx(0.89), "imagination": 0.11}
    assert task_of("generated").weights["translation"] == 1.0


def test_imagination_sees_the_sentences_with_pictures() -> None:
    task = task_of("predicted")
    encoded = task.model.encoder(SOURCE)
    real = real_maps(TEACHER, 4)["stage2"][PRESENT].mean((2, 3))
    predicted = task.model.imagined(encoded)[PRESENT]
    similarity = F.normalize(predicted, dim=1) @ F.normalize(real, dim=1).T
    violations = F.relu(0.1 - similarity.diag()[:, None] + similarity) * (1 - torch.eye(3))
    torch.testing.assert_close(task(batch_of())["imagination"].total, violations.sum() / 2)


def test_rdrop() -> None:
    """Two passes that differ by dropout: their mean cross-entropy, and how far they are apart."""
    plain, drawn = task_of("none", dropout=0.0, rdrop=2.0), task_of("none", dropout=0.4, rdrop=2.0)
    torch.testing.assert_close(plain(batch_of())["translation"].total, task_of("none")(batch_of())["translation"].total)
    torch.manual_seed(5)
    found = drawn(batch_of())["translation"]
    torch.manual_seed(5)
    twice = [torch.cat([value, value]) for value in (SOURCE, drawn.model.shift_right(LABELS))]
    states = drawn.model.decode(twice[1], drawn.model.encoder(twice[0]))
    one, two = (part[LABELS != IGNORED] for part in drawn.model.project(states).log_softmax(-1).chunk(2))
    right = LABELS[LABELS != IGNORED]
    cross_entropy = sum(F.cross_entropy(view, right, label_smoothing=0.1, reduction="sum") for view in (one, two)) / 2
    apart = ((one.exp() - two.exp()) * (one - two)).sum() / 2
    assert apart > 1e-3
    torch.testing.assert_close(found.total, cross_entropy + 2.0 * apart)
    assert float(found.count) == len(right)
    still = task_of("none", dropout=0.4).eval()
    torch.testing.assert_close(drawn.eval()(batch_of())["translation"].total, still(batch_of())["translation"].total)


def test_rdrop_goes_with_pictures() -> None:
    for visual in ("given", "generated", "predicted"):
        one, two = task_of(visual)(batch_of()), task_of(visual, rdrop=1.0)(batch_of())
        assert one.keys() == two.keys()
        for name, term in one.items():
            torch.testing.assert_close(two[name].total, term.total)
            assert float(two[name].count) == float(term.count)


def test_some_pictures_go_through_the_lower_maps() -> None:
    terms = task_of("generated", pictures=2)(batch_of())
    counts = {name: float(term.count) for name, term in terms.items() if name != "translation"}
    assert counts == {"kd1/image": 2, "kd1/stage1": 2, "kd1/stage2": 3, "kd2/stage1": 2, "kd2/stage2": 2}
    first = task_of("generated")(batch_of([0, 1, 2]))
    torch.testing.assert_close(terms["kd2/stage2"].total, first["kd2/stage2"].total)


def test_only_the_top_map_is_made_where_no_other_is_compared() -> None:
    maps = [MapSpec("pooled", 4, 1, 1, "model")]
    model = translator("generated", vision_maps=maps_to_json(maps))
    task = TranslationTask(model, InversionDistillation(maps, None, kd2=0)).double()
    real = torch.randn(3, 4, 1, 1, dtype=torch.float64)
    terms = task({"input_ids": SOURCE, "labels": LABELS, "maps": {"pooled": real}, "present": PRESENT})
    made = model.encoder(SOURCE).top_map[PRESENT]
    torch.testing.assert_close(terms["kd1/pooled"].total, ((made - real) ** 2).mean((1, 2, 3)).sum())


def test_the_generator_learns_its_pictures() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = [MapSpec("image", 3, 8, 8, "model"), MapSpec("top", 6, 2, 2, "model")]
    real = {spec.name: torch.randn(8, spec.channels, spec.height, spec.width, generator=generator) for spec in maps}
    model = translator("generated", vision_maps=maps_to_json(maps), dropout=0.0, d_model=16, unpool_rank=16).float()
    ids = torch.cat([torch.randint(3, 13, (8, 4), generator=generator), torch.full((8, 1), EOS)], dim=1)
    batch = {"input_ids": ids, "labels": ids.flip(1), "maps": real, "present": torch.ones(8, dtype=torch.bool)}
    task = TranslationTask(model, InversionDistillation(maps, None, kd2=0))

    def means() -> dict[str, float]:
        with torch.no_grad():
            terms: dict[str, Term] = task.eval()(batch)
        return {name: float(term.mean()) for name, term in terms.items()}

    before = means()
    fit(task, [batch], Plan(lr=2e-2, max_steps=30, schedule="constant"), progress=False)
    after = means()
    assert before["kd1/top"] > 0.9
    assert after["kd1/top"] < 0.5 * before["kd1/top"]
    assert after["kd1/image"] < 0.9 * before["kd1/image"]
    assert after["translation"] < before["translation"]
