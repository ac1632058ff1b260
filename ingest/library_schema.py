"""The tables of the library, for SQLite and PostgreSQL."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 2

metadata = MetaData()

library_version = Table("library_version", metadata, Column("version", Integer, primary_key=True))

collections = Table(
    "collections",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, index=True),
    Column("fingerprint", String, nullable=False),
    Column("serving", Boolean, nullable=False),
    UniqueConstraint("name", "fingerprint"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", String, primary_key=True),
    Column("collection_id", ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("source", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("sections", Text, nullable=False),  # JSON: the parsed text, from which another splitter can start
    Column("updated", String, nullable=False),
    UniqueConstraint("collection_id", "source"),
)

labels = Table(
    "labels",
    metadata,
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("label", String, primary_key=True),
)

chunks = Table(
    "chunks",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("headings", Text, nullable=False),  # one a line
    Column("text", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
    Column("sentences", Text, nullable=False),  # one a line
    Column("sentence_vectors", LargeBinary, nullable=False),  # one after the other
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("collection_id", String, nullable=False),
    Column("document_id", String, nullable=False),
    Column("removed", Text, nullable=False),  # JSON: ids of the chunks that the change took away
    sqlite_autoincrement=True,
)

failures = Table(
    "failures",
    metadata,
    Column("collection", String, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("happened", String, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("report", Text),
    Column("started", String, nullable=False),
    Column("finished", String),  # while it runs: when its service last said that it works on it
)

# SQLite's word index keeps no copy of the text: it refers to the chunks, and triggers keep it equal to them.
WORDS = {
    "sqlite": (
        "CREATE VIRTUAL TABLE chunk_words USING fts5(title, headings, text,"
        " content='chunks', content_rowid='number', tokenize='porter unicode61')",
        "CREATE TRIGGER chunk_words_insert AFTER INSERT ON chunks BEGIN"
        " INSERT INTO chunk_words(rowid, title, headings, text)"
        " VALUES (new.number, new.title, new.headings, new.text); END",
        "CREATE TRIGGER chunk_words_delete AFTER DELETE ON chunks BEGIN"
        " INSERT INTO chunk_words(chunk_words, rowid, title, headings, text)"
        " VALUES ('delete', old.number, old.title, old.headings, old.text); END",
    ),
    "postgresql": (
        "ALTER TABLE chunks ADD COLUMN words tsvector GENERATED ALWAYS AS ("
        "to_tsvector('english', title || ' ' || headings || ' ' || text)) STORED",
        "CREATE INDEX chunk_words ON chunks USING gin(words)",
    ),
}
