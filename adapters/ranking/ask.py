"""What the ranker reads: a passage, and after it the question as the answer. One form for training and serving."""

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from adapters.prompt import PromptTemplate

FORM = PromptTemplate("question", 1, "You know what people ask who need a text. Say the question of one of them.")
# More of it says nothing new about which passage is meant, and takes time.
CHARACTERS = 600


def messages(passage: str) -> tuple[BaseMessage, ...]:
    """The prompt that a question is likely to follow, if the passage answers it."""
    return SystemMessage(FORM.text), HumanMessage(passage)


def asked(question: str) -> str:
    """The question as it is learnt and scored: of a long story the end."""
    return question.strip()[-CHARACTERS:]
