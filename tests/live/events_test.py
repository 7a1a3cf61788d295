"""What is told on stderr while serve runs: as text and as JSON, the same events; and that it never waits."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from live import PROGRAM, run
from serving import Serve, Worker, close, good, hang, status, wait_until

EVIL = 'a "b"\\ =[31m\u00e4 {}'
OPTIONS = (
    "--retry-initial-backoff-ms", "1", "--health-check-interval-secs", "0.05", "--cb-failure-threshold", "3",
    "--cb-timeout-duration-secs", "0.3", "--cb-success-threshold", "1", "--max-total-retries", "1",
)


class Told(Serve):
    """Whose lines are all in `lines` in the end, the first one too."""

    def __enter__(self):
        self.read, write = os.pipe()
        self.process = subprocess.Popen(self.command(), stderr=write)
        os.close(write)
        self.text = b""
        while b"http://127.0.0.1:" not in self.text or not self.text.endswith(b"\n"):
            got = os.read(self.read, 65536)
            assert got, self.text
            self.text += got
        self.port = int(re.search(rb"http://127\.0\.0\.1:(\d+)", self.text)[1])
        return self

    def stop(self):
        if self.process.returncode is not None:
            return self.complaints
        self.process.send_signal(signal.SIGTERM)
        while got := os.read(self.read, 65536):
            self.text += got
        self.process.wait(60)
        os.close(self.read)
        self.complaints = self.text.decode()
        return self.complaints

    def lines(self):
        return self.complaints.splitlines()


def live_through(*options):
    """A run in which everything happens; its lines."""
    first, second, third = Worker(), Worker(), Worker()
    with Told([first, second], *OPTIONS, *options) as router:
        state = lambda i: router.json("/workers")["workers"][i]
        breaker = lambda w: router.metrics()[f'sglang_router_worker_breaker{{worker="{w.url}"}}']
        assert router.ask("/add_worker?url=" + third.url, b"")[0] == 200
        time.sleep(0.3)
        assert router.ask("/remove_worker?url=" + third.url, b"")[0] == 200
        time.sleep(0.3)
        first.health = 500
        wait_until(lambda: not state(0)["is_healthy"], "ill health")
        time.sleep(0.3)
        first.health = 200
        wait_until(lambda: state(0)["is_healthy"], "recovery")
        time.sleep(0.3)
        second.script = status(b"400 Bad Request")
        for _ in range(2):
            router.ask(fields=[("x-request-id", EVIL.encode())])
        first.script = second.script = close
        assert router.ask(fields=[("x-request-id", EVIL.encode())])[0] == 502
        while breaker(second) == 0:
            router.ask()
        time.sleep(0.2)
        wait_until(lambda: breaker(second) == 2, "half open")
        time.sleep(0.2)
        first.script = second.script = good
        while breaker(second) != 0:
            router.ask()
        time.sleep(0.3)
    return router.lines(), (first, second, third)


def parsed(lines):
    """[(event, {field: value})] of text lines."""
    events = []
    for line in lines:
        found = re.fullmatch(r'sglsim: ([a-z_]+)((?: [a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^ "]+))*)', line)
        if found:
            fields = re.findall(r' ([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "]+)', found[2])
            events.append((found[1], {k: re.sub(r"\\(.)", r"\1", v[1:-1]) if v[0] == '"' else v for k, v in fields}))
    return events


def test_json_has_a_whole_object_in_every_line():
    lines, (first, second, third) = live_through("--log-json", "--log-level", "debug")
    told = [json.loads(line) for line in lines]
    for one in told:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["time"]), one
        assert one["level"] in ("error", "warn", "info", "debug"), one
        assert list(one)[:3] == ["time", "level", "event"], one
    events = [one["event"] for one in told]
    assert events[0] == "start" and events[-2:] == ["drain", "stop"], events
    start, stop = told[0], told[-1]
    assert start["workers"] == 2 and start["policy"] == "round_robin" and start["log"] == "serve.db"
    assert start["url"].startswith("http://127.0.0.1:") and start["threads"] == 1
    assert stop["requests"] == stop["requests"] > 0 and stop["dropped"] == 0
    by = lambda event: [one.get("worker") for one in told if one["event"] == event]
    assert by("worker_added") == by("worker_removed") == [third.url]
    assert by("worker_down") == by("worker_up") == [first.url]
    assert second.url in by("breaker_open") and second.url in by("breaker_half_open")
    assert second.url in by("breaker_closed")
    tamed = [one for one in told if one.get("request_id", "").startswith("a ")]
    assert {one["event"] for one in tamed} == {"attempt_failed", "attempt_ended", "request_failed"}, tamed
    assert {one["request_id"] for one in tamed} == {EVIL}, tamed
    ended = [one for one in tamed if one["event"] == "attempt_ended"]
    assert ended and all(one["error"] == "http_400" and one["level"] == "debug" for one in ended)
    failed = [one for one in tamed if one["event"] == "request_failed"]
    assert [one["status"] for one in failed] == [502]


def test_text_tells_the_same():
    lines, (first, second, third) = live_through("--log-level", "debug")
    assert lines[0].startswith("sglsim: listening on http://127.0.0.1:")
    assert re.fullmatch(r"sglsim: \d+ requests, \d+ decisions", lines[-1]), lines[-1]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", "\n".join(lines))
    told = parsed(lines)
    assert len(told) == len(lines) - 2, set(lines) - {line for line in lines if parsed([line])}
    by = lambda event: [fields.get("worker") for name, fields in told if name == event]
    assert by("worker_added") == by("worker_removed") == [third.url]
    assert by("worker_down") == by("worker_up") == [first.url]
    assert second.url in by("breaker_open") and second.url in by("breaker_closed")
    assert told[-1] == ("drain", {"signal": "SIGTERM"})
    assert {"attempt_failed", "attempt_ended", "request_failed"} <= {name for name, _ in told}


def test_levels_leave_out_what_is_below():
    for level, expected in (("error", ["request_failed"]), ("warn", ["attempt_failed", "request_failed"])):
        with Told([], "--admin-port", "0", "--max-total-retries", "0", "--log-json", "--log-level", "info") as router:
            assert router.ask()[0] == 503
        assert [json.loads(line)["event"] for line in router.lines()] == [
            "start", "control", "request_failed", "drain", "stop"]
        worker = Worker(close)
        process = subprocess.Popen(
            [PROGRAM, "serve", "--worker-urls", worker.url, "--port", str(free_port()), "--log-json",
             "--log-level", level, "--disable-retries", "--disable-health-check"], stderr=subprocess.PIPE, text=True)
        port = int(process.args[process.args.index("--port") + 1])
        asked = Serve([worker])
        asked.port = port
        wait_until(lambda: answers(asked), "it to listen")
        assert asked.ask()[0] == 502
        process.send_signal(signal.SIGTERM)
        lines = process.communicate(timeout=60)[1].splitlines()
        assert [json.loads(line)["event"] for line in lines] == expected, lines


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(router):
    try:
        return router.get("/liveness")[0] == 200
    except OSError:
        return False


def test_a_storm_of_failures_is_counted_not_told():
    with Told([], "--log-json") as router:
        for _ in range(200):
            assert router.ask()[0] == 503
    told = [json.loads(line) for line in router.lines()]
    failed = sum(one["event"] == "request_failed" for one in told)
    left_out = sum(one["count"] for one in told if one["event"] == "suppressed")
    assert all(one["of"] == "request_failed" for one in told if one["event"] == "suppressed")
    assert failed + left_out == 200 and failed < 200, (failed, left_out)


def test_nobody_waits_for_who_does_not_read_stderr():
    count = 2000  # lines of 0.5 KB: more than the pipe and what is kept for it can hold
    with Told([Worker()], "--log-json", "--disable-health-check", "--worker-max", "4096") as router:
        for i in range(count):
            url = f"http://127.0.0.1:1/{'x' * 370}{i}"
            assert router.ask("/add_worker?url=" + url, b"")[0] == 200
            if i % 200 == 199:
                time.sleep(0.15)
        begun = time.monotonic()
        assert router.get("/liveness")[0] == 200
        assert time.monotonic() - begun < 20
    told = [json.loads(line) for line in router.lines()]
    kept = [one["event"] for one in told if one["event"] != "lines_lost"]
    lost = sum(one["count"] for one in told if one["event"] == "lines_lost")
    assert len(kept) + lost == count + len(("start", "drain", "stop")) and lost > 0, (kept, lost)
    assert kept[0] == "start"


def test_a_reader_that_never_comes_back_does_not_hold_up_the_end():
    with Told([Worker()], "--log-json", "--disable-health-check", "--log", "none", verify=None) as router:
        for i in range(900):
            assert router.ask("/add_worker?url=http://127.0.0.1:1/" + "x" * 370 + str(i), b"")[0] == 200
        time.sleep(0.3)
        router.process.send_signal(signal.SIGTERM)
        assert router.process.wait(60) == 0
        os.close(router.read)


def test_a_failure_to_start_is_an_event_too():
    done = subprocess.run(
        [PROGRAM, "serve", "--worker-urls", "ftp://a", "--port", "0", "--log-json"], capture_output=True, text=True,
        check=False, timeout=60)
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 2 and [one["event"] for one in told] == ["failed"] and "ftp://a" in told[0]["message"]


def test_a_second_signal_is_told_to_cut():
    with Told([Worker(hang)], "--log-json", "--disable-health-check") as router:
        asking = threading.Thread(target=router.ask)
        asking.start()
        wait_until(lambda: router.json("/get_loads")["workers"][0]["load"] == 1, "the request")
        router.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        router.stop()
        asking.join()
    events = [json.loads(line) for line in router.lines()]
    assert [one["event"] for one in events if one["event"] in ("drain", "cut")] == ["drain", "cut"]
    assert [one["why"] for one in events if one["event"] == "cut"] == ["signal"]


run(globals())
