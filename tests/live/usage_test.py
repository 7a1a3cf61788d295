"""Tokens of streams of OpenAI's API: counted when the stream says them, and asked for on request only."""

import json

from live import Emulate, run
from serving import Serve, Worker, event, STREAM_HEAD

QUICK = ("--disable-health-check",)
FIELD = b',"stream_options":{"include_usage":true}'


def chat(worker, connection, request):
    """A stream that has usage only when it was asked for it."""
    connection.sendall(STREAM_HEAD)
    for i in range(3):
        connection.sendall(event(b'{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}'))
    connection.sendall(event(b'{"choices":[{"delta":{},"finish_reason":"stop"}]}'))
    if b"include_usage" in request[1]:
        connection.sendall(event(b'{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}'))
    return event(b"[DONE]") + b"0\r\n\r\n"


def asked(*options, bodies, path="/v1/chat/completions"):
    worker = Worker(chat)
    with Serve([worker], *QUICK, *options) as router:
        answers = [router.ask(path, body) for body in bodies]
    return [body for _, body in worker.requests], answers, router.rows("SELECT output_tokens FROM outcome")


STREAM = b'{"messages":[], "stream": true ,"n":1.10}'


def test_without_the_option_no_byte_changes_and_no_token_is_made_up():
    sent, answers, tokens = asked(bodies=[STREAM])
    assert sent == [STREAM] and tokens == [(None,)]
    assert answers[0][0] == 200 and b"usage" not in answers[0][2]


def test_with_it_streams_are_asked_and_say_so():
    for path in ("/v1/chat/completions", "/v1/completions?x=1"):
        sent, answers, tokens = asked("--ask-usage", bodies=[STREAM, STREAM + b"\n "], path=path)
        assert sent == [STREAM[:-1] + FIELD + b"}", STREAM[:-1] + FIELD + b"}\n "] and tokens == [(3,), (3,)]
        assert all(json.loads(body)["n"] == 1.1 for body in sent)
        assert b'"usage"' in answers[0][2] and answers[0][2].endswith(b"[DONE]\n\n")


def test_what_is_no_such_stream_is_left_alone():
    bodies = [
        b'{"messages":[]}', b'{"stream":false}', b'{"stream":true,"stream":false}', b'{"stream":"true"}', b"{}", b"",
        b'{"stream":true,"stream_options":{}}', b'{"stream":true,"stream_options":{"include_usage":false}}',
        b'{"stream":true', b'["stream", true]', b'{"stream":true} x', b'{"a":{"stream":true}}',
    ]
    assert asked("--ask-usage", bodies=bodies)[0] == bodies
    assert asked("--ask-usage", bodies=[STREAM], path="/generate")[0] == [STREAM]
    assert asked("--ask-usage", bodies=[STREAM], path="/v1/embeddings")[0] == [STREAM]


def test_the_word_of_a_priority_is_cut_all_the_same():
    sent, _, tokens = asked("--ask-usage", bodies=[b'{"stream":true,"priority":"high"}'])
    assert sent == [b'{"stream":true' + FIELD + b"}"] and tokens == [(3,)]


def test_marginal_utility_learns_of_streams_that_are_asked():
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True,
                       "max_tokens": 4}).encode()
    for options, learns in (((), False), (("--ask-usage",), True)):
        with Emulate("--count", "2", "--time-scale", "50") as workers:
            policy = "marginal_utility:window_size=4,min_history=2"
            with Serve(workers.urls, *QUICK, *options, policy=policy) as router:
                for _ in range(12):
                    assert router.ask("/v1/chat/completions", body)[0] == 200
                reasons = {name for name in router.metrics() if name.startswith("sglsim_decisions_total")}
        assert any("gradient" in name for name in reasons) == learns, (options, reasons)


run(globals())
