"""What goes wrong at workers, and what their router's clients and log get to see of it."""

import signal
import threading
import time

from live import run
from serving import (
    Serve, Worker, close, event, good, hang, reset, response, status, stream, wait_until,
    STREAM_HEAD,
)

QUICK = ("--retry-initial-backoff-ms", "5", "--disable-health-check")


def test_a_worker_that_closes_or_resets_before_a_byte_costs_a_retry_only():
    for script in (close, reset):
        bad, other = Worker(script), Worker()
        with Serve([bad, other], *QUICK) as router:
            for _ in range(4):
                assert router.ask()[0] == 200
        assert other.sent() == 4
        assert router.words().count("connection_lost") == bad.sent() > 0
        assert router.words().count(None) == 4


def test_the_breaker_opens_and_the_worker_gets_nothing_more():
    bad, other = Worker(close), Worker()
    options = ("--cb-failure-threshold", "3", "--cb-timeout-duration-secs", "60")
    with Serve([bad, other], *QUICK, *options) as router:
        for _ in range(12):
            assert router.ask()[0] == 200
        assert router.metrics()[f'sglang_router_worker_breaker{{worker="{bad.url}"}}'] == 1
    assert bad.sent() == 3 and other.sent() == 12


def test_a_breaker_closes_again_after_good_trials():
    worker = Worker(close)
    options = ("--cb-failure-threshold", "2", "--cb-timeout-duration-secs", "0.2", "--disable-retries",
               "--cb-success-threshold", "2")
    with Serve([worker], *QUICK, *options) as router:
        assert [router.ask()[0] for _ in range(3)] == [502, 502, 503]
        worker.script = good
        time.sleep(0.25)
        assert [router.ask()[0] for _ in range(4)] == [200] * 4
        assert router.metrics()[f'sglang_router_worker_breaker{{worker="{worker.url}"}}'] == 0
    assert router.words() == ["connection_lost", "connection_lost", "no_worker"] + [None] * 4


def test_without_a_breaker_there_is_none():
    worker = Worker(close)
    with Serve([worker], *QUICK, "--disable-circuit-breaker", "--disable-retries") as router:
        assert [router.ask()[0] for _ in range(12)] == [502] * 12


def test_all_ejected_is_503_with_retry_after_or_panic():
    for panic, expected in (("off", 503), ("on", 200)):
        workers = [Worker(close), Worker(close)]
        options = ("--cb-failure-threshold", "1", "--disable-retries", "--panic", panic)
        with Serve(workers, *QUICK, *options) as router:
            assert [router.ask()[0] for _ in range(2)] == [502, 502]
            for worker in workers:
                worker.script = good
            answer = router.ask()
            assert answer[0] == expected, answer
            if expected == 503:
                assert int(answer[1]["retry-after"]) >= 1
                assert b"no_available_workers" in answer[2]


def test_hangs_end_in_one_total_deadline():
    def half(worker, connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
        return hang(worker, connection, request)

    for script in (hang, half):
        worker, other = Worker(script), Worker(script)
        with Serve([worker, other], *QUICK, "--request-timeout-secs", "1") as router:
            begun = time.monotonic()
            assert router.ask()[0] == 504
            assert 0.9 < time.monotonic() - begun < 20
        assert worker.sent() + other.sent() == 1  # what timed out is not sent again
        assert router.words() == ["timeout"]


def test_a_worker_that_does_not_begin_is_given_up_sooner():
    worker = Worker(hang)
    with Serve([worker], *QUICK, "--first-byte-timeout-secs", "0.3") as router:
        assert router.ask()[0] == 504
    assert router.words() == ["first_byte_timeout"]


def test_a_stream_that_is_cut_ends_in_an_error_event_and_never_in_done():
    def cut(end):
        def script(worker, connection, request):
            connection.sendall(STREAM_HEAD + event(b'{"text":"a"}'))
            time.sleep(0.05)
            return end(worker, connection, request)
        return script

    for end, word in ((close, "stream_cut"), (reset, "stream_cut"), (hang, "idle_timeout")):
        worker = Worker(cut(end))
        options = ("--cb-failure-threshold", "1", "--stream-idle-timeout-secs", "0.4")
        with Serve([worker], *QUICK, *options) as router:
            answer = router.ask()
            assert answer[0] == 200 and answer[-1] == "broken", answer
            assert b'data: {"text":"a"}' in answer[2] and b'"error"' in answer[2], answer
            assert b"[DONE]" not in answer[2]
            assert router.ask()[0] == 503  # it has counted
        assert worker.sent() == 1
        assert router.words() == [word, "no_worker"]


def test_a_stream_without_its_end_and_an_error_inside_it_pass():
    def unended(worker, connection, request):
        return STREAM_HEAD + event(b'{"text":"a"}') + b"0\r\n\r\n"

    def failed(worker, connection, request):
        return STREAM_HEAD + event(b'{"error":{"message":"no"}}') + b"0\r\n\r\n"

    for script, word in ((unended, "no_done"), (failed, "error_event")):
        with Serve([Worker(script)], *QUICK) as router:
            answer = router.ask()
            assert len(answer) == 3 and b"[DONE]" not in answer[2]
        assert router.words() == [word]


def test_busy_and_wrong_are_passed_on_and_no_fault_of_the_worker():
    worker = Worker(status(b"429 Too Many Requests", b"Retry-After: 7\r\n"))
    options = ("--cb-failure-threshold", "1", "--max-total-retries", "1")
    with Serve([worker], *QUICK, *options) as router:
        answer = router.ask()
        assert answer[0] == 429 and answer[1]["retry-after"] == "7"
        worker.script = status(b"400 Bad Request")
        assert router.ask()[0] == 400
        assert worker.sent() == 3
        worker.script = good
        assert router.ask()[0] == 200
    assert router.words() == ["http_429", "http_429", "http_400", None]


def test_retries_stay_within_their_budget():
    workers = [Worker(status(b"500 No")) for _ in range(3)]
    options = ("--disable-circuit-breaker", "--retry-max-backoff-ms", "5")
    with Serve(workers, *QUICK, *options) as router:
        for _ in range(100):
            assert router.ask()[0] == 500
        retries = router.metrics()["sglang_router_retries_total"]
    sent = sum(worker.sent() for worker in workers)
    assert sent == 100 + retries
    assert retries <= 100 * 0.2 + 10  # the budget and its reserve, core/retry.h


def test_probes_take_a_worker_out_and_bring_it_back():
    first, second = Worker(), Worker()
    options = ("--health-check-interval-secs", "0.05", "--health-check-timeout-secs", "1",
               "--slow-start-secs", "0.1")
    with Serve([first, second], *options) as router:
        first.health = 500
        wait_until(lambda: not router.json("/workers")["workers"][0]["is_healthy"], "ill health")
        before = first.sent()
        assert [router.ask()[0] for _ in range(6)] == [200] * 6
        assert first.sent() == before
        first.health = 200
        wait_until(lambda: router.json("/workers")["workers"][0]["is_healthy"], "recovery")
        time.sleep(0.15)
        assert [router.ask()[0] for _ in range(6)] == [200] * 6
        assert first.sent() > before
        second.health = first.health = 503
        wait_until(lambda: router.get("/readiness")[0] == 503, "unreadiness")
        assert router.get("/health")[0] == 503 and router.get("/liveness")[0] == 200
    kinds = dict(router.rows("SELECT kind, count(*) FROM input GROUP BY kind"))
    assert kinds["probe_result"] >= 5  # logged, so that verify could follow


def test_a_removed_worker_ends_its_streams_and_gets_no_more():
    first = Worker(lambda *call: stream(*call, count=8, pause=0.1))
    second = Worker()
    with Serve([first, second], *QUICK) as router:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(router.ask()))
        asking.start()
        wait_until(lambda: first.sent() == 1, "the stream")
        assert router.ask("/remove_worker?url=" + first.url, b"")[0] == 200
        assert [router.ask()[0] for _ in range(3)] == [200] * 3
        asking.join()
        assert answers[0][0] == 200 and b"[DONE]" in answers[0][2], answers
    assert first.sent() == 1 and second.sent() == 3
    assert router.rows("SELECT count(*) FROM input WHERE kind = 'remove_worker'") == [(1,)]
    assert router.words() == [None] * 4


def ask_and_stop(worker, *options, again=False):
    with Serve([worker], *QUICK, *options) as router:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(router.ask()))
        asking.start()
        wait_until(lambda: worker.sent() == 1, "the request")
        time.sleep(0.2)
        router.process.send_signal(signal.SIGTERM)
        if again:
            time.sleep(0.1)
            router.process.send_signal(signal.SIGTERM)
        router.complaints = router.process.communicate(timeout=60)[1]
        asking.join()
    return answers[0], router.words()


def test_sigterm_drains():
    answer, words = ask_and_stop(Worker(lambda *call: stream(*call, count=8, pause=0.1)))
    assert answer[0] == 200 and b"[DONE]" in answer[2]
    assert words == [None]


def test_what_does_not_drain_in_time_is_cut_and_told_so():
    def endless(worker, connection, request):
        connection.sendall(STREAM_HEAD + event(b'{"text":"a"}'))
        return hang(worker, connection, request)

    for options, again in ((("--drain-timeout-secs", "0.3"), False), ((), True)):
        answer, words = ask_and_stop(Worker(endless), *options, again=again)
        assert answer[0] == 200 and answer[-1] == "broken" and b'"error"' in answer[2], answer
        assert words == ["shutdown"]
        answer, words = ask_and_stop(Worker(hang), *options, again=again)
        assert answer[0] == 503, answer
        assert words == ["shutdown"]


run(globals())
