"""One request through an ASGI application (ASGI 3, HTTP).

The variables become a `scope`; what the application sends goes back as frames, in one piece when
its first body is its last. An application that fails is told of on stderr, and the edge gets ABORT.
It never cancels an application: see `streams`.

`http.response.pathsend` is offered; trailers, early hints and push are not.
"""

import contextlib
from itertools import chain, compress
from operator import itemgetter
from time import monotonic_ns

from . import output, wire
from .output import reason_of, report
from .server import UNSENT_PAUSE, Gone
from .streams import Stream

# What `raise OSError where nobody listens` came with; `reason` in websocket.disconnect is newer.
SPEC_VERSION = "2.4"
# Sets of variables that are remembered: more are the doing of somebody who makes them up.
SHAPES_MAX = 256
SHAPE_BYTES_MAX = 2_048
FILE_BLOCK_BYTES = 131_072
# Head and body of an answer that is one frame.
ONE_FRAME_BYTES_MAX = wire.PAYLOAD_BYTES_MAX - wire.RESPONSE_PREFIX


# What is left out has these values (docs/worker-protocol.md).
_USUAL = {
    b"REQUEST_METHOD": b"GET",
    b"SCRIPT_NAME": b"",
    b"QUERY_STRING": b"",
    b"SERVER_PROTOCOL": b"HTTP/1.1",
    b"REQUEST_SCHEME": b"http",
}
_VARIABLES = (
    b"REQUEST_METHOD", b"REQUEST_SCHEME", b"SERVER_PROTOCOL", b"SCRIPT_NAME", b"PATH_INFO",
    b"REQUEST_URI", b"QUERY_STRING", b"REMOTE_ADDR", b"REMOTE_PORT", b"SERVER_NAME",
    b"SERVER_PORT", b"REQUEST_ID",
)  # fmt: skip
# Which variables lie where, by the names of them all: a browser sends the same ones each time.
_SHAPES = {}


def scope_of(payload):
    """What `http` and `websocket` scopes have in common. Raises ProtocolError."""
    parts = payload.split(b"\0")
    if parts[-1] or len(parts) % 2 == 0 or len(parts) == 1:
        raise wire.ProtocolError("variables without a value each and a NUL at their end")
    names = tuple(parts[:-1:2])
    values = parts[1::2]
    values += _USUAL.values()
    pick, is_field, fields = _SHAPES.get(names) or shape_of(names)
    (
        method, scheme, protocol, prefix, path, target, query, address, port, server, server_port,
        request_id,
    ) = pick(values)  # fmt: skip
    try:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
            "http_version": protocol[5:].decode("latin-1"),
            "method": method.decode("latin-1"),
            "scheme": scheme.decode("latin-1"),
            "path": (prefix + path).decode("utf-8", "replace"),
            "raw_path": target.partition(b"?")[0],
            "query_string": query,
            "root_path": prefix.decode("utf-8", "replace"),
            "client": (address.decode("latin-1"), int(port)),
            "server": (server.decode("latin-1"), int(server_port)),
            "davy.request_id": request_id.decode("latin-1"),
            "headers": list(zip(fields, compress(values, is_field))),
        }
    except ValueError:
        raise wire.ProtocolError("a port that is no number") from None


def shape_of(names):
    """How to pick the variables from the values, which of these are fields, and their names."""
    every = (*names, *_USUAL)
    try:
        pick = itemgetter(*map(every.index, _VARIABLES))
    except ValueError:
        raise wire.ProtocolError("a request without a variable it must have") from None
    fields = [field_of(name) for name in names]
    shape = pick, [field is not None for field in fields], [name for name in fields if name]
    if len(_SHAPES) < SHAPES_MAX and sum(map(len, names)) < SHAPE_BYTES_MAX:
        _SHAPES[names] = shape
    return shape


def field_of(variable):
    """The name of the header field that a variable holds; None when it is none."""
    if variable in (b"CONTENT_TYPE", b"CONTENT_LENGTH"):
        return variable.lower().replace(b"_", b"-")
    return variable[5:].replace(b"_", b"-").lower() if variable.startswith(b"HTTP_") else None


def head_of(headers):
    """The head of a response from (name, value) pairs of bytes."""
    if not isinstance(headers, list):
        headers = list(headers)
    try:
        head = b"\0".join([*chain.from_iterable(headers), b""])
    except TypeError:
        raise TypeError("headers must be pairs of bytes: %r" % (headers,)) from None
    if head.count(b"\0") != 2 * len(headers) or 10 in head or 13 in head:
        raise ValueError("a header is no pair, or has a line break or NUL: %r" % (headers,))
    return head


class Request(Stream):
    """An `http` scope: what `receive` gives and what `send` takes."""

    __slots__ = ("status", "head", "head_sent", "head_only", "told_all")

    def __init__(self, connection, number, variables, has_content):
        super().__init__(connection, number, variables, has_content)
        self.head = None
        self.head_sent = self.told_all = False
        self.head_only = variables["method"] == "HEAD"

    async def run(self, application):
        """Runs the application for this request. It may change its scope."""
        scope = self.variables
        output.request_id.set(scope["davy.request_id"])
        scope["extensions"] = self.extensions()
        scope["state"] = self.connection.server.state.copy()
        self.started = monotonic_ns()
        try:
            await application(scope, self.receive, self.send)
            self.returned()
        except BaseException as error:  # sys.exit() in a view ends the request, not the worker
            self.failed(error)
        finally:
            self.connection.server.ran(self)

    def extensions(self):
        """What is offered beyond the standard."""
        return {"http.response.pathsend": {}}

    def returned(self):
        """The application has returned."""
        self.abort("the application returned before it had sent a whole answer")

    def failed(self, error):
        """The application raised. One that only met a visitor's absence makes no noise."""
        if not (self.gone and comes_of_gone(error)):
            report()
        self.abort(reason_of(error))

    async def receive(self):
        """The next piece of the content; after the last, waits for the visitor to leave."""
        while not (self.gone or self.done):
            if self.content:
                return self._piece()
            if self.ended and not self.told_all:
                self.told_all = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await self.changed()
        return {"type": "http.disconnect"}

    def _piece(self):
        body = bytes(self.content)
        self.content.clear()
        self.consumed += len(body)
        self.grant()
        self.told_all = self.ended
        return {"type": "http.request", "body": body, "more_body": not self.ended}

    async def send(self, message):
        """Takes what the application sends. Raises OSError when nobody listens any more."""
        kind = message["type"]
        if self.gone:
            raise Gone("the visitor has gone")
        if self.done:
            return
        if kind == "http.response.start":
            self.start(message)
        elif kind == "http.response.body":
            body, more = message.get("body", b""), message.get("more_body", False)
            if more or self.head_sent or not self.answer_at_once(body):
                await self.send_body(body, more)
        elif kind == "http.response.pathsend":
            await self.send_file(message["path"])
        else:
            raise RuntimeError("the application sent %r, which is not offered" % (kind,))

    def start(self, message):
        """`http.response.start`: kept until there is a body."""
        if self.head is not None:
            raise RuntimeError("http.response.start was sent twice")
        status = message["status"]
        if not (isinstance(status, int) and 200 <= status <= 599):
            raise ValueError("http.response.start with the status %r; 200 to 599 do" % (status,))
        self.status = int(status)
        self.head = head_of(message.get("headers", ()))

    def answer_at_once(self, body):
        """The common answer, in one frame and without waiting; False: it is none of these."""
        head = self.head
        if (
            head is None
            or self.head_only
            or type(body) is not bytes
            or len(head) + len(body) > ONE_FRAME_BYTES_MAX
            or self.connection.held > UNSENT_PAUSE
        ):
            return False
        ended = monotonic_ns()
        self.connection.post(
            wire.answer(self.number, self.started, ended, self.status, head, body)
        )
        self.finish()
        return True

    async def send_body(self, body, more):
        """`http.response.body`."""
        if self.head is None:
            raise RuntimeError("a body was sent before http.response.start")
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise TypeError("a body must be bytes, not %s" % type(body).__name__)
        body = b"" if self.head_only else bytes(body)
        if self.head_sent:
            await self.send_content(body)
        else:
            self.head_sent = True
            await self.begin(self.status, self.head, body)
        if not more:
            self.end()

    async def send_file(self, path):
        """`http.response.pathsend`: the whole file is the body."""
        run = self.connection.server.loop.run_in_executor
        file = await run(None, open, path, "rb")
        with contextlib.closing(file):
            block = await run(None, file.read, FILE_BLOCK_BYTES)
            while len(block) == FILE_BLOCK_BYTES and not self.head_only:
                await self.send_body(block, True)
                block = await run(None, file.read, FILE_BLOCK_BYTES)
        await self.send_body(block, False)


def comes_of_gone(error):
    """Whether an exception is Gone, or was raised while one was handled."""
    seen = 0
    while error is not None and seen < 32:
        if isinstance(error, Gone):
            return True
        error = error.__cause__ or error.__context__
        seen += 1
    return False
