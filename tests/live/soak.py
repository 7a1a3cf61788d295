"""soak.py PROGRAM MINUTES - the proxy under mixed traffic: streams, answers, failures, clients that
leave. After a quarter of the time its memory must not grow any more, and its log must verify."""
import os
import sys
import tempfile
import time

import harness
from harness import Proxy, Worker
from proxying_test import busy, crowd

GROWTH_MIB = 8


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: soak.py PROGRAM MINUTES")
    harness.PROGRAM = os.path.abspath(sys.argv[1])
    seconds = 60 * float(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "run.db")
        workers = [Worker(busy) for _ in range(3)]
        proxy = Proxy(workers, "--threads", "2", "--retry-initial-backoff-ms", "1",
                      "--cache-threshold", "0.5", "--max-tree-size", "65536", log=log,
                      policy="cache_aware")
        begun = time.monotonic()
        settled = None
        while (now := time.monotonic() - begun) < seconds:
            crowd(proxy, 8, 25)
            if settled is None and now > seconds / 4:
                settled = proxy.memory_mib()
        last = proxy.memory_mib()
        proxy.stop()
        status, text = harness.verify(log)
        print("%.0f s, %d requests at workers, %.1f MiB after a quarter, %.1f MiB at the end; %s"
              % (seconds, sum(len(worker.requests) for worker in workers), settled or last, last,
                 text.splitlines()[0]))
        if status != 0:
            sys.exit("soak: the log does not verify")
        if settled is not None and last > settled + GROWTH_MIB + harness.slack_mib():
            sys.exit("soak: memory grew by more than %d MiB" % GROWTH_MIB)


if __name__ == "__main__":
    main()
