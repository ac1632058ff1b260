"""Prometheus metrics of one app, in a registry of its own."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from service.events import Delta, Done, Event
from service.plan import FACTORS, Manifest

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Metrics:
    """All counters; labels hold no text of users and only a bounded number of values."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self.requests = Counter("triptych_requests", "HTTP requests.", ["method", "route", "status"], registry=own)
        self.answers = Counter(
            "triptych_answers",
            "Finished answers, by how they came about and by the layers that acted.",
            ["path", "engine", *FACTORS],
            registry=own,
        )
        self.ends = Counter(
            "triptych_answer_ends", "How answers ended: done, failed or stopped.", ["end"], registry=own
        )
        self.running = Gauge("triptych_running_answers", "Answers being made now.", registry=own)
        self.first_token = Histogram(
            "triptych_first_token_seconds", "Time to an answer's first text.", buckets=SECONDS, registry=own
        )
        self.stages = Histogram(
            "triptych_stage_seconds", "Time of each stage.", ["stage"], buckets=SECONDS, registry=own
        )
        self.tokens = Counter("triptych_tokens", "Tokens in and out.", ["kind"], registry=own)
        self.index_degraded = Gauge(
            "triptych_index_degraded", "1 while searches are exact, but slow, without the index.", registry=own
        )

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def request(self, method: str, route: str, status: int) -> None:
        self.requests.labels(method if method in METHODS else "other", route, status).inc()

    def answered(self, manifest: Manifest) -> None:
        acted = ["off" if getattr(manifest.acted, factor) is None else "on" for factor in FACTORS]
        self.answers.labels(manifest.path, manifest.engine, *acted).inc()
        for kind, count in manifest.tokens.items():
            self.tokens.labels(kind).inc(count)
        for stage, milliseconds in manifest.timings.items():
            self.stages.labels(stage).observe(milliseconds / 1000)


class AnswerWatch:
    """Measures one answer from its start, through its events, to whatever ends it."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.silent = True

    def __enter__(self) -> "AnswerWatch":
        self.started = time.perf_counter()
        self.metrics.running.inc()
        return self

    def see(self, event: Event) -> None:
        if self.silent and isinstance(event, Delta):
            self.silent = False
            self.metrics.first_token.observe(time.perf_counter() - self.started)
        elif isinstance(event, Done):
            self.metrics.answered(event.manifest)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.metrics.running.dec()
        failed = kind is not None and issubclass(kind, Exception)
        self.metrics.ends.labels("done" if kind is None else "failed" if failed else "stopped").inc()
