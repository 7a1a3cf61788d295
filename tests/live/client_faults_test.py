"""What goes wrong on the side of the clients, and that nobody else suffers from it."""
import socket
import threading
import time

import harness
from harness import ANSWER, STREAM_HEAD, Answer, LiveTest, chunk, response, wait_until

HOST = b"Host: a\r\n"


def post(body, fields=b"Connection: close\r\n"):
    return (b"POST /generate HTTP/1.1\r\n" + HOST + fields
            + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def good(connection, request):
    return response()


class ClientFaults(LiveTest):
    def test_c1_half_a_head_then_silence(self):
        proxy = self.start(good)
        begun = time.monotonic()
        answer = Answer(proxy.say(b"POST /generate HTTP/1.1\r\nHost:"))
        self.assertEqual(answer.status, 408)
        self.assertGreater(time.monotonic() - begun, 9)
        self.assertLess(time.monotonic() - begun, 30)

    def test_c2_bodies_that_drip(self):
        proxy = self.start(good)
        slow = [proxy.dial() for _ in range(200)]
        stop = threading.Event()

        def drip():
            while not stop.wait(2):
                for connection in slow:
                    try:
                        connection.send(b"x" * 100)
                    except OSError:
                        pass
        for connection in slow:
            connection.sendall(b"POST /generate HTTP/1.1\r\n" + HOST
                               + b"Content-Length: 100000\r\n\r\nx")
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            for _ in range(20):
                self.assertEqual(proxy.post().status, 200)
            for connection in slow:
                self.assertIn(b"408", connection.recv(20))
        finally:
            stop.set()
            thread.join()
            for connection in slow:
                connection.close()
        self.assertEqual(self.sent(), [20])

    def test_c3_a_client_that_never_reads(self):
        block = chunk(b"data: " + b"x" * 65528 + b"\n\n")

        def script(connection, request):
            connection.sendall(STREAM_HEAD)
            for _ in range(2000):  # 131 MB
                connection.sendall(block)
            return b"0\r\n\r\n"
        proxy = self.start(script)
        self.assertEqual(proxy.get("/liveness").status, 200)
        before = proxy.memory_mib()
        idle = [proxy.dial() for _ in range(6)]
        for connection in idle:
            connection.sendall(post(b"{}"))
        wait_until(lambda: len(self.workers[0].requests) == 6, "the requests")
        time.sleep(3)
        self.assertLess(proxy.memory_mib() - before, 16 + harness.slack_mib())
        self.assertEqual(proxy.get("/liveness").status, 200)
        for connection in idle[1:]:
            connection.close()
        # One that reads late gets all of it.
        answer = Answer(harness.read_all(idle[0]))
        self.assertEqual((len(answer.body), answer.is_whole), (2000 * 65536, True))
        idle[0].close()

    def test_c4_a_client_that_leaves(self):
        def stream(connection, request):
            connection.sendall(STREAM_HEAD + chunk(b"data: 1\n\n"))
            self.workers[0].wait_for_hang_up(connection)

        def wait(connection, request):
            self.workers[0].wait_for_hang_up(connection)
        for script, reads in ((stream, True), (wait, False)):
            proxy = self.start(script)
            connection = proxy.dial()
            connection.sendall(post(b"{}"))
            if reads:
                connection.recv(1000)
            wait_until(lambda: len(self.workers[0].requests) == 1, "the request")
            self.assertEqual(proxy.get("/get_loads").json()["workers"][0]["load"], 1)
            begun = time.monotonic()
            connection.close()
            wait_until(self.workers[0].left.is_set, "the worker to be let go")
            self.assertLess(time.monotonic() - begun, 5)
            wait_until(lambda: proxy.get("/get_loads").json()["workers"][0]["load"] == 0,
                       "the load to go back")
            self.assertEqual(self.outcomes(), [(0, 0, "client_abort")])
            self.again()

    def test_c4_half_closed_is_gone_unless_told_otherwise(self):
        def slow(connection, request):
            time.sleep(0.3)
            return response()
        for option, expected in (("cancel", b""), ("answer", b"HTTP/1.1 200 OK")):
            proxy = self.start(slow, options=("--half-close", option))
            with proxy.dial() as connection:
                connection.sendall(post(b"{}"))
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(harness.read_all(connection)[:15], expected)
            self.again()

    def test_c5_ambiguous_requests_are_refused(self):
        proxy = self.start(good)
        for fields in (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                       b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
                       b"Content-Length: 2\r\nContent-Length: 2\r\n",
                       b"Content-Length: 2\r\nContent-Length: 3\r\n",
                       b"Content-Length: +2\r\n", b"Content-Length: 0x2\r\n",
                       b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: chunked, x\r\n",
                       b"Transfer-Encoding\t: chunked\r\n", b"X-A: a\r\n folded: 1\r\n",
                       b"X-A: a\0b\r\n", b"X-A: a\nX-B: b\r\n", b"X A: 1\r\n"):
            with self.subTest(fields=fields):
                answer = Answer(proxy.say(b"POST /generate HTTP/1.1\r\n" + HOST + fields
                                          + b"\r\n{}"))
                self.assertEqual(answer.status, 400)
                self.assertEqual(answer.values(b"connection"), [b"close"])
        self.assertEqual(self.sent(), [0])

    def test_c6_no_host_or_two(self):
        proxy = self.start(good)
        for fields in (b"", HOST + HOST, HOST + b"host: b\r\n"):
            answer = Answer(proxy.say(b"POST /generate HTTP/1.1\r\n" + fields
                                      + b"Content-Length: 2\r\n\r\n{}"))
            self.assertEqual(answer.status, 400)
        self.assertEqual(self.sent(), [0])

    def test_c7_heads_that_are_too_long(self):
        proxy = self.start(good)
        for head, status in ((b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\n" + HOST, 414),
                             (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 1000000 + b"\r\n",
                              431),
                             (b"GET / HTTP/1.1\r\n" + HOST + b"X: 1\r\n" * 200, 431)):
            self.assertEqual(Answer(proxy.say(head + b"\r\n")).status, status)

    def test_c8_bodies_that_are_too_long(self):
        proxy = self.start(good, options=("--max-payload-size", "1000000"))
        before = proxy.memory_mib()
        self.assertEqual(Answer(proxy.say(post(b"x" * 2000000))).status, 413)
        head = b"POST /generate HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        self.assertEqual(Answer(proxy.say(head + chunk(b"x" * 100000) * 20)).status, 413)
        self.assertLess(proxy.memory_mib() - before, 8 + harness.slack_mib())
        self.assertEqual(proxy.post(b"x" * 1000000).status, 200)
        self.assertEqual(self.sent(), [1])

    def test_c9_pipelined_requests_are_answered_in_order(self):
        def script(connection, request):
            if request.body == b"0":
                time.sleep(0.2)  # the first is the slowest
            return response(request.body)
        proxy = self.start(script, script)
        said = b"".join(post(b"%d" % i, b"") for i in range(20))
        data = proxy.say(said + post(b"20"))
        bodies = [part.split(b"\r\n\r\n")[1] for part in data.split(b"HTTP/1.1 200 OK\r\n")[1:]]
        self.assertEqual(bodies, [b"%d" % i for i in range(21)])

    def test_c9_continue_is_said_when_asked_for(self):
        proxy = self.start(good)
        with proxy.dial() as connection:
            connection.sendall(b"POST /generate HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n"
                               b"Connection: close\r\nContent-Length: 2\r\n\r\n")
            self.assertEqual(connection.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"{}")
            self.assertEqual(Answer(harness.read_all(connection)).body, ANSWER)
        self.assertEqual(self.workers[0].requests[0].values(b"expect"), [])

    def test_c9_head_and_unknown_methods(self):
        proxy = self.start(good)
        answer = Answer(proxy.say(b"HEAD /health HTTP/1.1\r\n" + HOST
                                  + b"Connection: close\r\n\r\n"))
        self.assertEqual((answer.status, answer.rest), (200, b""))
        self.assertGreater(int(answer.values(b"content-length")[0]), 0)
        for line in (b"FROB /generate", b"GET /generate", b"DELETE /v1/chat/completions",
                     b"POST /health"):
            answer = Answer(proxy.say(line + b" HTTP/1.1\r\n" + HOST
                                      + b"Connection: close\r\n\r\n"))
            self.assertEqual(answer.status, 405, line)
        self.assertEqual(self.sent(), [0])

    def test_c10_what_is_no_json_where_json_is_read(self):
        proxy = self.start(good, policy="cache_aware")
        for body in (b"[" * 100000, b'{"a":' * 100000, b'{"text":"\xff\xfe"}',
                     b'{"text":"\\ud800"}', b"", b"[]", b'{"text":"a"'):
            self.assertEqual(proxy.post(body).status, 400)
        self.assertEqual(self.sent(), [0])
        self.assertEqual(proxy.post(b'{"text":"a"}').status, 200)

    def test_c11_bytes_pass_as_they_are(self):
        bodies = (b'{"b": 1.10, "a":1,"a":2, "n":12345678901234567890, "unknown":{"x":[]}}',
                  b' {"text" : "\\u00e9\\/\xc3\xa9" }\r\n', bytes(range(256)))
        for policy, count in (("round_robin", 3), ("cache_aware", 2)):
            proxy = self.start(good, policy=policy)
            for body in bodies[:count]:
                self.assertEqual(proxy.post(body).status, 200)
            self.assertEqual([r.body for r in self.workers[0].requests], list(bodies[:count]))
            self.again()

    def test_c12_no_descriptor_left(self):
        proxy = self.start(good, descriptors=64)
        crowd = [proxy.dial() for _ in range(200)]
        before = proxy.cpu_seconds()
        time.sleep(1)
        self.assertLess(proxy.cpu_seconds() - before, 0.5)
        for connection in crowd:
            connection.close()
        wait_until(lambda: b" 200 OK" in proxy.say(post(b"{}")), "it to serve again")


if __name__ == "__main__":
    harness.main()
