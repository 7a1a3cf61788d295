"""chaos.py PROGRAM [SECONDS [SEED]] - a router among workers that fail in every way, by a seeded plan.

    clients (threads) --> sglsim serve --> workers: good, slow, hung, cut, reset, busy, down, removed

Each request carries a word of its own, which its worker puts into the answer. At the end: every client
had exactly one answer, whole or said to be broken, and its own; no request was served twice; every
request and every attempt is in the log exactly once, as its client saw it; nothing is outstanding;
`sglsim verify` re-executes all of it. The plan follows the seed; the threads' timing does not.
"""

import json
import os
import random
import re
import socket
import sys
import tempfile
import threading
import time

import serving
from serving import STREAM_HEAD, Serve, Worker, event, response, wait_until

CLIENTS = 12
WORKERS = 4
OPTIONS = (
    "--threads", "2", "--retry-initial-backoff-ms", "5", "--retry-max-backoff-ms", "50",
    "--request-timeout-secs", "3", "--stream-idle-timeout-secs", "1", "--first-byte-timeout-secs", "1",
    "--cb-failure-threshold", "5", "--cb-timeout-duration-secs", "0.3", "--panic", "on",
    "--health-check-interval-secs", "0.1", "--health-check-timeout-secs", "0.5",
    "--slow-start-secs", "0.2", "--max-concurrent-requests", "8", "--queue-timeout-secs", "2",
    "--retry-budget-percent", "50",
)
MODES = ["good"] * 6 + ["slow", "hang", "cut", "close", "reset", "busy", "error", "garbage"]


class Plan:
    """What each worker does, and when it changes its mind."""

    def __init__(self, seed):
        self.draws = random.Random(seed)
        self.served = {}  # word: whole answers given
        self.lock = threading.Lock()
        self.is_over = False

    def script(self, worker, connection, request):
        body = json.loads(request[1])
        word = body["word"]
        mode = worker.mode
        if mode == "hang":
            return serving.hang(worker, connection, request)
        if mode == "close":
            return None
        if mode == "reset":
            return serving.reset(worker, connection, request)
        if mode == "busy":
            return response(b"{}", b"429 Busy", b"Retry-After: 1\r\n")
        if mode == "error":
            return response(b"{}", b"500 No")
        if mode == "garbage":
            return b"HTTP/1.1 abc\r\n\r\n"
        pause = 0.02 if mode == "slow" else 0.0
        if not body["stream"]:
            time.sleep(pause)
            text = json.dumps({"text": word, "meta_info": {"completion_tokens": 3}}).encode()
            if mode == "cut":
                connection.sendall(response(text)[:-5])
                return None
            return self.finish(connection, word, response(text))
        connection.sendall(STREAM_HEAD)
        for _ in range(3):
            time.sleep(pause)
            connection.sendall(event(json.dumps({"text": word}).encode()))
            if mode == "cut":
                return None
        return self.finish(connection, word, event(b"[DONE]") + b"0\r\n\r\n")

    def finish(self, connection, word, rest):
        """An answer counts when all of it has left: a worker that dies before has not answered."""
        connection.sendall(rest)
        with self.lock:
            self.served[word] = self.served.get(word, 0) + 1
        return b""

    def run(self, router, workers, seconds):
        until = time.monotonic() + seconds
        removed = None
        while time.monotonic() < until:
            time.sleep(0.02 + 0.08 * self.draws.random())
            worker = self.draws.choice(workers)
            act = self.draws.random()
            if act < 0.75:
                worker.mode = self.draws.choice(MODES)
            elif act < 0.85:
                worker.health = self.draws.choice([200, 500])
            elif act < 0.93:
                worker.restart(0.05 + 0.2 * self.draws.random())
            elif removed is None:
                removed = worker
                assert router.ask("/remove_worker?url=" + worker.url, b"")[0] == 200
            else:
                assert router.ask("/add_worker?url=" + removed.url, b"")[0] == 200
                removed = None
        for worker in workers:
            worker.mode = "good"
            worker.health = 200
        self.is_over = True


class Victim(Worker):
    """A worker whose process can die, with all its connections, and come back at the same port."""

    def __init__(self, script):
        self.mode = "good"
        self.open = set()
        super().__init__(script)

    def serve(self, connection):
        with self.lock:
            self.open.add(connection)
        try:
            super().serve(connection)
        finally:
            with self.lock:
                self.open.discard(connection)

    def restart(self, pause):
        listener = self.listener
        with self.lock:
            dying = list(self.open)
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in dying:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        time.sleep(pause)
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        threading.Thread(target=self.accept, daemon=True).start()


def client(plan, router, number, answers):
    draws = random.Random(f"{plan.seed} {number}")
    count = 0
    while not plan.is_over:
        word = f"w{number}x{count}x"
        count += 1
        body = {"word": word, "stream": draws.random() < 0.5}
        if draws.random() < 0.3:
            body["priority"] = draws.choice(["high", "low"])
        leaves = draws.random() < 0.05
        try:
            answer = router.ask(
                body=json.dumps(body).encode(), fields=[("x-request-id", word)],
                timeout=0.03 if leaves else 30,
            )
        except TimeoutError:
            assert leaves, "no answer within 30 s: " + word
            answer = None
        answers[word] = answer


def check_answers(plan, answers):
    whole = set()
    for word, answer in answers.items():
        served = plan.served.get(word, 0)
        assert served <= 1, (word, served)
        if answer is None:
            continue
        words = set(re.findall(r"w\d+x\d+x", answer[2].decode()))
        assert words <= {word}, (word, words)
        assert answer[1]["x-request-id"] == word
        if len(answer) == 4:
            assert b"[DONE]" not in answer[2] and answer[0] == 200, answer
        elif answer[0] == 200:
            assert words == {word} and served == 1, (word, answer, served)
            whole.add(word)
        else:
            assert answer[0] in (408, 429, 500, 502, 503, 504), answer
    return whole


def check_log(router, answers, whole):
    """Requests that were refused before they were routed have an outcome, and no row of their own."""
    rows = dict(router.rows("SELECT request_id, request FROM request"))
    assert len(rows) == router.rows("SELECT count(*) FROM request")[0][0]
    assert set(rows) <= set(answers)
    rejects = router.rows(
        "SELECT count(DISTINCT request) FROM outcome WHERE request NOT IN (SELECT request FROM request)")
    aborted = [word for word, answer in answers.items() if answer is None]
    # Who left before the whole request had come has left no trace.
    assert len(answers) - len(aborted) <= len(rows) + rejects[0][0] <= len(answers)
    assert router.rows("SELECT 1 FROM outcome GROUP BY request, attempt HAVING count(*) > 1") == []
    assert router.rows(
        "SELECT 1 FROM decision d WHERE NOT EXISTS"
        " (SELECT 1 FROM outcome o WHERE o.request = d.request AND o.attempt = d.attempt)") == []
    well = {word for word, in router.rows(
        "SELECT request_id FROM request JOIN outcome USING (request) WHERE success = 1")}
    assert whole <= well, sorted(whole - well)[:5]
    assert well - whole <= set(aborted), sorted(well - whole - set(aborted))[:5]
    assert router.rows("SELECT count(*) FROM gap") == [(0,)]


def chaos(seconds, seed):
    plan = Plan(seed)
    plan.seed = seed
    workers = [Victim(plan.script) for _ in range(WORKERS)]
    answers = {}
    with Serve(workers, *OPTIONS, policy="power_of_two") as router:
        threads = [
            threading.Thread(target=client, args=(plan, router, number, answers))
            for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        try:
            plan.run(router, workers, seconds)
        finally:
            plan.is_over = True
            for thread in threads:
                thread.join()
        wait_until(
            lambda: all(w["load"] == 0 for w in router.json("/get_loads")["workers"]), "the last answer")
        figures = router.metrics()
        counted = sum(v for k, v in figures.items() if k.startswith("sglang_router_requests_total"))
        assert figures["sglsim_queue_running"] == figures["sglsim_queue_waiting"] == 0
        assert counted <= len(answers)
        assert counted >= sum(answer is not None for answer in answers.values())
    whole = check_answers(plan, answers)
    check_log(router, answers, whole)
    kinds = {}
    for answer in answers.values():
        kind = "left" if answer is None else "broken" if len(answer) == 4 else answer[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    return len(answers), kinds


if __name__ == "__main__":
    SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 45
    SEED = int(sys.argv[3]) if len(sys.argv) > 3 else int.from_bytes(os.urandom(3), "big")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print(f"chaos: seed {SEED}, {SECONDS:g} s", flush=True)
        COUNT, KINDS = chaos(SECONDS, SEED)
        os.chdir("/")
    told = ", ".join(f"{kind} {n}" for kind, n in sorted(KINDS.items(), key=str))
    print(f"chaos: {COUNT} requests ({told}); none lost, none doubled, log verified")
