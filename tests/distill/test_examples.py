"""What of a row is read, what is learnt, and what a wrong row is told."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from limbeck.batch import IGNORED
from limbeck.distill.batches import Collator
from limbeck.distill.classes import class_names
from limbeck.distill.config import Data, TaskName
from limbeck.distill.examples import Encoder, Example, packed
from limbeck.distill.rows import Row
from limbeck.errors import LimbeckError
from tests.distill.toys import causal, tokenizer

END = 1


def encoded(task: TaskName, values: dict[str, Any], *, labels: tuple[str, ...] = (), **data: Any) -> Example:
    settings = Data(train="unused.jsonl", **data)  # type: ignore[arg-type]
    (example,) = Encoder(task, settings, tokenizer(marks=task != "causal-lm"), labels)([Row(values, "here")])
    return example


def ids(text: str) -> list[int]:
    made = tokenizer()
    return [made.convert_tokens_to_ids(word) for word in text.split()]


def test_text_is_learnt_from_the_second_token_to_the_end_mark() -> None:
    example = encoded("causal-lm", {"text": "the dog sleeps"})
    assert example.input_ids == [*ids("the dog sleeps"), END]
    assert example.targets == [*ids("dog sleeps"), END, IGNORED]


def test_of_a_completion_only_its_own_tokens_are_learnt() -> None:
    example = encoded("causal-lm", {"prompt": "the dog", "completion": "sees a cat"})
    assert example.input_ids == [*ids("the dog sees a cat"), END]
    # The last token of the prompt predicts the first of the completion: the mask is made after the shift.
    assert example.targets == [IGNORED, *ids("sees a cat"), END, IGNORED]


@pytest.mark.parametrize(
    ("most", "kept", "learnt"),
    [(5, "dog sees a cat", "sees a cat"), (3, "dog sees a", "sees a"), (2, "dog sees", "sees")],
)
def test_a_long_prompt_is_cut_at_its_beginning(most: int, kept: str, learnt: str) -> None:
    example = encoded("causal-lm", {"prompt": "the red dog", "completion": "sees a cat"}, max_length=most)
    assert example.input_ids[: len(ids(kept))] == ids(kept)
    assert [target for target in example.targets if target not in (IGNORED, END)] == ids(learnt)


DIALOGUE = [{"role": "user", "content": "the dog"}, {"role": "assistant", "content": "sleeps"}]


@pytest.mark.parametrize(
    ("columns", "learnt"),
    [
        ({"text": "story"}, "cat sees the house"),
        ({"prompt": "prompt", "completion": "story"}, "a cat sees the house"),
        ({"completion": "story"}, "a cat sees the house"),
        ({"messages": "said"}, "sleeps"),
    ],
)
def test_what_is_named_in_columns_is_learnt_whatever_else_there_is(columns: dict[str, str], learnt: str) -> None:
    values = {"story": "a cat sees the house", "said": DIALOGUE, "prompt": "the dog", "completion": "runs far"}
    values |= {"text": "a film", "messages": [*DIALOGUE, *DIALOGUE]}
    example = encoded("causal-lm", values, columns=columns)
    assert [target for target in example.targets if target != IGNORED] == [*ids(learnt), END]


def test_a_word_of_a_token_classification_is_judged_once() -> None:
    example = encoded("token-classification", {"tokens": ["the", "dog"], "labels": ["O", "B"]}, labels=("B", "O"))
    assert example.targets == [IGNORED, 1, 0, IGNORED]


def test_a_token_of_the_label_that_does_not_count_is_not_learnt() -> None:
    found = [Row({"labels": [-100, "B", "O"]}, "here")]
    assert class_names(found, "labels", lists=True) == ["B", "O"]
    values = {"tokens": ["the", "dog", "runs"], "labels": [-100, 1, 0]}
    assert encoded("token-classification", values, labels=("B", "O")).targets == [IGNORED, IGNORED, 1, 0, IGNORED]


@pytest.mark.parametrize(
    ("task", "values", "message"),
    [
        ("causal-lm", {"txt": "a dog"}, "here: no column 'text'; did you mean 'txt'?"),
        ("causal-lm", {"text": 3}, "here: column 'text' is 3, expected text"),
        ("causal-lm", {"text": "  "}, "here: column 'text' is empty"),
        ("causal-lm", {"prompt": "a dog", "completion": ""}, "here: column 'completion' is empty"),
        (
            "causal-lm",
            {"text": "a", "prompt": "a", "completion": "b"},
            "here: 'text', 'prompt', 'completion' are not all learnt from; choose with data.columns: {text: text} or "
            "{prompt: prompt}",
        ),
        ("causal-lm", {"messages": DIALOGUE, "prompt": "a"}, "here: 'prompt', 'messages' are not all learnt from"),
        ("causal-lm", {"completion": "b"}, "here: no column 'prompt'"),
        ("seq2seq", {"source": "a dog"}, "here: no column 'target'"),
        ("sequence-classification", {"text": "a dog", "label": "maybe"}, "here: no class 'maybe'"),
        ("sequence-classification", {"text": "a dog", "label": " "}, "here: column 'label' is empty"),
        ("token-classification", {"tokens": ["a", "b"], "labels": ["no", ""]}, "here: column 'labels' holds ''"),
        ("token-classification", {"tokens": ["a"], "labels": []}, "here: column 'labels' is empty"),
        ("token-classification", {"tokens": [], "labels": ["no"]}, "here: 0 tokens and 1 labels"),
        ("token-classification", {"tokens": [1, 2], "labels": [0, 1]}, "here: column 'tokens' holds 1, expected text"),
        (
            "token-classification",
            {"tokens": ["a"], "labels": [None]},
            "here: column 'labels' holds None, expected a name",
        ),
        (
            "token-classification",
            {"tokens": ["\ud800"], "labels": ["no"]},
            "here: column 'tokens': '\\ud800' at character 1",
        ),
        (
            "causal-lm",
            {"text": "a \ud800"},
            "here: column 'text': '\\ud800' at character 3 is half a surrogate pair",
        ),
        ("causal-lm", {"prompt": "a", "completion": "\udfff"}, "here: column 'completion': '\\udfff' at character 1"),
        ("seq2seq", {"source": "a", "target": "\ud800"}, "here: column 'target': '\\ud800'"),
        ("sequence-classification", {"text": "\ud800", "label": "no"}, "here: column 'text': '\\ud800'"),
        ("sequence-classification", {"text": "a", "label": "²"}, "here: no class '²' in column 'label'"),
    ],
)
def test_a_wrong_row_is_told_by_its_place(task: TaskName, values: dict[str, Any], message: str) -> None:
    with pytest.raises(LimbeckError) as caught:
        encoded(task, values, labels=("no", "yes"))
    assert str(caught.value).startswith(message)


def test_a_source_and_a_target_that_are_cut_keep_their_end_marks() -> None:
    values = {"source": "the red dog sleeps", "target": "a cat runs far"}
    example = encoded("seq2seq", values, max_length=4)
    start = tokenizer().bos_token_id
    assert example.input_ids == [start, *ids("the red"), END]
    assert example.targets == [start, *ids("a cat"), END]
    with pytest.raises(LimbeckError, match=r"here: 6 tokens, and data\.max_length is 4"):
        encoded("seq2seq", values, max_length=4, long="error")


def test_what_is_too_long_can_be_an_error() -> None:
    with pytest.raises(LimbeckError, match=r"here: 4 tokens, and data\.max_length is 3"):
        encoded("causal-lm", {"text": "the dog sleeps"}, max_length=3, long="error")


def test_packed_rows_do_not_see_one_another() -> None:
    """The logits of each row are those that it has alone; and what is counted is the same."""
    torch.manual_seed(0)
    model = causal().eval()
    alone = [encoded("causal-lm", {"text": text}) for text in ("the dog sleeps", "a red cat sees the house", "a dog")]
    (first, second) = packed(alone, max_length=12)
    assert (first.starts, len(second.input_ids)) == ((0, 4), 3)
    batch = Collator("causal-lm", 0, pack=True)([(0, first), (1, second)])
    with torch.no_grad():
        found = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
        places = [(0, 0), (0, 4), (1, 0)]
        for example, (row, start) in zip(alone, places, strict=True):
            expected = model(input_ids=torch.tensor([example.input_ids])).logits[0]
            torch.testing.assert_close(found[row, start : start + len(expected)], expected)
            targets = batch["targets"][row, start : start + len(expected)]
            assert targets.tolist() == example.targets


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "here: column 'labels' is empty"),
        (["B", " "], "here: column 'labels' holds ' ', expected a name or a whole number"),
        ([-100], "here: column 'labels': here and in all other rows every label is -100"),
        (["\ud800"], "here: column 'labels': '\\ud800' at character 1"),
    ],
)
def test_labels_that_name_no_class_are_told(labels: list[Any], message: str) -> None:
    with pytest.raises(LimbeckError) as caught:
        class_names([Row({"labels": labels}, "here")], "labels", lists=True)
    assert str(caught.value).startswith(message)
