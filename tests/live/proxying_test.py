"""What passes through the proxy, what it says of itself, and what its log is worth."""
import json
import os
import signal
import subprocess
import threading
import time

import harness
from harness import (ANSWER, STREAM_HEAD, Answer, LiveTest, Worker, chunk, response, rows, verify,
                     wait_until)


def good(connection, request):
    return response()


def answering(make):
    """A worker's connection on which everything is answered alike, probes too."""
    def serve(connection):
        with connection:
            try:
                while harness.read_request(connection) is not None:
                    connection.sendall(make())
            except OSError:
                pass
    return serve


class Proxying(LiveTest):
    def test_fields_pass_both_ways(self):
        answer_fields = b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty:\r\nDate: today\r\n"
        proxy = self.start(lambda connection, request: response(b"ok", fields=answer_fields))
        answer = proxy.post(fields=b"X-Twice: 1\r\nx-twice: 2\r\nX-None:\r\nX-Hop: 1\r\n"
                            b"Connection: X-Hop , upgrade,X-Next\r\nX-Next: 1\r\nTE: trailers\r\n"
                            b"Authorization: Bearer key\r\nUpgrade: websocket\r\n"
                            b"X-Spaces:  a b  \r\n", target="/v1/chat/completions?x=%20y")
        request = self.workers[0].requests[0]
        self.assertEqual(request.line, b"POST /v1/chat/completions?x=%20y HTTP/1.1")
        self.assertEqual(request.values(b"host"), [self.workers[0].url[7:].encode()])
        self.assertEqual(request.values(b"x-twice"), [b"1", b"2"])
        self.assertIn(b"\r\nX-Twice: 1\r\nx-twice: 2\r\n", request.head)
        self.assertEqual(request.values(b"x-none"), [b""])
        self.assertEqual(request.values(b"x-spaces"), [b"a b"])
        for name in (b"x-hop", b"x-next", b"te", b"upgrade", b"connection", b"accept", b"content-type", b"user-agent",
                     b"authorization"):
            self.assertEqual(request.values(name), [], name)
        self.assertEqual(answer.values(b"set-cookie"), [b"a=1", b"b=2"])
        self.assertEqual(answer.values(b"date"), [b"today"])
        self.assertEqual(answer.values(b"x-empty"), [b""])

    def test_every_api_path_passes(self):
        proxy = self.start(good)
        for path in ("/generate", "/v1/chat/completions", "/v1/completions", "/v1/embeddings",
                     "/v1/rerank", "/v1/whatever/comes"):
            self.assertEqual(proxy.post(target=path).body, ANSWER)
        self.assertEqual([r.line.split()[1].decode() for r in self.workers[0].requests][-1],
                         "/v1/whatever/comes")

    def test_a_path_before_the_workers_own(self):
        self.workers = [Worker()]
        self.proxy = harness.Proxy([self.workers[0].url + "/base/"], log=self.log)
        self.proxy.post()
        self.assertIn(b"POST /base/generate HTTP/1.1", [r.line for r in self.workers[0].requests])

    def test_who_served_and_why(self):
        proxy = self.start(good, good)
        answer = proxy.post()
        self.assertEqual(answer.values(b"x-sglsim-worker"), [self.workers[0].url.encode()])
        self.assertEqual(answer.values(b"x-sglsim-reason"), [b"turn"])
        decision = int(answer.values(b"x-sglsim-decision")[0])
        self.proxy.stop()
        self.assertEqual(rows(self.log, "SELECT worker FROM decision WHERE sequence = %d"
                              % decision), [(0,)])

    def test_requests_keep_their_names(self):
        proxy = self.start(good)
        for name in (b"X-Request-Id", b"x-correlation-id", b"X-Trace-Id", b"request-id"):
            answer = proxy.post(fields=name + b": mine-" + name + b"\r\n")
            self.assertEqual(answer.values(b"x-request-id"), [b"mine-" + name])
            self.assertEqual(self.workers[0].requests[-1].values(b"x-request-id"),
                             [b"mine-" + name])
        made = {proxy.post().values(b"x-request-id")[0] for _ in range(10)}
        self.assertEqual({len(name) for name in made}, {32})
        self.assertEqual(len(made), 10)
        evil = b"=cmd|'; DROP TABLE request; --\", \tx"
        self.assertEqual(proxy.post(fields=b"x-request-id: " + evil + b"\r\n").status, 200)
        self.proxy.stop()
        self.assertEqual(rows(self.log, "SELECT request_id FROM request ORDER BY request DESC "
                              "LIMIT 1"), [(evil.decode(),)])

    def test_streams_pass_as_they_come(self):
        go = threading.Event()

        def script(connection, request):
            connection.sendall(STREAM_HEAD)
            go.wait(harness.PATIENCE)
            connection.sendall(chunk(b"data: 1\n\n"))
            go.clear()
            go.wait(harness.PATIENCE)
            return chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        proxy = self.start(script)
        with proxy.dial() as connection:
            connection.sendall(b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
            head = connection.recv(10000)  # before there is any data
            self.assertTrue(head.endswith(b"\r\n\r\n"), head)
            self.assertIn(b"text/event-stream", head)
            go.set()
            self.assertEqual(connection.recv(10000), chunk(b"data: 1\n\n"))
            go.set()
            rest = b""
            while not rest.endswith(b"0\r\n\r\n"):
                rest += connection.recv(10000)

    def test_http_1_0_clients_are_answered_until_the_end(self):
        proxy = self.start(lambda connection, request: STREAM_HEAD + chunk(b"data: 1\n\n")
                           + b"0\r\n\r\n")
        answer = Answer(proxy.say(b"POST /generate HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}"))
        self.assertEqual(answer.values(b"transfer-encoding"), [])
        self.assertEqual(answer.rest, b"data: 1\n\n")

    def test_what_answers_say_is_learned(self):
        proxy = self.start(good, policy="shortest_queue")
        proxy.post()
        usage = (b'{"choices":[{"message":{"content":"\\"usage\\": {\\"completion_tokens\\": 9}"}}],'
                 b'"usage":{"prompt_tokens":7,"completion_tokens":11,'
                 b'"prompt_tokens_details":{"cached_tokens":4}},"x":1}')
        self.workers[0].script = lambda connection, request: response(usage)
        proxy.post(target="/v1/chat/completions")
        self.workers[0].script = lambda connection, request: response(b'{"object":"list"}')
        proxy.post(target="/v1/embeddings")
        self.proxy.stop()
        self.assertEqual(rows(self.log, "SELECT prompt_tokens, output_tokens, cached_tokens, "
                              "queue_time_ns, success FROM outcome ORDER BY sequence"),
                         [(5, 3, 2, 250000000, 1), (7, 11, 4, None, 1),
                          (None, None, None, None, 1)])
        self.assertEqual(rows(self.log, "SELECT queue_length FROM input WHERE kind = 'complete' "
                              "ORDER BY sequence"), [(4,), (None,), (None,)])

    def test_loads_are_polled(self):
        loads = json.dumps({"loads": [{"num_running_reqs": 3, "num_waiting_reqs": 2,
                                       "token_usage": 0.5}]}).encode()
        worker = Worker()
        worker.serve = answering(lambda: response(loads))
        self.workers = [worker]
        self.proxy = harness.Proxy([worker], "--load-interval", "20ms", log=self.log)
        time.sleep(0.5)
        self.proxy.stop()
        self.assertEqual(rows(self.log, "SELECT DISTINCT queue_length, running, token_usage FROM "
                              "input WHERE kind = 'report_load'"), [(2, 3, 0.5)])

    def test_probes_take_workers_out_and_bring_them_back(self):
        health = {"status": b"200 OK"}
        worker = Worker()
        worker.serve = answering(lambda: response(b"", health["status"]))
        self.workers = [worker]
        self.proxy = harness.Proxy([worker], "--health-check-interval-secs", "0.02", log=self.log)
        self.assertEqual(self.proxy.get("/readiness").status, 200)
        health["status"] = b"503 Busy"
        wait_until(lambda: self.proxy.get("/readiness").status == 503, "it to be unhealthy")
        self.assertEqual(self.proxy.post().status, 503)
        self.assertEqual(self.proxy.get("/health").json()["status"], "unhealthy")
        health["status"] = b"200 OK"
        wait_until(lambda: self.proxy.get("/readiness").status == 200, "it to be healthy")

    def test_workers_come_and_go(self):
        proxy = self.start(good)
        other = Worker()
        added = proxy.post(json.dumps({"url": other.url}).encode(), "/workers")
        self.assertEqual(added.status, 202)
        self.assertEqual(proxy.post(json.dumps({"url": other.url}).encode(), "/workers").status,
                         409)
        self.assertEqual(proxy.post(b"{}", "/workers").status, 422)
        self.assertEqual(proxy.post(b"{", "/workers").status, 400)
        path = added.values(b"location")[0].decode()
        self.assertEqual(proxy.get(path).json()["url"], other.url)
        self.assertEqual(proxy.get("/workers").json()["total"], 2)
        self.assertEqual(proxy.get("/workers/nonsense").status, 400)
        self.assertEqual(proxy.get("/workers/" + "0" * 8 + "-0000-0000-0000-" + "0" * 12).status,
                         404)
        self.assertEqual({proxy.post().status for _ in range(4)}, {200})
        self.assertEqual(len(other.requests), 2)
        deleted = Answer(proxy.say(b"DELETE " + path.encode() + b" HTTP/1.1\r\nHost: a\r\n"
                                   b"Connection: close\r\n\r\n"))
        self.assertEqual(deleted.status, 202)
        self.assertEqual(proxy.get("/list_workers").json(), {"urls": [self.workers[0].url]})
        self.assertEqual(proxy.post(b"", "/add_worker?url=" + other.url.replace(":", "%3A")).status,
                         200)
        self.assertEqual(proxy.post(b"", "/remove_worker?url=" + other.url + "/").status, 200)
        self.assertEqual(proxy.post(b"", "/remove_worker?url=" + other.url).status, 404)
        for bad in ("", "?url=", "?url=file:///etc/passwd", "?url=gopher://a", "?url=nonsense",
                    "?url=http://user:word@a:1", "?url=http://a:99999"):
            self.assertEqual(proxy.post(b"", "/add_worker" + bad).status, 400, bad)
        other.close()

    def test_equal_prompts_go_where_they_are_known(self):
        proxy = self.start(good, good, policy="cache_aware")
        prompt = json.dumps({"messages": [{"role": "user", "content": "once upon a time " * 50}],
                             "max_tokens": 7, "model": "m"}).encode()
        for _ in range(6):
            proxy.post(prompt, "/v1/chat/completions")
        self.assertEqual(sorted(self.sent()), [0, 6])
        self.proxy.stop()
        self.assertEqual(rows(self.log, "SELECT count(*) FROM decision WHERE reason = 'cache_hit'"),
                         [(5,)])
        self.assertEqual(rows(self.log, "SELECT DISTINCT model, max_tokens, prefix_block FROM "
                              "request"), [("m", 7, 16)])
        with open(self.log, "rb") as log:
            self.assertNotIn(b"once upon", log.read())

    def test_numbers(self):
        proxy = self.start(good)
        proxy.post()
        text = proxy.get("/metrics").body.decode()
        self.assertIn('sglang_router_requests_total{status="200"} 1\n', text)
        self.assertIn("sglang_router_request_duration_seconds_count 1\n", text)
        self.assertIn('sglang_router_worker_pending_requests{worker="%s"} 0\n'
                      % self.workers[0].url, text)
        self.assertIn("sglang_router_cache_hits_total 0\n", text)


def crowd(proxy, count, size):
    """`count` clients that send `size` requests each; every fifth leaves without its answer."""
    def client(number):
        for i in range(size):
            stream = (number + i) % 2 == 0
            body = json.dumps({"text": "prompt %d " % (i % 7) * 20, "stream": stream}).encode()
            if (number + i) % 5 == 0:
                with proxy.dial() as connection:
                    connection.sendall(b"POST /generate HTTP/1.1\r\nHost: a\r\n"
                                       b"Content-Length: %d\r\n\r\n" % len(body) + body)
            else:
                proxy.post(body)
    threads = [threading.Thread(target=client, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def busy(connection, request):
    """Streams, answers, and fails now and then."""
    if request.body.endswith(b"3"):
        return None
    if b'"stream": true' in request.body:
        return STREAM_HEAD + chunk(b"data: 1\n\n") * 3 + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    return response()


class Logs(LiveTest):
    def test_threads_make_one_order(self):
        for policy in ("explore:epsilon=0.2,base=marginal_utility", "cache_aware",
                       "power_of_two", "shortest_queue"):
            proxy = self.start(busy, busy, busy, policy=policy, options=("--threads", "4"))
            crowd(proxy, 8, 25)
            self.assertEqual(len({row[0] for row in self.outcomes()}), 3)
            self.assertEqual(rows(self.log, "SELECT count(*) FROM request")[0][0], 200)
            self.assertEqual(rows(self.log, "SELECT count(*) FROM decision WHERE decision_ns IS "
                                  "NULL")[0][0], 0)
            self.again()

    def test_a_killed_process_leaves_what_was_committed(self):
        proxy = self.start(busy, busy, options=("--threads", "2"))
        crowd(proxy, 4, 25)
        time.sleep(3)
        proxy.process.send_signal(signal.SIGKILL)
        proxy.process.wait()
        # The next run keeps it under another name.
        self.assertFalse(os.path.exists(self.log))
        self.proxy.process.stderr.close()
        self.proxy = harness.Proxy(self.workers, log=self.log)
        left = self.log + ".interrupted"
        self.assertTrue(os.path.exists(left))
        status, text = verify(left)
        self.assertEqual(status, 4, text)
        self.assertEqual(rows(left, "PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(rows(left, "SELECT count(*) FROM request")[0][0], 100)

    def test_a_log_is_a_trace(self):
        proxy = self.start(good, good)
        for _ in range(20):
            proxy.post()
        self.proxy.stop()
        done = subprocess.run([harness.PROGRAM, "replay", self.log, "--policy", "random", "--log",
                               "none", "--json"], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_draining_completes_what_is_under_way(self):
        go = threading.Event()

        def slow(connection, request):
            go.wait(harness.PATIENCE)
            return response()
        proxy = self.start(slow)
        with proxy.dial() as connection:
            connection.sendall(b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
            wait_until(lambda: len(self.workers[0].requests) == 1, "the request")
            proxy.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            with self.assertRaises(OSError):
                proxy.dial()
            go.set()
            answer = Answer(harness.read_all(connection))
        self.assertEqual(answer.body, ANSWER)
        self.assertEqual(answer.values(b"connection"), [b"close"])
        self.assertEqual(proxy.process.wait(harness.PATIENCE), 0)
        self.assertEqual(verify(self.log)[0], 0)

    def test_a_second_signal_cuts(self):
        proxy = self.start(lambda connection, request: self.workers[0].wait_for_hang_up(connection))
        with proxy.dial() as connection:
            connection.sendall(b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
            wait_until(lambda: len(self.workers[0].requests) == 1, "the request")
            proxy.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            proxy.process.send_signal(signal.SIGTERM)
            self.assertEqual(proxy.process.wait(harness.PATIENCE), 0)
        self.assertEqual(verify(self.log)[0], 0)
        self.assertEqual(rows(self.log, "SELECT error FROM outcome"), [("shutdown",)])

    def test_a_full_ring_is_a_gap_that_is_told(self):
        prompt = json.dumps({"text": "x" * 1000000}).encode()
        proxy = self.start(good, policy="cache_aware",
                           options=("--log-buffer-mib", "1", "--prefix-block", "16"))
        with proxy.dial() as connection:
            for _ in range(40):
                connection.sendall(b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: %d"
                                   b"\r\n\r\n" % len(prompt) + prompt)
            seen = b""
            while seen.count(b"HTTP/1.1 200") < 40:
                seen += connection.recv(65536)
        dropped = int(proxy.get("/metrics").body.decode().split(
            "\nsglsim_log_dropped_inputs_total ")[1].split()[0])
        proxy.stop()
        gaps = rows(self.log, "SELECT sequence, dropped FROM gap")
        self.assertEqual(sum(gap[1] for gap in gaps), dropped)
        status, text = verify(self.log)
        if dropped > 0:
            self.assertEqual(status, 4, text)
            self.assertIn("sequence %d, then a gap" % (gaps[0][0] - 1), text)
        else:
            self.assertEqual(status, 0, text)


if __name__ == "__main__":
    harness.main()
