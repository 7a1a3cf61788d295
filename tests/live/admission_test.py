"""Who is let in: limits on requests at once and per second, queues with priorities, tenants."""

import json
import threading
import time

from live import run
from serving import Serve, Worker, response, wait_until

QUICK = ("--disable-health-check",)


def gated():
    """A worker that answers one request for each release of its gate."""
    worker = Worker()
    worker.gate = threading.Semaphore(0)

    def script(worker, connection, request):
        worker.gate.acquire()
        return response()

    worker.script = script
    return worker


def ask_behind(router, answers, name, **question):
    """Asks on a thread of its own, and is back when the router has the request."""
    before = router.metrics()["sglsim_queue_waiting"]
    thread = threading.Thread(target=lambda: answers.append((name, router.ask(**question))))
    thread.start()
    wait_until(lambda: router.metrics()["sglsim_queue_waiting"] > before, "a place in the queue")
    return thread


def test_priorities_are_let_in_first_and_their_word_is_cut_out():
    for threads in ("1", "3"):
        worker = gated()
        options = ("--max-concurrent-requests", "1", "--threads", threads)
        with Serve([worker], *QUICK, *options) as router:
            answers = []
            first = threading.Thread(target=lambda: answers.append(("first", router.ask())))
            first.start()
            wait_until(lambda: worker.sent() == 1, "the first")
            behind = [
                ask_behind(router, answers, "low", body=b'{"priority":"low","n":1}'),
                ask_behind(router, answers, "normal", body=b'{"n":1.10, "priority":7}'),
                ask_behind(router, answers, "field", fields=[("x-priority", "high")]),
                ask_behind(router, answers, "high", body=b'{"n":1,"priority":"high"}'),
            ]
            for count in range(1, 6):
                wait_until(lambda: worker.sent() == count, "the next")
                assert router.metrics()["sglsim_queue_running"] == 1
                worker.gate.release()
            for thread in [first, *behind]:
                thread.join()
        assert [body for _, body in worker.requests] == [
            b"{}", b"{}", b'{"n":1}', b'{"n":1.10, "priority":7}', b'{"n":1}']
        assert {answer[0] for _, answer in answers} == {200}
        assert router.rows("SELECT priority FROM request ORDER BY request") == [
            ("normal",), ("high",), ("high",), ("normal",), ("low",)]


def test_the_word_is_left_when_asked_for():
    worker = Worker()
    with Serve([worker], *QUICK, "--priority-forward") as router:
        assert router.ask(body=b'{"priority":"low"}')[0] == 200
    assert worker.requests[0][1] == b'{"priority":"low"}'


def test_a_full_queue_refuses_and_waiting_ends():
    worker = gated()
    options = ("--max-concurrent-requests", "1", "--queue-size", "1", "--queue-timeout-secs", "0.5")
    with Serve([worker], *QUICK, *options) as router:
        answers = []
        first = threading.Thread(target=lambda: answers.append(("first", router.ask())))
        first.start()
        wait_until(lambda: worker.sent() == 1, "the first")
        second = ask_behind(router, answers, "second")
        full = router.ask()
        assert full[0] == 429 and int(full[1]["retry-after"]) >= 1, full
        assert json.loads(full[2])["error"]["type"] == "queue_full"
        second.join()
        assert answers[0][1][0] == 408, answers
        assert json.loads(answers[0][1][2])["error"]["type"] == "queue_timeout"
        worker.gate.release()
        first.join()
        figures = router.metrics()
        assert figures['sglsim_rejected_requests_total{error="queue_full"}'] == 1
        assert figures['sglsim_rejected_requests_total{error="queue_timeout"}'] == 1
        assert figures['sglang_router_requests_total{status="429"}'] == 1
    assert sorted(map(str, router.words())) == ["None", "queue_full", "queue_timeout"]
    assert router.rows("SELECT count(*) FROM input WHERE kind = 'reject'") == [(2,)]
    assert worker.sent() == 1


def test_who_leaves_the_queue_makes_room():
    worker = gated()
    options = ("--max-concurrent-requests", "1", "--queue-size", "1")
    with Serve([worker], *QUICK, *options) as router:
        answers = []
        first = threading.Thread(target=lambda: answers.append(("first", router.ask())))
        first.start()
        wait_until(lambda: worker.sent() == 1, "the first")

        def impatient():
            try:
                router.ask(timeout=0.3)
            except TimeoutError:
                pass

        leaving = threading.Thread(target=impatient)
        leaving.start()
        leaving.join()
        wait_until(lambda: router.metrics()["sglsim_queue_waiting"] == 0, "the room")
        third = ask_behind(router, answers, "third")
        worker.gate.release(2)
        first.join()
        third.join()
        assert [answer[0] for _, answer in answers] == [200, 200]
    assert worker.sent() == 2
    assert sorted(map(str, router.words())) == ["None", "None", "client_abort"]


def test_a_rate_is_kept():
    worker = Worker()
    options = ("--rate-limit-tokens-per-second", "20", "--queue-size", "200")
    with Serve([worker], *QUICK, *options) as router:
        begun = time.monotonic()
        answers = router.many(40)
        assert {answer[0] for answer in answers} == {200}
        assert time.monotonic() - begun > 0.9  # 20 at once, the other 20 need a second
    worker = Worker()
    options = ("--rate-limit-tokens-per-second", "0.1", "--queue-size", "0")
    with Serve([worker], *QUICK, *options) as router:
        assert router.ask()[0] == 200
        answer = router.ask()
        assert answer[0] == 429 and 1 <= int(answer[1]["retry-after"]) <= 10, answer
    assert router.words() == [None, "rate_limited"]


def test_tenants_have_buckets_of_their_own():
    worker = Worker()
    options = ("--tenant-header", "x-tenant", "--tenant-rate-limit-tokens-per-second", "0.01")
    hostile = "'; DROP TABLE request; --"
    with Serve([worker], *QUICK, *options) as router:
        assert router.ask(fields=[("x-tenant", "a")])[0] == 200
        answer = router.ask(fields=[("x-tenant", "a")])
        assert answer[0] == 429 and 1 <= int(answer[1]["retry-after"]) <= 100
        assert router.ask(fields=[("x-tenant", hostile)])[0] == 200
        assert [router.ask()[0] for _ in range(3)] == [200] * 3  # of nobody
    assert [tenant for tenant, in router.rows("SELECT tenant FROM request ORDER BY request")] == [
        "a", hostile, None, None, None]


def test_what_waits_when_the_router_stops_is_told():
    worker = gated()
    options = ("--max-concurrent-requests", "1", "--drain-timeout-secs", "0.3")
    with Serve([worker], *QUICK, *options) as router:
        answers = []
        first = threading.Thread(target=lambda: answers.append(("first", router.ask())))
        first.start()
        wait_until(lambda: worker.sent() == 1, "the first")
        second = ask_behind(router, answers, "second")
        router.stop()
        first.join()
        second.join()
    assert [answer[0] for _, answer in answers] == [503, 503]
    assert router.words() == ["shutdown", "shutdown"]


run(globals())
