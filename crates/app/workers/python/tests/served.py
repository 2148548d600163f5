"""An edge with one request, to a server of either kind that is served in the same thread.

The connection keeps the bounds of what was written, so that tests see what goes in one piece.
"""

import contextlib
import io
import os
import socket
import struct

from davy_worker import native, output, server, wire, wsgi

ENDLESS = 1 << 62


def pure(listener, application):
    """The server in pure Python."""
    return server.Server(listener, wsgi.Request, application)


def with_native(listener, application):
    """The server with its native helper."""
    return native.Server(native.load(), listener, application)


class Edge:
    """The other end of a connection, and the server behind it."""

    def __init__(self, kind, application):
        self.listener = socket.socket(socket.AF_UNIX)
        self.server = kind(self.listener, application)
        self.socket, accepted = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setblocking(False)
        self.server.greet(self.server.connection(accepted, self.server))
        # What is sent with the next `flush`.
        self.outgoing = wire.frame(wire.HELLO, 0, struct.pack(">HHI", 1, 0, 7))
        assert self.writes() == [[("hello",)]]

    def request(self, method="GET", content=None, more=()):
        """Request 1 and its content."""
        said = [("PATH_INFO", "/"), ("REQUEST_SCHEME", "https"), ("REQUEST_ID", "ab12"), *more]
        if method != "GET":
            said.insert(0, ("REQUEST_METHOD", method))
        flags = wire.NO_CONTENT if content is None else 0
        self.send(wire.REQUEST, wire.head_of(said), flags)
        if content is not None:
            for at in range(0, len(content), 3):
                self.send(wire.DATA, content[at : at + 3])
            self.send(wire.END)

    def send(self, kind, payload=b"", flags=0, number=1):
        """A frame of request 1, or of another."""
        self.outgoing += wire.frame(kind, number, payload, flags)

    def flush(self):
        """Writes the frames, all at once: the server reads one write at a time."""
        self.socket.send(self.outgoing)
        self.outgoing = b""

    def run(self):
        """Lets the server run what waits; what went to stderr."""
        self.flush()
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            self.server.turn(0)
            while self.server.turns:
                self.server.serve(1, ENDLESS)
        return errors.getvalue()

    def writes(self):
        """The frames that have come since the last time: a list for each write."""
        found = []
        while True:
            try:
                piece = self.socket.recv(1 << 20)
            except BlockingIOError:
                return found
            frames, rest = wire.split(piece)
            assert rest == b"", rest
            found.append([plain(frame) for frame in frames])

    def frames(self):
        """The frames that have come since the last time."""
        return [frame for write in self.writes() for frame in write]

    def close(self):
        """Gives back what the system lent."""
        for connection in list(self.server.connections.values()):
            self.server.close(connection)
        self.socket.close()
        self.listener.close()
        os.close(self.server.wake_read)
        os.close(self.server.wake_write)


def plain(frame):
    """A frame as a tuple of plain values, without its stamps."""
    kind, _, number, payload = frame
    assert number == (kind != wire.HELLO)
    if kind == wire.RESPONSE:
        _, status, length = struct.unpack_from(">QHI", payload)
        content = payload[wire.RESPONSE_PREFIX + length :]
        return "response", status, payload[wire.RESPONSE_PREFIX :][:length], content
    if kind == wire.ABORT:
        return "abort", payload[16:].decode()
    if kind == wire.DATA:
        return "data", payload
    return {wire.HELLO: ("hello",), wire.END: ("end",), wire.CREDIT: ("credit",)}[kind]
