"""The tables of the records, beside the library's in the same database."""

from sqlalchemy import JSON, Column, ForeignKey, Integer, MetaData, String, Table, Text

metadata = MetaData()

conversations = Table(
    "conversations",
    metadata,
    Column("id", String, primary_key=True),
    Column("user", String),
    Column("started", String, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False, index=True),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("manifest", JSON, nullable=False),
    Column("created", String, nullable=False),
)

exposures = Table(
    "exposures",
    metadata,
    Column("experiment", String, primary_key=True),
    Column("unit", String, primary_key=True),
    Column("arm", String, primary_key=True),
    Column("factor", String, nullable=False),
    Column("value", String, nullable=False),
    Column("message_id", ForeignKey("messages.id"), nullable=False),  # the answer that exposed the unit first
    Column("created", String, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("message_id", ForeignKey("messages.id"), primary_key=True),
    Column("rating", String, nullable=False),
    Column("reason", Text),
    Column("created", String, nullable=False),
)
