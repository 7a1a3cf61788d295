"""Pairs of prefill and decode workers behind one router: fields, merged answers, legs that fail."""
import json
import threading
import time

import harness
from harness import ANSWER, STREAM_HEAD, LiveTest, Proxy, Worker, chunk, reset, response, wait_until

PREFILL, DECODE = 0, 1


def good(connection, request):
    return response()


def says(body):
    return lambda connection, request: response(body)


def stream_of(*events):
    def script(connection, request):
        return (STREAM_HEAD + b"".join(chunk(b"data: " + event + b"\n\n") for event in events)
                + b"0\r\n\r\n")
    return script


class Pairs(LiveTest):
    def start_pair(self, prefill=good, decode=good, options=(), port="8998"):
        self.workers = [Worker(prefill), Worker(decode)]
        self.proxy = Proxy([], "--pd-disaggregation", "--prefill", self.workers[0].url, port,
                           "--decode", self.workers[1].url, *options, log=self.log)
        return self.proxy

    def hang(self, worker):
        return lambda connection, request: self.workers[worker].wait_for_hang_up(connection)

    def legs(self):
        """{pool: (success, error)}, after a stop and a verify."""
        self.outcomes()
        found = harness.rows(self.log, "SELECT pool, success, error FROM outcome")
        self.assertEqual(len(found), len({row[0] for row in found}), found)
        return {pool: (success, error) for pool, success, error in found}

    def bodies(self):
        wait_until(lambda: self.sent() == [1, 1], "both legs")
        return [worker.requests[0].body for worker in self.workers]

    # ---- fields ----

    def test_both_legs_get_the_body_and_three_fields(self):
        body = (b'{ "text":"a\\u00e9]}", "x":1.10,"n":12345678901234567890, "x":{"a":[1,{}]},'
                b' "bootstrap_room": 1 }\n')
        proxy = self.start_pair()
        answer = proxy.post(body)
        self.assertEqual((answer.status, answer.body), (200, ANSWER))
        self.assertEqual(answer.values(b"x-sglsim-worker"), [self.workers[1].url.encode()])
        self.assertEqual(answer.values(b"x-sglsim-prefill-worker"), [self.workers[0].url.encode()])
        prefill, decode = self.bodies()
        self.assertEqual(prefill, decode)
        head, tail = body.rstrip(b"}\n"), b"}\n"
        self.assertTrue(prefill.startswith(head) and prefill.endswith(tail), prefill)
        added = json.loads(b"{" + prefill[len(head) + 1:-len(tail)] + b"}")
        self.assertEqual(set(added), {"bootstrap_host", "bootstrap_port", "bootstrap_room"})
        self.assertEqual((added["bootstrap_host"], added["bootstrap_port"]), ("127.0.0.1", 8998))
        self.assertIs(type(added["bootstrap_room"]), int)
        self.assertTrue(0 <= added["bootstrap_room"] < 2**63)
        self.assertEqual(json.loads(prefill)["bootstrap_room"], added["bootstrap_room"])
        self.assertEqual(self.legs(), {"prefill": (1, None), "decode": (1, None)})

    def test_no_port_is_null_and_an_empty_object_gets_no_comma(self):
        proxy = self.start_pair(port="none")
        self.assertEqual(proxy.post(b"{}").status, 200)
        self.assertTrue(self.bodies()[0].startswith(b'{"bootstrap_host":"127.0.0.1",'
                                                    b'"bootstrap_port":null,"bootstrap_room":'))

    def test_a_batch_gets_arrays(self):
        proxy = self.start_pair()
        for body, count in ((b'{"text":["a","b,]","c"]}', 3), (b'{"input_ids":[[1,2],[3]]}', 2),
                            (b'{"prompt":["a","b"]}', 2), (b'{"prompt":[1,2,3]}', None),
                            (b'{"input_ids":[1,2,3]}', None), (b'{"text":[]}', 0),
                            (b'{"text":null,"input_ids":[[1],[2]]}', 2),
                            (b'{"messages":[{"role":"user","content":[{"type":"image_url",'
                             b'"image_url":{"url":"data:x"}}]}]}', None)):
            for worker in self.workers:
                worker.requests.clear()
            self.assertEqual(proxy.post(body).status, 200, body)
            said = json.loads(self.bodies()[1])
            self.assertTrue(self.bodies()[1].startswith(body[:-1]))
            if count is None:
                self.assertIs(type(said["bootstrap_room"]), int, body)
            else:
                self.assertEqual(said["bootstrap_host"], ["127.0.0.1"] * count)
                self.assertEqual(said["bootstrap_port"], [8998] * count)
                self.assertEqual(len(set(said["bootstrap_room"])), count)

    def test_rooms_differ_and_the_log_says_their_key(self):
        proxy = self.start_pair()
        for _ in range(20):
            self.assertEqual(proxy.post().status, 200)
        rooms = {json.loads(request.body)["bootstrap_room"]
                 for request in self.workers[1].requests}
        self.assertEqual(len(rooms), 20)
        self.outcomes()
        self.assertEqual(len(harness.rows(self.log, "SELECT 1 FROM run WHERE key='room_key'")), 1)

    def test_what_is_no_object_is_refused(self):
        proxy = self.start_pair()
        for body in (b"", b"[]", b'{"a":1', b'{"a":1} x', b'{"a" 1}', b'{"a":"}', b"{1:2}"):
            self.assertEqual(proxy.post(body).status, 400, body)
        self.assertEqual(self.sent(), [0, 0])

    # ---- answers ----

    def test_logprobs_are_merged_prefill_first(self):
        prefill = (b'{"text":"p","meta_info":{"id":"x","input_token_logprobs":[[-1.10,5],[-2,6]],'
                   b'"input_top_logprobs":[null,[1]],"input_token_ids_logprobs":[7]}}')
        decode = (b'{ "text":"d]}", "n":1.10,"meta_info":{"input_top_logprobs":[],"x":{},'
                  b'"input_token_logprobs":[ [-3,7]],"input_token_ids_logprobs":null } }')
        proxy = self.start_pair(says(prefill), says(decode))
        answer = proxy.post(b'{"text":"a","return_logprob":true}')
        self.assertEqual(answer.body, (
            b'{ "text":"d]}", "n":1.10,"meta_info":{"input_top_logprobs":[null,[1]],"x":{},'
            b'"input_token_logprobs":[[-1.10,5],[-2,6], [-3,7]],"input_token_ids_logprobs":[7] } }'))
        plain = proxy.post(b'{"text":"a"}')
        self.assertEqual(plain.body, decode)

    def test_logprobs_of_a_batch_are_merged_one_by_one(self):
        def one(n):
            return b'{"meta_info":{"input_token_logprobs":[%d]}}' % n
        proxy = self.start_pair(says(b"[" + one(1) + b"," + one(2) + b"]"),
                                says(b"[" + one(3) + b", " + one(4) + b"]"))
        answer = proxy.post(b'{"text":["a","b"],"return_logprob":[false,true]}')
        self.assertEqual([part["meta_info"]["input_token_logprobs"] for part in answer.json()],
                         [[1, 3], [2, 4]])

    def test_a_stream_is_the_decode_workers_and_merged(self):
        def event(n, index=b""):
            return b'{"text":"%d",%s"meta_info":{"input_token_logprobs":[%d]}}' % (n, index, n)

        def slow(connection, request):
            time.sleep(0.2)
            return stream_of(event(1, b'"index":0,'), event(2, b'"index":1,'), b"[DONE]")(
                connection, request)
        proxy = self.start_pair(slow, stream_of(event(3, b'"index":1,'), event(4, b'"index":0,'),
                                                b"[DONE]"))
        answer = proxy.post(b'{"text":["a","b"],"stream":true,"return_logprob":true}')
        lines = [line[6:] for line in answer.body.split(b"\n\n") if line]
        self.assertEqual([json.loads(line)["meta_info"]["input_token_logprobs"]
                          for line in lines[:2]], [[2, 3], [1, 4]])
        self.assertEqual(lines[2], b"[DONE]")
        self.assertEqual(self.legs(), {"prefill": (1, None), "decode": (1, None)})

    def test_a_stream_without_logprobs_passes_byte_for_byte(self):
        events = (b'{"text":"a"}', b'{ "text" : "b" }', b"[DONE]")
        proxy = self.start_pair(stream_of(*events[1:]), stream_of(*events))
        answer = proxy.post(b'{"text":"a","stream":true}')
        self.assertEqual(answer.body, b"".join(b"data: " + e + b"\n\n" for e in events))
        self.assertTrue(answer.is_whole)

    def test_an_answer_waits_for_both_legs(self):
        done = threading.Event()

        def slow(connection, request):
            time.sleep(0.3)
            done.set()
            return response()
        proxy = self.start_pair(slow, good)
        self.assertEqual(proxy.post().status, 200)
        self.assertTrue(done.is_set())
        self.again()
        big = b'{"text":"' + b"x" * 300000 + b'"}'
        done.clear()
        proxy = self.start_pair(slow, says(big))
        self.assertEqual(proxy.post().body, big)
        self.assertTrue(done.is_set())

    # ---- failures (U21) ----

    def check_failure(self, prefill, decode, expected, status=502, **more):
        proxy = self.start_pair(prefill, decode, **more)
        answer = proxy.post()
        self.assertEqual(answer.status, status, answer.data)
        loads = proxy.get("/get_loads").json()["workers"]
        self.assertEqual([worker["load"] for worker in loads], [0, 0])
        self.assertLessEqual(max(self.sent()), 1)  # nothing is tried again
        self.assertEqual(self.legs(), expected)
        self.again()
        return answer

    def test_u21_a_decode_worker_that_dies_is_one_502_and_its_own_fault(self):
        expected = {"prefill": (0, "pair_lost"), "decode": (0, "connection_lost")}
        self.check_failure(self.hang(PREFILL), lambda c, r: reset(c), expected)

        def late(connection, request):
            time.sleep(0.3)
        expected["prefill"] = (1, None)
        answer = self.check_failure(good, late, expected)
        self.assertIn("decode leg", answer.json()["error"]["message"])

    def test_u21_a_prefill_worker_that_dies_cancels_the_decode_leg(self):
        expected = {"prefill": (0, "connection_lost"), "decode": (0, "pair_lost")}

        def hanging(connection, request):
            return self.workers[DECODE].wait_for_hang_up(connection)
        answer = self.check_failure(lambda c, r: None, hanging, expected)
        self.assertIn("prefill leg", answer.json()["error"]["message"])
        expected["decode"] = (1, None)
        self.check_failure(lambda c, r: time.sleep(0.3), good, expected)

    def test_the_other_worker_sees_its_leg_end(self):
        proxy = self.start_pair(self.hang(PREFILL), lambda connection, request: None)
        self.assertEqual(proxy.post().status, 502)
        wait_until(self.workers[0].left.is_set, "the prefill worker to be let go")

    def test_a_500_is_502_and_a_refusal_passes(self):
        def status(text):
            return lambda connection, request: response(b'{"error":"no"}', text)
        self.check_failure(status(b"500 Bad"), self.hang(DECODE),
                           {"prefill": (0, "http_500"), "decode": (0, "pair_lost")})
        for text, code in ((b"400 Bad", 400), (b"429 Busy", 429), (b"503 Busy", 503)):
            answer = self.check_failure(status(text), self.hang(DECODE),
                                        {"prefill": (0, "http_%d" % code),
                                         "decode": (0, "pair_lost")}, status=code)
            self.assertEqual(answer.body, b'{"error":"no"}')
            self.check_failure(self.hang(PREFILL), status(text),
                               {"prefill": (0, "pair_lost"), "decode": (0, "http_%d" % code)},
                               status=code)

    def test_a_stream_that_breaks_off_says_so(self):
        def broken(connection, request):
            connection.sendall(STREAM_HEAD + chunk(b'data: {"text":"a"}\n\n'))
            time.sleep(0.1)
        proxy = self.start_pair(good, broken)
        answer = proxy.post(b'{"text":"a","stream":true}')
        self.assertEqual(answer.status, 200)
        self.assertFalse(answer.is_whole)
        self.assertIn(b"upstream_error", answer.body)
        self.assertEqual(self.legs(), {"prefill": (1, None), "decode": (0, "stream_cut")})

    def test_only_the_leg_that_failed_opens_its_breaker(self):
        proxy = self.start_pair(self.hang(PREFILL), lambda connection, request: None,
                                options=("--cb-failure-threshold", "2"))
        self.assertEqual([proxy.post().status for _ in range(3)], [502, 502, 503])
        text = proxy.get("/metrics").body.decode()
        self.assertIn('sglang_router_worker_breaker{worker="%s"} 1' % self.workers[1].url, text)
        self.assertIn('sglang_router_worker_breaker{worker="%s"} 0' % self.workers[0].url, text)

    def test_a_client_that_leaves_takes_both_legs_with_it(self):
        proxy = self.start_pair(self.hang(PREFILL), self.hang(DECODE))
        connection = proxy.dial()
        connection.sendall(b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        wait_until(lambda: self.sent() == [1, 1], "both legs")
        connection.close()
        wait_until(lambda: all(worker.left.is_set() for worker in self.workers), "both to end")
        self.assertEqual(self.legs(), {"prefill": (0, "client_abort"), "decode": (0, "client_abort")})

    def test_a_leg_that_hangs_is_blamed_and_two_are_not(self):
        quick = ("--request-timeout-secs", "0.5")
        self.check_failure(good, self.hang(DECODE),
                           {"prefill": (1, None), "decode": (0, "timeout")}, 504, options=quick)
        self.check_failure(self.hang(PREFILL), good,
                           {"prefill": (0, "timeout"), "decode": (1, None)}, 504, options=quick)
        self.check_failure(self.hang(PREFILL), self.hang(DECODE),
                           {"prefill": (0, "timeout"), "decode": (0, "timeout")}, 504,
                           options=quick)

    def test_a_prefill_leg_that_says_nothing_is_found_before_the_deadline_and_blamed_alone(self):
        first = ("--first-byte-timeout-secs", "0.4", "--cb-failure-threshold", "1")
        # The decode worker waits for memory, as it does: in silence, or behind the head of a stream.
        answer = self.check_failure(self.hang(PREFILL), self.hang(DECODE), {
            "prefill": (0, "first_byte_timeout"), "decode": (0, "pair_lost")}, 504, options=first)
        self.assertIn("prefill leg", answer.json()["error"]["message"])

        def head_and_nothing(worker):
            def script(connection, request):
                connection.sendall(STREAM_HEAD)
                return self.workers[worker].wait_for_hang_up(connection)
            return script
        self.check_failure(self.hang(PREFILL), head_and_nothing(DECODE), {
            "prefill": (0, "first_byte_timeout"), "decode": (0, "pair_lost")}, 504, options=first)
        self.check_failure(self.hang(PREFILL), good, {
            "prefill": (0, "first_byte_timeout"), "decode": (1, None)}, 504, options=first)
        idle = ("--stream-idle-timeout-secs", "0.4")
        self.check_failure(head_and_nothing(PREFILL), head_and_nothing(DECODE), {
            "prefill": (0, "idle_timeout"), "decode": (0, "pair_lost")}, 504, options=idle)

    def test_only_the_breaker_of_the_prefill_worker_hears_of_its_silence(self):
        proxy = self.start_pair(self.hang(PREFILL), self.hang(DECODE), options=(
            "--first-byte-timeout-secs", "0.3", "--cb-failure-threshold", "1"))
        self.assertEqual(proxy.post().status, 504)
        text = proxy.get("/metrics").body.decode()
        self.assertIn('sglang_router_worker_breaker{worker="%s"} 1' % self.workers[0].url, text)
        self.assertIn('sglang_router_worker_breaker{worker="%s"} 0' % self.workers[1].url, text)
        self.again()

        def late(connection, request):
            time.sleep(2)
            return response()
        # The decode leg's time begins when the prefill leg's ends: it is not late here. A second and
        # more is left on either side, for a machine that does other things.
        proxy = self.start_pair(late, lambda c, r: time.sleep(3.5) or response(), options=(
            "--first-byte-timeout-secs", "3"))
        self.assertEqual(proxy.post().status, 200)
        self.again()
        self.check_failure(good, self.hang(DECODE), {
            "prefill": (1, None), "decode": (0, "first_byte_timeout")}, 504,
            options=("--first-byte-timeout-secs", "0.3"))

    def test_a_prefill_worker_that_answers_others_is_not_blamed_for_the_silence_of_its_pair(self):
        """Two decode workers, of which one never fetches the memory."""
        def prefill(connection, request):
            if b"of the one that hangs" in request.body:
                return self.workers[PREFILL].wait_for_hang_up(connection)
            return response()
        hanging = Worker(lambda connection, request: hanging.wait_for_hang_up(connection))
        self.workers = [Worker(prefill), Worker(), hanging]
        self.proxy = Proxy([], "--pd-disaggregation", "--prefill", self.workers[0].url, "8998",
                           "--decode", hanging.url, "--decode", self.workers[DECODE].url,
                           "--first-byte-timeout-secs", "1", log=self.log)
        answers = []
        stuck = threading.Thread(target=lambda: answers.append(
            self.proxy.post(b'{"text":"of the one that hangs"}')))
        stuck.start()
        wait_until(lambda: len(hanging.requests) == 1, "the first decode leg")
        self.assertEqual(self.proxy.post().status, 200)  # the second goes to the other one
        stuck.join()
        self.assertEqual(answers[0].status, 504)
        self.assertIn("decode leg", answers[0].json()["error"]["message"])
        self.outcomes()
        self.assertEqual(set(harness.rows(self.log, "SELECT pool, error FROM outcome")), {
            ("prefill", None), ("decode", None), ("prefill", "pair_lost"),
            ("decode", "first_byte_timeout")})

    def test_a_router_that_stops_cuts_both(self):
        proxy = self.start_pair(self.hang(PREFILL), self.hang(DECODE),
                                options=("--drain-timeout-secs", "0.1"))
        with proxy.dial() as connection:
            connection.sendall(b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
            wait_until(lambda: self.sent() == [1, 1], "both legs")
            self.assertEqual(self.legs(), {"prefill": (0, "shutdown"), "decode": (0, "shutdown")})

    def test_many_at_once_from_two_threads(self):
        proxy = self.start_pair(options=("--threads", "2"))
        statuses = []
        threads = [threading.Thread(target=lambda: statuses.append(proxy.post().status))
                   for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [200] * 40)
        self.outcomes()
        self.assertEqual(harness.rows(self.log, "SELECT pool, count(*) FROM outcome WHERE success "
                                                "GROUP BY pool ORDER BY pool"),
                         [("decode", 40), ("prefill", 40)])

    # ---- the fleet ----

    def test_the_fleet_has_two_kinds_of_workers(self):
        proxy = self.start_pair()
        fleet = proxy.get("/workers").json()
        self.assertEqual(fleet["stats"],
                         {"prefill_count": 1, "decode_count": 1, "regular_count": 0})
        self.assertEqual([(w["worker_type"], w["bootstrap_port"]) for w in fleet["workers"]],
                         [("prefill", 8998), ("decode", None)])
        more = b'{"url":"http://127.0.0.1:1","worker_type":"prefill","bootstrap_port":9}'
        self.assertEqual(proxy.post(more, "/workers").status, 202)
        for bad in (b'{"url":"http://127.0.0.1:2"}',
                    b'{"url":"http://127.0.0.1:2","worker_type":"other"}',
                    b'{"url":"http://127.0.0.1:2","worker_type":"prefill","bootstrap_port":-1}'):
            self.assertEqual(proxy.post(bad, "/workers").status, 400, bad)
        self.assertEqual(proxy.get("/workers").json()["stats"]["prefill_count"], 2)
        self.assertEqual(proxy.get("/health").status, 200)
        self.assertEqual(proxy.post(b"", "/remove_worker?url=" + self.workers[1].url).status, 200)
        self.assertEqual(proxy.get("/health").status, 503)
        answer = proxy.get("/readiness")
        self.assertEqual((answer.status, answer.json()["reason"]),
                         (503, "no decode worker is healthy"))
        answer = proxy.post()
        self.assertEqual(answer.status, 503)
        self.assertIn("no decode worker", answer.json()["error"]["message"])
        self.assertEqual(self.sent(), [0, 0])
        self.assertEqual(self.legs(), {"prefill": (0, "pair_lost"), "decode": (0, "no_worker")})


if __name__ == "__main__":
    harness.main()
