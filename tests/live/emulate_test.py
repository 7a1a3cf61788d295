"""Emulated workers and the load client, end to end on loopback."""

import csv
import json
import signal
import socket
import subprocess
import threading
import time

from live import PROGRAM, SAMPLE, Emulate, events, load, run, sglsim

META = {
    "id",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "e2e_latency",
    "queue_length",
    "server_created_time",
    "server_first_token_time",
    "queue_time_start",
    "queue_time_end",
}


def generate(text, tokens, **more):
    return {"text": text, "sampling_params": {"max_new_tokens": tokens, "ignore_eos": True}, **more}


def test_answers_carry_all_fields_in_an_order_that_can_be():
    with Emulate("--time-scale", "20") as workers:
        before = time.time()
        answer = workers.json("/generate", generate("x" * 400, 7, rid="me"))
        after = time.time()
        meta = answer["meta_info"]
        assert set(meta) == META, meta
        assert meta["id"] == "me" and meta["finish_reason"] == {"type": "length", "length": 7}
        assert meta["prompt_tokens"] == 100 and meta["completion_tokens"] == 7
        assert len(answer["text"]) == 28
        stamps = [
            before,
            meta["server_created_time"],
            meta["queue_time_start"],
            meta["queue_time_end"],
            meta["server_first_token_time"],
            meta["server_created_time"] + meta["e2e_latency"],
            after,
        ]
        assert all(a <= b + 1e-3 for a, b in zip(stamps, stamps[1:])), stamps


def test_streams_give_every_token_once_and_end_with_done():
    with Emulate("--time-scale", "20") as workers:
        _, answer = workers.ask("/generate", generate("hello", 9, stream=True))
        *steps, done = events(answer)
        assert done == "[DONE]"
        steps = [json.loads(step) for step in steps]
        assert [step["meta_info"]["completion_tokens"] for step in steps] == list(range(1, 10))
        assert all(b["text"].startswith(a["text"]) for a, b in zip(steps, steps[1:]))
        assert [step["meta_info"]["finish_reason"] for step in steps[:-1]] == [None] * 8
        assert set(steps[-1]["meta_info"]) == META
        whole = workers.json("/generate", generate("hello", 9))
        assert whole["text"] == steps[-1]["text"]

        ask = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 9, "stream": True}
        _, answer = workers.ask(
            "/v1/chat/completions", {**ask, "stream_options": {"include_usage": True}}
        )
        *steps, usage, done = events(answer)
        assert done == "[DONE]"
        deltas = [json.loads(step)["choices"][0] for step in steps]
        assert deltas[0]["delta"]["role"] == "assistant"
        assert "".join(delta["delta"]["content"] for delta in deltas) == whole["text"]
        assert [delta["finish_reason"] for delta in deltas] == [None] * 8 + ["length"]
        assert json.loads(usage)["usage"]["completion_tokens"] == 9
        _, answer = workers.ask("/v1/completions", {"prompt": [1, 2, 3], "max_tokens": 2})
        assert json.loads(answer)["usage"]["total_tokens"] == 5


def test_what_is_no_request_is_refused_and_the_worker_goes_on():
    with Emulate("--worker", "kv_tokens=100") as workers:
        for body in ["{", "[]", "{}", '{"text": 5}', '{"text": "\\ud800"}', "[" * 100000, "nul\0"]:
            status, answer = workers.ask("/generate", body)
            assert status == 400, (body[:20], status)
            assert json.loads(answer)["error"]["message"], answer
        assert workers.ask("/generate")[0] == 405
        assert workers.ask("/nowhere")[0] == 404
        # More than it can ever hold.
        assert workers.ask("/generate", generate("x" * 800, 2))[0] == 400
        _, answer = workers.ask("/generate", generate("x" * 800, 2, stream=True))
        error, done = events(answer)
        assert "over_capacity" in error and done == "[DONE]"
        assert workers.json("/generate", generate("x", 2))["meta_info"]["completion_tokens"] == 2


def test_prompts_that_begin_alike_are_found_in_the_cache_until_it_is_flushed():
    with Emulate("--time-scale", "50") as workers:
        text = "".join(chr(97 + i % 26) for i in range(6400))

        def cached(prompt):
            return workers.json("/generate", generate(prompt, 1))["meta_info"]["cached_tokens"]

        assert cached(text) == 0
        assert cached(text + "more") == 1600
        assert cached(text[:3200] + "other") == 800
        assert cached("x" + text) == 0
        assert workers.ask("/flush_cache", "")[0] == 200
        assert cached(text) == 0


def test_what_can_be_asked_beside_tokens():
    with Emulate("--count", "2", "--model", "some/model") as workers:
        for worker in range(2):
            assert workers.ask("/health", worker=worker) == (200, b"")
            assert workers.ask("/health_generate", worker=worker) == (200, b"")
            info = workers.json("/get_server_info", worker=worker)
            assert info["model_path"] == "some/model" and info["port"] == workers.ports[worker]
            assert workers.json("/get_model_info", worker=worker)["is_generation"] is True
            assert workers.json("/v1/models", worker=worker)["data"][0]["id"] == "some/model"
            assert workers.json("/get_load", worker=worker)[0]["num_reqs"] == 0
            assert workers.json("/v1/loads", worker=worker)["aggregate"]["total_reqs"] == 0


def test_a_client_that_leaves_and_one_that_is_aborted_end_their_requests():
    with Emulate() as workers:
        body = json.dumps(generate("hello", 100000, stream=True))
        head = f"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", workers.ports[0])) as leaver:
            leaver.sendall((head + body).encode())
            assert b"data: " in leaver.recv(65536) + leaver.recv(65536)
            assert workers.json("/get_load")[0]["num_reqs"] == 1
            assert workers.ask("/flush_cache", "")[0] == 400
        workers.wait_idle()
        assert workers.state()["aborted"] == 1

        got = []
        asking = threading.Thread(
            target=lambda: got.append(workers.json("/generate", generate("hi", 100000, rid="long")))
        )
        asking.start()
        while workers.json("/get_load")[0]["num_reqs"] == 0:
            time.sleep(0.01)
        assert workers.ask("/abort_request", {"rid": "other"})[0] == 200
        assert workers.json("/get_load")[0]["num_reqs"] == 1
        assert workers.ask("/abort_request", {"rid": "long"})[0] == 200
        asking.join(timeout=30)
        assert got[0]["meta_info"]["finish_reason"]["type"] == "abort"
        workers.wait_idle()
        assert workers.ask("/abort_request", {})[0] == 400


def test_faults_do_what_they_say_and_end():
    with Emulate("--count", "2", "--time-scale", "20") as workers:

        def errors(*arguments, expected=1):
            return load(workers.urls[0], SAMPLE, "--requests", 4, "--concurrency", 2, "--out",
                        "none", *arguments, expected=expected)["errors"]

        workers.fault(status=503)
        assert errors() == {"http_503": 4}
        workers.fault(malformed=True)
        assert errors() == {"malformed": 4}
        assert errors("--stream", "off") == {"malformed": 4}
        workers.fault(cut_after=3)
        assert errors() == {"cut": 4}
        assert errors("--stream", "off", "--api", "chat") == {"cut": 4}
        workers.fault(hang=True)
        with socket.create_connection(("127.0.0.1", workers.ports[0])) as hanging:
            body = json.dumps(generate("hi", 5, stream=True))
            hanging.sendall(
                f"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            # Neither ends what hangs.
            assert workers.ask("/abort_request", {"abort_all": True})[0] == 200
            assert workers.ask("/flush_cache", "")[0] == 200
            hanging.settimeout(0.2)
            try:
                raise AssertionError(hanging.recv(100))
            except TimeoutError:
                pass
        assert errors("--timeout", "200ms") == {"timeout": 4}
        workers.fault(unhealthy=True)
        assert workers.ask("/health")[0] == 503
        assert errors(expected=0) == {}
        workers.fault(refuse=True)
        for _ in range(200):
            try:
                workers.ask("/health")
            except OSError:
                break
            time.sleep(0.01)
        assert errors() == {"connect": 4}
        # Its neighbour brings it back.
        workers.json("/emulate/faults", {"worker": 0}, worker=1)
        assert errors(expected=0) == {}
        assert workers.fault(status=500, for_ms=50)["status"] == 500
        for _ in range(200):
            if workers.json("/emulate/faults")["status"] is None:
                break
            time.sleep(0.01)
        assert errors(expected=0) == {}
        assert workers.ask("/emulate/faults", {"hnag": True})[0] == 400


def test_a_slow_worker_takes_as_much_longer_as_it_is_told():
    with Emulate("--time-scale", "10") as workers:
        ask = generate("hello", 50)
        well = workers.json("/generate", ask)["meta_info"]["e2e_latency"]
        workers.fault(slow=4)
        # By the clock of its engine, so exactly, but for the nanosecond each step is rounded to.
        slow = workers.json("/generate", ask)["meta_info"]["e2e_latency"]
        assert abs(slow / well - 4) < 1e-2, (well, slow)


def test_loads_of_each_api_are_measured_and_replay():
    with Emulate("--time-scale", "20") as workers:
        for number, arguments in enumerate(
            [
                ["--api", "generate", "--rate-scale", "20"],
                ["--api", "generate", "--prompt", "ids", "--concurrency", "8"],
                ["--api", "chat", "--concurrency", "8"],
                ["--api", "completions", "--stream", "off", "--rate-scale", "20"],
            ]
        ):
            for suffix in ["csv", "db"]:
                out = f"{number}.{suffix}"
                figures = load(workers.urls[0], SAMPLE, "--requests", 40, "--out", out, *arguments)
                assert figures["succeeded"] == 40 and figures["errors"] == {}, figures
                metrics = figures["metrics"]
                assert metrics["e2e"]["n"] == 40
                assert metrics["ttft"]["n"] == (0 if "off" in arguments else 40)
                assert ("lag" in metrics) == ("--concurrency" not in arguments)
                replayed = json.loads(
                    sglsim("replay", out, "--policy", "round_robin", "--log", "none", "--json")
                )
                assert "40" in json.dumps(replayed)
        with open(SAMPLE, encoding="utf-8") as file:
            wanted = list(csv.DictReader(file))[:40]
        with open("0.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == list(wanted[0])
        for row, want in zip(rows, wanted):
            assert row["req_id"] == want["req_id"] and row["success"] == "True"
            assert row["actual_prompt_tokens"] == want["actual_prompt_tokens"]
            assert row["actual_output_tokens"] == want["actual_output_tokens"]
            assert abs(float(row["arrival_time"]) - float(want["arrival_time"]) / 20) < 1e-8
            assert float(row["pure_queue_time"]) >= 0 and float(row["ttft"]) > 0
            order = ["arrival_time", "router_send_time", "server_created_time", "queue_time_end"]
            times = [float(row[name]) for name in order]
            assert times == sorted(times), times


def test_a_load_that_grows_without_end_is_said_to_saturate():
    with Emulate("--time-scale", "10", "--worker", "max_running_requests=2") as workers:
        arguments = [SAMPLE, "--requests", 60, "--rate-scale", "10", "--out", "none"]
        saturation = load(workers.urls[0], *arguments)["saturation"]
        assert saturation["is_saturated"] is True, saturation


def test_equal_prefix_ids_are_found_in_the_cache():
    with open("shared.csv", "w", encoding="utf-8") as file:
        file.write("arrival_time,prompt_tokens,output_tokens,prefix_hashes,prefix_block\n")
        for i in range(10):
            file.write(f"{i},192,2,7 8 {100 + i},64\n")
    with Emulate("--time-scale", "50") as workers:
        figures = load(workers.urls[0], "shared.csv", "--concurrency", 1, "--out", "shared.db")
        # All but the first find two blocks of three.
        assert abs(figures["cache_hit_rate"] - 9 * 128 / 1920) < 1e-9, figures
        replayed = json.loads(
            sglsim("replay", "shared.db", "--policy", "round_robin", "--workers", "1", "--log",
                   "none", "--json")
        )
        assert "0.6" in json.dumps(replayed), replayed


def test_an_interrupted_load_keeps_what_it_has():
    with Emulate() as workers:
        process = subprocess.Popen(
            [PROGRAM, "load", SAMPLE, "--url", workers.urls[0], "--out", "cut.csv"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while workers.state()["finished"] == 0:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output, complaints = process.communicate(timeout=60)
        assert process.returncode == 1 and "interrupted: " in complaints, complaints
        assert "not sent, for it was interrupted" in output, output
        with open("cut.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert any(row["success"] == "True" for row in rows)
        assert any(row["error"] == "interrupted" for row in rows)
        sglsim("replay", "cut.csv", "--policy", "round_robin", "--log", "none")
        workers.wait_idle()


def test_memory_is_flat_over_twenty_thousand_requests():
    with open("many.csv", "w", encoding="utf-8") as file:
        file.write("arrival_time,prompt_tokens,output_tokens\n")
        file.writelines(f"{i},8,2\n" for i in range(10000))
    # A limited KV memory: with an unlimited one every prompt stays cached, as in the simulator.
    with Emulate("--time-scale", "1000", "--worker", "kv_tokens=4096") as workers:
        load(workers.urls[0], "many.csv", "--concurrency", 32, "--out", "none")
        before = workers.resident_kb()
        load(workers.urls[0], "many.csv", "--concurrency", 32, "--out", "none", "--seed", 2)
        after = workers.resident_kb()
        assert workers.state()["finished"] == 20000
        assert after - before < 1024, (before, after)


run(globals())
