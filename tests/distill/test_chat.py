"""Of a dialogue the assistant's words are learnt, whatever the template and the tokenizer make of their borders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import transformers
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from limbeck.batch import IGNORED
from limbeck.distill.config import Data, DistillConfig
from limbeck.distill.examples import Encoder, Example
from limbeck.distill.rows import Row
from limbeck.distill.run import distill
from limbeck.errors import LimbeckError
from tests.distill.toys import TEMPLATE, byte_level, project, tokenizer, write_jsonl

DIALOGUE = [
    {"role": "user", "content": "the dog"},
    {"role": "assistant", "content": "sleeps."},
    {"role": "user", "content": "a cat"},
    {"role": "assistant", "content": "Ähm 🐈 runs"},
    {"role": "user", "content": "far"},
]
MARKED = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
LINES = (
    "{% for message in messages %}{{ '\\n' if not loop.first }}{{ message.role }}: {{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '\\n' }}assistant: {% endif %}"
)
PARAGRAPHS = (
    "{% for message in messages %}{{ '\\n' if not loop.first }}{{ message.role }}: {{ message.content }}{{ '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '\\n' }}assistant: {% endif %}"
)
SPACED = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}</s> {% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def encoded(messages: Any, made: PreTrainedTokenizerFast | None = None, **data: Any) -> Example:
    made = tokenizer() if made is None else made
    settings = Data(train="unused.jsonl", **data)  # type: ignore[arg-type]
    (example,) = Encoder("causal-lm", settings, made)([Row({"messages": messages}, "here")])
    return example


def learnt(example: Example, made: PreTrainedTokenizerFast) -> list[str]:
    """The texts of what is learnt on end; each target must be the token that follows."""
    runs: list[list[int]] = [[]]
    for target, following in zip(example.targets, [*example.input_ids[1:], IGNORED], strict=True):
        if target == IGNORED:
            runs.append([])
        else:
            assert target == following
            runs[-1].append(target)
    return [made.decode(run) for run in runs if run]


def test_only_the_assistant_is_learnt() -> None:
    messages = [{**message, "content": message["content"].strip(".")} for message in DIALOGUE[:3]]
    example = encoded([*messages, {"role": "assistant", "content": "runs far"}])
    assert learnt(example, tokenizer()) == ["sleeps </s>", "runs far </s>"]
    at = next(at for at, target in enumerate(example.targets) if target != IGNORED)
    assert tokenizer().convert_ids_to_tokens(example.input_ids[at]) == "assistant"


@pytest.mark.parametrize("trimmed", [False, True])
@pytest.mark.parametrize(
    ("template", "parts", "texts"),
    [
        (MARKED, False, [" sleeps.</s>", "Ähm 🐈 runs</s>"]),
        (MARKED, True, [" sleeps.</s>", "Ähm 🐈 runs</s>"]),
        (SPACED, False, [" sleeps.</s>", "Ähm 🐈 runs</s>"]),
        (SPACED, True, [" sleeps.</s>", "Ähm 🐈 runs</s>"]),
        (LINES, False, [" sleeps.", "Ähm 🐈 runs"]),
        # A full stop and the next turn's line break are one token here, and so are two line breaks.
        (LINES, True, [" sleeps.\n", "Ähm 🐈 runs"]),
        (PARAGRAPHS, False, [" sleeps.\n", "Ähm 🐈 runs\n"]),
        (PARAGRAPHS, True, [" sleeps.\n", "Ähm 🐈 runs\n\n"]),
    ],
)
def test_tokens_that_reach_over_a_border_leave_no_word_out(
    template: str, parts: bool, texts: list[str], trimmed: bool
) -> None:
    """The generation prompt ends with a space, which a byte-level tokenizer makes a part of the first word."""
    made = byte_level(parts=parts)
    made.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=trimmed)
    made.chat_template = template
    assert learnt(encoded(DIALOGUE, made), made) == texts


ANEW = "{% for message in messages %}{{ messages | length }} {{ message.content }} {% endfor %}"
OTHERWISE = "{% for message in messages %}{{ message.content }} {% endfor %}{{ 'a' if add_generation_prompt }}"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (ANEW, "here: the chat template writes earlier turns anew when more follow"),
        (OTHERWISE, "here: the chat template begins the assistant's turn otherwise than where it is asked for one"),
        ("{{ raise_exception('no') }}", "here: the chat template: no"),
    ],
)
def test_a_template_that_does_not_tell_whose_is_what_is_refused(template: str, message: str) -> None:
    made = byte_level()
    made.chat_template = template
    with pytest.raises(LimbeckError) as caught:
        encoded(DIALOGUE, made)
    assert str(caught.value).startswith(message)


def said(content: Any, role: Any = "assistant") -> list[dict[str, Any]]:
    return [{"role": "user", "content": "a"}, {"role": role, "content": content}]


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        (["a dog"], "here: column 'messages', message 1 is 'a dog', expected 'role' and 'content'"),
        (said("a", "user"), "here: no message of the role 'assistant'"),
        ([*said("a"), {"role": "assistant", "tool_calls": []}], "here: column 'messages', message 3 is {'role': "),
        (said(""), "here: column 'messages', message 2: 'content' is empty, so there is nothing to learn"),
        (said(" \n"), "here: column 'messages', message 2: 'content' is empty"),
        (said(None), "here: column 'messages', message 2: 'content' is None, expected text"),
        (said(3), "here: column 'messages', message 2: 'content' is 3, expected text"),
        (said([{"type": "text"}], "user"), "here: column 'messages', message 2: 'content' is [{'type': 'text'}], "),
        (said("a", 1), "here: column 'messages', message 2: 'role' is 1, expected text"),
        (said("\ud800"), "here: column 'messages': '\\ud800' at character"),
    ],
)
def test_a_wrong_message_is_told_by_its_place(messages: Any, message: str) -> None:
    with pytest.raises(LimbeckError) as caught:
        encoded(messages)
    assert str(caught.value).startswith(message)


def test_a_user_may_say_nothing() -> None:
    example = encoded([{"role": "user", "content": ""}, {"role": "assistant", "content": "runs far"}])
    assert learnt(example, tokenizer()) == ["runs far </s>"]


def test_the_student_is_saved_with_the_template_that_was_used(tmp_path: Path) -> None:
    (tmp_path / "own.jinja").write_text(MARKED, encoding="utf-8")
    path = project(tmp_path, data={"train": "train.jsonl", "val": "train.jsonl", "template": "own.jinja"})
    for rows, template in (([{"messages": DIALOGUE}], MARKED), ([{"text": "the dog sleeps"}], TEMPLATE)):
        write_jsonl(tmp_path / "train.jsonl", rows)
        done = distill(
            DistillConfig.read_changed(path, ["plan.max_steps=1"]), tmp_path / str(len(template)), progress=False
        )
        assert transformers.AutoTokenizer.from_pretrained(done.model).chat_template == template


def test_a_template_that_is_absent_is_told(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match=r"data\.template: no such file"):
        encoded(DIALOGUE, template=tmp_path / "none.jinja")


def test_a_template_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.jinja").write_bytes(b"\xe4{{ messages }}")
    with pytest.raises(LimbeckError, match=r"data\.template: .*latin\.jinja: not UTF-8 \(.*, byte 0\)"):
        encoded(DIALOGUE, template=tmp_path / "latin.jinja")
