"""wire.py - HTTP/1.1 as RFC 9112 has it, to the letter: an independent reader of requests and answers,
and a server that keeps every byte it gets.

    bytes  --parse-->  [Message, ...] and what comes behind: COMPLETE, INCOMPLETE or BAD

The reader allows what the RFC allows and nothing else: no bare CR or LF, no blank before a colon, no
folded lines, one length or chunks and never both. Whoever passes something on to a server that this
reader calls BAD has passed on a riddle.
"""

import asyncio
import re
import socket

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e]+) HTTP/1\.([01])")
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
FIELD = re.compile(
    rb"(" + TOKEN + rb"):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*"
    rb"[\x21-\x7e\x80-\xff])?)?)[ \t]*"
)
# Names and values may be missing: nobody reads them, and the end of the line is certain.
EXTENSION = (
    rb"(?:[ \t]*;[ \t]*(?:"
    + TOKEN
    + rb")?(?:[ \t]*=[ \t]*(?:"
    + TOKEN
    + rb"|\"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*\")?)?)*"
)
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]+)" + EXTENSION)
HOST = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
COMPLETE, INCOMPLETE, BAD = "complete", "incomplete", "bad"


class Bad(Exception):
    """Against the grammar."""


class Incomplete(Exception):
    """As far as it goes, it is right."""


class Message:
    def __init__(self, line, fields):
        self.line = line
        self.fields = fields
        self.body = b""

    def values(self, name):
        return [value for key, value in self.fields if key.lower() == name]


def line_at(data, at):
    """The line that begins there, without its CRLF, and where the next one begins."""
    end = data.find(b"\n", at)
    line = data[at:end] if end >= 0 else data[at:]
    if end >= 0 and not line.endswith(b"\r"):
        raise Bad("a bare LF")
    if b"\r" in line[:-1]:
        raise Bad("a bare CR")
    if end < 0:
        raise Incomplete
    return line[:-1], end + 1


def fields_at(data, at):
    fields = []
    while True:
        line, at = line_at(data, at)
        if not line:
            return fields, at
        found = FIELD.fullmatch(line)
        if not found:
            raise Bad("a field line: %r" % line)
        fields.append((found[1], found[2]))


def chunks_at(data, at):
    body = b""
    while True:
        line, at = line_at(data, at)
        found = CHUNK_LINE.fullmatch(line)
        if not found or len(found[1].lstrip(b"0")) > 15:
            raise Bad("the size of a chunk: %r" % line)
        size = int(found[1], 16)
        if size == 0:
            return body, fields_at(data, at)[1]
        body += data[at : at + size]
        at += size
        if data[at : at + 2] not in (b"\r\n", b"\r", b""):
            raise Bad("no CRLF behind a chunk")
        if len(data) < at + 2:
            raise Incomplete
        at += 2


def framed(data, at, message, has_body_until_end):
    """Reads the body; where the next message begins."""
    lengths = message.values(b"content-length")
    codings = message.values(b"transfer-encoding")
    if codings and (message.line[0].find(b"HTTP/1.0") >= 0 or lengths or len(codings) > 1 or codings[0].lower() != b"chunked"):
        raise Bad("Transfer-Encoding")
    if codings:
        message.body, at = chunks_at(data, at)
        return at
    if len(lengths) > 1 or (lengths and not re.fullmatch(rb"[0-9]{1,18}", lengths[0])):
        raise Bad("Content-Length")
    size = int(lengths[0]) if lengths else len(data) - at if has_body_until_end else 0
    if len(data) < at + size:
        raise Incomplete
    message.body = data[at : at + size]
    return at + size


def request_at(data, at):
    line, at = line_at(data, at)
    found = REQUEST_LINE.fullmatch(line)
    if not found:
        raise Bad("the request line: %r" % line)
    fields, at = fields_at(data, at)
    message = Message(found, fields)
    hosts = message.values(b"host")
    if len(hosts) > 1 or (not hosts and found[3] == b"1") or not all(map(HOST.fullmatch, hosts)):
        raise Bad("Host")
    return message, framed(data, at, message, False)


def answer_at(data, at, is_head=False):
    line, at = line_at(data, at)
    found = STATUS_LINE.fullmatch(line)
    if not found:
        raise Bad("the status line: %r" % line)
    fields, at = fields_at(data, at)
    message = Message(found, fields)
    if int(found[2]) < 200 or int(found[2]) in (204, 304) or is_head:
        return message, at
    return message, framed(data, at, message, True)


def is_last(message):
    """Does the connection end with it?"""
    options = (
        b",".join(message.values(b"connection")).lower().replace(b" ", b"").replace(b"\t", b"").split(b",")
    )
    return b"close" in options or (message.line[3] == b"0" and b"keep-alive" not in options)


def parse(data, one=request_at):
    """([message], state, why): those before the first one that is not whole and right, or that ends
    the connection."""
    messages = []
    at = 0
    while True:
        while one is request_at and data.startswith(b"\r\n", at):
            at += 2
        if at == len(data):
            return messages, COMPLETE, ""
        try:
            message, at = one(data, at)
        except Bad as bad:
            return messages, BAD, str(bad)
        except Incomplete:
            return messages, INCOMPLETE, ""
        messages.append(message)
        if one is request_at and is_last(message):
            return messages, COMPLETE, ""


class Recorder:
    """A worker on the loop. Every byte is kept and read strictly; what makes sense is answered with
    what answer(message) gives. Probes are answered and forgotten."""

    def __init__(self, answer=None):
        self.answer = answer
        self.requests = []
        self.wrong = []  # (why, bytes)
        self.tasks = []

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = "http://127.0.0.1:%d" % self.port
        return self

    async def stop(self):
        """When those who connect have gone."""
        self.server.close()
        await asyncio.gather(*self.tasks)

    async def serve(self, reader, writer):
        self.tasks.append(asyncio.current_task())
        data = b""
        try:
            while True:
                got = await reader.read(65536)
                if not got:
                    break
                data += got
                messages, state, why = parse(data)
                if state == BAD:
                    self.wrong.append((why, data))
                    break
                if state == INCOMPLETE:
                    continue
                data = b""
                if len(messages) > 1:
                    self.wrong.append(("two at once", data))
                for message in messages:
                    if message.line[2].startswith(b"/health"):
                        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                        continue
                    self.requests.append(message)
                    writer.write(self.answer(message))
        except OSError:
            pass
        writer.close()


async def exchange(port, data, patience=1.0, cuts=()):
    """What comes back until the other side closes. When it is silent that long, our side is shut. The
    data is sent in pieces, if it is to be cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answer = b""
    has_shut = False
    try:
        for begin, end in zip((0, *cuts), (*cuts, len(data))):
            writer.write(data[begin:end])
            await writer.drain()
            if end < len(data):
                await asyncio.sleep(0.002)
        while True:
            try:
                got = await asyncio.wait_for(reader.read(65536), patience)
            except asyncio.TimeoutError:
                if has_shut:
                    raise AssertionError("neither an answer nor an end: %r" % data) from None
                has_shut = True
                patience = 30
                writer.write_eof()
                continue
            if not got:
                return answer
            answer += got
    except OSError:
        return answer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)
