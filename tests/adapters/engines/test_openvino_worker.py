import io
from queue import SimpleQueue
from typing import Any

from adapters.engines.openvino_worker import Worker


class Opened:
    """A lane; while it is looked at, the opener's thread is done with another one."""

    def __init__(self, lanes: dict[str | None, Any]) -> None:
        self.lanes = lanes

    @property
    def busy(self) -> bool:
        self.lanes["style@1"] = self
        return False

    def cancel(self, number: int) -> None:
        self.lanes["style@2"] = self


def test_a_lane_may_be_added_while_the_lanes_are_looked_through() -> None:
    requests: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    worker = Worker(requests, io.StringIO(), {})
    worker.lanes[None] = Opened(worker.lanes)  # type: ignore[assignment]
    requests.put({"id": 1, "act": "cancel"})
    requests.put(None)
    worker.run()
    assert set(worker.lanes) == {None, "style@1", "style@2"}
