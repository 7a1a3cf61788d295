"""Answers of workers that two readers could read in two ways, by the hundred.

    client --[ask for case n][ask plainly]--> serve --> a worker that answers case n as the case says,
                                                        and everything else with an echo

Of each case one thing is true: the client gets the answer that a strict reader (wire.py, LF alone may end
a line of a head) finds in those bytes; or 502; or, when the head was right and had gone on already, a
cut. Whatever it was, the plain request behind it, and everybody else's, gets its own echo.
"""

import asyncio
import json
import random
import re
import sys

import wire
from live import run
from serving import Serve

SEED = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 1
CHANCE = 600
CROWD = 64
# A worker that hangs up behind an answer may be asked once more over the connection that is no more.
QUICK = (
    "--disable-health-check", "--disable-circuit-breaker", "--max-total-retries", "4", "--max-worker-retries",
    "5", "--retry-initial-backoff-ms", "1", "--retry-budget-percent", "10000",
)
HEAD_MAX, FIELDS_MAX = 60000, 250
BODY = b'{"text":"hello"}'
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"10\r\n" + BODY + b"\r\n0\r\n\r\n"

STATUS_LINES = [
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 200 A B", b"HTTP/1.0 200 OK",
    b"HTTP/1.2 200 OK", b"HTTP/2 200", b"HTTP/2.0 200 OK", b"HTTP/3 200", b"HTTP/0.9 200 OK",
    b"http/1.1 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 000 OK",
    b"HTTP/1.1 600 X", b"HTTP/1.1 999 X", b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 2OO OK",
    b"HTTP/1.1 -200 OK", b"HTTP/1.1 +20 OK", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 OK", b" HTTP/1.1 200 OK",
    b"HTTP /1.1 200 OK", b"HTTP/1.1200 OK", b"HTTP/11 200 OK", b"ICY 200 OK", b"garbage", b"", b"\x00",
    b"HTTP/1.1 200 O\x00K", b"HTTP/1.1 200 O\rK", b"HTTP/1.1 200 OK\r\r", b"HTTP/1.1 200 \xff\xfe",
    b"HTTP/1.1 200 " + b"x" * 3000, b"HTTP/1.1 404 Not Found", b"HTTP/1.1 299 X", b"HTTP/1.1 302 Found",
    b"HTTP/1.1 500 No", b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 200 OK\nX: y", b"XTTP/1.1 200 OK",
    b"HTTP/1.1 20\x00", b"HTTP/1.1 200OK", b"HTTP/01.1 200 OK", b"HTTP/1.10 200 OK",
]
FIELDS = [
    b"X: y", b"X:y", b"X: \ty\t ", b"X:", b"X: \xff", b"X : y", b"X\t: y", b" X: y", b"\tX: y", b": y", b":",
    b"X", b"X y: z", b"X: a\r\n b", b"X: a\r\n\tb", b"X: a\x00b", b"X: a\rb", b"X: a\r\r", b"X: a\x0bb",
    b"X: a\x7fb", b"X: a\x01b", b"\x00: y", b"X\x00: y", b"X\xff: y", b"X(: y", b"X: a\rSet-Cookie: b=c",
    b"X: a\nSet-Cookie: b=c", b"X: a\r\n\nSet-Cookie: b=c", b"Location: http://x/\r\rX: y",
    b"Connection: close", b"Connection: X-Hop\r\nX-Hop: y", b"Connection: Content-Length",
    b"Connection: Content-Type, X-Request-Id\r\nX-Request-Id: w", b"Keep-Alive: timeout=5", b"Upgrade: h2c",
    b"Trailer: X", b"TE: x", b"Proxy-Connection: keep-alive", b"X-Request-Id: of the worker",
    b"x-sglsim-worker: http://evil", b"Content-Encoding: gzip", b"Content-Type: text/event-stream", b"Date: x",
    b"Retry-After: 7", b"HTTP/1.1 200 OK", b"X: " + b"y" * 5000, b"X: " + b"y" * 90000,
    b"\r\n".join(b"X%d: y" % i for i in range(250)), b"\r\n".join(b"X%d: y" % i for i in range(3000)),
]
FRAMES = [
    LENGTH, b"content-length:16\r\n", b"Content-Length: 16 \r\n", b"Content-Length: +16\r\n",
    b"Content-Length: -16\r\n", b"Content-Length: 016\r\n", b"Content-Length: 0x10\r\n",
    b"Content-Length: 16, 16\r\n", b"Content-Length: 16,\r\n", b"Content-Length: 16\r\nContent-Length: 16\r\n",
    b"Content-Length: 16\r\nContent-Length: 5\r\n", b"Content-Length: \r\n", b"Content-Length: 16x\r\n",
    b"Content-Length: 1e1\r\n", b"Content-Length: 16.0\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: 18446744073709551632\r\n", b"Content-Length: 1 6\r\n", b"Content-Length : 16\r\n",
    b"Content-Length\t: 16\r\n", b" Content-Length: 16\r\n", b"Content-Length: 5\r\n",
    b"Content-Length: 17\r\n", b"Content-Length: 0\r\n", b"Content-Length: 16\r\n\x00\r\n", b"",
    LENGTH + CHUNKED, CHUNKED + LENGTH, CHUNKED, b"transfer-encoding:CHUNKED\r\n",
    b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding: chunked, chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding: \r\n", b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding: \"chunked\"\r\n", CHUNKED + CHUNKED, CHUNKED + b"Transfer-Encoding: identity\r\n",
    b"Transfer_Encoding: chunked\r\n" + LENGTH, b"Transfer-Encoding: cow\r\n" + LENGTH,
    b"Transfer-Encoding: \r\n" + LENGTH, b"Transfer-Encoding:\tchunked\r\n",
    b"X: y\rTransfer-Encoding: chunked\r\n" + LENGTH,
]
CHUNK_FORMS = [
    CHUNKS, b"010\r\n" + BODY + b"\r\n0\r\n\r\n", b"10;a=b\r\n" + BODY + b"\r\n0;c\r\n\r\n",
    b"10 \r\n" + BODY + b"\r\n0\r\n\r\n", b"0x10\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"+10\r\n" + BODY + b"\r\n0\r\n\r\n", b"-10\r\n" + BODY + b"\r\n0\r\n\r\n",
    b" 10\r\n" + BODY + b"\r\n0\r\n\r\n", b"g\r\n" + BODY + b"\r\n0\r\n\r\n", b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"10\n" + BODY + b"\r\n0\r\n\r\n", b"10\r\n" + BODY + b"\n0\r\n\r\n", b"10\r" + BODY + b"\r\n0\r\n\r\n",
    b"10\r\n" + BODY + b"0\r\n\r\n", b"10\r\n" + BODY + b"XX0\r\n\r\n", b"f\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"11\r\n" + BODY + b"\r\n0\r\n\r\n", b"10000000000000010\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\n" + BODY + b"\r\n0\r\n\r\n", b"fffffffffffffffff0\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"10;\n\r\n" + BODY + b"\r\n0\r\n\r\n", b"10\x00\r\n" + BODY + b"\r\n0\r\n\r\n",
    b"10\r\n" + BODY + b"\r\n0\r\nX: y\r\n\r\n", b"10\r\n" + BODY + b"\r\n0\r\nContent-Length: 3\r\n\r\n",
    b"10\r\n" + BODY + b"\r\n0\r\n\n", b"10\r\n" + BODY + b"\r\n0\r\nX: y\n\n",
    b"10\r\n" + BODY + b"\r\n0\r\n X\r\n\r\n", b"10\r\n" + BODY + b"\r\n0\r\nX: a\rb\r\n\r\n",
    b"8\r\n" + BODY[:8] + b"\r\n8\r\n" + BODY[8:] + b"\r\n000\r\n\r\n", b"10\r\n" + BODY + b"\r\n",
]
BEHIND = [
    b"", b"\r\n", b"\n", b"X", b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsecond!",
    b"HTTP/1.1 500 No\r\n\r\n", b"0\r\n\r\n", b"\x00" * 100, b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n", BODY * 1000,
]
BEFORE = [
    b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX-Early: 1\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n" * 5,
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 199 X\r\n\r\n", b"HTTP/1.1 100 Continue\r\n",
    b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.0 100 Continue\r\n\r\n",
    b"HTTP/1.1 100 Continue\n\n", b"\r\n", b"\n", b"X\r\n", b"\x00",
]


def forms():
    """(bytes of an answer, is the connection closed behind it)"""
    for line in STATUS_LINES:
        yield line + b"\r\n" + LENGTH + b"\r\n" + BODY
        yield line + b"\n" + LENGTH + b"\r\n" + BODY
    for field in FIELDS:
        yield OK + field + b"\r\n" + LENGTH + b"\r\n" + BODY
        yield OK + CHUNKED + field + b"\r\n\r\n" + CHUNKS
        yield b"HTTP/1.1 404 Not Found\r\n" + field + b"\r\n" + LENGTH + b"\r\n" + BODY
    for frame in FRAMES:
        for body in (BODY, CHUNKS, b"", BODY[:5]):
            yield OK + frame + b"\r\n" + body
            yield b"HTTP/1.0 200 OK\r\n" + frame + b"\r\n" + body
    for body in CHUNK_FORMS:
        yield OK + CHUNKED + b"\r\n" + body
        yield OK + b"Content-Type: text/event-stream\r\n" + CHUNKED + b"\r\n" + body
    for behind in BEHIND:
        yield OK + LENGTH + b"\r\n" + BODY + behind
        yield OK + CHUNKED + b"\r\n" + CHUNKS + behind
        for code in (204, 304):
            yield b"HTTP/1.1 %d X\r\n\r\n" % code + behind
            yield b"HTTP/1.1 %d X\r\n" % code + LENGTH + b"\r\n" + behind
            yield b"HTTP/1.1 %d X\r\n" % code + CHUNKED + b"\r\n" + behind
    for before in BEFORE:
        yield before + OK + LENGTH + b"\r\n" + BODY
        yield before + OK + b"\r\n" + BODY
    for byte in range(256):
        one = bytes([byte])
        yield OK + b"X" + one + b": y\r\n" + LENGTH + b"\r\n" + BODY
        yield OK + b"X: a" + one + b"b\r\n" + LENGTH + b"\r\n" + BODY
        yield OK + b"X: y" + one + b"\r\n" + LENGTH + b"\r\n" + BODY
    draw = random.Random(SEED)
    for _ in range(CHANCE):
        text = bytearray(
            draw.choice((OK + b"X: y\r\n" + LENGTH + b"\r\n" + BODY, OK + CHUNKED + b"X: y\r\n\r\n" + CHUNKS))
        )
        for _ in range(draw.choice((1, 1, 2))):
            at = draw.randrange(len(text))
            text[at : at + draw.randrange(2)] = draw.choice(
                (
                    b"",
                    b"\r",
                    b"\n",
                    b" ",
                    b"\t",
                    b"\x00",
                    b":",
                    b"0",
                    b"1",
                    b"\r\n",
                    b",",
                    bytes([draw.randrange(256)]),
                )
            )
        yield bytes(text)


class Teller:
    """The worker: `case n` in a body is answered as case n says, and the connection is closed behind
    it or not; anything else is echoed."""

    def __init__(self, answers):
        self.answers = answers
        self.tasks = []

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096)
        self.url = "http://127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]
        return self

    async def serve(self, reader, writer):
        self.tasks.append(asyncio.current_task())
        data = b""
        try:
            while got := await reader.read(65536):
                data += got
                messages, state, why = wire.parse(data)
                assert state != wire.BAD, (why, data)
                if state == wire.INCOMPLETE:
                    continue
                data = b""
                found = re.fullmatch(rb"case ([0-9]+)", messages[0].body)
                if not found:
                    body = messages[0].body
                    writer.write(OK + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                    continue
                writer.write(self.answers[int(found[1])])
                if int(found[1]) % 2 == 0:
                    break
        except OSError:
            pass
        writer.close()


def ask(body, fields=b""):
    return b"POST /generate HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s" % (fields, len(body), body)


def normal(text):
    """A head with CRLF behind each of its lines, no blank before a colon, and what comes behind it."""
    end = re.search(rb"\r?\n\r?\n", text)
    if not end:
        return text, b""
    head = re.sub(rb"(?<!\r)\n", b"\r\n", text[: end.start()])
    head = re.sub(rb"(?i)(\r\n(?!content-length|transfer-encoding)[!-9;-~]+)[ \t]+:", rb"\1:", head)
    return head + b"\r\n\r\n", text[end.end() :]


def meant(data, is_closed):
    """(message or None, state): the answer that those bytes hold; LF alone may end a line of a head."""
    try:
        while True:
            head, rest = normal(data)
            message, at = wire.answer_at(head + rest, 0)
            if message.line[2] == b"101":
                return None, wire.BAD
            if message.line[2] >= b"200":
                break
            data = (head + rest)[at:]
    except wire.Bad:
        return None, wire.BAD
    except wire.Incomplete:
        return None, wire.INCOMPLETE
    framed = (
        message.values(b"content-length")
        or message.values(b"transfer-encoding")
        or message.line[2] in (b"204", b"304")
    )
    if not framed and not is_closed:
        return None, wire.INCOMPLETE
    return message, wire.COMPLETE


def has_chunks(data):
    """A head that is right, and chunks: how forgivingly those are read is libcurl's matter, for nobody
    else reads that connection."""
    message, _ = meant(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n0\r\n\r\n", True)
    return message is not None and bool(message.values(b"transfer-encoding"))


HOPS = (
    b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    b"x-hop",
)
OWN = (b"connection", b"content-length", b"transfer-encoding", b"x-request-id", b"date")


def is_expected(field, message):
    """Either of the worker's own, and not of its connection, or made by the router."""
    name = field[0].lower()
    if name in OWN or (name.startswith(b"x-sglsim-") and field not in message.fields):
        return True
    return field in message.fields and name not in HOPS


def wrong(number, data, told):
    """Why this cannot be let pass; None: it can."""
    message, state = meant(data, number % 2 == 0)
    try:
        answer, at = wire.answer_at(told, 0)
    except wire.Incomplete:
        return None if message is None else "cut, though it was right"
    except wire.Bad as bad:
        return "the client got a riddle: %s" % bad
    if answer.line[2] in (b"502", b"504") and b'"code":%s' % answer.line[2] in answer.body:
        if message is not None and len(data) < HEAD_MAX and len(message.fields) < FIELDS_MAX:
            return "refused, though it was right"
    elif message is None:
        if not has_chunks(data):
            return "a riddle was answered"
    elif (answer.line[2], answer.body) != (message.line[2], message.body):
        return "another answer"
    elif stray := [field for field in answer.fields if not is_expected(field, message)]:
        return "a field of nobody: %r" % stray
    if b"close" in answer.values(b"connection"):
        return None if at == len(told) else "more behind the end"
    answers, state, why = wire.parse(told[at:], wire.answer_at)
    if state != wire.COMPLETE or len(answers) != 1:
        return "no answer behind it: %s" % why
    if answers[0].line[2] == b"502":  # over a connection that was closed just then
        return None
    return None if answers[0].body == b"plain %d" % number else "the next one got another's answer"


async def all_told(everything):
    teller = await Teller(everything).start()
    told = {}
    with Serve([teller.url], *QUICK, "--request-timeout-secs", "3") as router:
        waiting = list(enumerate(everything))[::-1]

        async def client():
            while waiting:
                number, _ = waiting.pop()
                data = ask(b"case %d" % number) + ask(b"plain %d" % number, b"Connection: close\r\n")
                told[number] = await wire.exchange(router.port, data, 20)

        await asyncio.gather(*(client() for _ in range(CROWD)))
    teller.server.close()
    await asyncio.gather(*teller.tasks)
    return told


def test_no_answer_is_read_in_two_ways():
    everything = list(forms())
    told = asyncio.run(all_told(everything))
    bad = [(number, why) for number in told if (why := wrong(number, everything[number], told[number]))]
    for number, why in bad[:400]:
        print(
            "  %s (closes: %s)\n    sent %r\n    told %r"
            % (why, number % 2 == 0, everything[number][:160], told[number][:420])
        )
    assert not bad, "%d of %d answers" % (len(bad), len(told))
    lost = sum(answer.endswith(b"}}") and b"HTTP/1.1 502" in answer[20:] for answer in told.values())
    right = sum(b'"code":502' not in answer and answer.startswith(b"HTTP/1.1 ") for answer in told.values())
    print("  %d answers, %d of them passed on; %d lost behind one" % (len(told), right, lost))
    assert len(told) / 5 < right < len(told) * 4 / 5 and lost < len(told) / 20


run(globals())
