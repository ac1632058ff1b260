from ingest.library import Library


def test_a_job_tells_how_far_it_is_and_how_it_ended(library: Library) -> None:
    job = library.jobs.start("sync", total=5)
    library.jobs.progress(job.id, 2, 5)
    running = library.jobs.get(job.id)
    assert running is not None
    assert (running.state, running.done, running.total, running.report) == ("running", 2, 5, None)
    library.jobs.finish(job.id, {"added": ["a.md"]})
    done = library.jobs.get(job.id)
    assert done is not None
    assert (done.state, done.report) == ("done", {"added": ["a.md"]})
    assert done.finished is not None


def test_a_failed_job_keeps_its_reason(library: Library) -> None:
    job = library.jobs.start("sync")
    library.jobs.fail(job.id, "disk full")
    failed = library.jobs.get(job.id)
    assert failed is not None
    assert (failed.state, failed.report) == ("failed", {"error": "disk full"})


def test_a_killed_process_leaves_no_job_running(library: Library) -> None:
    done, cut = library.jobs.start("sync"), library.jobs.start("sync")
    library.jobs.finish(done.id, {})
    assert library.jobs.fail_interrupted() == 1
    assert {job.id: job.state for job in library.jobs.recent()} == {done.id: "done", cut.id: "failed"}


def test_an_unknown_job_is_none(library: Library) -> None:
    assert library.jobs.get("unknown") is None
