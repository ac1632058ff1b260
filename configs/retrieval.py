"""The retrieval layer in the settings: its own search, others by name, and LangChain's retrievers among them."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from configs.section import Section, Share, Switch

# Of these a Chroma collection can be made, also with a fingerprint behind it.
COLLECTION = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
CollectionName = Annotated[str, Field(pattern=f"^{COLLECTION.pattern}$")]


class LangChainRetriever(Section):
    """`retriever` MODULE:NAME gives a LangChain retriever when it is called with `options`; NAME may have dots.

    Who may read a Document stands in its metadata as `labels`, a list. `unlabelled`: one without them is for
    everybody (public), or for nobody (hidden).
    """

    retriever: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")
    options: dict[str, Any] = Field(default_factory=dict)
    unlabelled: Literal["public", "hidden"] = "hidden"


class Search(Section):
    """Another way to search: what is not named is as in the layer. `ranker` off: search's own order stays.

    With `langchain` it is a retriever of one's own, which takes `passages` and `ranker` from here, nothing else.
    """

    collection: CollectionName | None = None
    passages: int | None = Field(default=None, gt=0, le=20)
    candidates: int | None = Field(default=None, gt=0, le=1000)
    dense_weight: Share | None = None
    page_weight: float | None = Field(default=None, ge=0, lt=1)
    min_score: Share | None = None
    min_cosine: Share | None = None
    min_share: Share | None = None
    ranker: Switch = "on"
    langchain: LangChainRetriever | None = None

    @model_validator(mode="after")
    def a_retriever_of_ones_own_searches_alone(self) -> "Search":
        values = self.model_dump(exclude={"passages", "ranker", "langchain"}, exclude_none=True)
        if self.langchain and values:
            raise ValueError(f"beside langchain only passages and ranker can stand; take out {', '.join(values)}")
        return self


class RetrievalLayer(Section):
    """`page_weight`: this share of a passage's score is its page's: the best of both searches anywhere on it.

    `min_score`: passages below it are not shown; the score runs from 0 to 1.

    `min_share`: nor are those below this share of the best one's score, which only distract a small model.
    `min_cosine`: where no passage is so near to the question, none is shown: it is about something else.
    `searches`: other ways, each under a name that can stand in the layer wherever a collection's can. `search`:
    the one of them that `on` means, instead of the collection's own.
    """

    switch: Switch
    collection: CollectionName
    passages: int = Field(gt=0, le=20)
    candidates: int = Field(gt=0, le=1000)
    dense_weight: Share
    page_weight: float = Field(ge=0, lt=1)
    min_score: Share
    min_cosine: Share
    min_share: Share
    search: CollectionName | None
    searches: dict[CollectionName, Search]

    @property
    def name(self) -> str:
        """What `on` means."""
        return self.search or self.collection

    @model_validator(mode="after")
    def names_mean_one_thing(self) -> "RetrievalLayer":
        if self.collection in self.searches:
            raise ValueError(f"searches: {self.collection} is the collection's own name; choose another one")
        if self.search not in (None, *self.searches):
            raise ValueError(f"search: {self.search} is none of the searches: {', '.join(self.searches) or 'none'}")
        return self
