"""serving.py - sglsim serve in the background, and workers that do what a script says.

    client  -->  Serve (sglsim serve)  -->  Worker (a raw socket: scripts can break every rule)

A script is a function of (worker, connection, request): what it returns is sent and the connection
goes on; None closes it. All is on loopback and on free ports.
"""

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from live import PROGRAM, sglsim

ANSWER = (
    b'{"text":"ok","meta_info":{"prompt_tokens":5,"completion_tokens":3,"cached_tokens":2,'
    b'"finish_reason":{"type":"stop"}}}'
)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def response(body=ANSWER, status=b"200 OK", fields=b"Content-Type: application/json\r\n"):
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + fields + length + body


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(text):
    return chunk(b"data: " + text + b"\n\n")


def good(worker, connection, request):
    return response()


def status(text, fields=b""):
    return lambda worker, connection, request: response(b"{}", text, fields)


def hang(worker, connection, request):
    """Says nothing until the other side has left."""
    connection.settimeout(60)
    try:
        while connection.recv(65536):
            pass
    except OSError:
        pass


def close(worker, connection, request):
    return None


def reset(worker, connection, request):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def stream(worker, connection, request, count=3, pause=0.0):
    connection.sendall(STREAM_HEAD)
    for i in range(count):
        connection.sendall(event(b'{"text":"%d"}' % i))
        time.sleep(pause)
    return event(b"[DONE]") + b"0\r\n\r\n"


class Worker:
    def __init__(self, script=good):
        self.script = script
        self.health = 200
        self.probes = 0
        self.requests = []  # (head, body)
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            while True:
                data = b""
                while b"\r\n\r\n" not in data:
                    got = connection.recv(65536)
                    if not got:
                        return
                    data += got
                head, body = data.split(b"\r\n\r\n", 1)
                lengths = re.findall(rb"(?i)\r\ncontent-length: *(\d+)", head)
                while lengths and len(body) < int(lengths[0]):
                    body += connection.recv(65536)
                if head.startswith(b"GET /health"):
                    with self.lock:
                        self.probes += 1
                    connection.sendall(response(b"", b"%d Word" % self.health))
                    continue
                with self.lock:
                    self.requests.append((head, body))
                said = self.script(self, connection, (head, body))
                if said is None:
                    return
                connection.sendall(said)
        except OSError:
            pass
        finally:
            connection.close()

    def sent(self):
        with self.lock:
            return len(self.requests)


class Serve:
    """`with Serve([worker, ...], "--option", ...) as router:`; its log is router.log. Leaving the block
    drains it, and holds its log to `sglsim verify`."""

    def __init__(self, workers, *options, policy="round_robin", verify=0):
        self.workers = [worker if isinstance(worker, str) else worker.url for worker in workers]
        self.options = options
        self.policy = policy
        self.verify = verify
        self.log = "serve.db"
        self.complaints = ""

    def command(self):
        """An option is said once: those given stand for the usual ones."""
        urls = ["--worker-urls", *self.workers] if self.workers else []
        usual = {"--port": "0", "--policy": self.policy, "--log": self.log}
        said = [word for name, value in usual.items() if name not in self.options for word in (name, value)]
        return [PROGRAM, "serve", *urls, *said, *self.options]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command(),
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1"},
        )
        line = self.process.stderr.readline()
        found = re.search(r"listening on http://[0-9.]+:(\d+)", line)
        if not found:
            self.process.kill()
        assert found, line + self.process.stderr.read()
        self.port = int(found[1])
        return self

    def stop(self):
        """Drains; what it said last."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.complaints += self.process.communicate(timeout=60)[1]
        return self.complaints

    def __exit__(self, kind, error, trace):
        if self.process.returncode is None:
            self.stop()
        if kind is None:
            assert self.process.returncode == 0, (self.process.returncode, self.complaints)
            assert "Sanitizer" not in self.complaints, self.complaints
            if self.verify is not None:
                sglsim("verify", self.log, expected=self.verify)

    def ask(self, path="/generate", body=b"{}", method=None, fields=(), port=None, timeout=30):
        """(status, fields, bytes); a broken answer is (status, fields, what came, "broken")."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            connection.putrequest(method or ("POST" if body is not None else "GET"), path)
            for name, value in fields:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            try:
                return answer.status, names, answer.read()
            except http.client.IncompleteRead as cut:
                return answer.status, names, cut.partial, "broken"
        finally:
            connection.close()

    def get(self, path, fields=(), port=None):
        return self.ask(path, None, "GET", fields, port)

    def json(self, path):
        return json.loads(self.get(path)[2])

    def metrics(self):
        """{name with labels: value}"""
        text = self.get("/metrics")[2].decode()
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def rows(self, query):
        """Of the finished log."""
        with sqlite3.connect(f"file:{self.log}?mode=ro", uri=True) as log:
            return log.execute(query).fetchall()

    def words(self):
        """How each attempt ended, in order; None: well."""
        return [word for word, in self.rows("SELECT error FROM outcome ORDER BY sequence")]

    def many(self, count, **question):
        """Statuses of requests that are asked at once, each by a thread of its own."""
        answers = [None] * count

        def one(i):
            try:
                answers[i] = self.ask(**question)
            except OSError as error:
                answers[i] = (0, {}, str(error).encode())

        threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers


def wait_until(holds, what, patience=30):
    until = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < until, "waited in vain for " + what
        time.sleep(0.01)
