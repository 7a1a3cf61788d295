"""Every flag that the tests of SGLang's routers pass: taken with its meaning, or refused with a word."""

import subprocess

from live import PROGRAM, run

ONE = ["--worker-urls", "http://a:1"]
PAIR = ["--pd-disaggregation", "--prefill", "http://a:1", "8998", "--decode", "http://b:1"]

# What is given, and the line of --print-config that shows it was understood.
TAKEN = [
    (ONE + ["--host", "0.0.0.0"], "host = 0.0.0.0"),
    (ONE + ["--port", "3001"], "port = 3001"),
    (ONE + ["--policy", "random"], "policy = random"),
    (ONE + ["--policy", "power_of_two"], "policy = power_of_two"),
    (ONE + ["--prometheus-port", "29000"], "prometheus-port = 29000"),
    (ONE + ["--prometheus-host", "0.0.0.0"], "prometheus-host = 0.0.0.0"),
    (["--worker-urls", "http://a:1", "http://b:2"], "worker-urls = http://a:1 http://b:2"),
    (PAIR, "pd-disaggregation = on"),
    (PAIR, "prefill = http://a:1 8998"),
    (PAIR[:1] + ["--prefill", "http://a:1", "none"] + PAIR[4:], "prefill = http://a:1 none"),
    (PAIR, "decode = http://b:1"),
    (PAIR + ["--prefill-policy", "random"], "prefill-policy = random"),
    (PAIR + ["--decode-policy", "round_robin"], "decode-policy = round_robin"),
    (ONE + ["--max-payload-size", "1048576"], "max-payload-size = 1048576"),
    (ONE + ["--cache-threshold", "0.5"], "cache-threshold = 0.5"),
    (ONE + ["--balance-abs-threshold", "32"], "balance-abs-threshold = 32"),
    (ONE + ["--balance-rel-threshold", "1.5"], "balance-rel-threshold = 1.5"),
    (ONE + ["--eviction-interval", "60"], "eviction-interval-secs = 60"),
    (ONE + ["--max-tree-size", "1024"], "max-tree-size = 1024"),
    (ONE + ["--retry-max-retries", "3"], "max-total-retries = 3"),
    (ONE + ["--retry-initial-backoff-ms", "10"], "retry-initial-backoff-ms = 10"),
    (ONE + ["--retry-max-backoff-ms", "50"], "retry-max-backoff-ms = 50"),
    (ONE + ["--retry-backoff-multiplier", "2"], "retry-backoff-multiplier = 2"),
    (ONE + ["--retry-jitter-factor", "0.1"], "retry-jitter-factor = 0.1"),
    (ONE + ["--disable-retries"], "disable-retries = on"),
    (ONE + ["--cb-failure-threshold", "2"], "cb-failure-threshold = 2"),
    (ONE + ["--cb-success-threshold", "1"], "cb-success-threshold = 1"),
    (ONE + ["--cb-timeout-duration-secs", "3"], "cb-timeout-duration-secs = 3"),
    (ONE + ["--cb-window-duration-secs", "9"], "cb-window-duration-secs = 9"),
    (ONE + ["--disable-circuit-breaker"], "disable-circuit-breaker = on"),
    (ONE + ["--health-check-interval-secs", "1"], "health-check-interval-secs = 1"),
    (ONE + ["--health-check-timeout-secs", "2"], "health-check-timeout-secs = 2"),
    (ONE + ["--health-failure-threshold", "2"], "health-failure-threshold = 2"),
    (ONE + ["--health-success-threshold", "1"], "health-success-threshold = 1"),
    (ONE + ["--max-concurrent-requests", "7"], "max-concurrent-requests = 7"),
    (ONE + ["--queue-size", "0"], "queue-size = 0"),
    (ONE + ["--queue-timeout-secs", "5"], "queue-timeout-secs = 5"),
    (ONE + ["--rate-limit-tokens-per-second", "2"], "rate-limit-tokens-per-second = 2"),
    (ONE + ["--request-timeout-secs", "7"], "request-timeout-secs = 7"),
    (ONE + ["--worker-startup-timeout-secs", "60"], "worker-startup-timeout-secs = 60"),
    (ONE + ["--worker-startup-check-interval", "1"], "worker-startup-check-interval = 1"),
    (ONE + ["--client-cert-path", "c.pem", "--client-key-path", "k.pem"], "client-cert-path = c.pem"),
    (ONE + ["--client-cert-path", "c.pem", "--client-key-path", "k.pem"], "client-key-path = k.pem"),
    (ONE + ["--ca-cert-paths", "a.pem", "b.pem"], "ca-cert-paths = a.pem,b.pem"),
    (ONE + ["--request-id-headers", "x-a,x-b"], "request-id-headers = x-a,x-b"),
    (ONE + ["--log-level", "warn"], "log-level = warn"),
    (ONE + ["--api-key", "k"], "# api-key = (a secret, not printed: put it here)"),
]

# What watches a cluster, or speaks to the ranks of a worker, is not there.
REFUSED = [
    ["--service-discovery"], ["--selector", "app=x"], ["--service-discovery-port", "80"],
    ["--service-discovery-namespace", "x"], ["--prefill-selector", "a=b"], ["--decode-selector", "a=b"], ["--dp-aware"],
]


def serve(arguments):
    return subprocess.run(
        [PROGRAM, "serve", *arguments, "--print-config"], capture_output=True, text=True, check=False, timeout=60)


def test_what_is_taken_means_what_it_says():
    for arguments, line in TAKEN:
        done = serve(arguments)
        assert done.returncode == 0 and done.stderr == "", (arguments, done.stderr)
        assert line in done.stdout.splitlines(), (arguments, line, done.stdout)


def test_what_is_not_there_is_refused_with_a_word():
    for arguments in REFUSED:
        done = serve(ONE + arguments)
        assert done.returncode == 2 and done.stdout == "", arguments
        assert arguments[0] + " of SGLang's routers is not supported (" in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1


def test_what_nobody_has_gets_the_nearest_name():
    for wrong, near in (("--que-size", "queue-size"), ("--cb-timeout-durration-secs", "cb-timeout-duration-secs"),
                        ("--health-check-intervall-secs", "health-check-interval-secs")):
        done = serve(ONE + [wrong, "1"])
        assert done.returncode == 2 and f"did you mean '{near}" in done.stderr, done.stderr


run(globals())
