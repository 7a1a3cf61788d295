"""/metrics: the text format, held to its grammar; counts, held to what was asked; the files beside."""

import json
import os
import re

from live import SOURCE, run
from serving import Serve, Worker, close, good, stream

QUICK = ("--disable-health-check", "--retry-initial-backoff-ms", "5")
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABELS = r'\{([a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,(?!\})|(?=\})))+\}'
SAMPLE = re.compile(rf"({NAME})({LABELS})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|NaN|[+-]Inf)\Z")
KINDS = {"counter", "gauge", "histogram"}


def parse(text):
    """{metric: (kind, {labels: value})}; the rules are those of Prometheus' exposition format 0.0.4
    and of its linter: help and type before the samples of a metric, each once, counters end in
    _total, nobody else does, units are base units."""
    metrics = {}
    assert text.endswith("\n") and "\r" not in text
    name = None
    helped = None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped, words = line[7:].split(" ", 1)
            assert words and helped not in metrics, line
            continue
        if line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == helped and kind in KINDS and re.fullmatch(NAME, name), line
            assert name.endswith("_total") == (kind == "counter"), line
            assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)\b", name), line
            metrics[name] = (kind, {})
            continue
        found = SAMPLE.match(line)
        assert found, line
        kind, samples = metrics[name]
        bases = [name] if kind != "histogram" else [name + end for end in ("_bucket", "_sum", "_count")]
        assert found[1] in bases, line
        key = found[1][len(name):] + (found[2] or "")
        assert key not in samples, line
        samples[key] = float(found[4])
    for name, (kind, samples) in metrics.items():
        if kind == "histogram":
            below = [value for key, value in samples.items() if key.startswith("_bucket")]
            assert below == sorted(below) and below[-1] == samples["_count"], name
        if kind == "counter":
            assert all(value >= 0 for value in samples.values()), name
    return metrics


def test_what_is_told_follows_the_format_and_adds_up():
    workers = [Worker(), Worker(stream)]
    options = ("--threads", "3", "--max-concurrent-requests", "50")
    with Serve(workers, *QUICK, *options) as router:
        for _ in range(20):
            assert router.ask()[0] == 200
        assert router.get("/workers/x")[0] == 400
        metrics = parse(router.get("/metrics")[2].decode())
    value = lambda name, key="": metrics[name][1][key]
    assert value("sglang_router_requests_total", '{status="200"}') == 20
    assert value("sglang_router_request_duration_seconds", "_count") == 20
    assert value("sglsim_time_to_first_token_seconds", "_count") == 10
    assert value("sglsim_decisions_total", '{policy="round_robin",reason="turn"}') == 20
    assert value("sglsim_attempts_total", '{error=""}') == 20
    assert value("sglsim_prompt_tokens_total") == 5 * 10
    assert value("sglsim_cached_tokens_total") == 2 * 10
    assert value("sglsim_output_tokens_total") == 3 * 10
    assert value("sglsim_queue_running") == value("sglsim_queue_waiting") == 0
    for worker in workers:
        label = f'{{worker="{worker.url}"}}'
        assert value("sglang_router_worker_requests_total", label) == 10
        assert value("sglang_router_worker_pending_requests", label) == 0
        assert value("sglang_router_worker_health", label) == 1


def test_failures_have_their_words():
    with Serve([Worker(close)], *QUICK, "--max-total-retries", "1") as router:
        assert router.ask()[0] == 502
        metrics = parse(router.get("/metrics")[2].decode())
    assert metrics["sglsim_attempts_total"][1] == {'{error="connection_lost"}': 2}
    assert metrics["sglang_router_retries_total"][1] == {"": 1}


def test_what_cache_aware_expected_is_held_against_what_was_found():
    workers = [Worker(), Worker()]
    body = json.dumps({"text": "the same words every time " * 10}).encode()
    with Serve(workers, *QUICK, policy="cache_aware") as router:
        for _ in range(5):
            assert router.ask(body=body)[0] == 200
        metrics = parse(router.get("/metrics")[2].decode())
    found = metrics["sglsim_cache_predictions_total"][1]
    assert found['{predicted="hit",found="hit"}'] == 4
    assert metrics["sglang_router_cache_hits_total"][1][""] == 4


def test_scores_and_gradients_are_shown_once_there_are_any():
    policy = "marginal_utility:window_size=4,min_history=2"
    for options in ((), ("--log", "none")):
        workers = [Worker(), Worker()]
        with Serve(workers, *QUICK, *options, policy=policy, verify=None) as router:
            metrics = parse(router.get("/metrics")[2].decode())
            assert set(metrics["sglsim_worker_score"][1].values()) == {0}  # minus the outstanding
            assert "-0" not in router.get("/metrics")[2].decode()
            assert metrics["sglsim_worker_throughput_gradient"][1] == {}
            assert set(metrics["sglsim_worker_window_answers"][1].values()) == {0}
            for _ in range(20):
                assert router.ask()[0] == 200
            metrics = parse(router.get("/metrics")[2].decode())
        for name in ("throughput_gradient", "latency_gradient", "throughput_tokens_per_second",
                     "latency_seconds", "window_answers"):
            assert metrics["sglsim_worker_" + name][1], name
        assert max(metrics["sglsim_worker_window_answers"][1].values()) == 4


def test_the_prefix_tree_is_weighed_worker_by_worker():
    workers = [Worker(), Worker()]
    for policy, shown in (("cache_aware", True), ("explore:epsilon=0,base=cache_aware", True), ("random", False)):
        with Serve(workers, *QUICK, policy=policy) as router:
            for letter in "ab":
                body = json.dumps({"text": letter * 320}).encode()
                assert router.ask(body=body)[0] == router.ask(body=body)[0] == 200
            metrics = parse(router.get("/metrics")[2].decode())
            size = metrics["sglsim_worker_prefix_tree_bytes"][1]
            nodes = metrics["sglsim_worker_prefix_tree_nodes"][1]
            if not shown:
                assert size == nodes == {}
                continue
            # Each prompt at one worker, in 20 blocks of 16 bytes; a node holds up to 16 of them.
            assert sum(size.values()) == 640 and sum(nodes.values()) == 4, (size, nodes)
            assert router.ask("/flush_cache", b"")[0] in (200, 502)
            metrics = parse(router.get("/metrics")[2].decode())
            assert set(metrics["sglsim_worker_prefix_tree_bytes"][1].values()) == {0}


def test_histograms_have_the_buckets_of_the_conventions():
    # OpenTelemetry, semantic conventions for generative AI metrics: gen_ai.server.request.duration,
    # .time_to_first_token and .time_per_output_token.
    advised = {
        "sglang_router_request_duration_seconds":
            "0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92",
        "sglsim_time_to_first_token_seconds":
            "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10",
        "sglsim_time_per_output_token_seconds":
            "0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1 2.5",
    }
    with Serve([Worker()], *QUICK) as router:
        text = router.get("/metrics")[2].decode()
    for name, ends in advised.items():
        told = re.findall(rf'{name}_bucket{{le="([^"]+)"}}', text)
        assert told == ends.split() + ["+Inf"], name


def test_clients_make_no_labels():
    with Serve([Worker()], *QUICK, "--tenant-header", "x-tenant") as router:
        before = len(parse(router.get("/metrics")[2].decode()))
        for i in range(30):
            fields = [("x-tenant", f"t{i}"), ("x-request-id", f'i{i}"\\'), ("x-priority", f"p{i}")]
            body = json.dumps({"model": f"m{i}", "priority": f"p{i}"}).encode()
            assert router.ask("/generate", body, fields=fields)[0] == 200
            router.get(f"/path{i}")
        text = router.get("/metrics")[2].decode()
        assert len(parse(text)) == before
        for word in ("t29", "i29", "m29", "p29", "path29"):
            assert word not in text


def test_urls_are_escaped():
    with Serve([Worker(good)], *QUICK) as router:
        url = 'http://127.0.0.1:1/a%22b%5c'
        assert router.ask("/workers", json.dumps({"url": 'http://127.0.0.1:1/a"b'}).encode())[0] in (
            202, 400)
        assert router.ask("/workers", json.dumps({"url": url}).encode())[0] == 202
        parse(router.get("/metrics")[2].decode())


def load_dashboard():
    with open(os.path.join(SOURCE, "live/grafana/dashboard.json"), encoding="utf-8") as file:
        return json.load(file)


def test_the_dashboard_is_one_that_grafana_takes():
    dashboard = load_dashboard()
    assert dashboard.get("id") is None and re.fullmatch(r"[\w-]{1,40}", dashboard["uid"])
    assert dashboard["title"] and isinstance(dashboard["schemaVersion"], int)
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    taken = set()
    ids = set()
    for panel in dashboard["panels"]:
        assert panel["id"] not in ids and panel["title"] and panel["description"], panel["title"]
        ids.add(panel["id"])
        at = panel["gridPos"]
        assert at["x"] >= 0 and at["w"] > 0 and at["x"] + at["w"] <= 24 and at["h"] > 0
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "timeseries" and isinstance(panel["fieldConfig"]["defaults"], dict)
        assert isinstance(panel["fieldConfig"]["overrides"], list)
        references = [target["refId"] for target in panel["targets"]]
        assert references and len(set(references)) == len(references)
        for holder in [panel, *panel["targets"]]:
            assert holder["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        for target in panel["targets"]:
            for name in re.findall(r"\$\{?(\w+)", target["expr"] + target["legendFormat"]):
                assert name in variables, (panel["title"], name)


def test_rules_and_dashboard_ask_for_what_there_is():
    with Serve([Worker()], *QUICK, "--max-concurrent-requests", "5") as router:
        text = router.get("/metrics")[2].decode()
    known = set(parse(text))
    dashboard = load_dashboard()
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    with open(os.path.join(SOURCE, "live/prometheus/rules.yml"), encoding="utf-8") as file:
        rules = file.read()
    for text in expressions + [rules]:
        for name in re.findall(r"\b(?:sglsim|sglang_router)_[a-z_]+\b", text):
            if name in ("sglsim_figures", "sglsim_alerts"):
                continue
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in known or base in known, name
    # What a rule records is what another one asks for.
    recorded = set(re.findall(r"record: (\S+)", rules))
    assert set(re.findall(r"sglsim:[a-z_0-9:]+", rules)) == recorded


run(globals())
