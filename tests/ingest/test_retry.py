import threading
import time
from contextlib import closing

from ingest.retry import Retry


def test_nothing_starts_without_a_failure() -> None:
    started = threading.Event()
    retry = Retry(started.set, seconds=0)
    retry.missed()
    retry.close()
    assert not started.is_set()


def test_nothing_starts_before_its_time() -> None:
    started = threading.Event()
    retry = Retry(started.set, seconds=3600)
    retry.failed()
    retry.missed()
    retry.close()
    assert retry.has_failed
    assert not started.is_set()


def test_of_many_who_miss_it_one_starts_the_work_until_it_fails_again() -> None:
    runs, let_go = [], threading.Event()

    def work() -> None:
        runs.append(threading.current_thread())
        assert let_go.wait(60)
        if len(runs) == 1:
            retry.failed()

    with closing(Retry(work, seconds=0)) as retry:
        retry.failed()
        for _ in range(5):
            retry.missed()
        let_go.set()
        while not retry.has_failed:
            time.sleep(0.001)
        retry.missed()
        while len(runs) < 2:
            time.sleep(0.001)
        retry.missed()
    assert len(runs) == 2
    assert threading.current_thread() not in runs


def test_closing_waits_for_the_work_and_lets_it_know() -> None:
    ended: list[bool] = []
    begun = threading.Event()

    def work() -> None:
        begun.set()
        while not retry.closing:
            time.sleep(0.001)
        ended.append(True)

    retry = Retry(work, seconds=0)
    retry.failed()
    retry.missed()
    assert begun.wait(60)
    retry.close()
    assert ended
    retry.failed()
    retry.missed()
