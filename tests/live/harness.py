"""What the live tests share: the program under test, scripted workers, raw clients.

    client (raw socket)  -->  sglsim serve  -->  Worker (raw socket, does what a test's script says)

Everything is on loopback and on free ports. Python's standard library only.
"""
import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM = None
PATIENCE = 60  # s; nothing is expected to take that long, on however slow a machine

ANSWER = (b'{"text":"ok","meta_info":{"prompt_tokens":5,"completion_tokens":3,"cached_tokens":2,'
          b'"queue_time":0.25,"queue_length":4,"finish_reason":{"type":"stop"}}}')


def response(body=ANSWER, status=b"200 OK", fields=b"Content-Type: application/json\r\n"):
    return (b"HTTP/1.1 " + status + b"\r\n" + fields + b"Content-Length: %d\r\n\r\n" % len(body)
            + body)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


STREAM_HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n")


class Request:
    """One HTTP request as a worker got it, byte for byte."""

    def __init__(self, head, body):
        self.head = head
        self.body = body
        lines = head.split(b"\r\n")
        self.line = lines[0]
        self.fields = [tuple(line.split(b":", 1)) for line in lines[1:] if line]

    def values(self, name):
        return [value.strip() for key, value in self.fields if key.lower() == name.lower()]


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        got = connection.recv(65536)
        if not got:
            return None
        data += got
    head, body = data.split(b"\r\n\r\n", 1)
    lengths = re.findall(rb"(?i)\r\ncontent-length: *(\d+)", head)
    while lengths and len(body) < int(lengths[0]):
        got = connection.recv(65536)
        if not got:
            return None
        body += got
    return Request(head, body)


class Worker:
    """A server that does what `script(connection, request)` does: what it returns is sent, and the
    connection goes on; None closes it."""

    def __init__(self, script=None):
        self.script = script or (lambda connection, request: response())
        self.requests = []
        self.connections = 0
        self.left = threading.Event()  # the other side hung up while a script waited
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.url = "http://127.0.0.1:%d" % self.port
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            while True:
                request = read_request(connection)
                if request is None:
                    break
                if request.line.startswith((b"GET /health", b"GET /v1/loads")):
                    connection.sendall(response(b""))
                    continue
                self.requests.append(request)
                said = self.script(connection, request)
                if said is None:
                    break
                connection.sendall(said)
        except OSError:
            self.left.set()
        finally:
            connection.close()

    def wait_for_hang_up(self, connection):
        """Blocks until the other side closes."""
        connection.settimeout(PATIENCE)
        try:
            while connection.recv(65536):
                pass
        except OSError:
            pass
        self.left.set()

    def close(self):
        """A thread on its way into accept() would take its descriptor for that of the next listener
        and answer in that one's place: it has to be gone first."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # closed already
        self.accepting.join()
        self.listener.close()


def reset(connection):
    """Closes with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


class Proxy:
    """sglsim serve."""

    def __init__(self, workers, *options, log=None, policy="round_robin", descriptors=None):
        urls = [w if isinstance(w, str) else w.url for w in workers]
        self.log = log
        self.process = subprocess.Popen(
            [PROGRAM, "serve", *(["--worker-urls", *urls] if urls else []), "--port", "0", "--policy", policy,
             *(["--log", log] if log else []), *options],
            stderr=subprocess.PIPE, preexec_fn=descriptors and (lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (descriptors, descriptors))))
        line = self.process.stderr.readline().decode()
        found = re.search(r"listening on http://127.0.0.1:(\d+)", line)
        if not found:
            raise RuntimeError("serve did not start: " + line + self.process.stderr.read().decode())
        self.port = int(found.group(1))
        self.said = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stderr:
            self.said.append(line.decode())

    def dial(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def say(self, data):
        """Sends, reads until the proxy closes, closes."""
        with self.dial() as connection:
            try:
                connection.sendall(data)
            except OSError:
                pass  # it has heard enough
            return read_all(connection)

    def post(self, body=b'{"text":"hi"}', target="/generate", fields=b""):
        return Answer(self.say(b"POST " + target.encode() + b" HTTP/1.1\r\nHost: a\r\n" + fields
                               + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
                               + body))

    def get(self, target):
        return Answer(self.say(b"GET " + target.encode()
                               + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))

    def memory_mib(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.process.pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        if code not in (0, -signal.SIGKILL):
            raise RuntimeError("serve ended with %d: %s" % (code, "".join(self.said)))
        return code


def read_all(connection):
    data = bytearray()
    try:
        while True:
            got = connection.recv(1 << 20)
            if not got:
                return bytes(data)
            data += got
    except ConnectionResetError:
        return bytes(data)


class Answer:
    """One HTTP answer; `rest` is what came behind its head."""

    def __init__(self, data):
        self.data = data
        head, self.rest = data.split(b"\r\n\r\n", 1) if b"\r\n\r\n" in data else (data, b"")
        lines = head.split(b"\r\n")
        self.line = lines[0]
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.fields = [tuple(line.split(b": ", 1)) for line in lines[1:] if b": " in line]
        self.is_whole = True
        self.body = self.rest
        if self.values(b"transfer-encoding") == [b"chunked"]:
            self.body, self.is_whole = dechunked(self.rest)
        elif self.values(b"content-length"):
            self.is_whole = len(self.rest) >= int(self.values(b"content-length")[0])

    def values(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def json(self):
        return json.loads(self.body)


def dechunked(data):
    """The body, and whether its last chunk came."""
    body = bytearray()
    at = 0
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end], 16)
        if size == 0:
            return bytes(body), True
        body += data[end + 2:end + 2 + size]
        at = end + 2 + size + 2
    return bytes(body), False


def slack_mib():
    """Memory that a sanitizer may take beside the program's: freed bytes are kept for a while."""
    with open(PROGRAM, "rb") as program:
        image = program.read()
    return 500 if b"__asan_init" in image or b"__tsan_init" in image else 0


def wait_until(condition, what="it"):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.005)


def verify(log):
    """The verdict of `sglsim verify`: exit status and text."""
    done = subprocess.run([PROGRAM, "verify", log], capture_output=True)
    return done.returncode, (done.stdout + done.stderr).decode()


def rows(log, query):
    with sqlite3.connect(log) as database:
        return database.execute(query).fetchall()


class LiveTest(unittest.TestCase):
    """A proxy, workers and a log for one test; the log must verify when it ends."""

    policy = "round_robin"

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.log = os.path.join(self.folder.name, "run.db")
        self.workers = []
        self.proxy = None

    def start(self, *scripts, options=(), policy=None, descriptors=None, fast=True):
        self.workers = [Worker(script) for script in scripts]
        quick = ("--retry-initial-backoff-ms", "1") if fast else ()
        self.proxy = Proxy(self.workers, *quick, *options, log=self.log,
                           policy=policy or self.policy, descriptors=descriptors)
        return self.proxy

    def tearDown(self):
        try:
            if self.proxy is not None and self.proxy.process.poll() is None:
                self.proxy.stop()
                status, text = verify(self.log)
                self.assertEqual(status, 0, text)
                self.assertEqual(self.pending(), 0)
        finally:
            if self.proxy is not None and self.proxy.process.poll() is None:
                self.proxy.process.kill()
                self.proxy.process.wait()
            if self.proxy is not None:
                self.proxy.process.stderr.close()
            for worker in self.workers:
                worker.close()
            self.folder.cleanup()

    def again(self):
        """A fresh start within one test."""
        self.tearDown()
        self.setUp()

    def pending(self):
        """Decided attempts without an outcome."""
        return rows(self.log, "SELECT count(*) FROM decision d WHERE worker IS NOT NULL AND NOT "
                    "EXISTS (SELECT 1 FROM outcome o WHERE o.decision_sequence = d.sequence)")[0][0]

    def outcomes(self):
        """Stops the proxy; (worker, success, error) of each attempt."""
        self.proxy.stop()
        status, text = verify(self.log)
        self.assertEqual(status, 0, text)
        self.assertEqual(self.pending(), 0)
        return rows(self.log, "SELECT worker, success, error FROM outcome ORDER BY sequence")

    def sent(self):
        return [len(worker.requests) for worker in self.workers]


def main():
    global PROGRAM
    if len(sys.argv) < 2:
        sys.exit("usage: %s PROGRAM [TEST...]" % sys.argv[0])
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    sys.modules["harness"].PROGRAM = PROGRAM
    unittest.main(module="__main__", verbosity=2)
