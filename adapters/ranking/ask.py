"""What the ranker reads: a passage and a question; then it says Yes or No. One form for training and serving."""

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from adapters.prompt import PromptTemplate

FORM = PromptTemplate("answers", 1, "You check whether a text answers a question. Say Yes or No.")
YES, NO = "Yes", "No"
# More of it says nothing new about what is asked, and takes time.
CHARACTERS = 600


def messages(passage: str, question: str, earlier: str = "") -> tuple[BaseMessage, ...]:
    """Does the passage answer the question? A follow-up comes after the question before it, as one of its own.

    In one sentence with it, the passage that answers the first would do.
    """
    asked = [one.strip()[-CHARACTERS:] for one in (earlier, question) if one]
    return SystemMessage(FORM.text), HumanMessage("\n\nQuestion: ".join((passage, *asked)))
