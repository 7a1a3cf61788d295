"""A disk that is full, broken, slow or shared under the log of a router that serves on."""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

from live import run, sglsim
from serving import Serve, Worker, wait_until

# The leak sanitizer cannot look at a process that is being traced.
os.environ["LSAN_OPTIONS"] = "detect_leaks=0"


def attached(pids, calls, fault):
    """strace beside a process, once it has every thread."""
    named = [part for pid in pids for part in ("-p", str(pid))]
    strace = subprocess.Popen(
        ["strace", "-o", "/dev/null", "-e", "trace=" + calls, "-e", f"inject={calls}:{fault}", *named],
        stderr=subprocess.PIPE, text=True)
    for _ in pids:
        line = strace.stderr.readline()
        if "attached" not in line:
            strace.kill()
            strace.communicate()
            return None
    return strace


def can_inject():
    if shutil.which("strace") is None:
        return False
    with subprocess.Popen(["sleep", "60"]) as sleep:
        strace = attached([sleep.pid], "fsync", "error=EIO:when=1")
        sleep.kill()
        if strace is not None:
            strace.communicate()
        return strace is not None


if not can_inject():
    print("SKIPPED: strace cannot look at another process here")
    sys.exit(77)


class Injected(Serve):
    """serve, and a fault in the calls of each of its threads, as strace's inject has it; a call is counted in
    its thread: that of the log's writer, or the first one, which finishes the log."""

    def __init__(self, workers, calls, fault, *options):
        super().__init__(workers, "--disable-health-check", *options, verify=None)
        self.fault = (calls, fault)

    def __enter__(self):
        super().__enter__()
        self.strace = attached(os.listdir(f"/proc/{self.process.pid}/task"), *self.fault)
        assert self.strace is not None
        return self

    def finish(self):
        """Exit status."""
        self.stop()
        self.strace.communicate(timeout=60)
        assert "Sanitizer" not in self.complaints, self.complaints
        return self.process.returncode

    def __exit__(self, kind, error, trace):
        if self.process.returncode is None:
            self.finish()


def check_database(path):
    with contextlib.closing(sqlite3.connect(path)) as log:
        assert log.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
        return log.execute("SELECT count(*) FROM input").fetchone()[0]


def fresh_folder():
    for name in os.listdir("."):
        os.unlink(name)


def ask_for_a_while(router):
    """20 requests over two seconds, in which a commit comes or two."""
    for i in range(4):
        assert [router.ask()[0] for _ in range(5)] == [200] * 5
        time.sleep(0.6 if i < 3 else 0)


INPUTS = 1 + 2 * 20


def test_a_full_or_broken_disk_ends_the_log_and_nothing_else():
    given_up = []
    faults = [("pwrite64", error, point) for error in ("ENOSPC", "EIO") for point in (1, 2, 5, 9, 15, 22)]
    faults += [("fdatasync", "EIO", point) for point in (1, 2, 3)]
    for calls, error, point in faults:
        fresh_folder()
        with Injected([Worker()], calls, f"error={error}:when={point}+") as router:
            ask_for_a_while(router)
            metrics = router.metrics()
            code = router.finish()
        assert "20 requests, 20 decisions" in router.complaints, router.complaints
        if code == 0:
            sglsim("verify", router.log)
            continue
        assert code == 1 and not os.path.exists(router.log), (calls, error, point, router.complaints)
        assert "left in it" in router.complaints, router.complaints
        kept = check_database(router.log + ".partial")
        if metrics["sglsim_log_failed"] == 0:
            continue  # it failed at the very end
        assert "the decision log is given up, serving goes on" in router.complaints, router.complaints
        # What a sync has failed for may be there all the same: it is not counted on.
        told = int(re.search(r"(\d+) inputs are missing in the log \(it was given up\)", router.complaints)[1])
        assert INPUTS - kept <= told <= INPUTS, (calls, error, point, kept, told)
        assert calls == "fdatasync" or told == INPUTS - kept, (calls, error, point, kept, told)
        assert 0 < metrics["sglsim_log_dropped_inputs_total"] <= told
        sglsim("verify", router.log + ".partial", expected=4)
        given_up.append((calls, error, point, kept))
    assert len(given_up) >= 6 and any(kept > 1 for *_, kept in given_up), given_up


def test_what_a_killed_router_leaves_can_be_read():
    killed = 0
    for point in (1, 4, 9, 14):
        fresh_folder()
        with Injected([Worker()], "pwrite64", f"signal=KILL:when={point}") as router:
            try:
                ask_for_a_while(router)
            except OSError:
                pass  # it is dead
            if router.finish() == 0:
                continue
        killed += 1
        check_database(router.log + ".partial")
        sglsim("verify", router.log + ".partial", expected=4)
        # The next run keeps it aside.
        with Serve([Worker()], "--disable-health-check") as after:
            assert after.ask()[0] == 200
        check_database(router.log + ".interrupted")
    assert killed >= 2


def test_a_small_disk_fills_up_and_serving_goes_on():
    os.mkdir("disk")
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", "disk"], capture_output=True, check=False).returncode:
        print("    left out: a file system cannot be mounted here")
        return
    router = Serve([Worker(), Worker()], "--disable-health-check", verify=None)
    router.log = "disk/serve.db"
    try:
        router.__enter__()
        until = time.monotonic() + 60
        while router.metrics()["sglsim_log_failed"] == 0:
            assert [router.ask()[0] for _ in range(50)] == [200] * 50
            assert time.monotonic() < until
        assert [router.ask()[0] for _ in range(50)] == [200] * 50
        metrics = router.metrics()
        assert metrics["sglsim_log_dropped_inputs_total"] >= 100
        router.process.send_signal(signal.SIGTERM)
        complaints = router.process.communicate(timeout=60)[1]
        assert router.process.returncode == 1 and "left in it" in complaints, complaints
        assert check_database("disk/serve.db.partial") > 50
        sglsim("verify", "disk/serve.db.partial", expected=4)
    finally:
        router.process.kill()
        router.process.wait()
        subprocess.run(["umount", "disk"], check=True)


def slowest(router, count):
    """The longest that a request took, in seconds."""
    longest = 0
    for _ in range(count):
        begun = time.monotonic()
        assert router.ask()[0] == 200
        longest = max(longest, time.monotonic() - begun)
    return longest


def test_a_slow_disk_is_not_waited_for():
    # A commit comes every second and takes two.
    with Injected([Worker(), Worker()], "fdatasync", "delay_enter=2000000:when=1..3") as router:
        until = time.monotonic() + 4
        while time.monotonic() < until:
            assert slowest(router, 50) < 1
        assert router.metrics()["sglsim_log_dropped_inputs_total"] == 0
        assert router.finish() == 0, router.complaints
    sglsim("verify", router.log)


def test_a_disk_that_cannot_keep_up_costs_rows_not_requests():
    options = ("--log-buffer-mib", "1")
    with Injected([Worker(), Worker()], "pwrite64", "delay_enter=100000:when=1..60", *options) as router:
        until = time.monotonic() + 60
        while router.metrics()["sglsim_log_dropped_inputs_total"] == 0:
            assert slowest(router, 100) < 1
            assert time.monotonic() < until
        assert router.finish() == 0, router.complaints
    assert "its gaps say where" in router.complaints
    check_database(router.log)
    assert router.rows("SELECT count(*) > 0 FROM gap") == [(1,)]
    sglsim("verify", router.log, expected=4)


def test_readers_of_the_log_hold_up_nobody():
    router = Serve([Worker()], "--disable-health-check", verify=None)
    with router:
        assert router.ask()[0] == 200
        wait_until(lambda: check_database(router.log + ".partial") > 0, "a commit")
        reader = sqlite3.connect(router.log + ".partial", isolation_level=None, check_same_thread=False)
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM input").fetchone()
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert slowest(router, 20) < 1.5
        # Even one who wants to write: it gets no further than the writer lets it.
        other = sqlite3.connect(router.log + ".partial", isolation_level=None, timeout=0)
        try:
            other.execute("BEGIN IMMEDIATE")
            assert slowest(router, 20) < 1.5
            other.execute("ROLLBACK")
        except sqlite3.OperationalError:
            pass
        other.close()
        assert slowest(router, 20) < 1.5
        assert reader.execute("SELECT count(*) FROM input").fetchone() == before
        assert router.metrics()["sglsim_log_dropped_inputs_total"] == 0
        # Who reads when it ends is waited for.
        threading.Timer(2, reader.close).start()
    sglsim("verify", router.log)


run(globals())
