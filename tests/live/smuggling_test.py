"""Requests that two readers could read in two ways, by the thousand.

    case --->  [ request with a mutation ][ a plain request behind it ]  ---> serve ---> Recorder

Whatever a case looks like, one of two things is true of it: the router answers 4xx or 5xx of its own and
closes, and the worker gets nothing from there on; or the worker gets exactly the requests that a strict
reader (wire.py) finds in those bytes, bodies equal, in order, and the client exactly that many answers.
The mutations are those of the published collections and some of chance; --seed N draws others.
"""

import asyncio
import json
import random
import sys

import wire
from live import run
from serving import Serve

SEED = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 1
CHANCE = 1500  # cases of chance
CROWD = 128  # connections at once
QUICK = ("--disable-health-check", "--disable-retries", "--disable-circuit-breaker")

CONTROLS = [bytes([c]) for c in (0, 1, 8, 9, 10, 11, 12, 13, 27, 32, 34, 127, 128, 133, 160, 255)]
TE_NAMES = [
    b"Transfer-Encoding", b"transfer-encoding", b"TRANSFER-ENCODING", b"Transfer-encoding",
    b"Transfer_Encoding", b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding",
    b"\tTransfer-Encoding", b"Transfer Encoding", b"Transfer-Encoding\x00", b"\x00Transfer-Encoding",
    b"Transfer-Encoding\x0b", b"Transfer\x0bEncoding", b"X: y\nTransfer-Encoding", b"X: y\rTransfer-Encoding",
    b"X: y\r\r\nTransfer-Encoding", b"X: y\n\rTransfer-Encoding", b"X: y\r\n Transfer-Encoding",
    b"Transfer-Encoding\xa0", b"\xefTransfer-Encoding", b"Transfer-Encoding\r\n ", b"Transfer\r-Encoding",
    b"\rTransfer-Encoding", b":Transfer-Encoding", b"Transfer-Encoding:", b"X:\x0bTransfer-Encoding",
    b"(Transfer-Encoding)",
]
COLONS = [
    b": ", b":", b":\t", b": \t ", b":\x0b", b":\x0c", b":\r\n ", b":\n ", b":\r ", b" : ", b"\t:", b"::", b"=",
    b":\x00", b": :", b";", b":\xa0",
]
CODINGS = [
    b"chunked", b"Chunked", b"CHUNKED", b"chunkeD", b"chunked ", b"chunked\t", b"chunked\x0b", b"chunked\x0c",
    b"\x0bchunked", b"\x0cchunked", b"chunked, identity", b"identity, chunked", b"identity", b"chunked,",
    b",chunked", b", chunked", b"chunked, chunked", b"chunked,chunked", b"\"chunked\"", b"'chunked'",
    b"chunked;q=0.5", b"chunked; a=b", b"x-chunked", b"xchunked", b"chunkedx", b"chunk", b"gzip, chunked",
    b"chunked, gzip", b"deflate", b"", b"chunked\x00", b"\xffchunked", b"chu\rnked", b"chu\nnked", b"chunked\r",
    b"chunked\x80", b"[chunked]", b"chunked chunked", b"trailers", b"chunke\xc4\x91", b"chun\xe2\x84\xaaed",
    b"cow", b"chunked\r\n ", b"\r\n chunked", b"chunked\r\nX", b"identity\r\nTransfer-Encoding: chunked",
    b"chunked\r\nTransfer-Encoding: identity", b"chunked\r\nTransfer-Encoding: chunked",
    b"\nTransfer-Encoding: chunked", b"null", b"0",
]
LENGTHS = [
    b"+%d", b"-%d", b"%d ", b" %d", b"\t%d", b"%d\t", b"0%d", b"000%d", b"0x%x", b"%d.0", b"%de0", b"%d, %d",
    b"%d,%d", b"%d,0", b"0,%d", b"%d;", b"%d 0", b"%d\x00", b"\x00%d", b"%d\x0b", b"\x0b%d", b"\x0c%d",
    b"%d\xa0", b"%da", b"a%d", b"\"%d\"", b"(%d)", b"%d_0", b"_%d", b"1%d", b"18446744073709551616%d",
    b"18446744073709551%d", b"-1\r\nContent-Length: %d", b"%d\r\nContent-Length: %d",
    b"%d\r\nContent-Length: 0", b"0\r\nContent-Length: %d", b"%d\r\ncontent-length: 1",
    b"%d\rContent-Length: 0", b"%d\nContent-Length: 0", b"\xef\xbc\x91%d", b"%d\r\n 0", b"%d\r\n\t", b"", b"0",
    b"1", b"-0", b"+0", b"NaN", b"%d%%",
]
LENGTH_NAMES = [
    b"content-length", b"CONTENT-LENGTH", b"Content_Length", b"Content-Length ", b"Content-Length\t",
    b" Content-Length", b"\tContent-Length", b"Content Length", b"Content-Length\x00", b"\x00Content-Length",
    b"X: y\nContent-Length", b"X: y\rContent-Length", b"X: y\r\n Content-Length", b"Content\r-Length",
    b"Content-Length\x0b", b"Content-Lengt\xe8", b":Content-Length", b"\rContent-Length",
    b"Content-Length\r\nX", b"Content-Length:", b"Content-\xc4\xb8ength",
]
SIZES = [
    b"%x", b"%X", b"0%x", b"00000000%x", b"0000000000000000%x", b"%x;a", b"%x;a=b", b"%x; a=b;c",
    b"%x;a=\"b;c\"", b"%x;a=\"b\\\"c\"", b"%x ", b"%x\t", b" %x", b"\t%x", b"%x ;a", b"%x;", b"%x;;", b"%x;=",
    b"0x%x", b"+%x", b"-%x", b"%x.", b"%xg", b"g%x", b"%x,", b"%x\x00", b"\x00%x", b"%x\x0b", b"%x\r", b"\r%x",
    b"%x\r\r", b"%x\n", b"\n%x", b"%x;\n", b"%x;a\nb", b"%x;a\rb", b"%x;a=\"\n\"", b"%x;a=\"\r\n\"", b"%x;\x00",
    b"%x;a\x7f", b"1%016x", b"8%015x", b"f%016x", b"fffffffffffffff%x", b"ffffffff%08x", b"", b"%x%x",
    b"\xef\xbc%x", b"%x_", b"%x 1", b"%x;" + b"a" * 20000, b"%x;a=\xff", b"%x;\xff", b"-0", b"%x\xa0",
    b"%x;a b", b"%x a=b",
]
ENDS = [
    b"\r\n", b"\n", b"\r", b"", b"X\r\n", b"XX", b"\r\n\r\n", b"\n\r", b" \r\n", b"\r\r\n", b"\x00\r\n",
    b"\r\nX",
]
LASTS = [
    b"0", b"00", b"0000000000000000000", b"0;a", b"0;a=b", b"0 ", b"-0", b"0x0", b"", b"0\x00", b"0;\n", b"0\n",
    b"0\r", b"0a", b"\r\n0", b"0;a=\"\n\"",
]
TRAILERS = [
    b"\r\n", b"X: y\r\n\r\n", b"X: y\r\nZ: 1\r\n\r\n", b"Content-Length: 5\r\n\r\n", b"Host: b\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n", b" X: y\r\n\r\n", b"X : y\r\n\r\n", b"X\r\n\r\n", b"X: y\n\r\n",
    b"X: y\r\n\n", b"\n", b"\r", b"X: y\r\n y\r\n\r\n", b"X: y\rZ: 1\r\n\r\n", b"X: \x00\r\n\r\n", b":\r\n\r\n",
    b": y\r\n\r\n", b"X: " + b"y" * 40000 + b"\r\n\r\n", b"X: y\r\n" * 300 + b"\r\n", b"", b"\n\n", b"\r\n\n",
    b"X:y\r\n\r\r\n",
]
METHODS = [
    b"post", b"Post", b"POST ", b" POST", b"\tPOST", b"POST\t", b"PO ST", b"PO\x00ST", b"\x00POST", b"GPOST",
    b"POST\x0b", b"", b"G", b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PATCH",
    b"PRI", b"SOURCE", b"ANNOUNCE", b"DESCRIBE", b"PLAY", b"M-SEARCH", b"PROPFIND", b"X" * 300, b"P\xd6ST",
    b"\"POST\"", b"\r\nPOST", b"\r\n\r\nPOST", b"\nPOST", b"\rPOST", b"\r\n\nPOST", b" \r\nPOST",
    b"POST /a HTTP/1.1\r\nGET",
]
TARGETS = [
    b"/generate?a=b", b"/generate?", b"/generate?\"<>`{|}", b"/generate#x", b"/%67enerate", b"/generate/",
    b"//generate", b"/./generate", b"/x/../generate", b"generate", b"*", b"", b"/", b"http://a/generate",
    b"http://evil/generate", b"HTTP://a/generate", b"https://a/generate", b"http:///generate", b"http://a",
    b"http://a:80/generate", b"http://u@a/generate", b"ftp://a/generate", b"a:443", b"/generate\t",
    b"/generate\x0b", b"/gener\x00ate", b"/generate\x7f", b"/generate\x80", b"/generate\xff", b"/generate x",
    b" /generate", b"\t/generate", b"/generate ", b"/generate HTTP/1.1\r\nX: y\r\nY: ", b"/generate\rHTTP/1.1",
    b"/generate\nHTTP/1.1", b"/generate\r\n", b"\\generate", b"/generate%00", b"/generate%0d%0aX:y",
    b"/generate%zz", b"/v1/completions", b"/v1/../generate", b"/v1/%2e%2e/metrics",
    b"/v1/x HTTP/1.1\r\nA: b\r\n\r\nGET /metrics", b"/generate;a=b", b"@evil/generate", b":80/generate",
    b"/generate@x", b"/generate?" + b"a" * 17000, b"http://a/generate#x", b"http://[::1]/generate",
    b"http://[::1/generate", b"?x",
]
VERSIONS = [
    b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/2", b"HTTP/3", b"HTTP/0.9", b"HTTP/1.10",
    b"HTTP/01.1", b"HTTP/1.01", b"http/1.1", b"Http/1.1", b"HTTP/1,1", b"HTTP/ 1.1", b"HTTP /1.1", b"HTTP/1.1 ",
    b"HTTP/1.1\t", b" HTTP/1.1", b"\tHTTP/1.1", b"HTTPS/1.1", b"", b"HTTP", b"HTTP/", b"HTTP/1", b"HTTP/1.",
    b"HTTP/.1", b"HTTP/11", b"HTTP/1.1x", b"XHTTP/1.1", b"ICE/1.0", b"RTSP/1.0", b"ICE/1.1", b"HTTP/1.1\x00",
    b"HTTP/1.1\x0b", b"HTTP/\xb1.1", b"HTTP/1.1 HTTP/1.1", b"HTTP/-1.1", b"HTTP/+1.1", b"HTTP/1.1;",
    b"HTTP/9.9", b"HTTP/1.1\r",
]
HOSTS = [
    b"", b"Host: a\r\nHost: a\r\n", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nhost: b\r\n", b"Host:\r\n",
    b"Host: \r\n", b"Host: a b\r\n", b"Host: a,b\r\n", b"Host: a, a\r\n", b"Host: u@a\r\n", b"Host: a/b\r\n",
    b"Host: a:99999\r\n", b"Host: a:\r\n", b"Host: a:x\r\n", b"Host: [::1]\r\n", b"Host: [::1]:80\r\n",
    b"Host: [::1\r\n", b"Host: a\x00b\r\n", b"Host : a\r\n", b" Host: a\r\n", b"Host: a\tb\r\n",
    b"Host: a?b\r\n", b"Host: a#b\r\n", b"Host: http://a\r\n", b"Host: a\x80\r\n", b"Host: a\\b\r\n",
    b"Host: <a>\r\n", b"Host_: a\r\n", b"X-Host: a\r\n", b"Host: a\r\nX-Forwarded-Host: b\r\n", b"Host;: a\r\n",
    b"\"Host\": a\r\n",
]
LINES = [
    b"Connection: close", b"Connection: keep-alive", b"Connection: Content-Length", b"Connection: host, x-case",
    b"Connection: Transfer-Encoding", b"Connection: close, X-Case", b"Connection: , ,", b"Connection:",
    b"Connection: \x00", b"Keep-Alive: timeout=5", b"Proxy-Connection: close",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAAA",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13",
    b"Upgrade: TLS/1.0, HTTP/2.0", b"Connection: upgrade", b"Upgrade: x", b"TE: trailers", b"TE: chunked",
    b"Trailer: Content-Length", b"Expect: 100-continue", b"Expect: 100-Continue", b"Expect: 100-continue, x",
    b"Expect: x", b"Expect:", b"Expect: 100-continue\r\nExpect: 100-continue", b"X", b":", b": x", b" : x",
    b"X:", b"X:\t", b"X: a\tb", b"X y: z", b"X\ty: z", b"X: a\r\n b", b"X: a\r\n\tb", b"X: a\r\n ",
    b"X: \xff\xfe", b"X: a\x00b", b"X: a\x7fb", b"X: a\x01b", b"X: \"a\r\n b\"", b"\"X\": a", b"X=: a",
    b"X(: a", b"X/: a", b"X: " + b"a" * 33000, b"\r\n".join(b"X%d: y" % i for i in range(200)),
    b"Content-Type: application/json\r\nContent-Type: x", b"Via: 1.1 a", b"Forwarded: for=a",
    b"X-Forwarded-For: 1.2.3.4\r\n5.6.7.8", b"GET /metrics HTTP/1.1", b"POST /generate HTTP/1.1\r\nHost: a",
    b"Content-Encoding: chunked", b"X-Request-Id: a\x0bb", b"X-Request-Id: a\xffb",
    b"x-request-id: " + b"a" * 9000, b"", b"\x00",
]


def plain(case, name=b"next"):
    body = b'{"text":"%s %d"}' % (name, case)
    return (
        b"POST /generate HTTP/1.1\r\nHost: a\r\nX-Case: %d\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (case, len(body), body)
    )


def request(case, line=b"POST /generate HTTP/1.1", host=b"Host: a\r\n", fields=None, body=None, extra=b""):
    text = b'{"text":"case %d"}' % case
    body = text if body is None else body
    if fields is None:
        fields = b"Content-Length: %d\r\n" % len(body)
    return line + b"\r\n" + host + b"X-Case: %d\r\n" % case + extra + fields + b"\r\n" + body


def chunked(case, size=b"%x", end=b"\r\n", last=b"0", trailer=b"\r\n"):
    text = b'{"text":"case %d"}' % case
    return filled(size, len(text)) + b"\r\n" + text + end + last + b"\r\n" + trailer


def filled(form, number):
    return form % ((number,) * form.replace(b"%%", b"").count(b"%"))


def lengths_and_codings(case):
    """CL.TE, TE.CL, TE.TE, and one of both alone."""
    smuggled = plain(case, b"smuggled")
    for name, colon, value in (
        [(name, b": ", b"chunked") for name in TE_NAMES]
        + [(TE_NAMES[0], colon, b"chunked") for colon in COLONS]
        + [(TE_NAMES[0], b": ", value) for value in CODINGS]
        + [(TE_NAMES[0], b":", value) for value in CODINGS]
    ):
        coding = name + colon + value + b"\r\n"
        whole = chunked(case)
        hidden = b"0\r\n\r\n" + smuggled
        for body in (whole, hidden):
            length = b"Content-Length: %d\r\n" % len(body)
            short = b"Content-Length: 4\r\n"
            yield request(case, fields=coding, body=body)
            yield request(case, fields=length + coding, body=body)
            yield request(case, fields=coding + length, body=body)
            yield request(case, fields=coding + short, body=body)
        yield request(case, fields=coding + b"Transfer-Encoding: chunked\r\n", body=hidden)
        yield request(case, fields=b"Transfer-Encoding: chunked\r\n" + coding, body=hidden)
        yield request(case, b"POST /generate HTTP/1.0", fields=coding, body=whole)
    size = len(b'{"text":"case %d"}' % case)
    for form in LENGTHS:
        yield request(case, fields=b"Content-Length: " + filled(form, size) + b"\r\n")
        yield request(case, fields=b"Content-Length:" + filled(form, size) + b"\r\n", body=smuggled)
    for name in LENGTH_NAMES:
        yield request(case, fields=name + b": %d\r\n" % size)
        yield request(case, fields=name + b": %d\r\n" % len(smuggled), body=smuggled)
        yield request(case, fields=b"Content-Length: 0\r\n" + name + b": %d\r\n" % len(smuggled), body=smuggled)
    for colon in COLONS:
        yield request(case, fields=b"Content-Length" + colon + b"%d\r\n" % size)


def chunk_forms(case):
    coding = b"Transfer-Encoding: chunked\r\n"
    for size in SIZES:
        yield request(case, fields=coding, body=chunked(case, size=size))
    for end in ENDS:
        yield request(case, fields=coding, body=chunked(case, end=end))
    for last in LASTS:
        yield request(case, fields=coding, body=chunked(case, last=last))
    for trailer in TRAILERS:
        yield request(case, fields=coding, body=chunked(case, trailer=trailer))
    for byte in range(256):
        yield request(
            case, fields=coding, body=chunked(case, size=b"%x" + (b"%%" if byte == 37 else bytes([byte])))
        )
        yield request(
            case, fields=coding, body=chunked(case, size=b"%x;a" + (b"%%" if byte == 37 else bytes([byte])))
        )


def lines(case):
    for method in METHODS:
        yield request(case, method + b" /generate HTTP/1.1")
        yield request(case, method + b" /generate HTTP/1.1", fields=b"", body=b"")
        yield request(case, method + b" * HTTP/1.1", fields=b"", body=b"")
    for target in TARGETS:
        yield request(case, b"POST " + target + b" HTTP/1.1")
        yield request(case, b"GET " + target + b" HTTP/1.1", fields=b"", body=b"")
        yield request(case, b"OPTIONS " + target + b" HTTP/1.1", fields=b"", body=b"")
    for version in VERSIONS:
        yield request(case, b"POST /generate " + version)
        yield request(case, b"SOURCE /generate " + version)
        yield request(case, b"DESCRIBE /generate " + version)
    for gap in CONTROLS + [b"  ", b"\r\n", b""]:
        yield request(case, b"POST" + gap + b"/generate HTTP/1.1")
        yield request(case, b"POST /generate" + gap + b"HTTP/1.1")
    for host in HOSTS:
        for target in (b"/generate", b"http://a/generate", b"http://b/generate"):
            yield request(case, b"POST " + target + b" HTTP/1.1", host=host)
        yield request(case, b"POST /generate HTTP/1.0", host=host)
    for extra in LINES:
        yield request(case, extra=extra + b"\r\n")
        yield request(case, extra=extra + b"\r\n", fields=b"Transfer-Encoding: chunked\r\n", body=chunked(case))
    for byte in range(256):
        one = bytes([byte])
        for extra in (
            one + b"X: y",
            b"X" + one + b"Y: z",
            b"X" + one + b": y",
            b"X:" + one + b"y",
            b"X: y" + one,
            b"X: y" + one + b"z",
        ):
            yield request(case, extra=extra + b"\r\n")


def line_ends(case):
    """Another end for each line of a head, one at a time."""
    for whole in (
        request(case, extra=b"X: y\r\n"),
        request(case, fields=b"Transfer-Encoding: chunked\r\n", body=chunked(case, trailer=b"X: y\r\n\r\n")),
    ):
        parts = whole.split(b"\r\n")
        for at in range(len(parts) - 1):
            for end in ENDS + [
                b"\x0b\r\n",
                b"\x85",
                b"\r\n\r",
                b"\r\x0b\n",
                b"\r \n",
                b"\x00\r\n",
                b"\r\n ",
                b"\r\n\t",
            ]:
                yield b"\r\n".join(parts[: at + 1]) + end + b"\r\n".join(parts[at + 1 :])


def of_chance(case, draw):
    """A few bytes of a request inserted, dropped or replaced, mostly by those that mean something."""
    text = bytearray(
        draw.choice(
            (
                request(case),
                request(case, fields=b"Transfer-Encoding: chunked\r\n", body=chunked(case)),
                request(
                    case, fields=b"Transfer-Encoding: chunked\r\n", body=chunked(case, trailer=b"X: y\r\n\r\n")
                ),
            )
        )
    )
    for _ in range(draw.choice((1, 1, 2, 3))):
        at = draw.randrange(len(text))
        new = draw.choice(
            (
                b"\r",
                b"\n",
                b"\r\n",
                b" ",
                b"\t",
                b"\x00",
                b":",
                b";",
                b",",
                b"0",
                b"1",
                b"\x0b",
                b"\r\n\r\n",
                bytes([draw.randrange(256)]),
            )
        )
        kind = draw.randrange(3)
        if kind == 0:
            text[at:at] = new
        elif kind == 1:
            text[at : at + 1] = new
        else:
            del text[at : at + 1]
    return bytes(text)


def cases():
    """[bytes]: the number of each is in its own text, and changes no length."""
    forms = [form for make in (lengths_and_codings, chunk_forms, lines, line_ends) for form in make(7777777)]
    draw = random.Random(SEED)
    forms += [of_chance(7777777, draw) for _ in range(CHANCE)]
    return [form.replace(b"7777777", b"%07d" % number) for number, form in enumerate(forms, 1)]


class Echo:
    """Answers with the request's body and its number among all: so a client knows what it was told."""

    def __init__(self):
        self.count = 0

    def __call__(self, message):
        body = json.dumps({"body": message.body.decode("latin-1"), "serial": self.count}).encode()
        self.count += 1
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
            len(body),
            body,
        )


class Told:
    """What became of one case."""

    def __init__(self, number, data, answer):
        self.number = number
        self.data = data
        self.answer = answer
        self.meant, self.meant_state, self.meant_why = wire.parse(data)
        self.finals = []
        _, self.state, self.why = wire.parse(answer, self.answer_at)
        self.echoes = [
            json.loads(a.body) for a in self.finals if a.line[2] == b"200" and a.values(b"x-sglsim-worker")
        ]
        self.serials = [e["serial"] for e in self.echoes]
        self.got = []

    def answer_at(self, answer, at):
        """One answer, which has no body when HEAD was asked."""
        asked = self.meant[len(self.finals)].line[1] if len(self.finals) < len(self.meant) else b""
        message, at = wire.answer_at(answer, at, asked == b"HEAD")
        if message.line[2] >= b"200":
            self.finals.append(message)
        return message, at

    def is_refused(self):
        """Ended by an answer that says so: nothing behind it is read."""
        return bool(self.finals) and b"close" in self.finals[-1].values(b"connection")

    def wrong(self):
        """Why this cannot be let pass; None: it can."""
        expected = [m.body for m in self.meant if is_for_workers(m)]
        bodies = [m.body for m in self.got]
        if self.state != wire.COMPLETE:
            return "the client got %s: %s" % (self.state, self.why)
        if bodies != expected[: len(bodies)]:
            return "the worker got what nobody sent"
        if len(bodies) < len(expected) and not self.is_refused():
            return "neither sent on nor refused"
        if [e["body"].encode("latin-1") for e in self.echoes] != bodies:
            return "the client got answers of others"
        if len(self.finals) > len(self.meant) + 1:
            return "more answers than requests"
        for message in self.got:
            if (
                len(message.values(b"content-length")) != 1
                or len(message.values(b"host")) != 1
                or any(message.values(name) for name in HOPS)
            ):
                return "fields of one connection went on: %r" % (message.fields,)
        return None


HOPS = [
    b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    b"expect", b"http2-settings",
]


def is_for_workers(message):
    path = message.line[2].split(b"?")[0]
    if b"://" in path:
        path = b"/" + path.split(b"/", 3)[-1]
    return message.line[1] == b"POST" and (path == b"/generate" or path.startswith(b"/v1/"))


async def tell(port, recorder, everything, cut):
    told = {}
    waiting = list(enumerate(everything, 1))[::-1]

    async def client():
        while waiting:
            number, data = waiting.pop()
            data += plain(number)
            told[number] = Told(number, data, await wire.exchange(port, data, cuts=cut(data)))

    await asyncio.gather(*(client() for _ in range(CROWD)))
    unseen = set(range(len(recorder.requests)))
    for case in told.values():
        for serial in case.serials:
            unseen.discard(serial)
            case.got.append(recorder.requests[serial])
    for serial in unseen:
        recorder.wrong.append(("nobody was told of it", recorder.requests[serial].body))
    return told


async def told_by_all(everything, cut=lambda data: ()):
    recorder = await wire.Recorder(Echo()).start()
    with Serve([recorder.url], *QUICK) as router:
        told = await tell(router.port, recorder, everything, cut)
        assert router.process.poll() is None
    await recorder.stop()
    assert not recorder.wrong, recorder.wrong[:3]
    return told


def hold(told):
    bad = [(case, why) for case in told.values() if (why := case.wrong())]
    for case, why in bad[:400]:
        print(
            "  %s\n    sent %r\n    meant %s %s\n    got %r\n    answered %r"
            % (
                why,
                case.data[:400],
                case.meant_state,
                case.meant_why,
                [m.body for m in case.got],
                case.answer[:300],
            )
        )
    assert not bad, "%d of %d cases" % (len(bad), len(told))
    passed = sum(len(case.got) > 0 for case in told.values())
    refused = sum(case.is_refused() and not case.got for case in told.values())
    print(
        "  %d cases: %d sent on as they were meant, %d refused before anything was sent"
        % (len(told), passed, refused)
    )
    return passed, refused


def test_no_request_is_read_in_two_ways():
    everything = cases()
    told = asyncio.run(told_by_all(everything))
    passed, refused = hold(told)
    assert passed > len(everything) / 5 and refused > len(everything) / 5


def test_nor_is_one_that_comes_in_pieces():
    draw = random.Random(SEED)
    everything = [case for case in cases()[::6] if len(case) < 1000]

    def cut(data):
        return sorted({draw.randrange(1, len(data)) for _ in range(12)})

    passed, refused = hold(asyncio.run(told_by_all(everything, cut)))
    assert passed > len(everything) / 10 and refused > len(everything) / 5


run(globals())
