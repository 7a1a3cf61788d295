"""What the decision log has of prompts: nothing, their hashes, or the bodies themselves."""

import csv
import json
import os
import sqlite3
import stat

from live import run, sglsim
from serving import Serve, Worker, wait_until

QUICK = ("--disable-health-check",)
BODIES = [
    b'{"text": "an  ordinary prompt", "n": 1.10}', '{"text": "\u00e4\u20ac\U0001f600 \\u0000 \\"quoted\\", =1+1"}'.encode(),
    b'{"text":"' + b"x" * 100000 + b'"}', b'{"text":"same"}', b'{"text":"same"}', b'{"text":"sixteen bytes"}\n\n',
]
NO_TEXT = [b'{"text":"\xff"}', b"a\x00b", b'{"text":"' + b"x" * (1 << 20) + b'"}', b""]


def tables(router):
    return router.rows("SELECT request, body_bytes, body FROM prompt ORDER BY request")


def test_full_keeps_every_body_as_it_came():
    for policy, threads in (("cache_aware", "1"), ("round_robin", "3")):
        with Serve([Worker(), Worker()], *QUICK, "--log-prompts", "full", "--threads", threads, policy=policy) as router:
            for body in BODIES:
                assert router.ask(body=body)[0] == 200
            assert stat.S_IMODE(os.stat(router.log + ".partial").st_mode) == 0o600
            assert router.metrics()["sglsim_log_dropped_prompts_total"] == 0
        assert stat.S_IMODE(os.stat(router.log).st_mode) == 0o600
        assert tables(router) == [(i, len(body), body.decode()) for i, body in enumerate(BODIES)]
        assert router.rows("SELECT value FROM run WHERE key = 'rows.prompt'") == [(str(len(BODIES)),)]
        hashed = router.rows("SELECT count(*) FROM request WHERE prefix_ids IS NOT NULL")
        assert hashed == [(len(BODIES) if policy == "cache_aware" else 0,)]


def test_what_is_no_text_or_too_long_is_only_weighed():
    with Serve([Worker()], *QUICK, "--log-prompts", "full") as router:
        for body in NO_TEXT:
            assert router.ask(body=body)[0] == 200
    assert tables(router) == [(i, len(b), None if b else "") for i, b in enumerate(NO_TEXT)]


def test_a_retried_request_is_kept_once_and_a_refused_one_not():
    workers = [Worker(lambda *call: None), Worker()]
    with Serve(workers, *QUICK, "--log-prompts", "full", "--retry-initial-backoff-ms", "1") as router:
        for _ in range(4):
            assert router.ask(body=b'{"text":"a"}')[0] == 200
    assert [row[0] for row in tables(router)] == [0, 1, 2, 3]


def test_converting_carries_it_and_traces_do_not():
    with Serve([Worker()], *QUICK, "--log-prompts", "full") as router:
        for body in BODIES + NO_TEXT:
            assert router.ask(body=body)[0] == 200
    before = tables(router)
    sglsim("convert", router.log, "run/")
    sglsim("verify", "run/")
    with open("run/prompt.csv", encoding="utf-8", newline="") as file:
        read = list(csv.reader(file))
    assert read[0] == ["request", "body_bytes", "body"]
    assert [row[2] for row in read[1:7]] == [body.decode() for body in BODIES]
    assert stat.S_IMODE(os.stat("run/prompt.csv").st_mode) == 0o600
    sglsim("convert", "run/", "again.db")
    sglsim("verify", "again.db")
    router.log = "again.db"
    assert tables(router) == before
    sglsim("convert", "again.db", "trace.csv")
    with open("trace.csv", "rb") as file:
        assert b"ordinary" not in file.read()


def test_changed_bodies_are_found():
    with Serve([Worker()], *QUICK, "--log-prompts", "full") as router:
        for body in BODIES:
            assert router.ask(body=body)[0] == 200
    for change in (
        "UPDATE prompt SET body = 'other' WHERE request = 1", "DELETE FROM prompt WHERE request = 3",
        "UPDATE prompt SET body_bytes = 1 WHERE request = 0", "INSERT INTO prompt VALUES (77, 1, 'x')",
        "UPDATE prompt SET body = NULL WHERE request = 2",
    ):
        with open(router.log, "rb") as log, open("changed.db", "wb") as copy:
            copy.write(log.read())
        database = sqlite3.connect("changed.db")
        database.execute(change)
        database.commit()
        database.close()
        sglsim("verify", "changed.db", expected=3)


def test_hash_and_none_keep_no_body():
    for mode, policy, verdict in (("hash", "cache_aware", 0), ("none", "cache_aware", 4), ("none", "random", 0)):
        with Serve([Worker()], *QUICK, "--log-prompts", mode, policy=policy, verify=None) as router:
            assert router.ask(body=b'{"text":"a secret that stays one"}')[0] == 200
        said = sglsim("verify", router.log, expected=verdict)
        assert verdict != 4 or "prefix ids" in said and "--log-prompts none" in said, said
        assert tables(router) == []
        with open(router.log, "rb") as log:
            assert b"a secret that stays one" not in log.read()


def test_without_a_log_there_is_nowhere_to_keep_them():
    sglsim("serve", "--worker-urls", "http://127.0.0.1:1", "--port", "0", "--log-prompts", "full", expected=2)


def test_what_does_not_fit_is_counted():
    worker = Worker()
    options = ("--log-prompts", "full", "--log-buffer-mib", "1")
    with Serve([worker], *QUICK, *options) as router:
        body = json.dumps({"text": "y" * 300000}).encode()
        for _ in range(20):
            router.many(4, body=body)
        wait_until(lambda: router.get("/liveness")[0] == 200, "it")
        lost = router.metrics()["sglsim_log_dropped_prompts_total"]
        inputs = router.metrics()["sglsim_log_dropped_inputs_total"]
    assert len(tables(router)) == 80 - lost and lost < 80
    assert inputs == 0


run(globals())
