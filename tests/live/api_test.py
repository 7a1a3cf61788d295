"""The router's own endpoints: a test for each row of the table of its API, in the table's order."""

import json
import re
import socket
import uuid

from live import Emulate, run, sglsim
from serving import Serve, Worker, close, response

QUICK = ("--disable-health-check",)
NOBODY = "00000000-0000-4000-8000-000000000000"


def put(router, worker, change):
    body = change if isinstance(change, bytes) else json.dumps(change).encode()
    return router.ask("/workers/" + worker, body, "PUT")


def error(answer, status):
    """The answer is an error as all of the router's are; its message."""
    assert answer[0] == status, answer
    told = json.loads(answer[2])
    assert list(told) == ["error"] and sorted(told["error"]) == ["code", "message", "type"], told
    assert told["error"]["code"] == status and told["error"]["message"], told
    return told["error"]["message"]


def test_health_liveness_and_readiness():
    worker = Worker()
    with Serve([worker], *QUICK) as router:
        assert router.json("/health") == {
            "status": "healthy", "workers": [{"url": worker.url, "healthy": True}]}
        assert router.get("/liveness")[2] == b"OK"
        assert router.json("/readiness") == {
            "status": "ready", "healthy_workers": 1, "total_workers": 1}
        assert router.ask("/remove_worker?url=" + worker.url, b"")[0] == 200
        status, _, body = router.get("/health")
        assert status == 503 and json.loads(body) == {"status": "unhealthy", "workers": []}
        status, _, body = router.get("/readiness")
        assert status == 503
        assert json.loads(body) == {"status": "not ready", "reason": "there is no worker"}
        assert router.get("/liveness")[0] == 200
        for path in ("/health", "/liveness", "/readiness"):
            assert router.ask(path, None, "HEAD")[2] == b""
            error(router.ask(path, b"{}"), 405)


def test_list_add_and_remove():
    first, second = Worker(), Worker()
    with Serve([first], *QUICK) as router:
        answer = router.ask("/add_worker?url=" + second.url, b"")
        assert answer[0] == 200 and answer[1]["content-type"].startswith("text/plain")
        assert second.url.encode() in answer[2]
        assert router.json("/list_workers") == {"urls": [first.url, second.url]}
        assert "there already" in error(router.ask("/add_worker?url=" + second.url, b""), 400)
        error(router.ask("/add_worker", b""), 400)
        error(router.ask("/add_worker?url=nonsense", b""), 400)
        error(router.ask("/add_worker?url=http://127.0.0.1:1%00", b""), 400)
        assert router.ask("/remove_worker?x=1&url=" + second.url + "/", b"")[0] == 200
        assert router.json("/list_workers") == {"urls": [first.url]}
        error(router.ask("/remove_worker", b""), 400)
        error(router.ask("/remove_worker?url=" + second.url, b""), 404)
        error(router.get("/add_worker?url=" + second.url), 405)


def test_workers_have_all_the_fields():
    worker = Worker()
    with Serve([worker], *QUICK) as router:
        told = router.json("/workers")
        assert list(told) == ["workers", "total", "stats"] and told["total"] == 1
        assert told["stats"] == {"prefill_count": 0, "decode_count": 0, "regular_count": 1}
        one = told["workers"][0]
        assert str(uuid.UUID(one.pop("id"))) and uuid.UUID(router.json("/workers")["workers"][0]["id"])
        assert one == {
            "url": worker.url, "model_id": "unknown", "priority": 50, "cost": 1.0,
            "worker_type": "regular", "is_healthy": True, "load": 0, "connection_mode": "HTTP",
            "bootstrap_port": None, "metadata": {}}


def test_post_workers():
    worker = Worker()
    with Serve([], *QUICK) as router:
        said = {"url": worker.url + "/", "model_id": "m", "priority": 7, "cost": 0, "bootstrap_port": None,
                "worker_type": "regular", "labels": {"zone": "a"}}
        status, fields, body = router.ask("/workers", json.dumps(said).encode())
        told = json.loads(body)
        assert status == 202 and told["status"] == "accepted" and told["url"] == worker.url
        assert told["location"] == fields["location"] == "/workers/" + told["worker_id"]
        one = router.json(told["location"])
        assert (one["model_id"], one["priority"], one["cost"]) == ("m", 7, 0.0)
        assert one["metadata"] == {"zone": "a"}
        error(router.ask("/workers", json.dumps(said).encode()), 409)
        error(router.ask("/workers", b"{"), 400)
        for body, status in (
            ({}, 422), ({"url": 1}, 422), ({"url": "ftp://a"}, 400), ({"url": worker.url, "cost": -1}, 422),
            ({"url": "http://127.0.0.1:1", "worker_type": "x"}, 400),
            ({"url": "http://127.0.0.1:1", "worker_type": "decode"}, 400),
            ({"url": "http://127.0.0.1:1", "bootstrap_port": 65536}, 400),
            ({"url": "http://127.0.0.1:1", "labels": {"a": 1}}, 422),
            ({"url": "http://127.0.0.1:1", "labels": {str(i): "" for i in range(65)}}, 422),
        ):
            error(router.ask("/workers", json.dumps(body).encode()), status)
        assert router.json("/workers")["total"] == 1
        error(router.ask("/workers", None, "DELETE"), 405)


def test_get_put_and_delete_of_one():
    first, second = Worker(), Worker()
    with Serve([first, second], *QUICK) as router:
        one, other = (worker["id"] for worker in router.json("/workers")["workers"])
        before = router.json("/workers/" + one)
        assert router.ask("/workers/" + one, None, "HEAD")[0] == 200
        status, _, body = put(router, one, {"priority": 4294967295, "cost": 2.5, "labels": {"a": "1", "b": "2"}})
        assert status == 202
        assert json.loads(body) == {
            "status": "accepted", "worker_id": one, "message": "the worker was updated"}
        # Labels are changed one by one; what is not named, or null, stays.
        assert put(router, one, {"labels": {"b": "3", "c": "\u00e4\"\\"}, "cost": None})[0] == 202
        assert put(router, one, {})[0] == 202
        assert router.json("/workers/" + one) == {
            **before, "priority": 4294967295, "cost": 2.5,
            "metadata": {"a": "1", "b": "3", "c": "\u00e4\"\\"}}
        assert router.json("/workers")["workers"][1]["metadata"] == {}
        for change, status in (
            (b"", 400), (b"[]", 400), (b"{", 400), ({"priority": "high"}, 422), ({"priority": -1}, 422),
            ({"priority": 4294967296}, 422), ({"priority": 1.5}, 422), ({"cost": "1"}, 422),
            ({"cost": -0.1}, 422), ({"labels": []}, 422), ({"labels": {"a": None}}, 422),
            ({"labels": {"a": "x" * 20000}}, 422), ({"labels": {str(i): "" for i in range(63)}}, 422),
            ({"priority": 1, "cost": "x"}, 422), ({"disable_health_check": True}, 422),
            ({"api_key": "k", "priority": 1}, 422),
        ):
            error(put(router, one, change), status)
        assert router.json("/workers/" + one)["priority"] == 4294967295
        assert router.json("/workers/" + one)["metadata"]["a"] == "1"
        for method in ("GET", "PUT", "DELETE"):
            body = b"{}" if method == "PUT" else None
            error(router.ask("/workers/" + NOBODY, body, method), 404)
            error(router.ask("/workers/not-an-id", body, method), 400)
        error(router.ask("/workers/" + one, b"{}", "POST"), 405)
        status, _, body = router.ask("/workers/" + one, None, "DELETE")
        assert status == 202 and json.loads(body)["worker_id"] == one
        error(router.get("/workers/" + one), 404)
        error(put(router, one, {}), 404)
        assert [worker["id"] for worker in router.json("/workers")["workers"]] == [other]
        assert router.ask()[0] == 200
        # One that comes back is new.
        told = json.loads(router.ask("/workers", json.dumps({"url": first.url}).encode())[2])
        assert told["worker_id"] != one
        assert router.json(told["location"])["metadata"] == {}


def test_loads_count_what_is_under_way():
    def slow(worker, connection, request):
        worker.told = router.json("/get_loads")
        return response()

    worker = Worker(slow)
    with Serve([worker], *QUICK) as router:
        assert router.ask()[0] == 200
        assert worker.told == {"workers": [{"worker": worker.url, "load": 1}]}
        assert router.json("/get_loads") == {"workers": [{"worker": worker.url, "load": 0}]}


def test_flush_says_how_many_did():
    good, bad = Worker(), Worker()
    with Serve([good, bad], *QUICK) as router:
        assert json.loads(router.ask("/flush_cache", b"")[2]) == {
            "status": "success", "message": "the caches of all workers were flushed",
            "workers_flushed": 2, "total_workers": 2}
        bad.script = close
        status, _, body = router.ask("/flush_cache", b"")
        told = json.loads(body)
        assert status == 502 and told["status"] == "partial" and told["workers_flushed"] == 1
        assert good.requests[0][0].startswith(b"POST /flush_cache HTTP/1.1")
    assert router.rows("SELECT count(*) FROM input WHERE kind = 'flush_cache'") == [(2,)]


def test_what_is_asked_of_workers_is_composed():
    def models(*names):
        body = json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()
        return lambda worker, connection, request: response(body)

    first, second = Worker(models("a", "b")), Worker(models("b", "c"))
    with Serve([first, second], *QUICK) as router:
        assert sorted(m["id"] for m in router.json("/v1/models")["data"]) == ["a", "b", "c"]
        assert len(router.json("/get_server_info")["workers"]) == 2
        assert router.json("/get_model_info")["object"] == "list"
        first.script = second.script = close
        for path in ("/v1/models", "/get_server_info", "/get_model_info"):
            answer = router.get(path)
            error(answer, 503)
            assert int(answer[1]["retry-after"]) >= 1
    with Emulate("--model", "some/model") as workers, Serve(workers.urls, *QUICK) as router:
        assert router.json("/get_server_info")["internal_states"]
        assert [m["id"] for m in router.json("/v1/models")["data"]] == ["some/model"]


def test_what_there_is_not_and_wrong_methods():
    with Serve([Worker()], *QUICK) as router:
        error(router.get("/nothing"), 404)
        error(router.get("/generate"), 405)
        error(router.ask("/metrics", b""), 405)
        error(router.ask("/get_loads", b""), 405)


def test_a_router_is_no_worker_of_its_own():
    with Serve([Worker()], *QUICK) as router:
        for host in ("127.0.0.1", "localhost", "127.1", "0", "0.0.0.0", "[::ffff:127.0.0.1]", "LOCALHOST"):
            url = f"http://{host}:{router.port}"
            assert "router itself" in error(router.ask("/add_worker?url=" + url, b""), 400), url
            said = json.dumps({"url": url + "/v1"}).encode()
            assert "router itself" in error(router.ask("/workers", said), 400), url
        # Another port, and another address of this machine, are somebody else's.
        assert router.ask(f"/add_worker?url=http://127.0.0.1:{Worker().port}", b"")[0] == 200
        assert router.ask(f"/add_worker?url=http://127.0.0.2:{router.port}", b"")[0] == 200
    options = ("--host", "0.0.0.0", "--allowed-workers", "127.0.0.9", "--allowed-workers", "127.0.0.1")
    with Serve([Worker()], *QUICK, *options, "--admin-port", "0", "--admin-host", "127.0.0.1") as router:
        control = int(re.search(r":(\d+)$", router.process.stderr.readline())[1])
        for url in (f"http://127.0.0.9:{router.port}", f"http://127.0.0.1:{control}"):
            answer = router.ask("/add_worker?url=" + url, b"", port=control)
            assert "router itself" in error(answer, 400), url
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for host in ("localhost", "127.0.0.1"):
        sglsim("serve", "--port", port, "--worker-urls", f"http://{host}:{port}", expected=2)


run(globals())
