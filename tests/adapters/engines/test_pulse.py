import asyncio

from adapters.engines.pulse import Pulse


def owed() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def test_who_owes_nothing_need_give_no_sign() -> None:
    assert Pulse().state(0) == "ok"


async def test_the_first_answer_after_an_idle_time_is_not_late_at_once() -> None:
    pulse = Pulse()
    pulse.owe(owed())
    assert pulse.state(30) == "ok"


async def test_silence_is_told_until_a_sign_comes_or_nothing_is_owed() -> None:
    pulse, work = Pulse(), owed()
    pulse.owe(work)
    assert "no sign for 0 s" in pulse.state(-1)
    pulse.beat()
    assert pulse.state(30) == "ok"
    work.set_result(None)
    await asyncio.sleep(0)
    assert pulse.state(-1) == "ok"


async def test_another_question_is_no_sign() -> None:
    pulse = Pulse()
    pulse.owe(owed())
    last = pulse._last
    pulse.owe(owed())
    assert pulse._last == last
