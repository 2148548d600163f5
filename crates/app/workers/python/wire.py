"""The frames of docs/worker-protocol.md, and the two buffers of a connection.

    edge     HELLO  REQUEST  DATA ... END             CREDIT ...
    worker   HELLO                    RESPONSE  DATA ...        END   GOAWAY

Why a module of its own: it is the only part that knows bytes, and it is held against the same
vectors as the Rust side. It never waits and never runs the application.
"""

import collections
import os
import socket
import struct

VERSION = 1
HELLO, REQUEST, RESPONSE, DATA, END, ABORT, CREDIT, GOAWAY, ASIDE = range(1, 10)
NO_CONTENT = 1
OVERDUE = 1

PAYLOAD_BYTES_MAX = 131_072
REASON_BYTES_MAX = 1_024
# Content that may be sent at the start of each stream, before any CREDIT.
RESPONSE_CREDIT = 262_144
REQUEST_CREDIT = 65_536
# The part of a RESPONSE's payload before its head.
RESPONSE_PREFIX = 14
# One read: below malloc's threshold for mapping, so that a small frame costs no page faults.
READ_BYTES = 65_536
# A peer that lets this much wait unread is broken: content stops long before, at its credit.
UNSENT_BYTES_MAX = 1_048_576

# What an edge may send but a REQUEST: the least and the greatest length of the payload.
FROM_EDGE = {
    HELLO: (8, 8),
    DATA: (0, PAYLOAD_BYTES_MAX),
    END: (0, 0),
    ABORT: (16, 16 + REASON_BYTES_MAX),
    CREDIT: (4, 4),
}

_HEADER = struct.Struct(">IBBHI")
_HELLO = struct.Struct(">HHI")
_CREDIT = struct.Struct(">I")
_RESPONSE = struct.Struct(">IBxxxIQHI")
_END = struct.Struct(">IBxxxIQ")
_STAMPS = struct.Struct(">QQ")
_NO_SIGNAL = int(socket.MSG_NOSIGNAL)


class ProtocolError(Exception):
    """The peer broke the protocol; its connection is closed."""


def frame(kind, stream, payload=b"", flags=0):
    """Any frame, from its payload."""
    return b"".join((_HEADER.pack(len(payload), kind, flags, 0, stream), payload))


def hello(concurrency, pid=None):
    """HELLO of this process."""
    return frame(HELLO, 0, _HELLO.pack(VERSION, concurrency, os.getpid() if pid is None else pid))


def response(stream, started, status, head, content):
    """RESPONSE with the first bytes of its content."""
    length = RESPONSE_PREFIX + len(head) + len(content)
    prefix = _RESPONSE.pack(length, RESPONSE, stream, started, status, len(head))
    return b"".join((prefix, head, content))


def end(stream, ended):
    """END of a response."""
    return _END.pack(8, END, stream, ended)


def answer(stream, started, ended, status, head, content):
    """RESPONSE and END in one piece."""
    length = RESPONSE_PREFIX + len(head) + len(content)
    prefix = _RESPONSE.pack(length, RESPONSE, stream, started, status, len(head))
    return b"".join((prefix, head, content, _END.pack(8, END, stream, ended)))


def abort(stream, reason, started=0, ended=0):
    """ABORT, its reason cut to the limit between two characters. Stamps of 0: it was not run."""
    text = reason.encode("utf-8", "replace")[:REASON_BYTES_MAX].decode("utf-8", "ignore")
    return frame(ABORT, stream, _STAMPS.pack(started, ended) + text.encode("utf-8"))


def credit(stream, count):
    """CREDIT for `count` bytes more."""
    return frame(CREDIT, stream, _CREDIT.pack(count))


def goaway(last):
    """GOAWAY: streams above `last` are not run."""
    return frame(GOAWAY, 0, _CREDIT.pack(last))


def head_of(headers):
    """The head of a response from (name, value) pairs of native strings (PEP 3333)."""
    if not headers:
        return b""
    parts = []
    for name, value in headers:
        parts += name, value
    text = "\0".join(parts)
    if text.count("\0") != 2 * len(headers) - 1 or "\n" in text or "\r" in text:
        raise ValueError("a header is no pair, or has a line break or NUL: %r" % (headers,))
    return text.encode("latin-1") + b"\0"


def length_in(head):
    """What Content-Length in a head promises, if it does."""
    parts = head.lower().split(b"\0")
    names = parts[::2]
    value = parts[2 * names.index(b"content-length") + 1] if b"content-length" in names else b""
    return int(value) if value.isdigit() else None


def pairs_of(payload, known=None):
    """Variables (or a head) as a dict of native strings, which begins with what is `known`."""
    parts = payload.decode("latin-1").split("\0")
    # The last NUL leaves an empty part behind it, which zip() takes for no pair.
    if parts[-1] or len(parts) % 2 == 0 or len(parts) == 1:
        raise ProtocolError("variables without a value each and a NUL at their end")
    pairs = {} if known is None else known.copy()
    each = iter(parts)
    pairs.update(zip(each, each))
    return pairs


def version_of(payload):
    """The version a HELLO speaks of."""
    return _HELLO.unpack(payload)[0]


def credit_of(payload):
    """The bytes a CREDIT grants."""
    return _CREDIT.unpack(payload)[0]


def split(buffer):
    """The whole frames at the start of `buffer` as (type, flags, stream, payload), and the rest."""
    found, at, size = [], 0, len(buffer)
    while size - at >= 12:
        length, kind, flags, _, stream = _HEADER.unpack_from(buffer, at)
        if length > PAYLOAD_BYTES_MAX:
            raise ProtocolError("a frame of %d bytes" % length)
        stop = at + 12 + length
        if stop > size:
            break
        found.append((kind, flags, stream, buffer[at + 12 : stop]))
        at = stop
    return found, buffer[at:]


class Connection:
    """A socket that is never waited for: what arrived of a frame, what could not be sent yet.

    Its server closes it when the peer is gone, and polls for when it can be written to.
    """

    __slots__ = (
        "server", "socket", "fd", "rest", "unsent", "open", "greeted", "leaving", "last", "begun",
        "running", "waiting",
    )  # fmt: skip

    def __init__(self, connected, server):
        self.server = server
        connected.setblocking(False)
        self.socket = connected
        self.fd = connected.fileno()
        self.rest = b""
        self.unsent = bytearray()
        self.open = True
        self.greeted = self.leaving = False
        # The numbers of the newest stream and of the last one begun.
        self.last = self.begun = 0
        # The stream whose application runs, and those that wait for their turn.
        self.running = None
        self.waiting = collections.deque()

    def streams(self):
        """The streams that have not ended."""
        return ([self.running] if self.running else []) + list(self.waiting)

    def receive(self):
        """The frames that have come. Raises OSError when the peer is gone."""
        found = []
        read = self._read()
        while read:
            frames, self.rest = split(self.rest + read if self.rest else read)
            found += frames
            # A full read: what came last, an ABORT perhaps, is still to be read. Credit bounds it.
            read = self._read() if len(read) == READ_BYTES else None
        return found

    def _read(self):
        """What is there to read now, or None."""
        try:
            read = self.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        if not read:
            raise ConnectionResetError("closed by the edge")
        return read

    def send(self, frames):
        """Sends what can be sent now and keeps the rest. Closed if the peer is gone."""
        if self.unsent:
            self._keep(frames)
            return
        try:
            # An application may have brought SIGPIPE back: MSG_NOSIGNAL keeps the worker alive.
            sent = self.socket.send(frames, _NO_SIGNAL)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.server.close(self)
            return
        if sent < len(frames):
            self._keep(memoryview(frames)[sent:])

    def _keep(self, frames):
        """Leaves frames for `flush`."""
        if len(self.unsent) + len(frames) > UNSENT_BYTES_MAX:
            self.server.close(self)
            return
        self.unsent += frames
        self.server.watch(self)

    def pending(self):
        """How many bytes could not be sent yet."""
        return len(self.unsent)

    def flush(self):
        """Sends more of what could not be sent before."""
        try:
            sent = self.socket.send(self.unsent, _NO_SIGNAL)
        except (BlockingIOError, InterruptedError):
            return
        del self.unsent[:sent]

    def close(self):
        """Closes the socket; nobody waits for its requests any more."""
        self.open = False
        self.socket.close()
        for stream in self.streams():
            stream.gone = True
        self.waiting.clear()
        self.unsent.clear()
