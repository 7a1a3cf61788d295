"""The same trace and policy, simulated and live: replay beside emulate + serve + load.

What must hold whatever the machine does: the live log re-executes bit for bit, and where the router
saw the same (the outstanding requests of each worker) it decided the same. How near the latencies
come depends on the machine, so they are printed.
"""

import csv
import os
import signal
import sqlite3
import statistics
import subprocess
import time
import urllib.request

from live import PROGRAM, SAMPLE, Emulate, load, run, sglsim

REQUESTS = 80

DECISIONS = """
    SELECT r.request, r.request_id, d.worker, group_concat(c.worker || ':' || c.outstanding),
        o.ttft_ns / 1e6, o.e2e_ns / 1e6
    FROM request r JOIN decision d ON d.request = r.request
        JOIN candidate c ON c.sequence = d.sequence JOIN outcome o ON o.request = r.request
    GROUP BY r.request ORDER BY r.request, c.worker
"""


class Serve:
    """A router over urls, logging to `path`, until the block ends."""

    def __init__(self, urls, policy, path):
        self.arguments = ["--worker-urls", *urls, "--policy", policy, "--log", path, "--port", "0"]

    def __enter__(self):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", *self.arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )
        for line in self.process.stdout:
            if "http://127.0.0.1:" in line:
                port = line.split("http://127.0.0.1:")[1]
                port = port[: len(port) - len(port.lstrip("0123456789"))]
                self.url = f"http://127.0.0.1:{port}"
                break
        for _ in range(500):
            try:
                with urllib.request.urlopen(self.url + "/readiness", timeout=5) as answer:
                    if answer.status == 200:
                        return self
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError("the router is not ready")

    def __exit__(self, kind, error, trace):
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=60)
        assert kind is not None or self.process.returncode == 0, output


def decisions(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(DECISIONS).fetchall()
    finally:
        connection.close()


def both(policy):
    """Rows of the simulated and of the live log."""
    with open(SAMPLE, encoding="utf-8") as file, open("slice.csv", "w", encoding="utf-8") as out:
        out.writelines(line for _, line in zip(range(REQUESTS + 1), file))
    sglsim("replay", "slice.csv", "--policy", policy, "--workers", 3, "--log", "sim.db", "--json")
    with Emulate("--count", "3") as workers, Serve(workers.urls, policy, "live.db") as router:
        figures = load(router.url, "slice.csv", "--out", "client.csv")
        assert figures["succeeded"] == REQUESTS, figures
    sglsim("verify", "live.db")
    with open("client.csv", encoding="utf-8") as file:
        hosts = {row["req_id"]: row["host"] for row in csv.DictReader(file)}
    simulated, live = decisions("sim.db"), decisions("live.db")
    assert len(simulated) == len(live) == REQUESTS
    # The client was told who served, and it was who the log says.
    assert all(hosts[row[1]] == workers.urls[row[2]] for row in live)
    for name, rows in (("simulated", simulated), ("live", live)):
        print(
            f"    {policy}, {name}: ttft {statistics.mean(row[4] for row in rows):.1f} ms, e2e "
            f"{statistics.mean(row[5] for row in rows):.1f} ms, shares "
            f"{[sum(row[2] == worker for row in rows) for worker in range(3)]}"
        )
    return simulated, live


def test_round_robin_decides_the_same_live_and_simulated():
    simulated, live = both("round_robin")
    assert [row[2] for row in simulated] == [row[2] for row in live]


def test_least_outstanding_decides_the_same_where_it_sees_the_same():
    simulated, live = both("least_outstanding")
    alike = [(a, b) for a, b in zip(simulated, live) if a[3] == b[3]]
    assert len(alike) > 0
    assert all(a[2] == b[2] for a, b in alike)
    print(f"    same inputs in {len(alike)} of {REQUESTS} decisions")


assert os.path.exists(SAMPLE)
run(globals())
