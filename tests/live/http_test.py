"""HTTP/1.1 as RFC 9110 and 9112 have it, section by section: what the router answers, what it does with
the connection, and what of it a worker sees."""

import asyncio
import email.utils
import json
import re
import time

import wire
from live import run
from serving import Serve

QUICK = ("--disable-health-check",)
BODY = b'{"text":"hi"}'
HOST = b"Host: a\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
POST = b"POST /generate HTTP/1.1\r\n"
CLOSE = b"Connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"d\r\n" + BODY + b"\r\n0\r\n\r\n"
LAST = b"GET /liveness HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
ALL = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS"]

# (section, sent, statuses of the answers, requests at the worker); LAST is sent behind what does not close.
VECTORS = [
    (
        "9112 2.2: empty lines before a request are passed over",
        b"\r\n\r\n" + POST + HOST + LENGTH + b"\r\n" + BODY,
        [200],
        1,
    ),
    ("9112 2.2: a line ends in CRLF", POST.replace(b"\r", b"") + HOST + LENGTH + b"\r\n" + BODY, [400], 0),
    ("9112 2.2: a bare CR is no end", POST + b"Host: a\r" + LENGTH + b"\r\n" + BODY, [400], 0),
    (
        "9112 2.2: no blank between the request line and the fields",
        POST + b" " + HOST + LENGTH + b"\r\n" + BODY,
        [400],
        0,
    ),
    (
        "9112 2.3: a version that is not HTTP",
        b"POST /generate HTTQ/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
        [400],
        0,
    ),
    (
        "9112 2.3: a version of lower case",
        b"POST /generate http/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
        [400],
        0,
    ),
    ("9110 15.6.6: HTTP/2.0", b"POST /generate HTTP/2.0\r\n" + HOST + LENGTH + b"\r\n" + BODY, [505], 0),
    ("9113 3.4: the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400], 0),
    (
        "9112 3: two blanks in the request line",
        b"POST  /generate HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
        [400],
        0,
    ),
    ("9112 3: a blank at its end", b"POST /generate HTTP/1.1 \r\n" + HOST + LENGTH + b"\r\n" + BODY, [400], 0),
    ("9112 3: no version", b"POST /generate\r\n" + HOST + LENGTH + b"\r\n" + BODY, [505], 0),
    (
        "9112 3: a target that is too long",
        b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        [414],
        0,
    ),
    ("9112 3: a method that nobody knows", b"FROB /generate HTTP/1.1\r\n" + HOST + b"\r\n", [405], 0),
    (
        "9110 9.1: methods know upper and lower case",
        b"post /generate HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
        [405],
        0,
    ),
    (
        "9112 3.2.2: absolute form",
        b"POST http://other/generate?a=b HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
        [200],
        1,
    ),
    ("9112 3.2.2: absolute form without a path", b"GET http://a HTTP/1.1\r\n" + HOST + b"\r\n", [404], 0),
    ("9112 3.2.3: authority form is for CONNECT", b"GET a:80 HTTP/1.1\r\n" + HOST + b"\r\n", [400], 0),
    ("9110 9.3.6: CONNECT", b"CONNECT a:443 HTTP/1.1\r\n" + HOST + b"\r\n", [405], 0),
    ("9112 3.2.4: asterisk form is for OPTIONS", b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", [400], 0),
    ("9110 9.3.7: OPTIONS of the server", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", [204], 0),
    ("9110 9.3.7: OPTIONS of a path", b"OPTIONS /workers HTTP/1.1\r\n" + HOST + b"\r\n", [204], 0),
    ("9110 9.3.8: TRACE", b"TRACE /generate HTTP/1.1\r\n" + HOST + b"\r\n", [405], 0),
    ("9112 3.2: a fragment", b"GET /health#x HTTP/1.1\r\n" + HOST + b"\r\n", [400], 0),
    ("9112 3.2: no Host", POST + LENGTH + b"\r\n" + BODY, [400], 0),
    ("9112 3.2: two of them", POST + HOST + HOST + LENGTH + b"\r\n" + BODY, [400], 0),
    ("9112 3.2: one that is none", POST + b"Host: a b\r\n" + LENGTH + b"\r\n" + BODY, [400], 0),
    ("9112 3.2: an empty one", POST + b"Host:\r\n" + LENGTH + b"\r\n" + BODY, [200], 1),
    ("9112 3.2: none in HTTP/1.0", b"POST /generate HTTP/1.0\r\n" + LENGTH + b"\r\n" + BODY, [200], 1),
    ("9112 5.1: a blank before the colon", POST + HOST + b"X : y\r\n" + LENGTH + b"\r\n" + BODY, [400], 0),
    ("9112 5.1: a name that is empty", POST + HOST + b": y\r\n" + LENGTH + b"\r\n" + BODY, [400], 0),
    ("9112 5.2: a folded line", POST + HOST + b"X: y\r\n z\r\n" + LENGTH + b"\r\n" + BODY, [400], 0),
    ("9110 5.5: NUL in a value", POST + HOST + b"X: a\0b\r\n" + LENGTH + b"\r\n" + BODY, [400], 0),
    (
        "9110 5.5: bytes above 127 in a value",
        POST + HOST + b"X: \xe4\xff\r\n" + LENGTH + b"\r\n" + BODY,
        [200],
        1,
    ),
    ("9110 5.6.2: a name of other bytes", POST + HOST + b"X\xe4: y\r\n" + LENGTH + b"\r\n" + BODY, [400], 0),
    (
        "6585 5: fields that are too long",
        POST + HOST + b"X: " + b"y" * 40000 + b"\r\n" + LENGTH + b"\r\n" + BODY,
        [431],
        0,
    ),
    ("9112 6.1: chunks", POST + HOST + CHUNKED + b"\r\n" + CHUNKS, [200], 1),
    (
        "9112 6.1: a coding in other letters",
        POST + HOST + b"transfer-encoding: CHUNKED\r\n\r\n" + CHUNKS,
        [200],
        1,
    ),
    (
        "9112 6.1: a coding that is not known",
        POST + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS,
        [400],
        0,
    ),
    (
        "9112 6.1: chunked is not the last",
        POST + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKS,
        [400],
        0,
    ),
    (
        "9112 6.1: chunked twice",
        POST + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKS,
        [400],
        0,
    ),
    ("9112 6.1: chunks in HTTP/1.0", b"POST /generate HTTP/1.0\r\n" + CHUNKED + b"\r\n" + CHUNKS, [400], 0),
    ("9112 6.3: chunks and a length", POST + HOST + CHUNKED + LENGTH + b"\r\n" + CHUNKS, [400], 0),
    ("9112 6.3: two lengths", POST + HOST + LENGTH + b"Content-Length: 4\r\n\r\n" + BODY, [400], 0),
    ("9112 6.3: a list of lengths", POST + HOST + b"Content-Length: 13, 14\r\n\r\n" + BODY, [400], 0),
    ("9110 8.6: a length with a sign", POST + HOST + b"Content-Length: +13\r\n\r\n" + BODY, [400], 0),
    (
        "9110 8.6: a length that no number holds",
        POST + HOST + b"Content-Length: 99999999999999999999\r\n\r\n" + BODY,
        [400],
        0,
    ),
    ("9112 6.3: neither is no body", POST + HOST + b"\r\n", [200], 1),
    ("9110 8.6: a length of zero", POST + HOST + b"Content-Length: 0\r\n\r\n", [200], 1),
    (
        "9110 15.5.14: a length above the limit",
        POST + HOST + b"Content-Length: 99999999\r\n\r\n" + BODY,
        [413],
        0,
    ),
    (
        "9112 7.1: zeros before a size",
        POST + HOST + CHUNKED + b"\r\n000d\r\n" + BODY + b"\r\n0000\r\n\r\n",
        [200],
        1,
    ),
    (
        "9112 7.1: a size of other digits",
        POST + HOST + CHUNKED + b"\r\n0xd\r\n" + BODY + b"\r\n0\r\n\r\n",
        [400],
        0,
    ),
    (
        "9112 7.1: a size that no number holds",
        POST + HOST + CHUNKED + b"\r\nffffffffffffffffd\r\n" + BODY + b"\r\n0\r\n\r\n",
        [400, 413],
        0,
    ),
    (
        "9112 7.1: no CRLF behind a chunk",
        POST + HOST + CHUNKED + b"\r\nc\r\n" + BODY + b"\r\n0\r\n\r\n",
        [400],
        0,
    ),
    (
        "9112 7.1.1: extensions are passed over",
        POST + HOST + CHUNKED + b"\r\nd;a=\"b;c\"\r\n" + BODY + b"\r\n0;d\r\n\r\n",
        [200],
        1,
    ),
    (
        "9112 7.1.2: a trailer is read and dropped",
        POST + HOST + CHUNKED + b"\r\nd\r\n" + BODY + b"\r\n0\r\nX-Trailer: y\r\n\r\n",
        [200],
        1,
    ),
    (
        "9112 7.1.2: a trailer that is no field",
        POST + HOST + CHUNKED + b"\r\nd\r\n" + BODY + b"\r\n0\r\nX\r\n\r\n",
        [400],
        0,
    ),
    (
        "9110 7.8: an offer of other protocols",
        POST + HOST + b"Upgrade: h2c\r\nConnection: Upgrade\r\n" + LENGTH + b"\r\n" + BODY,
        [200],
        1,
    ),
    (
        "9110 10.1.1: an expectation that nobody knows",
        POST + HOST + b"Expect: gold\r\n" + LENGTH + b"\r\n" + BODY,
        [417],
        0,
    ),
    (
        "9110 10.1.1: to be told to continue",
        POST + HOST + b"Expect: 100-Continue\r\n" + LENGTH + b"\r\n" + BODY,
        [100, 200],
        1,
    ),
    (
        "9110 10.1.1: not in HTTP/1.0",
        b"POST /generate HTTP/1.0\r\nExpect: 100-continue\r\n" + LENGTH + b"\r\n" + BODY,
        [200],
        1,
    ),
    (
        "9110 10.1.1: not without a body",
        b"GET /liveness HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n",
        [200],
        0,
    ),
    (
        "9110 10.1.1: not when it is refused",
        POST + HOST + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
        [413],
        0,
    ),
    (
        "9110 9.3.1: a body of a GET is read",
        b"GET /liveness HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
        [200],
        0,
    ),
    (
        "9112 9.3.2: one behind the other",
        POST
        + HOST
        + LENGTH
        + b"\r\n"
        + BODY
        + b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
        + POST
        + HOST
        + CHUNKED
        + b"\r\n"
        + CHUNKS,
        [200, 404, 200],
        2,
    ),
    (
        "9112 9.3.2: HEAD among them",
        b"HEAD /liveness HTTP/1.1\r\n" + HOST + b"\r\nGET /liveness HTTP/1.1\r\n" + HOST + b"\r\n",
        [200, 200],
        0,
    ),
    (
        "9110 4.2: percent-encodings pass as they are",
        b"POST /v1/a%2Fb%c3%A4?%20=%00 HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
        [200],
        1,
    ),
]


def good(message):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def answers_of(data, told):
    """Every answer in what was told, strictly read; those to HEAD have no body."""
    methods = [m.line[1] for m in wire.parse(data)[0]]
    finals = []

    def one(text, at):
        is_head = len(finals) < len(methods) and methods[len(finals)] == b"HEAD"
        message, at = wire.answer_at(text, at, is_head)
        if message.line[2] >= b"200":
            finals.append(message)
        return message, at

    messages, state, why = wire.parse(told, one)
    assert state == wire.COMPLETE, (state, why, told)
    return messages


async def with_router(body, *options, answer=good):
    recorder = await wire.Recorder(answer).start()
    with Serve([recorder.url], *QUICK, *options) as router:
        await body(router, recorder)
    await recorder.stop()
    assert not recorder.wrong, recorder.wrong


def test_what_is_asked_and_what_is_answered():
    async def body(router, recorder):
        for section, sent, expected, count in VECTORS:
            before = len(recorder.requests)
            told = answers_of(sent, await wire.exchange(router.port, sent + LAST))
            said = [int(answer.line[2]) for answer in told]
            closes = [b"close" in answer.values(b"connection") for answer in told]
            if expected == [400, 413]:
                expected = [s for s in expected if s == said[0]]
            goes_on = (
                expected[-1] < 400
                and b"HTTP/1.0" not in sent
                or expected[-1] in (404, 405)
                and not closes[len(expected) - 1]
            )
            assert said == expected + [200] * goes_on, (section, said)
            assert closes == [False] * (len(said) - 1) + [True], (section, closes)
            assert len(recorder.requests) - before == count, section
            for answer in told:
                assert answer.line[2] == b"100" or len(answer.values(b"date")) == 1, section
                assert answer.line[2] != b"405" or answer.values(b"allow"), section
                assert answer.line[2] not in (b"100", b"204") or not answer.values(b"content-length"), section
            if count == 1:
                seen = recorder.requests[-1]
                assert seen.values(b"host") == [recorder.url[7:].encode()], section
                assert not [
                    name
                    for name, _ in seen.fields
                    if name.lower()
                    in (
                        b"connection",
                        b"upgrade",
                        b"te",
                        b"expect",
                        b"trailer",
                        b"transfer-encoding",
                        b"x-trailer",
                    )
                ], section
                assert seen.line[2].startswith((b"/generate", b"/v1/a%2Fb%c3%A4?%20=%00")), section

    asyncio.run(with_router(body))


def test_connections_stay_or_close_as_was_asked():
    async def body(router, recorder):
        for version, options, stays in (
            (1, b"", True),
            (1, b"Connection: close\r\n", False),
            (1, b"Connection: Close\r\n", False),
            (1, b"Connection: x, close\r\n", False),
            (1, b"Connection: keep-alive\r\n", True),
            (0, b"", False),
            (0, b"Connection: keep-alive\r\n", True),
            (0, b"Connection: Keep-Alive\r\n", True),
            (0, b"Connection: close\r\n", False),
        ):
            sent = b"POST /generate HTTP/1.%d\r\n" % version + HOST + options + LENGTH + b"\r\n" + BODY
            told = answers_of(sent, await wire.exchange(router.port, sent + LAST))
            assert len(told) == 1 + stays, (version, options)
            said = b",".join(told[0].values(b"connection"))
            assert said == (b"close" if not stays else b"keep-alive" if version == 0 else b""), (
                version,
                options,
            )

    asyncio.run(with_router(body))


def test_fields_that_are_nominated_go_no_further():
    async def body(router, recorder):
        sent = (
            POST
            + HOST
            + b"Connection: close, X-Hop ,x-other\r\nX-Hop: 1\r\nX-Other: 2\r\nX-End: 3\r\nTE: trailers\r\n"
            + LENGTH
            + b"\r\n"
            + BODY
        )
        told = answers_of(sent, await wire.exchange(router.port, sent))
        seen = dict(recorder.requests[-1].fields)
        assert b"X-End" in seen and not {b"X-Hop", b"X-Other", b"TE", b"Connection"} & set(seen), seen
        names = [name.lower() for name, _ in told[0].fields]
        assert b"x-mine" in names and not {b"x-theirs", b"keep-alive", b"upgrade"} & set(names), names

    def answer(message):
        return good(message).replace(
            b"\r\n",
            b"\r\nConnection: X-Theirs\r\nX-Theirs: 1\r\nX-Mine: 2\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n",
            1,
        )

    asyncio.run(with_router(body, answer=answer))


def test_methods_of_paths_are_told():
    async def body(router, recorder):
        for path, methods in (
            (b"*", ALL),
            (b"/workers", [b"GET", b"HEAD", b"POST", b"OPTIONS"]),
            (b"/health", [b"GET", b"HEAD", b"OPTIONS"]),
            (b"/generate", [b"POST", b"OPTIONS"]),
            (b"/v1/models", [b"GET", b"HEAD", b"OPTIONS"]),
            (b"/workers/x", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"]),
            (b"/nothing", None),
        ):
            sent = b"OPTIONS " + path + b" HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
            told = answers_of(sent, await wire.exchange(router.port, sent))[0]
            assert told.line[2] == (b"204" if methods else b"404"), path
            assert not methods or told.values(b"allow") == [b", ".join(methods)], (path, told.fields)
        sent = b"DELETE /metrics HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
        told = answers_of(sent, await wire.exchange(router.port, sent))[0]
        assert (told.line[2], told.values(b"allow")) == (b"405", [b"GET, HEAD"])

    asyncio.run(with_router(body))


def test_heads_say_what_gets_would():
    async def body(router, recorder):
        for path in (b"/health", b"/workers", b"/v1/models", b"/nothing"):
            said = []
            for method in (b"GET", b"HEAD"):
                sent = method + b" " + path + b" HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
                answer = answers_of(sent, await wire.exchange(router.port, sent))[0]
                said.append((answer.line[2], answer.values(b"content-length"), answer.values(b"content-type")))
            assert said[0] == said[1], (path, said)

    asyncio.run(with_router(body))


def test_dates_are_now():
    async def body(router, recorder):
        sent = b"GET /health HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
        date = answers_of(sent, await wire.exchange(router.port, sent))[0].values(b"date")[0].decode()
        assert re.fullmatch(
            r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date
        ), date
        assert abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time()) < 60, date

    asyncio.run(with_router(body))


def test_a_worker_may_answer_before_it_has_read_all():
    """A long body, refused from its head: the refusal is what the client hears."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlong")
        await writer.drain()
        try:
            while await asyncio.wait_for(reader.read(65536), 0.5):
                pass
        except (asyncio.TimeoutError, OSError):
            pass
        writer.close()

    async def body():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        long = b"x" * 6000000
        with Serve([url], *QUICK) as router:
            for _ in range(3):
                sent = POST + HOST + CLOSE + b"Content-Length: %d\r\n\r\n" % len(long) + long
                told = answers_of(sent, await wire.exchange(router.port, sent))
                assert [(m.line[2], m.body) for m in told] == [(b"413", b"long")], told
        server.close()

    asyncio.run(body())


def test_addresses_of_workers_put_nothing_into_heads():
    async def body(router, recorder):
        taken = 0
        for tail in (
            "/a\r\nX: y",
            "/a\nX: y",
            "/a\rX: y",
            "/a b",
            "/a\tb",
            "/a HTTP/1.1\r\nX: y",
            "/\u00e9",
            "/\x7f",
            "/a\x0bb",
            "/\u0000",
            "\r\n",
            " ",
            "/%0d%0aX:%20y",
            "/a%20b",
            "/a;b",
            "/..//x",
            "/%00",
            "/\"<>",
            "@evil",
            "?x",
            "#x",
        ):
            text = json.dumps({"url": recorder.url + tail}).encode()
            sent = (
                b"POST /workers HTTP/1.1\r\n" + HOST + CLOSE + b"Content-Length: %d\r\n\r\n" % len(text) + text
            )
            told = answers_of(sent, await wire.exchange(router.port, sent))[0]
            assert told.line[2] in (b"202", b"400"), (tail, told.line)
            taken += told.line[2] == b"202"
        for _ in range(2 * (taken + 1)):
            sent = POST + HOST + CLOSE + LENGTH + b"\r\n" + BODY
            assert answers_of(sent, await wire.exchange(router.port, sent))[0].line[2] == b"200"
        assert 3 <= taken <= 7, taken
        assert len({m.line[2] for m in recorder.requests}) == taken + 1
        assert not [m for m in recorder.requests if m.values(b"x")]

    asyncio.run(with_router(body))


run(globals())
