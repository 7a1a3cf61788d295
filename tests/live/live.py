"""live.py - what the live tests share: the program in the background, and HTTP by the standard library.

A test is a Python file with functions named test_*; run() calls them in order, each with a fresh
scratch folder as working directory. A sentence says what holds.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

PROGRAM = os.path.abspath(sys.argv[1])
SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SAMPLE = os.path.join(SOURCE, "traces", "samples", "sglang-3-workers.csv")


class Emulate:
    """`with Emulate("--count", "2") as workers:` serves on free ports until the block ends. With
    "--prefill-count", "2", "--decode-count", "1" workers 0 and 1 are prefill, worker 2 decode."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __enter__(self):
        self.process = subprocess.Popen(
            [PROGRAM, "emulate", "--port", "0", "--quiet", *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What a sanitizer keeps of freed memory would pass for a leak.
            env={**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"},
        )
        asked = dict(zip(self.arguments, self.arguments[1:]))
        pairs = int(asked.get("--prefill-count", 0)) + int(asked.get("--decode-count", 0))
        # One line for each worker: its url, or with a role the flags of serve for it.
        self.flags = [
            self.process.stdout.readline().split()
            for _ in range(pairs or int(asked.get("--count", 1)))
        ]
        self.urls = [next(word for word in line if "://" in word) for line in self.flags]
        self.ports = [int(re.fullmatch(r"http://127.0.0.1:(\d+)", url)[1]) for url in self.urls]
        return self

    def __exit__(self, kind, error, trace):
        self.process.send_signal(signal.SIGTERM)
        output, complaints = self.process.communicate(timeout=60)
        if kind is None:
            # Sanitizers speak here.
            assert complaints == "", complaints
            assert output == "", output
            assert self.process.returncode == 0, self.process.returncode

    def resident_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    def ask(self, path, body=None, worker=0, method=None):
        """(status, bytes) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[worker], timeout=30)
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request(method or ("GET" if body is None else "POST"), path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def json(self, path, body=None, worker=0):
        status, answer = self.ask(path, body, worker)
        assert status == 200, (status, answer)
        return json.loads(answer)

    def fault(self, worker=0, **faults):
        return self.json("/emulate/faults", {"worker": worker, **faults})

    def state(self, worker=0):
        return self.json("/get_server_info", worker=worker)["internal_states"][0]

    def wait_idle(self, worker=0):
        for _ in range(500):
            if self.state(worker)["load"] == 0:
                return
            time.sleep(0.01)
        raise AssertionError(self.state(worker))


def events(answer):
    """The data of an event stream, [DONE] included, and nothing else in it."""
    text = answer.decode()
    assert text.endswith("\n\n"), text[-100:]
    parts = text[:-2].split("\n\n")
    assert all(part.startswith("data: ") for part in parts), text
    return [part[6:] for part in parts]


def sglsim(*arguments, expected=0):
    """Its output; anything but the expected exit status is a failure."""
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == expected, (arguments, done.returncode, done.stdout, done.stderr)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done.stdout


def load(url, *arguments, expected=0):
    """The figures of a load run."""
    return json.loads(sglsim("load", *arguments, "--url", url, "--json", "--quiet", expected=expected))


def run(tests):
    """Every test_* of a module's globals."""
    failed = 0
    for name, test in list(tests.items()):
        if not name.startswith("test_"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            began = time.monotonic()
            try:
                test()
                print(f"passed  {name[5:].replace('_', ' ')} ({time.monotonic() - began:.1f} s)")
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print(f"FAILED  {name[5:].replace('_', ' ')}")
                traceback.print_exc(file=sys.stdout)
            os.chdir("/")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
