"""One request through an ASGI application (ASGI 3, HTTP).

The variables become a `scope`; what the application sends goes back as frames, in one piece when
its first body is its last. An application that fails is told of on stderr, and the edge gets ABORT.
It never cancels an application: see `streams`.

`http.response.pathsend` is offered; trailers, early hints and push are not.
"""

import contextlib
from time import monotonic_ns

from . import output, wire
from .output import reason_of, report
from .server import Gone
from .streams import Stream

# What `raise OSError where nobody listens` came with; `reason` in websocket.disconnect is newer.
SPEC_VERSION = "2.4"
# Field names that are remembered: more are the doing of somebody who makes them up.
NAMES_MAX = 1_024
FILE_BLOCK_BYTES = 131_072


class Names(dict):
    """Variables' names to those of header fields, as bytes; None for what is no field."""

    def __missing__(self, variable):
        name = None
        if variable.startswith(b"HTTP_"):
            name = variable[5:].replace(b"_", b"-").lower()
        if len(self) < NAMES_MAX:
            self[variable] = name
        return name


_NAMES = Names({b"CONTENT_TYPE": b"content-type", b"CONTENT_LENGTH": b"content-length"})


def scope_of(payload):
    """What `http` and `websocket` scopes have in common, with the headers; and REQUEST_ID."""
    parts = payload.split(b"\0")
    if parts[-1] or len(parts) % 2 == 0 or len(parts) == 1:
        raise wire.ProtocolError("variables without a value each and a NUL at their end")
    each = iter(parts)
    pairs = dict(zip(each, each))
    take = pairs.pop
    prefix = take(b"SCRIPT_NAME", b"").decode("utf-8", "replace")
    protocol = take(b"SERVER_PROTOCOL", b"HTTP/1.1")
    try:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
            "http_version": protocol[5:].decode("latin-1"),
            "method": take(b"REQUEST_METHOD", b"GET").decode("latin-1"),
            "scheme": take(b"REQUEST_SCHEME", b"http").decode("latin-1"),
            "path": prefix + take(b"PATH_INFO").decode("utf-8", "replace"),
            "raw_path": take(b"REQUEST_URI").partition(b"?")[0],
            "query_string": take(b"QUERY_STRING", b""),
            "root_path": prefix,
            "client": (take(b"REMOTE_ADDR").decode("latin-1"), int(take(b"REMOTE_PORT"))),
            "server": (take(b"SERVER_NAME").decode("latin-1"), int(take(b"SERVER_PORT"))),
            "davy.request_id": take(b"REQUEST_ID").decode("latin-1"),
        }
    except (KeyError, ValueError) as error:
        raise wire.ProtocolError("a request without a variable it must have: %s" % error) from None
    names = _NAMES
    scope["headers"] = [
        (name, value) for variable, value in pairs.items() if (name := names[variable])
    ]
    return scope


def head_of(headers):
    """The head of a response from (name, value) pairs of bytes."""
    parts = []
    for name, value in headers:
        parts += name, value
    if not parts:
        return b""
    try:
        head = b"\0".join(parts) + b"\0"
    except TypeError:
        raise TypeError("names and values of headers must be bytes: %r" % (parts,)) from None
    if head.count(b"\0") != len(parts) or b"\n" in head or b"\r" in head:
        raise ValueError("a header has a line break or NUL: %r" % (parts,))
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
        if kind == "http.response.body":
            await self.send_body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start":
            self.start(message)
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

    async def send_body(self, body, more):
        """`http.response.body`."""
        if self.head is None:
            raise RuntimeError("a body was sent before http.response.start")
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise TypeError("a body must be bytes, not %s" % type(body).__name__)
        body = b"" if self.head_only else bytes(body)
        if self.head_sent:
            await self.send_content(body)
        elif more:
            self.head_sent = True
            await self.begin(self.status, self.head, body)
        else:
            self.head_sent = True
            await self.answer(self.status, self.head, body)
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
