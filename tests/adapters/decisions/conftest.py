"""The hospital's policy, and a few hundred records of it."""

import pytest

from adapters.decisions.generate import Phrases, generated, read_phrases
from adapters.decisions.pack import PHRASES, POLICY
from adapters.decisions.policy import Policy, read_policy
from adapters.decisions.records import Record
from configs.load import HOSPITAL

FOLDER = HOSPITAL.parent / "decisions"


@pytest.fixture(scope="session")
def policy() -> Policy:
    return read_policy(FOLDER / POLICY)


@pytest.fixture(scope="session")
def phrases() -> Phrases:
    return read_phrases(FOLDER / PHRASES)


@pytest.fixture(scope="session")
def records(policy: Policy, phrases: Phrases) -> list[Record]:
    return generated(policy, phrases, 400, 3)
