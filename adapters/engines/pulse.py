"""Does a generating thread of this process hang, or has it nothing to do?"""

import asyncio
import time


class Pulse:
    """The signs of threads that generate while answers are owed. One that hangs cannot be killed, only told of."""

    def __init__(self) -> None:
        self._owed: set[asyncio.Future[None]] = set()
        self._last = 0.0

    def owe(self, work: asyncio.Future[None]) -> None:
        """Somebody waits until `work` is done; who leaves before sets nothing back."""
        if not self._owed:
            self.beat()
        self._owed.add(work)
        work.add_done_callback(self._owed.discard)

    def beat(self) -> None:
        """A sign: something was read or written."""
        self._last = time.monotonic()

    def state(self, silence_seconds: float) -> str:
        """ "ok", or for how long nothing has come where something is owed."""
        silent = time.monotonic() - self._last
        if self._owed and silent > silence_seconds:
            return f"answers are owed, and generation has given no sign for {silent:.0f} s; restart the service"
        return "ok"
