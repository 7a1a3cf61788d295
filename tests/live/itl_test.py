"""Gaps between events of streams, as the log of a router has them in its table itl."""

import os

from live import SAMPLE, Emulate, load, run, sglsim
from serving import STREAM_HEAD, Serve, Worker, event, stream


def gaps(router):
    """{worker: (gaps, their sum in s, the longest in s)}"""
    rows = router.rows("SELECT worker, sum(gaps), sum(sum_s), max(longest_ns) / 1e9 FROM itl GROUP BY worker")
    return {worker: figures for worker, *figures in rows}


def slow(worker, connection, request):
    return stream(worker, connection, request, count=5, pause=0.05)


def at_once(worker, connection, request):
    """Three events in one piece, and [DONE] with them."""
    return STREAM_HEAD + b"".join(event(b'{"text":"%d"}' % i) for i in range(3)) + event(b"[DONE]") + b"0\r\n\r\n"


def one_byte_each(worker, connection, request):
    return STREAM_HEAD + b"".join(
        b"1\r\n%c\r\n" % byte for byte in b"data: {}\r\n\r\n: ping\n\ndata: {}\n\ndata: [DONE]\n\n") + b"0\r\n\r\n"


def test_every_event_but_the_first_of_an_answer_has_a_gap():
    with Serve([Worker(slow), Worker(at_once), Worker(one_byte_each)], "--threads", "2") as router:
        for _ in range(6):
            assert router.ask()[0] == 200
        assert router.ask()[0] == 200
    told = gaps(router)
    # The first worker answered three times, each time with four gaps of 50 ms or a little more.
    assert told[0][0] == 12 and 0.6 <= told[0][1] < 5 and told[0][2] >= 0.05, told
    # What came in one piece came together.
    assert told[1][0] == 4 and told[1][1] < 0.1, told
    assert told[2][0] == 2, told
    assert router.rows("SELECT count(*) FROM itl WHERE is_warm_up") == [(0,)]
    assert "as they came" in router.rows("SELECT value FROM run WHERE key = 'itl'")[0][0]


def test_answers_that_are_no_streams_have_none():
    with Serve([Worker()]) as router:
        assert router.ask()[0] == 200
    assert gaps(router) == {}


def test_a_live_log_and_a_simulated_one_have_it_both():
    with open(SAMPLE, encoding="utf-8") as sample, open("slice.csv", "w", encoding="utf-8") as part:
        part.writelines(sample.readlines()[:61])
    with Emulate("--count", "3") as workers:
        with Serve(workers.urls) as router:
            load(f"http://127.0.0.1:{router.port}", "slice.csv")
    sglsim("replay", "slice.csv", "--policy", "round_robin", "--workers", "3", "--log", "sim.db")
    tokens = router.rows("SELECT sum(output_tokens) - count(*), sum(e2e_ns - ttft_ns) / 1e9 FROM outcome")[0]
    told = router.rows("SELECT sum(gaps), sum(sum_s) FROM itl")[0]
    # /generate gives a token in an event, and its last event has the last one.
    assert abs(told[0] - tokens[0]) <= 60, (told, tokens)
    assert told[1] <= tokens[1], (told, tokens)
    text = sglsim("compare", "sim.db", router.log)
    assert "itl" in text, text
    assert os.path.getsize(router.log) > 0


run(globals())
