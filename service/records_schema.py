"""The tables of the records, beside the library's in the same database."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, MetaData, String, Table, Text, text

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
    # The database fills it in for an earlier program, which knows of no versions.
    Column("bucket_version", Integer, primary_key=True, autoincrement=False, server_default=text("0")),
    Column("arm", String, primary_key=True),
    Column("factor", String, nullable=False),
    Column("value", String, nullable=False),
    Column("message_id", ForeignKey("messages.id"), nullable=False),  # the answer that exposed the unit first
    Column("created", String, nullable=False),
)

# Only ever added to: the word with the highest number counts, the earlier ones are its history.
outcomes = Table(
    "outcomes",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("message_id", ForeignKey("messages.id"), nullable=False, index=True),
    Column("rating", String, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("comment", Text),
    Column("corrected_answer", Text),
    Column("escalated", Boolean, nullable=False),
    Column("follow_up_needed", Boolean, nullable=False),
    Column("created", String, nullable=False),
)

# Of each experiment the act with the highest number counts; taking over a file numbers them anew.
experiment_acts = Table(
    "experiment_acts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("by", String, nullable=False),
    Column("act", String, nullable=False),
    Column("experiment", String, nullable=False),
)

# What the first program kept: read where it is there, and never made.
old_feedback = Table(
    "feedback",
    MetaData(),
    Column("message_id", String, primary_key=True),
    Column("rating", String, nullable=False),
    Column("reason", Text),
    Column("created", String, nullable=False),
)
