"""What goes wrong on the side of the workers, and what a client sees of it."""
import os
import socket
import time
import unittest

import harness
from harness import (ANSWER, STREAM_HEAD, LiveTest, Worker, chunk, reset, response, wait_until)


def refusing_socket():
    """Bound, so that nobody else takes the port, and not listening."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


def always(data):
    """Says that, and hangs up."""
    def script(connection, request):
        connection.sendall(data)
    return script


def good(connection, request):
    return response()


class WorkerFaults(LiveTest):
    def check_bad(self, *answers):
        """Each answer of the only worker is one that cannot be passed on: 502, tried again in
        vain."""
        for data in answers:
            with self.subTest(answer=data[:60]):
                proxy = self.start(always(data), options=("--max-total-retries", "1",
                                                          "--disable-circuit-breaker"))
                answer = proxy.post()
                self.assertEqual(answer.status, 502, answer.data)
                self.assertEqual(answer.json()["error"]["code"], 502)
                self.assertEqual(len(self.workers[0].requests), 2)
                self.assertEqual({row[1] for row in self.outcomes()}, {0})
                self.again()

    def test_u1_fewer_bytes_than_stated_is_tried_elsewhere(self):
        proxy = self.start(always(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), good)
        answer = proxy.post()
        self.assertEqual((answer.status, answer.body), (200, ANSWER))
        self.assertEqual(answer.values(b"x-sglsim-worker"), [self.workers[1].url.encode()])
        self.assertEqual(self.outcomes(), [(0, 0, "connection_lost"), (1, 1, None)])

    def test_u1_and_502_when_there_is_no_other(self):
        self.check_bad(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")

    def test_u2_an_extra_answer_is_nobodys(self):
        wrong = b'{"text":"wrong"}'
        proxy = self.start(lambda connection, request: response() + response(wrong))
        for _ in range(5):
            answer = proxy.post()
            self.assertEqual((answer.status, answer.body), (200, ANSWER))

    def test_u3_malformed_answers(self):
        self.check_bad(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nab",
            b"just bytes, as HTTP/0.9 had them",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        )

    def test_u3_bad_chunk_sizes(self):
        for size in (b"zz", b"ffffffffffffffffffff"):
            with self.subTest(size=size):
                proxy = self.start(always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                          + size + b"\r\nabc\r\n"),
                                   options=("--disable-retries",))
                answer = proxy.post()
                # The head may have gone to the client: then the answer must not look whole.
                self.assertTrue(answer.status == 502 or not answer.is_whole, answer.data)
                self.assertEqual(self.outcomes()[0][1], 0)
                self.again()

    def test_u4_heads_without_end(self):
        self.check_bad(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 1200000 + b"\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 3000 + b"\r\n",
                       b"HTTP/1.1 200 OK\r\n" + (b"X-Wide: " + b"a" * 2000 + b"\r\n") * 40
                       + b"Content-Length: 0\r\n\r\n")

    def test_u5_redirects_are_passed_and_not_followed(self):
        sentinel = Worker()
        location = sentinel.url.encode() + b"/secret"
        proxy = self.start(lambda connection, request: response(
            b"there", b"302 Found", b"Location: " + location + b"\r\n"))
        answer = proxy.post()
        self.assertEqual((answer.status, answer.body), (302, b"there"))
        self.assertEqual(answer.values(b"location"), [location])
        time.sleep(0.2)
        self.assertEqual(sentinel.connections, 0)
        sentinel.close()

    def test_u6_a_status_that_is_none(self):
        self.check_bad(response(b"x", b"999 Odd"), response(b"x", b"099 Odd"))

    def test_u7_hop_by_hop_fields_end_here(self):
        fields = (b"Connection: X-Hop, keep-alive ,x-next\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
                  b"X-End: a\r\nX-End: b\r\nX-Empty:\r\nTrailer: X-T\r\nX-Next: 1\r\n"
                  b"Upgrade: h2c\r\n")
        proxy = self.start(lambda connection, request: response(fields=fields))
        answer = proxy.post()
        for name in (b"x-hop", b"x-next", b"keep-alive", b"trailer", b"upgrade"):
            self.assertEqual(answer.values(name), [], name)
        self.assertEqual(answer.values(b"connection"), [b"close"])  # ours: we asked for it
        self.assertEqual(answer.values(b"x-end"), [b"a", b"b"])
        self.assertIn(b"\r\nX-Empty: \r\n", answer.data)

    def test_u8_compressed_bytes_stay_as_they_are(self):
        body = b"\x1f\x8b" + bytes(range(256)) * 200
        proxy = self.start(lambda connection, request: response(
            body, fields=b"Content-Encoding: gzip\r\n"))
        answer = proxy.post()
        self.assertEqual(answer.body, body)
        self.assertEqual(answer.values(b"content-encoding"), [b"gzip"])

    def test_u9_interim_answers_trailers_no_length_and_bare_newlines(self):
        answers = [
            (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(), ANSWER),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
             + chunk(b"abc") + b"0\r\nX-T: 1\r\n\r\n", b"abc"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"
             + b"".join(chunk(b"%d " % i) for i in range(20000)) + b"0\r\n\r\n",
             b"".join(b"%d " % i for i in range(20000))),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\nabc\n0\n\n", b"abc"),
            (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
            (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
            (b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", b"abc"),
        ]
        script = {}
        proxy = self.start(lambda connection, request: connection.sendall(script["say"]))
        for said, body in answers:
            with self.subTest(said=said[:40]):
                script["say"] = said
                answer = proxy.post()
                self.assertEqual((answer.status, answer.body, answer.is_whole), (200, body, True))
                self.assertEqual(answer.values(b"link"), [])

    def test_u10_no_byte_at_all_is_tried_elsewhere(self):
        for end in (lambda connection, request: None,
                    lambda connection, request: reset(connection)):
            proxy = self.start(end, good)
            answer = proxy.post()
            self.assertEqual((answer.status, answer.body), (200, ANSWER))
            self.assertEqual(self.sent(), [1, 1])
            self.assertEqual(self.outcomes(), [(0, 0, "connection_lost"), (1, 1, None)])
            self.again()

    def test_u10_nobody_listens(self):
        self.workers = [Worker()]
        with refusing_socket() as bound:
            url = "http://127.0.0.1:%d" % bound.getsockname()[1]
            proxy = self.proxy = harness.Proxy([url, self.workers[0]], log=self.log)
            for _ in range(4):
                self.assertEqual(proxy.post().status, 200)
            self.assertIn((0, 0, "connection_refused"), self.outcomes())

    def test_u10_the_breaker_opens(self):
        proxy = self.start(lambda connection, request: None, good,
                           options=("--cb-failure-threshold", "2"))
        for _ in range(20):
            self.assertEqual(proxy.post().status, 200)
        self.assertEqual(self.sent(), [2, 20])

    def test_u11_a_hang_ends_by_one_total_deadline(self):
        proxy = self.start(lambda connection, request: self.workers[0].wait_for_hang_up(connection),
                           options=("--request-timeout-secs", "1"))
        begun = time.monotonic()
        answer = proxy.post()
        self.assertEqual(answer.status, 504)
        self.assertLess(time.monotonic() - begun, 30)
        self.assertGreater(time.monotonic() - begun, 0.9)
        wait_until(self.workers[0].left.is_set, "the worker to be let go")
        self.assertEqual(self.outcomes(), [(0, 0, "timeout")])

    def test_u11_retries_share_the_deadline(self):
        def slow_failure(connection, request):
            time.sleep(0.6)
            return response(b"{}", b"500 Broken")
        proxy = self.start(slow_failure, slow_failure, options=("--request-timeout-secs", "1"))
        begun = time.monotonic()
        answer = proxy.post()
        self.assertIn(answer.status, (500, 504))
        self.assertLess(time.monotonic() - begun, 30)
        self.assertLessEqual(sum(self.sent()), 2)

    def test_u11_a_retry_that_hangs_ends_by_the_deadline_of_all(self):
        proxy = self.start(lambda connection, request: response(b"{}", b"500 Broken"),
                           lambda connection, request: self.workers[1].wait_for_hang_up(connection),
                           options=("--request-timeout-secs", "1"))
        self.assertEqual(proxy.post().status, 500)  # what the client would have got of the first
        wait_until(self.workers[1].left.is_set, "the worker to be let go")
        self.assertEqual([row[2] for row in self.outcomes()], ["http_500", "timeout"])

    def test_u12_a_head_then_a_hang(self):
        def script(connection, request):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")
            self.workers[0].wait_for_hang_up(connection)
        proxy = self.start(script, options=("--request-timeout-secs", "1"))
        self.assertEqual(proxy.post().status, 504)

    def test_u13_a_stream_cut_after_tokens(self):
        for end in (lambda connection: None, reset):

            def script(connection, request):
                connection.sendall(STREAM_HEAD + chunk(b'data: {"text":"a"}\n\n'))
                time.sleep(0.1)
                end(connection)
            proxy = self.start(script, good)
            answer = proxy.post()
            self.assertEqual(answer.status, 200)
            self.assertFalse(answer.is_whole)
            self.assertTrue(answer.body.startswith(b'data: {"text":"a"}\n\ndata: {"error":'),
                            answer.body)
            self.assertNotIn(b"[DONE]", answer.body)
            self.assertEqual(self.sent(), [1, 0])
            self.assertEqual(self.outcomes(), [(0, 0, "stream_cut")])
            self.again()

    def test_u14_a_stream_that_stops(self):
        def script(connection, request):
            connection.sendall(STREAM_HEAD + chunk(b'data: {"text":"a"}\n\n'))
            self.workers[0].wait_for_hang_up(connection)
        proxy = self.start(script, options=("--stream-idle-timeout-secs", "0.5"))
        answer = proxy.post()
        self.assertFalse(answer.is_whole)
        self.assertIn(b'"code":504', answer.body)
        wait_until(self.workers[0].left.is_set, "the worker to be let go")
        self.assertEqual(self.outcomes(), [(0, 0, "idle_timeout")])

    def test_u15_any_bytes_pass_in_any_pieces(self):
        stream = (": comment\r\n\r\ndata: {\"text\":\"\u00e9\u20ac\U0001f600\"}\r\n\r\n"
                  "event: x\nid: 7\ndata: a\ndata: b\n\ndata: [DONE]\n\n").encode()

        def script(connection, request):
            connection.sendall(STREAM_HEAD)
            for i in range(len(stream)):
                connection.sendall(chunk(stream[i:i + 1]))
            return b"0\r\n\r\n"
        proxy = self.start(script)
        answer = proxy.post()
        self.assertEqual((answer.body, answer.is_whole), (stream, True))
        self.assertEqual(self.outcomes(), [(0, 1, None)])

    def test_u16_how_a_stream_ended_is_told(self):
        last = b'data: {"text":"a","meta_info":{"completion_tokens":2,"finish_reason":%s}}\n\n'
        ends = [
            (last % b"null", "no_done"),
            (last % b"null" + b'data: {"error":{"message":"oops"}}\n\n', "error_event"),
            (last % b'{"type":"stop"}', None),
            (last % b"null" + b"data: [DONE]\n\n", None),
        ]
        script = {}
        proxy = self.start(lambda connection, request: STREAM_HEAD + chunk(script["say"])
                           + b"0\r\n\r\n", options=("--disable-circuit-breaker",))
        for said, _ in ends:
            script["say"] = said
            answer = proxy.post()
            self.assertEqual((answer.body, answer.is_whole), (said, True))
        self.assertEqual([row[2] for row in self.outcomes()], [error for _, error in ends])
        self.assertEqual(harness.rows(self.log, "SELECT DISTINCT output_tokens FROM outcome"),
                         [(2,)])

    def test_u17_busy_is_passed_on_with_its_fields(self):
        busy = response(b'{"busy":1}', b"429 Too Many Requests", b"Retry-After: 7\r\n")
        proxy = self.start(lambda connection, request: busy,
                           options=("--cb-failure-threshold", "1"))
        answer = proxy.post()
        self.assertEqual((answer.status, answer.body), (429, b'{"busy":1}'))
        self.assertEqual(answer.values(b"retry-after"), [b"7"])
        self.assertEqual(self.sent(), [4])  # once, and --max-worker-retries
        self.assertEqual(proxy.post().status, 429)  # the breaker took no notice

    def test_u17_busy_is_tried_elsewhere(self):
        proxy = self.start(lambda connection, request: response(b"{}", b"503 Busy"), good)
        self.assertEqual(proxy.post().body, ANSWER)
        self.assertEqual(self.outcomes(), [(0, 0, "http_503"), (1, 1, None)])

    def test_u17_what_is_the_clients_fault_is_not_tried_again(self):
        proxy = self.start(lambda connection, request: response(b'{"bad":1}', b"400 Bad Request"),
                           good, options=("--cb-failure-threshold", "1"))
        answer = proxy.post()
        self.assertEqual((answer.status, answer.body), (400, b'{"bad":1}'))
        self.assertEqual(self.sent(), [1, 0])
        self.assertEqual([proxy.post().status for _ in range(2)], [200, 400])

    def test_u18_no_worker_left(self):
        proxy = self.start()
        before = proxy.cpu_seconds()
        answer = proxy.post()
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.json()["error"]["type"], "no_available_workers")
        self.assertEqual(answer.values(b"retry-after"), [b"1"])
        time.sleep(1)
        self.assertLess(proxy.cpu_seconds() - before, 0.5)  # it does not spin

    def test_u20_a_removed_worker_finishes_what_it_has(self):
        def script(connection, request):
            connection.sendall(STREAM_HEAD + chunk(b"data: 1\n\n"))
            wait_until(lambda: os.path.exists(self.folder.name + "/removed"), "the removal")
            return chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        proxy = self.start(script)
        with proxy.dial() as connection:
            connection.sendall(b"POST /generate HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                               b"Content-Length: 2\r\n\r\n{}")
            wait_until(lambda: len(self.workers[0].requests) == 1, "the request")
            self.assertEqual(proxy.post(b"", "/remove_worker?url=" + self.workers[0].url).status,
                             200)
            self.assertEqual(proxy.post().status, 503)
            open(self.folder.name + "/removed", "w").close()
            answer = harness.Answer(harness.read_all(connection))
        self.assertTrue(answer.is_whole)
        self.assertTrue(answer.body.endswith(b"[DONE]\n\n"))


if __name__ == "__main__":
    harness.main()
