"""Keyword search in the library: a person's question to a safe query, ranked by the database."""

import re
from collections.abc import Collection as Items

from sqlalchemy import Connection, String, bindparam, text

from ingest.documents import Hit

_MAX_WORDS = 64

_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a about am an and any are as at be been being but by can could d did do does doing don
        for from get had has have having he her here him his how i if in into is it its just ll
        m me mine my no not of on or our re s shall she should so some such t than that the
        their them then there these they this those to too ve was we were what when where which
        who whom why will with would you your""",
    )
)

# Title, headings and text count alike: in measurements on real questions every other weighting found less, and
# PostgreSQL's ts_rank_cd, which looks for words that stand together, far less than its ts_rank.
_ALLOWED = """
    documents.collection_id = :collection_id
    AND EXISTS (SELECT 1 FROM labels WHERE labels.document_id = documents.id AND labels.label IN :labels)
"""
_SQLITE = f"""
    SELECT chunks.id, -bm25(chunk_words) AS score
    FROM chunk_words
    JOIN chunks ON chunks.number = chunk_words.rowid
    JOIN documents ON documents.id = chunks.document_id
    WHERE chunk_words MATCH :query AND {_ALLOWED}
    ORDER BY score DESC, chunks.id LIMIT :limit
"""  # noqa: S608
_POSTGRES = f"""
    SELECT chunks.id, ts_rank(words, query, 1) AS score
    FROM to_tsquery('english', :query) AS query, chunks
    JOIN documents ON documents.id = chunks.document_id
    WHERE chunks.words @@ query AND {_ALLOWED}
    ORDER BY score DESC, chunks.id LIMIT :limit
"""  # noqa: S608


def search_words(
    connection: Connection, collection_id: str, question: str, limit: int, labels: Items[str]
) -> list[Hit]:
    """The chunks that share the most telling words with the question, best first."""
    words = search_terms(question)
    if not words:
        return []
    if connection.dialect.name == "sqlite":
        statement, query = text(_SQLITE), " OR ".join(f'"{word}"' for word in words)
    else:
        statement, query = text(_POSTGRES), " | ".join(f"'{word}'" for word in words)
    statement = statement.bindparams(bindparam("labels", type_=String, expanding=True))
    values = {"query": query, "collection_id": collection_id, "labels": list(labels), "limit": limit}
    return [Hit(row.id, row.score) for row in connection.execute(statement, values)]


def search_terms(question: str) -> list[str]:
    """The question's different words without stop words; only letters and digits, so safe in any query."""
    words = list(dict.fromkeys(re.findall(r"[^\W_]+", question.lower())))
    telling = [word for word in words if word not in _STOP_WORDS]
    return (telling or words)[:_MAX_WORDS]
