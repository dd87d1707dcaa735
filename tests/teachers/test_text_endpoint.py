"""Text teachers against a real server: whatever it does, answers are kept and errors are one line."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from limbeck.errors import LimbeckError
from limbeck.teachers.text.base import BudgetError, EndpointError, TextSettings
from limbeck.teachers.text.budget import Limits
from limbeck.teachers.text.endpoint import EndpointSettings, EndpointTeacher
from tests.teachers.endpoint import Endpoint, Reply, good

KEY = "sk-a-secret-of-the-test"
QUICK: dict[str, Any] = {"model": "parrot", "backoff": 0.01, "retries": 2, "timeout": 5.0}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def teacher(endpoint: Endpoint, folder: Path, **settings: Any) -> EndpointTeacher:
    return EndpointTeacher(
        EndpointSettings(**{**QUICK, "base_url": endpoint.url, **settings}), folder / "answers.jsonl"
    )


def fault(body: str, status: int = 200, **more: Any) -> Any:
    return lambda asked: Reply(body, status, **more)


def test_answers_come_in_order_and_are_asked_once(tmp_path: Path) -> None:
    prompts = [*(f"word {number}" for number in range(20)), "word 3"]
    slow_first = [fault("{}", 500), *([lambda asked: Reply(good(asked).body, delay=0.05)] * 4)]
    with Endpoint(*slow_first) as endpoint, teacher(endpoint, tmp_path, concurrency=4) as parrot:
        answers = parrot.complete(prompts)
        assert [answer.text for answer in answers] == [prompt.upper() for prompt in prompts]
        assert len(endpoint.asked) == 21
        assert 1 < endpoint.most_at_once <= 4
        assert (parrot.budget.tokens, answers[0].cached) == (20 * 20, False)
        again = parrot.complete(prompts[:3])
        assert [answer.cached for answer in again] == [True] * 3
        assert len(endpoint.asked) == 21
    with Endpoint() as silent, teacher(silent, tmp_path) as parrot:
        assert [one.text for one in parrot.complete(prompts)] == [prompt.upper() for prompt in prompts]
        assert not silent.asked


def test_what_is_sent(tmp_path: Path) -> None:
    sampling = TextSettings(max_tokens=7, temperature=0.5, top_p=0.9, seed=3, stop=("END",))
    conversation = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße"}]
    with Endpoint() as endpoint, teacher(endpoint, tmp_path) as parrot:
        assert parrot.complete([conversation], sampling)[0].text == "GRÜSSE"
        for other in (TextSettings(), sampling.model_copy(update={"seed": 4})):
            parrot.complete([conversation], other)
        assert len(endpoint.asked) == 3
        assert endpoint.headers[0]["authorization"] == f"Bearer {KEY}"
        assert endpoint.asked[0] == {
            "model": "parrot",
            "messages": conversation,
            "max_tokens": 7,
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 3,
            "stop": ["END"],
        }


FAULTS = {
    "status 500": (fault('{"error": "broken"}', 500), r"status 500 \(\{\"error\": \"broken\"\}\)"),
    "status 429": (fault("{}", 429), "status 429"),
    "a page": (
        fault("<html><body>Welcome\n</body></html>", kind="text/html"),
        "is not JSON .<html><body>Welcome </body>",
    ),
    "half an answer": (fault('{"choices": [{"mess'), "is not JSON"),
    "no choices": (fault('{"object": "chat.completion"}'), "has no choice with a message"),
    "empty choices": (fault('{"choices": []}'), "has no choice with a message"),
    "a list": (fault("[]"), "has no choice with a message"),
    "no text": (fault('{"choices": [{"message": {"content": null}}]}'), "the message has no text"),
    "nothing": (fault(""), "is not JSON"),
    "too late": (fault("{}", delay=0.6), "no answer within 0.2 seconds"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_asked_for_again(tmp_path: Path, name: str) -> None:
    reply, told = FAULTS[name]
    settings = {"timeout": 0.2} if name == "too late" else {}
    with Endpoint(reply, reply) as endpoint, teacher(endpoint, tmp_path, **settings) as parrot:
        assert parrot.complete(["hello"])[0].text == "HELLO"
        assert len(endpoint.asked) == 3
    with Endpoint(good, then=reply) as endpoint, teacher(endpoint, tmp_path, concurrency=1, **settings) as parrot:
        with pytest.raises(EndpointError, match=told) as found:
            parrot.complete(["kept", "lost", "never asked"])
        assert len(endpoint.asked) == 4
        assert "\n" not in str(found.value)
        assert "after 3 attempts (1 of 3 answers are in" in str(found.value)
    # Later the endpoint is well again, and only what is missing is asked for.
    with Endpoint() as endpoint, teacher(endpoint, tmp_path) as parrot:
        assert [one.text for one in parrot.complete(["kept", "lost", "never asked"])] == ["KEPT", "LOST", "NEVER ASKED"]
        assert sorted(one["messages"][0]["content"] for one in endpoint.asked) == ["lost", "never asked"]


def test_no_server_at_all(tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        pass
    with teacher(endpoint, tmp_path) as parrot, pytest.raises(EndpointError, match=r"no connection .*after 3 attempts"):
        parrot.complete(["hello"])


def test_the_endpoint_says_when(tmp_path: Path) -> None:
    busy = fault("{}", 429, headers={"retry-after": "0.5"})
    with Endpoint(busy) as endpoint, teacher(endpoint, tmp_path) as parrot:
        parrot.complete(["hello"])
        assert endpoint.times[1] - endpoint.times[0] >= 0.5
    forever = fault("{}", 503, headers={"retry-after": "86400"})
    with Endpoint(forever) as endpoint, teacher(endpoint, tmp_path, longest_wait=0.1) as parrot:
        assert parrot.complete(["bye"])[0].text == "BYE"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_will_not_change_is_not_asked_for_again(tmp_path: Path, status: int) -> None:
    body = json.dumps({"error": {"message": f"no such thing for {KEY}\nat all"}})
    with Endpoint(then=fault(body, status)) as endpoint, teacher(endpoint, tmp_path) as parrot:
        with pytest.raises(EndpointError, match=f"parrot at {endpoint.url}/: status {status} ") as found:
            parrot.complete(["hello"])
        assert len(endpoint.asked) == 1
        assert KEY not in str(found.value)
        assert "***" in str(found.value)


def test_the_key_is_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with Endpoint(fault("{}", 500)) as endpoint, teacher(endpoint, tmp_path) as parrot:
        parrot.complete(["hello"])
        shown = [repr(parrot.settings), repr(vars(parrot.settings)), (tmp_path / "answers.jsonl").read_text()]
    assert not any(KEY in text for text in [*shown, caplog.text, *capsys.readouterr()])


def test_the_key_comes_from_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: dict[str, Any] = {"model": "parrot", "api_key": KEY}
    with pytest.raises(LimbeckError, match="unknown key 'api_key'"):
        EndpointSettings(**wrong)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(LimbeckError, match="OPENAI_API_KEY is not set"):
        EndpointTeacher(EndpointSettings(model="parrot"), tmp_path / "answers.jsonl")
    monkeypatch.setenv("OTHER_KEY", "sk-other")
    with Endpoint() as endpoint:
        for variable, sent in (("OTHER_KEY", "Bearer sk-other"), ("NONE", "Bearer none")):
            with teacher(endpoint, tmp_path, key_variable=variable) as parrot:
                parrot.complete([variable])
            assert endpoint.headers[-1]["authorization"] == sent


def test_a_token_limit_is_not_passed(tmp_path: Path) -> None:
    prompts = [f"{number}" for number in range(40)]
    sampling = TextSettings(max_tokens=50)
    with Endpoint() as endpoint, teacher(endpoint, tmp_path, limits={"tokens": 300}) as parrot:
        with pytest.raises(BudgetError, match=r"budget does not allow one more: .* of 300 tokens") as found:
            parrot.complete(prompts, sampling)
        done = len(endpoint.asked)
        assert parrot.budget.tokens == 20 * done <= 300
        assert 10 <= done <= 15
        assert f"({done} of 40 answers are in" in str(found.value)
    with Endpoint() as endpoint, teacher(endpoint, tmp_path) as parrot:
        assert len(parrot.complete(prompts, sampling)) == 40
        assert len(endpoint.asked) == 40 - done


def test_a_cost_limit_is_not_passed(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match="'cost' needs 'input_price' and 'output_price'"):
        Limits(cost=1)
    # Of 10 tokens each way, an answer costs 0.0001 + 0.0004.
    limits = {"cost": 0.005, "input_price": 10, "output_price": 40}
    with Endpoint() as endpoint, teacher(endpoint, tmp_path, limits=limits) as parrot:
        with pytest.raises(BudgetError, match=r"0\.00\d+ of 0.005 in cost"):
            parrot.complete([f"{number}" for number in range(40)], TextSettings(max_tokens=20))
        assert 6 <= len(endpoint.asked) <= 10
        assert parrot.budget.cost == pytest.approx(0.0005 * len(endpoint.asked))
        assert parrot.budget.cost <= 0.005


def test_an_endpoint_that_does_not_count_is_counted_at_most(tmp_path: Path) -> None:
    body = json.loads(good({"messages": [{"content": "a"}]}).body)
    del body["usage"]
    with (
        Endpoint(then=fault(json.dumps(body))) as endpoint,
        teacher(endpoint, tmp_path, limits={"tokens": 100}) as parrot,
    ):
        answer = parrot.complete(["hello"], TextSettings(max_tokens=60))[0]
        assert (answer.prompt_tokens, answer.completion_tokens) == (5 + 16, 60)
        with pytest.raises(BudgetError):
            parrot.complete(["again"], TextSettings(max_tokens=60))


def test_wrong_prompts(tmp_path: Path) -> None:
    with Endpoint() as endpoint, teacher(endpoint, tmp_path) as parrot:
        for prompt, told in (([], "no message"), ([{"content": "a"}], "a 'role' and a 'content'")):
            with pytest.raises(LimbeckError, match=told):
                parrot.complete(["fine", prompt])
        assert parrot.complete([]) == []
        assert not endpoint.asked
