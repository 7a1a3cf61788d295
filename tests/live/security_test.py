"""Keys, realms, who may add which worker, and what of a request is kept where."""

import json
import os
import re
import stat

from live import run
from serving import Serve, Worker

QUICK = ("--disable-health-check",)
DATA = [
    ("POST", "/generate"), ("POST", "/v1/chat/completions"), ("POST", "/v1/completions"),
    ("POST", "/v1/embeddings"), ("POST", "/v1/rerank"), ("GET", "/v1/models"),
    ("GET", "/get_model_info"), ("GET", "/get_server_info"), ("GET", "/health_generate"),
    ("GET", "/nothing"), ("POST", "/health"), ("GET", "/generate"),
]
CONTROL = [
    ("GET", "/workers"), ("POST", "/workers"), ("GET", "/workers/x"), ("DELETE", "/workers/x"),
    ("GET", "/workers/../metrics"), ("POST", "/add_worker?url=http://127.0.0.1:1"),
    ("POST", "/remove_worker?url=http://127.0.0.1:1"), ("GET", "/list_workers"),
    ("GET", "/get_loads"), ("POST", "/flush_cache"), ("GET", "/metrics"), ("HEAD", "/metrics"),
]
PUBLIC = [("GET", "/health"), ("GET", "/liveness"), ("GET", "/readiness"), ("HEAD", "/health")]


def key(text):
    return [("Authorization", "Bearer " + text)]


def asked(router, realm, fields=(), port=None):
    return {
        router.ask(path, b"{}" if method == "POST" else None, method, fields, port)[0]
        for method, path in realm
    }


def test_without_the_key_all_but_the_public_routes_are_closed():
    with Serve([Worker()], *QUICK, "--api-key", "sesame") as router:
        assert asked(router, DATA + CONTROL) == {401}
        assert asked(router, PUBLIC) == {200}
        answer = router.ask()
        assert answer[1]["www-authenticate"] == "Bearer"
        assert json.loads(answer[2])["error"]["code"] == 401
        assert 401 not in asked(router, DATA + CONTROL, key("sesame"))


def test_wrong_keys_and_two_of_them_are_refused():
    worker = Worker()
    with Serve([worker], *QUICK, "--api-key", "sesame") as router:
        for fields in (
            key("sesamf"), key("sesam"), key("sesame1"), key("s"), key(""), key("sesame sesame"),
            key("SESAME"), key("sesame") + key("sesame"), key("bad") + key("sesame"),
            [("Authorization", "sesame")], [("Authorization", "Basic sesame")],
            [("X-Api-Key", "sesame")],
        ):
            assert router.ask(fields=fields)[0] == 401, fields
        assert worker.sent() == 0
        assert router.ask(fields=[("authorization", "bearer sesame")])[0] == 200


def test_the_key_of_control_is_another_one():
    with Serve([Worker()], *QUICK, "--api-key", "data", "--admin-api-key", "control") as router:
        assert asked(router, CONTROL, key("data")) == {401}
        assert asked(router, DATA, key("control")) == {401}
        assert 401 not in asked(router, CONTROL, key("control"))
        assert 401 not in asked(router, DATA, key("data"))


def test_control_can_have_a_listener_of_its_own():
    worker = Worker()
    options = ("--admin-port", "0", "--admin-host", "127.0.0.1", "--threads", "2")
    with Serve([worker], *QUICK, *options) as router:
        control = int(re.search(r":(\d+)$", router.process.stderr.readline())[1])
        assert asked(router, CONTROL) == {404}
        assert asked(router, DATA, port=control) == {404}
        assert asked(router, PUBLIC) == asked(router, PUBLIC, port=control) == {200}
        assert router.get("/metrics", port=control)[0] == 200
        assert json.loads(router.get("/workers", port=control)[2])["total"] == 1
        assert router.ask()[0] == 200
        assert worker.sent() == 1


def test_the_clients_key_goes_to_no_worker_unless_asked_for():
    for options, expected in (((), 0), (("--forward-authorization",), 1)):
        worker = Worker()
        with Serve([worker], *QUICK, *options) as router:
            assert router.ask(fields=key("mine") + [("X-Other", "1")])[0] == 200
        head = worker.requests[0][0].lower()
        assert head.count(b"authorization") == head.count(b"mine") == expected
        assert b"x-other: 1" in head


def test_only_addresses_of_workers_are_taken_for_one():
    sentinel = Worker()
    with Serve([Worker()], *QUICK, "--allowed-workers", "127.0.0.1:1") as router:
        for url in (
            "file:///etc/passwd", "gopher://127.0.0.1:70/", "ftp://127.0.0.1/", "dict://127.0.0.1:1/",
            "http://a:b@127.0.0.1:1", "http://127.0.0.1:99999", "http://", "", "x", "//127.0.0.1",
            "http://127.0.0.1:1/?x=1", "http://127.0.0.1:1#@" + sentinel.url[7:], sentinel.url,
            "http://127.0.0.1:1@" + sentinel.url[7:], "http://[::ffff:127.0.0.1]:%d" % sentinel.port,
            "http://127.1:%d" % sentinel.port,
        ):
            quoted = url.replace("%", "%25").replace("#", "%23").replace("?", "%3f").replace("&", "%26")
            assert router.ask("/add_worker?url=" + quoted, b"")[0] == 400, url
            assert router.ask("/workers", json.dumps({"url": url}).encode())[0] == 400, url
        assert router.ask("/workers", b"{}")[0] == 422
        assert router.ask("/add_worker", b"")[0] == 400
        assert router.ask("/add_worker?url=http://127.0.0.1:1", b"")[0] == 200
        assert router.json("/workers")["total"] == 2
    assert sentinel.sent() == 0 and sentinel.probes == 0


def test_from_elsewhere_nobody_adds_workers_without_a_key():
    sentinel = Worker()
    body = json.dumps({"url": sentinel.url}).encode()
    for options, fields, expected in (
        ((), (), 400),
        (("--allowed-workers", "127.0.0.1"), (), 202),
        (("--api-key", "k"), key("k"), 202),
        (("--admin-port", "0", "--admin-host", "127.0.0.1"), (), 202),
    ):
        with Serve([Worker()], *QUICK, "--host", "0.0.0.0", *options) as router:
            port = None
            if "--admin-port" in options:
                port = int(re.search(r":(\d+)$", router.process.stderr.readline())[1])
            assert router.ask("/workers", body, fields=fields, port=port)[0] == expected, options


def test_ids_that_are_paths_are_no_ids():
    with Serve([Worker()], *QUICK) as router:
        for name in ("../metrics", "..%2fmetrics", "%2e%2e", "x" * 36, "0" * 36, "a/b"):
            for method in ("GET", "DELETE", "PUT"):
                assert router.ask("/workers/" + name, None, method)[0] in (400, 404), name


def test_what_is_logged_is_private_and_holds_no_prompt_and_no_key():
    secret, prompt = "k3y-of-a-client", "a prompt that nobody else shall read"
    body = json.dumps({"text": prompt}).encode()
    for policy, options, verified in (
        ("cache_aware", (), 0), ("cache_aware", ("--log-prompts", "none"), 4),
        ("round_robin", ("--log-prompts", "none"), 0),
    ):
        for name in os.listdir("."):
            os.unlink(name)
        workers = [Worker(), Worker()]
        options = (*QUICK, "--api-key", secret, *options)
        with Serve(workers, *options, policy=policy, verify=verified) as router:
            for _ in range(3):
                assert router.ask(body=body, fields=key(secret))[0] == 200
            for name in os.listdir("."):
                assert stat.S_IMODE(os.stat(name).st_mode) == 0o600, name
        assert stat.S_IMODE(os.stat(router.log).st_mode) == 0o600
        with open(router.log, "rb") as log:
            held = log.read() + router.complaints.encode()
        assert secret.encode() not in held and prompt.encode() not in held
        hashed = policy == "cache_aware" and verified == 0
        count = router.rows("SELECT count(*) FROM request WHERE prefix_ids IS NOT NULL")
        assert count == [(3 if hashed else 0,)]


def test_names_of_requests_are_kept_as_they_are():
    names = ["=cmd|calc", "+1", "-1", "@x", "a\tb", 'q"uote', "co,mma", "'; DROP TABLE outcome; --"]
    with Serve([Worker()], *QUICK) as router:
        for name in names:
            answer = router.ask(fields=[("x-request-id", name)])
            assert answer[0] == 200 and answer[1]["x-request-id"] == name
    assert [name for name, in router.rows("SELECT request_id FROM request ORDER BY request")] == names


run(globals())
