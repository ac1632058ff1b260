"""Who was exposed to which arm, as the records keep it: a unit's first answer under each."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, inspect, select

from service.plan import Exposure
from service.records_schema import exposures, messages


@dataclass(frozen=True, slots=True)
class StoredExposure:
    """A unit's first answer under an arm of a bucket version."""

    exposure: Exposure
    message_id: str
    created: str


def stored_exposures(connection: Connection, experiment: str) -> list[StoredExposure]:
    """Of every unit in every bucket version, the oldest first."""
    statement = select(exposures).join(messages).where(exposures.c.experiment == experiment)
    rows = connection.execute(statement.order_by(messages.c.number))
    return [StoredExposure(exposure_of(row), row.message_id, row.created) for row in rows]


def past_exposures(connection: Connection, unit: str, experiments: Collection[str]) -> list[Exposure]:
    """The oldest first, in every bucket version."""
    statement = (
        select(exposures)
        .join(messages)
        .where(exposures.c.unit == unit, exposures.c.experiment.in_(experiments))
        .order_by(messages.c.number)
    )
    return [exposure_of(row) for row in connection.execute(statement)]


def row_of(exposure: Exposure) -> dict[str, Any]:
    """Without the seed, which the settings have."""
    return {name: value for name, value in asdict(exposure).items() if name in exposures.c}


def exposure_of(row: Row[Any]) -> Exposure:
    return Exposure(row.experiment, row.arm, row.unit, row.factor, row.value, row.bucket_version)


def add_bucket_versions(connection: Connection) -> None:
    """What an earlier program kept was under version 0.

    SQLite changes no primary key, so the table is made anew; the earlier program still works with it.
    """
    if "bucket_version" in {column["name"] for column in inspect(connection).get_columns(exposures.name)}:
        return
    connection.exec_driver_sql("CREATE TABLE exposures_before AS SELECT * FROM exposures")
    exposures.drop(connection)
    exposures.create(connection)
    connection.exec_driver_sql(
        "INSERT INTO exposures (experiment, unit, arm, factor, value, message_id, created) "
        "SELECT experiment, unit, arm, factor, value, message_id, created FROM exposures_before"
    )
    connection.exec_driver_sql("DROP TABLE exposures_before")
