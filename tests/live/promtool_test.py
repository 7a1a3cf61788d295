"""Prometheus' own judgement: of /metrics, of the rules, and of every query of the dashboard."""

import json
import os
import shutil
import subprocess
import sys

if shutil.which("promtool") is None:
    print("SKIPPED: there is no promtool here (Debian: apt-get install prometheus, then run this again)")
    sys.exit(77)

from live import SOURCE, run
from serving import Serve, Worker, close, stream

RULES = os.path.join(SOURCE, "live/prometheus/rules.yml")


def promtool(*arguments, given=None):
    done = subprocess.run(
        ["promtool", *arguments], input=given, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0 and done.stderr == b"", (arguments, done.stdout, done.stderr)


def test_what_is_told_is_clean():
    for policy in ("round_robin", "cache_aware", "marginal_utility:min_history=2,window_size=4"):
        workers = [Worker(), Worker(stream), Worker(close)]
        options = ("--max-concurrent-requests", "9", "--retry-initial-backoff-ms", "1")
        with Serve(workers, *options, policy=policy) as router:
            promtool("check", "metrics", given=router.get("/metrics")[2])
            for i in range(20):
                router.ask(body=json.dumps({"text": "hello " * (i % 3 * 20)}).encode())
            promtool("check", "metrics", given=router.get("/metrics")[2])


def test_rules_are_rules():
    promtool("check", "rules", RULES)


def test_every_query_of_the_dashboard_is_one():
    with open(os.path.join(SOURCE, "live/grafana/dashboard.json"), encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    rules = [
        {"record": f"panel:{panel['id']}:{target['refId']}", "expr": target["expr"]}
        for panel in panels for target in panel["targets"]
    ]
    with open("queries.yml", "w", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
    promtool("check", "rules", "queries.yml")


run(globals())
