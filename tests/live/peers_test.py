"""What the tests of SGLang's own routers ask of a router, beyond what the other files ask: how it is
started, what it says of itself, and how its workers come and go."""

import json
import re
import socket
import subprocess
import time
from urllib.parse import quote

from live import PROGRAM, run
from serving import Serve, Worker, good, status, wait_until

QUICK = ("--disable-health-check",)


def port_of(line):
    return int(re.search(r":(\d+)(/metrics)?$", line)[1])


def test_a_router_that_had_no_worker_yet_is_well_and_not_ready():
    with Serve([], *QUICK) as router:
        answer = router.get("/health")
        assert (answer[0], json.loads(answer[2])) == (200, {"status": "healthy", "workers": []})
        assert router.get("/readiness")[0] == 503 and router.get("/liveness")[0] == 200
        assert router.ask()[0] == 503
        worker = Worker()
        assert router.ask("/workers", json.dumps({"url": worker.url}).encode())[0] == 202
        assert router.get("/readiness")[0] == 200 and router.ask()[0] == 200
        assert router.ask("/remove_worker?url=" + worker.url, b"")[0] == 200
        assert router.get("/health")[0] == 503
    with Serve([], *QUICK, "--pd-disaggregation") as router:
        assert router.get("/health")[0] == 200 and router.get("/readiness")[0] == 503


def test_workers_can_be_named_by_their_url():
    first, second = Worker(), Worker()
    with Serve([first, second], *QUICK) as router:
        path = "/workers/" + quote(second.url, safe="")
        assert json.loads(router.get(path)[2])["url"] == second.url
        assert router.ask(path + "%2F", b'{"priority": 7}', "PUT")[0] == 202
        assert json.loads(router.get(path)[2])["priority"] == 7
        assert router.ask(path, None, "DELETE")[0] == 202
        assert router.get(path)[0] == router.ask(path, None, "DELETE")[0] == 404
        assert router.json("/list_workers") == {"urls": [first.url]}
        for _ in range(4):
            assert router.ask()[1]["x-sglsim-worker"] == first.url
        for name in (
            "http:%2f%2f",
            "..%2f..%2f",
            "%2e%2e",
            "%",
            "%00",
            "x://",
            quote(first.url + "\0", safe=""),
        ):
            assert router.get("/workers/" + name)[0] in (400, 404), name


def test_names_that_are_made_say_what_was_asked():
    with Serve([Worker()], *QUICK) as router:
        for path, prefix in (
            ("/generate", "gnt-"),
            ("/v1/chat/completions", "chatcmpl-"),
            ("/v1/completions?x=1", "cmpl-"),
            ("/v1/responses", "resp-"),
            ("/v1/embeddings", "req-"),
        ):
            names = {router.ask(path)[1]["x-request-id"] for _ in range(3)}
            assert len(names) == 3, names
            assert all(
                re.fullmatch(re.escape(prefix) + "[0-9a-f]+", name) and len(name) == 32 for name in names
            ), names


def test_requests_are_named_by_fields_of_ones_choice():
    worker = Worker()
    options = ("--request-id-headers", "custom-trace-id", "x-other", "--log-level", "info")
    with Serve([worker], *QUICK, *options) as router:
        for name, value, expected in (
            ("custom-trace-id", "mine", "mine"), ("X-Other", "other", "other"), ("x-request-id", "not asked for", None),
        ):
            said = router.ask(fields=[(name, value)])[1]["x-request-id"]
            assert said == expected or (expected is None and said.startswith("gnt-")), (name, said)
            head = worker.requests[-1][0].decode().lower()
            assert head.count("x-request-id: ") == 1 and "x-request-id: " + said in head, head


def test_figures_have_a_port_of_their_own_when_asked_for():
    for options, fields in (
        (("--prometheus-port", "0", "--prometheus-host", "127.0.0.1"), []),
        (("--metrics-port", "0", "--api-key", "k", "--threads", "2"), [("Authorization", "Bearer k")]),
    ):
        with Serve([Worker()], *QUICK, *options) as router:
            port = port_of(router.process.stderr.readline().strip())
            assert router.ask(fields=fields)[0] == 200
            answer = router.get("/metrics?x=1", fields, port)
            assert answer[0] == 200 and b"\nsglang_router_requests_total{status=\"200\"} 1\n" in answer[2]
            assert router.get("/metrics", fields)[0] == 200
            assert router.ask("/metrics", b"", fields=fields, port=port)[0] == 405
            for path in ("/", "/health", "/workers", "/generate", "/metricsx"):
                assert router.get(path, fields, port)[0] == 404, path
            assert router.get("/metrics", port=port)[0] == (401 if fields else 200)


def test_a_new_worker_is_waited_for_when_asked_to():
    worker, late = Worker(), Worker()
    late.health = 503
    options = ("--worker-startup-timeout-secs", "60", "--worker-startup-check-interval", "0.1")
    with Serve([worker, late], *options) as router:
        wait_until(lambda: router.get("/readiness")[0] == 200, "the first worker")
        assert {router.ask()[1]["x-sglsim-worker"] for _ in range(4)} == {worker.url}
        health = {w["url"]: w["healthy"] for w in router.json("/health")["workers"]}
        assert health == {worker.url: True, late.url: False}
        late.health = 200
        wait_until(lambda: json.loads(router.get("/readiness")[2])["healthy_workers"] == 2, "the second")
        assert {router.ask()[1]["x-sglsim-worker"] for _ in range(4)} == {worker.url, late.url}
        third = Worker()
        third.health = 500
        router.ask("/add_worker?url=" + third.url, b"")
        wait_until(lambda: third.probes >= 2, "two probes")
        assert third.sent() == 0
        assert router.ask("/remove_worker?url=" + third.url, b"")[0] == 200
    assert third.sent() == 0


def test_a_worker_that_never_starts_is_told_of_once_and_left_to_the_probes():
    late = Worker()
    late.health = 503
    options = (
        "--worker-startup-timeout-secs",
        "0.3",
        "--worker-startup-check-interval",
        "0.1",
        "--health-check-interval-secs",
        "0.1",
        "--health-success-threshold",
        "2",
    )
    with Serve([late], *options) as router:
        line = router.process.stderr.readline()
        assert re.fullmatch(
            r"sglsim: worker %s has not answered /health within 0\.3 s \(.*\)\n" % late.url, line
        ), line
        assert router.get("/health")[0] == 503 and router.ask()[0] == 503
        late.health = 200
        wait_until(lambda: router.get("/health")[0] == 200, "the probes")
        assert router.ask()[0] == 200
    assert router.complaints.count("has not answered") == 0


def test_without_health_checks_nobody_is_waited_for():
    options = ("--worker-startup-check-interval", "1")
    with Serve([Worker()], *QUICK, *options) as router:
        assert router.get("/readiness")[0] == 200 and router.ask()[0] == 200


def test_a_level_of_warnings_says_nothing_when_all_is_well():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", str(port), "--policy", "random", "--log-level", "warn"],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "it to listen")
    process.terminate()
    assert process.communicate(timeout=60)[1] == "" and process.returncode == 0


def test_breakers_open_recover_and_open_again():
    answers = [status(b"500 Failed")] * 3 + [good] * 2
    worker = Worker(lambda w, c, r: answers[min(w.sent(), len(answers)) - 1](w, c, r))
    options = (
        "--cb-failure-threshold",
        "3",
        "--cb-success-threshold",
        "2",
        "--cb-timeout-duration-secs",
        "1",
        "--cb-window-duration-secs",
        "10",
        "--disable-retries",
    )
    with Serve([worker], *QUICK, *options) as router:
        assert [router.ask()[0] for _ in range(5)] == [500, 500, 500, 503, 503]
        time.sleep(1.1)
        assert [router.ask()[0] for _ in range(2)] == [200, 200]
    worker = Worker(status(b"500 Failed"))
    with Serve([worker], *QUICK, "--cb-failure-threshold", "2", *options[2:]) as router:
        assert [router.ask()[0] for _ in range(3)] == [500, 500, 503]
        time.sleep(1.1)
        assert [router.ask()[0] for _ in range(2)] == [500, 503]


run(globals())
