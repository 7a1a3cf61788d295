"""Bodies that are no JSON, or hardly: refused where the policy has to read them, passed on where it need not."""

import json

from live import run
from serving import Serve, Worker

QUICK = ("--disable-health-check",)
BROKEN = {
    "100,000 open brackets": b'{"text":' + b"[" * 100000,
    "100,000 brackets, closed": b'{"text":' + b"[" * 100000 + b"]" * 100000 + b"}",
    "100,000 open objects": b'{"a":' * 100000,
    "bytes that are not UTF-8": b'{"text":"\xff\xfe"}',
    "a surrogate in UTF-8": b'{"text":"\xed\xa0\x80"}',
    "an overlong slash": b'{"text":"\xc0\xaf"}',
    "a lone high surrogate": b'{"text":"\\ud800"}',
    "a lone low surrogate": b'{"text":"\\udc00 x"}',
    "surrogates the wrong way round": b'{"text":"\\udc00\\ud800"}',
    "a control byte": b'{"text":"a\nb"}',
    "a NUL byte": b'{"text":"a\x00b"}',
    "a string without its end": b'{"text":"a',
    "two documents": b'{"text":"a"}{"text":"b"}',
    "a trailing comma": b'{"text":"a",}',
    "no object": b'["text"]',
    "a bare text": b'"text"',
    "nothing": b"",
}
WHOLE = {
    "an escaped NUL": b'{"text":"a\\u0000b"}',
    "a pair of surrogates": b'{"text":"\\ud83d\\ude00"}',
    "numbers of any length": b'{"text":"a","n":' + b"1" * 300 + b',"x":1.10,"e":1e5}',
    "the same key twice": b'{"text":"a","text":"b"}',
    "500 brackets": b'{"text":"a","x":' + b"[" * 500 + b"]" * 500 + b"}",
}


def test_policies_that_read_prompts_refuse_what_cannot_be_read():
    for policy in ("cache_aware", "explore:epsilon=0.5,base=cache_aware"):
        worker = Worker()
        with Serve([worker], *QUICK, policy=policy) as router:
            for what, body in BROKEN.items():
                answer = router.ask(body=body)
                assert answer[0] == 400, (what, answer[0])
                assert json.loads(answer[2])["error"]["type"] == "invalid_request_error", what
            assert worker.sent() == 0
            for what, body in WHOLE.items():
                assert router.ask(body=body)[0] == 200, what
            assert [body for _, body in worker.requests] == list(WHOLE.values())
            assert router.metrics()['sglang_router_requests_total{status="400"}'] == len(BROKEN)


def test_policies_that_do_not_pass_every_byte():
    worker = Worker()
    bodies = [*BROKEN.values(), *WHOLE.values()]
    with Serve([worker], *QUICK, policy="round_robin") as router:
        for body in bodies:
            assert router.ask(body=body)[0] == 200, body[:60]
    assert [body for _, body in worker.requests] == bodies


def test_a_priority_is_looked_for_without_an_opinion_on_the_rest():
    worker = Worker()
    with Serve([worker], *QUICK, "--max-concurrent-requests", "4") as router:
        for body in (b'{"priority":"high","x":' + b"[" * 100000, b'{"priority":"high","t":"\xff"}',
                     b'{"t":"\\ud800","priority":"low"}'):
            assert router.ask(body=body)[0] == 200
    for _, body in worker.requests:
        assert body.startswith((b'{"x":[', b'{"t":"\xff"}', b'{"t":"\\ud800"}')), body[:60]


run(globals())
