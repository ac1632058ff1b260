"""How many answers are made at once; one more is refused at once instead of queued."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, nullcontext

from service.answer import Chatbot, Question
from service.errors import Overloaded
from service.events import Event
from service.metrics import AnswerWatch, Metrics
from service.plan import Plan


class Admission:
    """Gives out places for answers, and measures the answers that got one."""

    def __init__(self, places: int, metrics: Metrics) -> None:
        self.places = places
        self.taken = 0
        self.metrics = metrics

    @contextmanager
    def place(self) -> Iterator[None]:
        if self.taken >= self.places:
            raise Overloaded(f"All {self.places} places for answers are taken. Ask again in a moment.")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def answer(self, chatbot: Chatbot, question: Question, plan: Plan) -> AsyncGenerator[Event]:
        """The answer's events. The place is taken with the first one and given back when this is closed."""
        # Help is never refused for want of a place; a fixed text costs nearly nothing.
        place = nullcontext() if await chatbot.urgent(question.text) else self.place()
        with place, AnswerWatch(self.metrics) as watch:
            async with aclosing(chatbot.answer(question, plan)) as events:
                async for event in events:
                    watch.see(event)
                    yield event
