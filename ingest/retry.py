"""Work that failed is tried again in the background: when someone misses it, and not too often."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Retry:
    """Safe to use from several threads. The work reports its own failures, each with `failed`."""

    def __init__(self, work: Callable[[], None], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._due: float | None = None
        self._claiming = threading.Lock()
        self._background = ThreadPoolExecutor(1)
        self.closing = False

    @property
    def has_failed(self) -> bool:
        """Whether anything failed since the work began last."""
        return self._due is not None

    def begun(self) -> None:
        self._due = None

    def failed(self) -> None:
        self._due = time.monotonic() + self._seconds

    def missed(self) -> None:
        """Starts the work if it failed, `seconds` have passed since, and nobody else has started it."""
        with self._claiming:
            if not self.closing and self._due is not None and time.monotonic() >= self._due:
                self._due = None
                self._background.submit(self._work)

    def close(self) -> None:
        """Waits for work that is under way, which may look at `closing`; none is started from here on."""
        with self._claiming:
            self.closing = True
        self._background.shutdown(cancel_futures=True)
