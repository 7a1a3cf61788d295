"""Emulated prefill and decode workers: by themselves, and behind sglsim serve, end to end on loopback."""

import contextlib
import http.client
import json
import os
import random
import re
import shlex
import socket
import subprocess
import threading
import time

from live import PROGRAM, SAMPLE, SOURCE, Emulate, events, load, run, sglsim
from serving import Serve, wait_until

PAIR = ("--prefill-count", "1", "--decode-count", "1")
IDLE = {"load": 0, "rooms": 0, "kept": 0, "waiting_for_memory": 0}


def generate(text="hello pairs", tokens=3, **more):
    return {"text": text, "sampling_params": {"max_new_tokens": tokens}, **more}


def meet(workers, room, prefill=0, **more):
    """The three fields, as a router would write them."""
    port = int(workers.flags[prefill][2])
    return {"bootstrap_host": "127.0.0.1", "bootstrap_port": port, "bootstrap_room": room, **more}


class Leg(threading.Thread):
    """One leg's request under way; its (status, answer) when it was joined."""

    def __init__(self, workers, worker, body):
        super().__init__()
        self.said = None
        self.ask = lambda: workers.ask("/generate", body, worker=worker)
        self.start()

    def run(self):
        try:
            self.said = self.ask()
        except (OSError, http.client.HTTPException) as error:
            self.said = (0, repr(error))

    def answer(self, status=200):
        self.join(60)
        assert self.said is not None and self.said[0] == status, self.said
        return json.loads(self.said[1]) if status != 0 else None


def wait_idle(workers):
    """Nothing is left of any request, neither in an engine nor in a room."""
    for worker in range(len(workers.urls)):
        def is_idle():
            state = workers.state(worker)
            return all(state[name] == IDLE[name] for name in IDLE)
        wait_until(is_idle, f"worker {worker}: {workers.state(worker)}")


def serve(workers, *options, **more):
    flags = [word for line in workers.flags for word in line]
    return Serve([], "--pd-disaggregation", *flags, *options, **more)


def post(router, body, path="/generate"):
    return router.ask(path, json.dumps(body).encode())


# ---- by themselves ----


def test_the_memory_of_a_prompt_is_kept_until_its_decode_worker_has_it():
    with Emulate(*PAIR) as workers:
        for first in (0, 1):  # whoever comes first
            body = generate("x" * 400, 5, **meet(workers, 2**63 - 1))
            legs = {first: Leg(workers, first, body)}
            if first == 0:
                wait_until(lambda: workers.state(0)["kept"] == 1, "the prompt to be computed")
                assert workers.ask("/flush_cache", "", worker=0)[0] == 400
            else:
                wait_until(lambda: workers.state(1)["waiting_for_memory"] == 1, "the claim")
                assert workers.ask("/flush_cache", "", worker=1)[0] == 400
            legs[1 - first] = Leg(workers, 1 - first, body)
            prefill, decode = (legs[leg].answer()["meta_info"] for leg in (0, 1))
            assert (prefill["completion_tokens"], decode["completion_tokens"]) == (1, 5)
            assert prefill["prompt_tokens"] == decode["prompt_tokens"] == 100
            assert decode["queue_time_start"] >= prefill["server_first_token_time"] - 1e-3
            wait_idle(workers)
        # The second time it was in the prefill worker's cache, which both legs say.
        assert prefill["cached_tokens"] == decode["cached_tokens"] > 0, (prefill, decode)


def test_transfers_of_one_worker_follow_each_other():
    with Emulate("--prefill-count", "2", "--decode-count", "1", "--kv-transfer",
                 "latency_us=150000") as workers:
        began = time.time()
        legs = []
        for number in range(4):  # from two prefill workers to one decode worker
            body = generate(tokens=1, **meet(workers, number, prefill=number % 2))
            legs += [Leg(workers, number % 2, body), Leg(workers, 2, body)]
        metas = [leg.answer()["meta_info"] for leg in legs]
        arrived = sorted(meta["queue_time_start"] for meta in metas[1::2])
        # However late each is noticed, none is before its turn.
        assert all(at - began > 0.15 * (turn + 1) - 0.001 for turn, at in enumerate(arrived)), arrived
        # The prefill leg is answered when its memory has arrived, not before.
        assert all(meta["e2e_latency"] > 0.15 for meta in metas[::2]), metas
        wait_idle(workers)


def test_separate_processes_meet_over_the_bootstrap_port():
    with Emulate("--role", "prefill") as prefill, Emulate("--role", "decode") as decode:
        info = prefill.json("/get_server_info")
        assert info["disaggregation_mode"] == "prefill"
        assert info["disaggregation_bootstrap_port"] == int(prefill.flags[0][2])
        assert decode.json("/get_server_info")["disaggregation_mode"] == "decode"
        flags = prefill.flags[0] + decode.flags[0]
        with Serve([], "--pd-disaggregation", *flags) as router:
            figures = load(f"http://127.0.0.1:{router.port}", SAMPLE, "--requests", 30,
                           "--rate-scale", 5, "--out", "none")
            assert figures["succeeded"] == 30, figures
        wait_idle(prefill)
        wait_idle(decode)


def test_no_port_means_the_workers_own():
    with Emulate(*PAIR) as workers:
        prefill, decode = workers.urls
        with Serve([], "--pd-disaggregation", "--prefill", prefill, "none", "--decode", decode) as (
            router
        ):
            assert post(router, generate())[0] == 200
            assert post(router, generate(["a", "b"]))[0] == 200


def test_what_does_not_say_where_to_meet_is_refused():
    with Emulate(*PAIR) as workers:
        for worker in (0, 1):
            whole = meet(workers, 5)
            for name in whole:
                body = generate(**{key: whole[key] for key in whole if key != name})
                status, answer = workers.ask("/generate", body, worker=worker)
                assert status == 400 and name.split("_")[1] in answer.decode(), (status, answer)
            for wrong in ({"bootstrap_room": 2**63}, {"bootstrap_room": -1},
                          {"bootstrap_room": "5"}, {"bootstrap_port": 65536},
                          {"bootstrap_port": "8998"}, {"bootstrap_host": 5}):
                status, answer = workers.ask("/generate", generate(**{**whole, **wrong}),
                                             worker=worker)
                assert status == 400, (wrong, answer)
            for list_of_one in ("bootstrap_host", "bootstrap_port", "bootstrap_room"):
                body = generate(["a", "b"], **{**whole, list_of_one: [whole[list_of_one]]})
                assert workers.ask("/generate", body, worker=worker)[0] == 400
        assert workers.state(0)["finished"] == workers.state(1)["finished"] == 0
        wait_idle(workers)
    # A worker that has no leg looks at none of it.
    with Emulate() as workers:
        assert workers.ask("/generate", generate(bootstrap_room="x"))[0] == 200


def test_a_room_is_for_one_request():
    with Emulate(*PAIR) as workers:
        body = generate(**meet(workers, 7))
        first = Leg(workers, 0, body)
        wait_until(lambda: workers.state(0)["rooms"] == 1, "the room")
        assert "is taken" in str(Leg(workers, 0, body).answer(400))
        claim = Leg(workers, 1, generate("another prompt, of another length", **meet(workers, 7)))
        assert "two requests in one room" in str(claim.answer(500))
        first.answer()  # its memory was sent to whom it was claimed by
        waiting = Leg(workers, 1, body)
        wait_until(lambda: workers.state(0)["rooms"] == 1, "the claim")
        assert "is taken" in str(Leg(workers, 1, body).answer(400))
        assert "is taken" in str(Leg(workers, 1, generate(["a", "b"], **meet(workers, [8, 7])))
                                 .answer(400))
        Leg(workers, 0, body).answer()
        waiting.answer()
        wait_idle(workers)


def test_a_leg_without_the_other_one_fails_when_its_time_is_over():
    with Emulate(*PAIR, "--room-timeout", "0.2") as workers:
        for worker, words in ((0, "Prefill bootstrap failed"), (1, "Decode transfer failed")):
            answer = Leg(workers, worker, generate(**meet(workers, 9))).answer(500)
            message = answer["error"]["message"]
            assert words in message and "bootstrap_room=9" in message, message
            assert "timed out after 0.2s in KVPoll." in message, message
            _, answer = workers.ask("/generate", generate(stream=True, **meet(workers, 9)),
                                    worker=worker)
            error, done = events(answer)
            assert words in json.loads(error)["error"]["message"] and done == "[DONE]"
            wait_idle(workers)
        body = generate(**meet(workers, 9, bootstrap_port=1))
        assert "Decode handshake failed" in str(Leg(workers, 1, body).answer(500))
        wait_idle(workers)


def leave(workers, worker, body, until):
    """A client that hangs up when `until` holds."""
    body = json.dumps(body)
    head = f"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", workers.ports[worker])) as leaver:
        leaver.sendall((head + body).encode())
        wait_until(until, "the moment to leave")


def test_a_leg_that_is_left_lets_go_of_what_the_other_one_keeps():
    with Emulate(*PAIR) as workers:
        # The decode leg claims, the prefill leg computes for a second, and the first one leaves.
        workers.json("/emulate/faults", {"worker": 0, "slow": 50})
        body = generate("x" * 4000, **meet(workers, 1))
        legs = []

        def is_computing():
            if not legs and workers.state(0)["rooms"] == 1:
                legs.append(Leg(workers, 0, body))
            return workers.state(0)["load"] == 1

        leave(workers, 1, body, is_computing)
        assert "Decode instance could be dead" in str(legs[0].answer(500))
        workers.json("/emulate/faults", {"worker": 0})
        wait_idle(workers)
        # The other way round: the decode leg hears of it at once.
        workers.json("/emulate/faults", {"worker": 0, "slow": 50})
        decode = Leg(workers, 1, body)
        wait_until(lambda: workers.state(0)["rooms"] == 1, "the claim")
        leave(workers, 0, body, lambda: workers.state(0)["load"] == 1)
        assert "it might be dead" in str(decode.answer(500))
        workers.json("/emulate/faults", {"worker": 0})
        wait_idle(workers)
        # What is kept, and what waits for memory, can be aborted.
        prefill = Leg(workers, 0, generate(**meet(workers, 2)))
        wait_until(lambda: workers.state(0)["kept"] == 1, "the prompt")
        decode = Leg(workers, 1, generate(**meet(workers, 3)))
        wait_until(lambda: workers.state(1)["waiting_for_memory"] == 1, "the claim")
        for worker, leg in ((0, prefill), (1, decode)):
            assert workers.ask("/abort_request", {"abort_all": True}, worker=worker)[0] == 200
            assert leg.answer()["meta_info"]["finish_reason"]["type"] == "abort"
        wait_idle(workers)
        assert workers.state(0)["aborted"] == 3


def test_a_worker_that_is_gone_takes_the_legs_of_others_with_it():
    with Emulate(*PAIR) as workers:
        decode = Leg(workers, 1, generate(**meet(workers, 1)))
        wait_until(lambda: workers.state(0)["rooms"] == 1, "the claim")
        workers.fault(worker=0, refuse=True)
        assert "it might be dead" in str(decode.answer(500))
        gone = Leg(workers, 1, generate(**meet(workers, 1)))
        assert "Decode handshake failed" in str(gone.answer(500))
        workers.json("/emulate/faults", {"worker": 0}, worker=1)
        body = generate(tokens=100000, **meet(workers, 2))
        prefill = Leg(workers, 0, body)
        wait_until(lambda: workers.state(0)["kept"] == 1, "the prompt")
        workers.json("/emulate/faults", {"worker": 0, "refuse": True}, worker=1)
        prefill.answer(0)
        workers.json("/emulate/faults", {"worker": 0}, worker=1)
        wait_idle(workers)


# ---- behind the router ----


def test_pairs_answer_as_one_worker_would():
    with Emulate("--time-scale", "20") as one, Emulate(
        "--prefill-count", "2", "--decode-count", "2", "--time-scale", "20"
    ) as workers, serve(workers) as router:
        asked = {"return_logprob": True, "logprob_start_len": 1, "top_logprobs_num": 2,
                 "token_ids_logprob": [4, 5]}
        for body in (generate(), generate(["a", "bc", "def"], 4), generate(**asked),
                     generate(["first prompt", "second"], 4, **asked),
                     generate("x" * 400, 2, **{**asked, "logprob_start_len": -1}),
                     {"input_ids": [[1, 2], [3]], "sampling_params": {"max_new_tokens": 2}}):
            expected = one.json("/generate", body)
            status, fields, answer = post(router, body)
            assert status == 200 and "x-sglsim-prefill-worker" in fields, (status, fields, answer)
            assert told(json.loads(answer)) == told(expected), (answer, expected)
            streamed = told_last(post(router, {**body, "stream": True})[2])
            expected = told_last(one.ask("/generate", {**body, "stream": True})[1])
            assert streamed == expected, (streamed, expected)
        for path, body in (
            ("/v1/completions", {"prompt": ["a", "bc"], "max_tokens": 3}),
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}],
                                      "max_tokens": 3}),
        ):
            expected = one.json(path, body)
            answer = json.loads(post(router, body, path)[2])
            assert answer["choices"] == expected["choices"], (answer, expected)
            assert answer["usage"]["total_tokens"] == expected["usage"]["total_tokens"]
        wait_idle(workers)


def told(answer):
    """What both must say: all but names, times, and what was in whose cache."""
    if isinstance(answer, list):
        return [told(part) for part in answer]
    kept = {name: answer["meta_info"][name] for name in answer["meta_info"]
            if name.endswith(("logprobs", "prompt_tokens", "completion_tokens", "reason"))}
    return {"text": answer["text"], **kept}


def told_last(answer):
    """The last event of each part of a stream."""
    *steps, done = events(answer)
    assert done == "[DONE]", answer
    last = {}
    for step in map(json.loads, steps):
        last[step.get("index", 0)] = told(step)
    return last


def test_loads_are_served_and_nothing_is_left():
    with Emulate("--prefill-count", "2", "--decode-count", "2", "--worker", "kv_tokens=20000",
                 "--time-scale", "10") as workers, serve(
        workers, "--prefill-policy", "cache_aware", "--decode-policy", "random"
    ) as router:
        url = f"http://127.0.0.1:{router.port}"
        for arguments in (["--rate-scale", 10], ["--stream", "off", "--concurrency", 16],
                          ["--api", "chat", "--concurrency", 16],
                          ["--api", "completions", "--stream", "off", "--concurrency", 8]):
            figures = load(url, SAMPLE, "--requests", 60, "--out", "none", *arguments)
            assert figures["succeeded"] == 60 and figures["errors"] == {}, figures
        wait_idle(workers)
        assert [worker["load"] for worker in router.json("/get_loads")["workers"]] == [0] * 4
        router.stop()
        assert router.rows("SELECT pool, count(*), sum(success), sum(output_tokens) > 240 FROM "
                           "outcome GROUP BY pool ORDER BY pool") == [
            ("decode", 240, 240, 1), ("prefill", 240, 240, 0)]


def words_of(router):
    return set(router.rows("SELECT pool, error FROM outcome"))


def test_a_leg_that_fails_ends_the_other_one_and_is_blamed_alone():
    for worker, pool, other in ((0, "prefill", "decode"), (1, "decode", "prefill")):
        for fault, word, status in (({"status": 500}, "http_500", 502),
                                    ({"status": 429}, "http_429", 429)):
            with Emulate(*PAIR) as workers, serve(workers) as router:
                workers.fault(worker=worker, **fault)
                for stream in (False, True):
                    answer = post(router, generate(tokens=2000, stream=stream))
                    assert answer[0] == status, answer
                workers.fault(worker=worker)
                wait_idle(workers)
                assert post(router, generate())[0] == 200
                router.stop()
                assert words_of(router) == {(pool, word), (other, "pair_lost"), (pool, None),
                                            (other, None)}, words_of(router)


def test_a_worker_that_is_gone_ends_its_pairs_and_comes_back():
    # When the prefill worker is gone its bootstrap port is too, and which leg notices first is
    # chance; that the decode worker is gone the router alone can tell.
    for worker, allowed in (
        (0, {("prefill", "connection_refused"), ("decode", "pair_lost"),
             ("prefill", "pair_lost"), ("decode", "http_500"), ("decode", "error_event")}),
        (1, {("decode", "connection_refused"), ("prefill", "pair_lost")}),
    ):
        with Emulate(*PAIR) as workers, serve(workers) as router:
            workers.fault(worker=worker, refuse=True)
            wait_until(lambda: is_refused(workers.ports[worker]), "the port to close")
            for stream in (False, True):
                answer = post(router, generate(tokens=2000, stream=stream))
                assert answer[0] == 502 or (stream and b'"error"' in answer[2]), answer
            workers.json("/emulate/faults", {"worker": worker}, worker=1 - worker)
            wait_idle(workers)
            assert post(router, generate())[0] == 200
            router.stop()
            failed = {pair for pair in words_of(router) if pair[1] is not None}
            assert failed and failed <= allowed, failed


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return False
    except ConnectionRefusedError:
        return True


def test_a_prefill_worker_that_hangs_is_found_and_blamed_alone():
    with Emulate(*PAIR) as workers, serve(
        workers, "--first-byte-timeout-secs", "0.5", "--cb-failure-threshold", "2"
    ) as router:
        workers.fault(worker=0, hang=True)
        for stream in (False, True):
            assert post(router, generate(stream=stream))[0] == 504
        # Its breaker is open, the decode worker's is not.
        breakers = {name: value for name, value in router.metrics().items() if "_breaker{" in name}
        assert [breakers[name] for name in sorted(breakers, key=lambda name: workers.urls[0] not in
                                                  name)] == [1, 0], breakers
        assert post(router, generate())[0] == 503
        workers.fault(worker=0)
        wait_idle(workers)
        router.stop()
        words = words_of(router) - {("prefill", "no_worker"), ("decode", "no_worker")}
        assert words == {("prefill", "first_byte_timeout"), ("decode", "pair_lost")}, words


def test_a_stream_that_is_cut_is_the_decode_workers_fault():
    with Emulate(*PAIR) as workers, serve(workers) as router:
        workers.fault(worker=1, cut_after=3)
        answer = post(router, generate(tokens=50, stream=True))
        assert answer[0] == 200 and b"upstream_error" in answer[2], answer
        workers.fault(worker=1)
        wait_idle(workers)
        router.stop()
        # The prefill leg has ended well, or its end was still on its way and nobody waited for it.
        words = words_of(router)
        assert words in [{("prefill", word), ("decode", "stream_cut")}
                         for word in (None, "pair_lost")], words


def test_a_client_that_leaves_leaves_nothing_behind():
    with Emulate(*PAIR, "--kv-transfer", "latency_us=60000000") as workers, serve(
        workers
    ) as router:
        front = Emulate()  # only to leave by: it asks at the router's port
        front.ports = [router.port]
        # While the memory travels; its minute goes on after everybody has left.
        leave(front, 0, generate("x" * 400, 10), lambda: workers.state(0)["kept"] == 1
              and workers.state(1)["waiting_for_memory"] == 1)
        wait_idle(workers)
        # While the prompt is computed.
        workers.fault(worker=0, slow=50)
        leave(front, 0, generate("y" * 4000, 10, stream=True),
              lambda: workers.state(0)["rooms"] == 1)
        wait_until(lambda: workers.state(0)["rooms"] == 0, "the room to be empty")
        workers.fault(worker=0)
        wait_idle(workers)
        router.stop()
        assert words_of(router) == {("prefill", "client_abort"), ("decode", "client_abort")}


def test_policies_of_mini_load_balancers_work_for_each_pool():
    for prefill, decode in (("round_robin", "random"), ("random", "round_robin")):
        with Emulate("--prefill-count", "3", "--decode-count", "3", "--time-scale", "100") as (
            workers
        ), serve(workers, "--prefill-policy", prefill, "--decode-policy", decode) as router:
            for _ in range(60):
                assert post(router, generate(tokens=2))[0] == 200
            router.stop()
            turns = {pool: [worker for worker, in router.rows(
                f"SELECT worker FROM decision WHERE pool = '{pool}' ORDER BY sequence")]
                for pool in ("prefill", "decode")}
            for pool, policy in (("prefill", prefill), ("decode", decode)):
                first = 0 if pool == "prefill" else 3
                in_turn = [first + i % 3 for i in range(60)]
                assert (turns[pool] == in_turn) == (policy == "round_robin"), turns
                assert set(turns[pool]) == {first, first + 1, first + 2}
            sglsim("verify", router.log)


def test_whatever_goes_wrong_nothing_is_left():
    draws = random.Random(11)
    faults = [{"status": 500}, {"status": 429}, {"hang": True}, {"cut_after": 1}, {"slow": 200},
              {"malformed": True}, {"refuse": True}, {"unhealthy": True}]
    with Emulate("--prefill-count", "2", "--decode-count", "2", "--time-scale", "20", "--worker",
                 "kv_tokens=6000", "--room-timeout", "2") as workers, serve(
        workers, "--request-timeout-secs", "3", "--disable-circuit-breaker", policy="least_outstanding"
    ) as router:
        sending = subprocess.Popen(
            [PROGRAM, "load", SAMPLE, "--url", f"http://127.0.0.1:{router.port}", "--rate-scale",
             "5", "--out", "none", "--quiet", "--json", "--timeout", "1s"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        while sending.poll() is None:
            one, other = draws.sample(range(4), 2)
            # The neighbour is asked: the one may have no port.
            try:
                workers.json("/emulate/faults", {"worker": one, **draws.choice(faults),
                                                 "for_ms": draws.randint(20, 300)}, worker=other)
            except OSError:
                pass
            time.sleep(0.1)
        figures = json.loads(sending.communicate()[0])
        # How many depends on how busy the machine is.
        assert figures["succeeded"] > 0 and figures["errors"], figures
        wait_until(lambda: not any(map(is_refused, workers.ports)), "all to be back")
        for worker in range(4):
            workers.json("/emulate/faults", {"worker": worker}, worker=worker)
        wait_idle(workers)
        wait_until(lambda: post(router, generate())[0] == 200, "the router to find them well")
        router.stop()
        pending = router.rows(
            "SELECT count(*) FROM decision d WHERE worker IS NOT NULL AND NOT EXISTS (SELECT 1 "
            "FROM outcome o WHERE o.decision_sequence = d.sequence)")
        assert pending == [(0,)], pending
        print(f"    {figures['succeeded']} of 600 answered, {figures['errors']}")


def test_memory_is_flat_over_ten_thousand_pairs():
    with open("many.csv", "w", encoding="utf-8") as file:
        file.write("arrival_time,prompt_tokens,output_tokens\n")
        file.writelines(f"{i},8,2\n" for i in range(5000))
    with Emulate(*PAIR, "--time-scale", "1000", "--worker", "kv_tokens=4096") as workers, serve(
        workers
    ) as router:
        sizes = []
        for seed in (1, 2):
            load(f"http://127.0.0.1:{router.port}", "many.csv", "--concurrency", 32, "--out",
                 "none", "--seed", seed)
            sizes.append(workers.resident_kb())
        assert workers.state(0)["finished"] == workers.state(1)["finished"] == 10000
        assert sizes[1] - sizes[0] < 1024, sizes


def free_ports(count):
    """The first of so many in a row that nobody has."""
    for first in range(20000 + os.getpid() % 9000, 60000, count):
        try:
            with contextlib.ExitStack() as stack:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
                return first
        except OSError:
            continue
    raise AssertionError("no free ports")


def readme_commands():
    """Its three commands for pairs, each as words, with ports that are free here."""
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        text = file.read()
    block = next(part for part in text.split("```") if "--pd-disaggregation --prefill" in part)
    lines = block.replace("\\\n", " ").strip().splitlines()
    commands = [shlex.split(line.lstrip("$ "), comments=True) for line in lines]
    assert [command[1] for command in commands] == ["emulate", "serve", "load"], commands
    first = free_ports(7)
    bootstrap = first + 5
    named = {str(30000 + i): str(first + i) for i in range(5)}
    named.update({str(8998 + i): str(bootstrap + i) for i in range(2)})
    changed = [[re.sub(r"\b(3000\d|899\d)\b", lambda found: named[found[0]], word)
                for word in command if word != "&"] for command in commands]
    changed[0] += ["--port", str(first + 1), "--bootstrap-port", str(bootstrap)]
    changed[1] += ["--port", str(first)]
    return [[PROGRAM, *command[1:]] for command in changed]


def test_the_three_commands_of_the_readme_serve_pairs():
    emulate, serve_them, send = readme_commands()
    os.symlink(os.path.join(SOURCE, "traces"), "traces")
    with contextlib.ExitStack() as stack:
        workers = subprocess.Popen(emulate, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        stack.callback(workers.kill)
        flags = [workers.stdout.readline().split() for _ in range(4)]
        # What emulate printed is what the README says.
        said = " ".join(serve_them)
        assert all(line and " ".join(line) in said for line in flags), (flags, said)
        router = subprocess.Popen(serve_them, stderr=subprocess.PIPE, text=True)
        stack.callback(router.kill)
        line = router.stderr.readline()
        assert "2 prefill, policy cache_aware" in line and "2 decode, policy least" in line, line
        # The trace takes half a minute: twenty times as fast is enough here.
        figures = subprocess.run([*send, "--rate-scale", "20"], capture_output=True, text=True,
                                 check=True, timeout=120)
        assert "600 sent, succeeded 600, failed 0" in figures.stdout, figures.stdout
        for process in (router, workers):
            process.terminate()
            process.communicate(timeout=60)
            assert process.returncode == 0
    sglsim("verify", "pairs.db")


run(globals())
