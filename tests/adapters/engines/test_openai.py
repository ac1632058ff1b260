import socket
from collections.abc import Iterator

import pytest
from openai import AsyncOpenAI

from adapters.engines.openai import OpenAIServer
from adapters.engines.protocol import (
    AdapterRefused,
    AdapterWeights,
    EngineBusy,
    EngineError,
    Generation,
    PromptTooLong,
)
from tests.adapters.engines.openai_server import BASE_TOP, QUESTION, Serve, answer, serving

STYLE = AdapterWeights("style@1", "/nowhere", "a" * 64)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with serving() as started:
        yield started


async def test_the_base_answers_under_its_own_name(serve: Serve) -> None:
    engine, served = serve()
    chunks = await answer(engine, max_tokens=9, temperature=0.5, top_p=0.9, seed=3, stop=("END",))
    assert "".join(chunk.text for chunk in chunks) == "base speaks."
    (body,) = served.bodies
    assert body["messages"] == [{"role": "user", "content": "When are you open?"}]
    assert {key: body[key] for key in ("model", "max_tokens", "temperature", "top_p", "seed", "stop")} == {
        "model": "base",
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["END"],
    }


async def test_the_last_chunk_tells_what_answered(serve: Serve) -> None:
    engine, _ = serve()
    await engine.load(STYLE)
    assert engine.adapters() == ("style@1",)
    last = (await answer(engine, adapter="style@1"))[-1]
    assert last.content == ""
    assert last.response_metadata["adapter"] == "style@1"
    assert last.response_metadata["base"] == "b" * 64
    assert last.response_metadata["finish_reason"] == "stop"
    assert last.usage_metadata is not None
    assert (last.usage_metadata["input_tokens"], last.usage_metadata["output_tokens"]) == (7, 2)


async def test_a_loaded_adapter_answers_and_an_unloaded_one_does_not(serve: Serve) -> None:
    engine, served = serve()
    await engine.load(STYLE)
    chunks = [chunk async for chunk in engine.astream(QUESTION, generation=Generation(adapter="style@1"))]
    assert "".join(str(chunk.content) for chunk in chunks) == "lora-style speaks."
    asked = len(served.bodies)
    await engine.unload("style@1")
    with pytest.raises(AdapterRefused, match="loaded: none"):
        await answer(engine, adapter="style@1")
    assert len(served.bodies) == asked, "nothing was generated without it"


async def test_a_server_that_ignores_the_adapter_is_refused(serve: Serve) -> None:
    engine, _ = serve(tops={"base": BASE_TOP, "lora-style": BASE_TOP})
    with pytest.raises(AdapterRefused, match=r"style@1 does not act"):
        await engine.load(STYLE)
    assert engine.adapters() == ()
    await engine.close()


async def test_a_server_without_log_probabilities_cannot_take_adapters(serve: Serve) -> None:
    engine, _ = serve(logprobs=False)
    with pytest.raises(EngineError, match="no log probabilities"):
        await engine.load(STYLE)
    assert engine.adapters() == ()
    await engine.close()


async def test_the_base_may_answer_under_its_full_name_which_is_told(serve: Serve) -> None:
    engine, served = serve(answers_as="base-2024-08-06", models=["base", "base-2024-08-06", "lora-style"])
    for _ in range(2):
        chunks = [chunk async for chunk in engine.astream(QUESTION, generation=Generation())]
        assert "".join(str(chunk.content) for chunk in chunks) == "base speaks."
        assert chunks[-1].response_metadata["answered_as"] == "base-2024-08-06"
    assert served.lists == 1
    await engine.close()


@pytest.mark.parametrize("name", ["lora-style", "lora-unknown"])
async def test_a_base_answered_by_an_adapter_is_refused(serve: Serve, name: str) -> None:
    engine, _ = serve(answers_as=name, models=["base", "lora-style", "lora-unknown"])
    for _ in range(2):
        with pytest.raises(AdapterRefused, match=f"'{name}', asked was 'base'"):
            await engine.ainvoke(QUESTION)
    await engine.close()


async def test_an_adapter_answered_under_another_name_is_refused(serve: Serve) -> None:
    engine, served = serve()
    await engine.load(STYLE)
    served.answers_as = "lora-style-2024-08-06"
    with pytest.raises(AdapterRefused, match="'lora-style-2024-08-06', asked was 'lora-style'"):
        await answer(engine, adapter="style@1")


async def test_a_server_that_lists_nothing_may_name_the_base_as_it_likes(serve: Serve) -> None:
    engine, _ = serve(answers_as="base-2024-08-06", lists_with=404)
    assert "".join(chunk.text for chunk in await answer(engine)) == "base speaks."


async def test_an_adapter_answered_by_the_base_is_refused(serve: Serve) -> None:
    engine, _ = serve(answers_as="base")
    with pytest.raises(AdapterRefused, match="'base', asked was 'lora-style'"):
        await engine.load(STYLE)
    assert engine.adapters() == ()
    await engine.close()


async def test_an_adapter_that_the_server_does_not_list_is_refused(serve: Serve) -> None:
    engine, served = serve(models=["base"])
    with pytest.raises(AdapterRefused, match=r"does not serve 'lora-style' .* it serves base"):
        await engine.load(STYLE)
    assert served.bodies == []
    await engine.close()


async def test_an_adapter_without_a_name_on_the_server_is_refused(serve: Serve) -> None:
    engine, _ = serve()
    with pytest.raises(AdapterRefused, match="No server model is named for the adapter other@1"):
        await engine.load(AdapterWeights("other@1", "/nowhere", "a" * 64))
    await engine.close()


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (429, "slow down", EngineBusy),
        (400, "This model's maximum context length is 8 tokens", PromptTooLong),
        (400, "bad temperature", EngineError),
        (401, "no key", EngineError),
        (500, "out of memory", EngineError),
    ],
)
async def test_the_servers_errors_are_the_engines(
    serve: Serve, status: int, message: str, kind: type[EngineError]
) -> None:
    engine, _ = serve(status=status, error=message)
    with pytest.raises(EngineError) as caught:
        await answer(engine)
    assert type(caught.value) is kind


async def test_an_answer_that_breaks_off_is_an_error_and_not_a_short_answer(serve: Serve) -> None:
    engine, _ = serve(breaks_off=True)
    with pytest.raises(EngineError, match="broke its answer off"):
        await answer(engine)


@pytest.mark.parametrize(
    "line",
    [b"{oops", b'{"choices": [{"delta": {"content": "\xff"}}]}', b'{"choices": ["text"]}', b'["text"]', b"3"],
)
async def test_a_line_that_is_no_part_of_an_answer_is_the_servers_fault(serve: Serve, line: bytes) -> None:
    engine, _ = serve(line=b"data: " + line + b"\n\n")
    with pytest.raises(EngineError, match="sent what is no part of an answer"):
        await answer(engine)


async def test_an_answer_that_a_filter_cut_says_so(serve: Serve) -> None:
    engine, _ = serve(finish="content_filter")
    assert (await answer(engine))[-1].response_metadata["finish_reason"] == "content_filter"


async def test_a_server_that_is_not_there_is_named() -> None:
    client = AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="none", max_retries=0)
    engine = OpenAIServer(client=client, model="base", sha256="b" * 64, served={"style@1": "lora-style"})
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9"):
        await engine.load(STYLE)
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9"):
        await answer(engine)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, "ok"),
        (404, "ok"),
        (429, "ok"),
        (401, "the model server does not answer (AuthenticationError)"),
        (503, "the model server does not answer (InternalServerError)"),
    ],
)
async def test_its_state_is_whether_the_server_answers(serve: Serve, status: int, state: str) -> None:
    engine, served = serve()
    served.status, served.error = status, "wrong key: sk-secret"
    assert await engine.state() == state


async def test_a_server_that_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.engines.openai.STATE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = AsyncOpenAI(base_url=f"http://127.0.0.1:{silent.getsockname()[1]}/v1", api_key="none")
        engine = OpenAIServer(client=client, model="base", sha256="b" * 64, served={})
        assert await engine.state() == "the model server does not answer (APITimeoutError)"
        await engine.close()


async def test_a_server_that_is_not_there_is_told() -> None:
    client = AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="none")
    engine = OpenAIServer(client=client, model="base", sha256="b" * 64, served={})
    assert await engine.state() == "the model server does not answer (APIConnectionError)"
    await engine.close()
