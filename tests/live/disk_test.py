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

# A disk that stands still until Injected.let_go, however slow the machine is. In microseconds: half an hour.
STANDSTILL = "delay_enter=1800000000"


def attached(pids, calls, fault, trace="/dev/null"):
    """strace beside a process, once it has every thread."""
    named = [part for pid in pids for part in ("-p", str(pid))]
    strace = subprocess.Popen(
        ["strace", "-o", trace, "-e", "trace=" + calls, "-e", f"inject={calls}:{fault}", *named],
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
    its thread: that of the log's writer, or the first one, which finishes the log and may be left out."""

    def __init__(self, workers, calls, fault, *options, finishes_well=False):
        super().__init__(workers, "--disable-health-check", *options, verify=None)
        self.fault = (calls, fault)
        self.finishes_well = finishes_well

    def __enter__(self):
        super().__enter__()
        threads = os.listdir(f"/proc/{self.process.pid}/task")
        if self.finishes_well:
            threads.remove(str(self.process.pid))
        self.strace = attached(threads, *self.fault, trace="calls")
        assert self.strace is not None
        return self

    def calls(self):
        """What strace said; a call is there as soon as it is made."""
        with open("calls", encoding="utf-8") as calls:
            return calls.read()

    def wait_for_standstill(self):
        wait_until(lambda: self.fault[0] + "(" in self.calls(), "the log's writer to be held up")

    def let_go(self):
        """The disk goes on; it stood still since wait_for_standstill."""
        self.strace.terminate()
        self.strace.wait(timeout=60)
        calls = self.calls()
        assert "<detached ...>" in calls and "(DELAYED)" not in calls, calls

    def finish(self):
        """Exit status."""
        self.stop()
        self.strace.communicate(timeout=60)
        assert "Sanitizer" not in self.complaints, self.complaints
        return self.process.returncode

    def __exit__(self, kind, error, trace):
        if self.process.returncode is None:
            self.strace.terminate()
            self.finish()


def serves(router, count, **question):
    """Are so many requests answered, one after the other? What holds up the log meanwhile lasts until the test ends
    it: a request that waited for it would never be answered, and ask() gives up after 30 seconds, some thousand times
    what an answer takes."""
    return all(router.ask(**question)[0] == 200 for _ in range(count))


def check_database(path):
    with contextlib.closing(sqlite3.connect(path)) as log:
        assert log.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
        return log.execute("SELECT count(*) FROM input").fetchone()[0]


def fresh_folder():
    for name in os.listdir("."):
        os.unlink(name)


def ask_for_a_while(router):
    """30 requests over three seconds, in which commits come."""
    for i in range(6):
        assert [router.ask()[0] for _ in range(5)] == [200] * 5
        time.sleep(0.6 if i < 5 else 0)


INPUTS = 1 + 2 * 30


def test_a_disk_that_stays_full_or_broken_ends_the_log_and_nothing_else():
    given_up = []
    faults = [("pwrite64", error, point) for error in ("ENOSPC", "EIO") for point in (1, 2, 9, 13, 16, 20)]
    faults += [("fdatasync", "EIO", point) for point in (1, 2, 3)]
    for calls, error, point in faults:
        fresh_folder()
        with Injected([Worker()], calls, f"error={error}:when={point}+") as router:
            ask_for_a_while(router)
            metrics = router.metrics()
            code = router.finish()
        assert "30 requests, 30 decisions" in router.complaints, router.complaints
        if code == 0:
            sglsim("verify", router.log)
            continue
        assert code == 1 and not os.path.exists(router.log), (calls, error, point, router.complaints)
        assert "left in it" in router.complaints, router.complaints
        kept = check_database(router.log + ".partial")
        if metrics["sglsim_log_failed"] == 0:
            continue  # it failed at the very end
        assert "the decision log cannot be written, serving goes on" in router.complaints, router.complaints
        # What a sync has failed for may be there all the same: it is not counted on.
        told = int(re.search(r"(\d+) inputs are missing in the log \(it could not be written\)", router.complaints)[1])
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


def check_gapped(path, inputs=None):
    """A finished log with something missing: every input is there or in one gap, and verify says how far it proves
    it. The number of those missing."""
    with contextlib.closing(sqlite3.connect(path)) as log:
        assert log.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept, last = log.execute("SELECT count(*), max(sequence) FROM input").fetchone()
        gaps = log.execute("SELECT sequence, dropped FROM gap ORDER BY sequence").fetchall()
        inside = log.execute("SELECT count(*) FROM gap g JOIN input i ON i.sequence >= g.sequence "
                             "AND i.sequence < g.sequence + g.dropped").fetchone()[0]
    missing = sum(dropped for _, dropped in gaps)
    end = max([last] + [sequence + dropped - 1 for sequence, dropped in gaps])
    assert gaps and inside == 0 and kept + missing == end, (kept, last, gaps, inside)
    assert inputs is None or end == inputs, (end, inputs)
    verdict = sglsim("verify", path, expected=4)
    size = f"{gaps[0][1]} input" + ("s" if gaps[0][1] > 1 else "")
    assert f"verified up to sequence {gaps[0][0] - 1}, then a gap of {size}\n" in verdict, verdict
    return missing


def dropped(router):
    return router.metrics()["sglsim_log_dropped_inputs_total"]


def test_a_disk_that_is_well_again_is_written_to_again():
    """It fails for a while at many points: the log goes on behind a gap, and is finished."""
    resumed = 0
    faults = [("pwrite64", "ENOSPC", point, 2) for point in (1, 3, 8)]
    faults += [("pwrite64", "EIO", 5, 1), ("fdatasync", "EIO", 1, 1), ("fdatasync", "EIO", 2, 2)]
    for calls, error, point, count in faults:
        fresh_folder()
        with Injected([Worker()], calls, f"error={error}:when={point}..{point + count - 1}",
                      finishes_well=True) as router:
            ask_for_a_while(router)
            wait_until(lambda: router.metrics()["sglsim_log_failed"] == 0, "a disk that is well", 60)
            told = router.metrics()
            assert router.ask()[0] == 200
            assert router.finish() == 0, (calls, error, point, router.complaints)
        if told["sglsim_log_failures_total"] == 0:  # the faults met a checkpoint, which is done again later
            sglsim("verify", router.log)
            continue
        resumed += 1
        assert "the decision log goes on" in router.complaints, router.complaints
        missing = check_gapped(router.log, INPUTS + 2)
        assert missing == told["sglsim_log_dropped_inputs_total"], (missing, told, router.complaints)
        assert f"{missing} inputs are missing in the log (its gaps say where)" in router.complaints
        assert router.rows("SELECT count(*) FROM worker") == [(1,)]
    assert resumed >= 4


def test_workers_that_join_while_the_disk_is_full_are_in_the_log():
    late = Worker()
    with Injected([Worker()], "pwrite64", "error=ENOSPC:when=5..6", finishes_well=True) as router:
        while router.metrics()["sglsim_log_failed"] == 0:
            assert router.ask()[0] == 200
            time.sleep(0.02)
        assert router.ask("/add_worker?url=" + late.url, b"")[0] == 200
        wait_until(lambda: router.metrics()["sglsim_log_failed"] == 0, "a disk that is well", 60)
        assert serves(router, 10)
        assert router.finish() == 0, router.complaints
    assert late.sent() >= 5
    check_gapped(router.log)
    assert router.rows("SELECT url FROM worker ORDER BY worker")[1] == (late.url,)
    assert router.rows("SELECT count(*) > 4 FROM decision WHERE worker = 1") == [(1,)]


# The log holds the tenant of each request, so that not many requests are a lot of log.
TENANT = "t" * 8192
NAMED_TENANTS = ("--tenant-header", "tenant")
SMALL_DISK = 2 * 1024 * 1024


@contextlib.contextmanager
def small_disk():
    """A file system of that many bytes, or None."""
    os.mkdir("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", "disk"]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        print("    left out: a file system cannot be mounted here")
        yield None
        return
    try:
        yield "disk"
    finally:
        subprocess.run(["umount", "disk"], check=True)


def fill(router):
    """Asks until the log cannot be written. It holds the tenant of each request: there is no room for so many."""
    for _ in range(SMALL_DISK // len(TENANT) // 50 + 1):
        if router.metrics()["sglsim_log_failed"] == 0:
            assert serves(router, 50, fields=(("tenant", TENANT),))
    wait_until(lambda: router.metrics()["sglsim_log_failed"] > 0, "a disk that is full", 60)


def test_a_small_disk_fills_up_and_serving_goes_on():
    with small_disk() as disk:
        if disk is None:
            return
        router = Serve([Worker(), Worker()], "--disable-health-check", *NAMED_TENANTS, verify=None)
        router.log = "disk/serve.db"
        try:
            router.__enter__()
            assert serves(router, 50)
            wait_until(lambda: check_database("disk/serve.db.partial") > 50, "a commit")
            fill(router)
            assert serves(router, 50)
            wait_until(lambda: dropped(router) >= 100, "what is lost to be counted")
            router.process.send_signal(signal.SIGTERM)
            complaints = router.process.communicate(timeout=60)[1]
            assert router.process.returncode == 1 and "left in it" in complaints, complaints
            assert check_database("disk/serve.db.partial") > 50
            sglsim("verify", "disk/serve.db.partial", expected=4)
        finally:
            router.process.kill()
            router.process.wait()


def test_a_full_disk_that_is_freed_is_written_to_again():
    with small_disk() as disk:
        if disk is None:
            return
        with open("disk/ballast", "wb") as ballast:
            ballast.write(bytes(1200000))
        router = Serve([Worker(), Worker()], "--disable-health-check", *NAMED_TENANTS, verify=None)
        router.log = "disk/serve.db"
        try:
            router.__enter__()
            fill(router)
            os.unlink("disk/ballast")
            wait_until(lambda: router.metrics()["sglsim_log_failed"] == 0, "a disk that is well", 60)
            before = dropped(router)
            assert serves(router, 50)
            assert dropped(router) == before
            router.process.send_signal(signal.SIGTERM)
            complaints = router.process.communicate(timeout=60)[1]
            assert router.process.returncode == 0, complaints
            assert check_gapped("disk/serve.db") == before
        finally:
            router.process.kill()
            router.process.wait()


def test_a_slow_disk_is_not_waited_for():
    with Injected([Worker(), Worker()], "fdatasync", STANDSTILL) as router:
        assert serves(router, 1)
        router.wait_for_standstill()  # the commit that comes within a second
        assert serves(router, 200)
        assert dropped(router) == 0
        router.let_go()
        assert router.finish() == 0, router.complaints
    assert router.rows("SELECT count(*) FROM input") == [(2 + 2 * 201,)]
    sglsim("verify", router.log)


def keeps_a_request(router):
    before = dropped(router)
    return serves(router, 1) and dropped(router) == before


def test_a_disk_that_cannot_keep_up_costs_rows_not_requests():
    workers = [Worker(), Worker()]
    with Injected(workers, "pwrite64", STANDSTILL, "--log-buffer-mib", "1", *NAMED_TENANTS) as router:
        assert serves(router, 1)
        router.wait_for_standstill()
        assert dropped(router) == 0
        assert serves(router, 1024 * 1024 // len(TENANT), fields=(("tenant", TENANT),))
        assert dropped(router) > 0  # the buffer has no room for so many
        assert serves(router, 50)
        router.let_go()
        wait_until(lambda: keeps_a_request(router), "room in the buffer")
        missing = dropped(router)
        assert router.finish() == 0, router.complaints
    assert "its gaps say where" in router.complaints
    assert check_gapped(router.log, 2 + 2 * sum(worker.sent() for worker in workers)) == missing


def test_readers_of_the_log_hold_up_nobody():
    router = Serve([Worker()], "--disable-health-check", verify=None)
    with router:
        partial = router.log + ".partial"
        assert router.ask()[0] == 200
        wait_until(lambda: check_database(partial) > 0, "a commit")
        reader = sqlite3.connect(partial, isolation_level=None, check_same_thread=False)
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM input").fetchone()
        # Commits come meanwhile, too.
        for _ in range(3):
            committed = check_database(partial)
            wait_until(lambda: serves(router, 20) and check_database(partial) > committed, "a commit beside a reader")
        # Even one who wants to write: it gets no further than the writer lets it.
        other = sqlite3.connect(partial, isolation_level=None, timeout=0)
        try:
            other.execute("BEGIN IMMEDIATE")
            assert serves(router, 20)
            other.execute("ROLLBACK")
        except sqlite3.OperationalError:
            pass
        other.close()
        assert serves(router, 20)
        assert reader.execute("SELECT count(*) FROM input").fetchone() == before
        assert router.metrics()["sglsim_log_dropped_inputs_total"] == 0
        # Who reads when it ends is waited for.
        threading.Timer(2, reader.close).start()
    sglsim("verify", router.log)


run(globals())
