"""One websocket through an ASGI application: frames of RFC 6455 over a stream's raw content.

    REQUEST, Upgrade: websocket  ->  websocket.connect
    RESPONSE 101                 <-  websocket.accept         (403 or the application's own: denied)
    DATA                         <-> websocket.receive, websocket.send
    DATA with a close frame      <-> websocket.close, websocket.disconnect
    END                          <-  when both have said close, or the time for it is over

Frames of the application leave whole and one after another; pongs wait for their turn. Credit goes
back as messages are taken, so that who does not receive is sent no more than one window. No
extension is offered, compression neither.
"""

import asyncio
import collections

from . import asgi, rfc6455, wire
from .rfc6455 import BINARY, CLOSE, FAILED, LOST, NORMAL, PING, PONG, RESTART, TEXT
from .server import Gone

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
# A ping goes out this often; who is not heard of until the next has gone.
PING_SECONDS = 20
# What the other side has to answer a close frame in.
CLOSE_SECONDS = 5
VERSION = b"13"


def is_asked_for(scope):
    """Whether a request with content to follow asks for a websocket."""
    upgrade = field(scope, b"upgrade")
    return scope["method"] == "GET" and upgrade is not None and upgrade.lower() == b"websocket"


def field(scope, name):
    """The value of a header field, or None."""
    return next((value for known, value in scope["headers"] if known == name), None)


class Session(asgi.Request):
    """A `websocket` scope. Until it is accepted, it can be answered as any request."""

    __slots__ = (
        "key", "accepted", "connected", "closing", "disconnect", "messages", "decoder", "sending",
        "controls", "heard", "timer",
    )  # fmt: skip

    def __init__(self, connection, number, scope, has_content):
        super().__init__(connection, number, scope, has_content)
        self.key = None
        # Whether the handshake is done, and whether the application was told of the wish for it.
        self.accepted = self.connected = False
        # We have sent a close frame; what the application is told at the end.
        self.closing = False
        self.disconnect = None
        self.messages = collections.deque()
        self.decoder = rfc6455.Decoder(MESSAGE_BYTES_MAX)
        # Who sends a message; control frames that wait until it is out.
        self.sending = asyncio.Lock()
        self.controls = []
        self.heard = True
        self.timer = None

    async def run(self, application):
        """Runs the application, if the handshake is one."""
        scope = self.variables
        key = field(scope, b"sec-websocket-key") or b""
        self.key = rfc6455.accept_of(key)
        if self.key is None or field(scope, b"sec-websocket-version") != VERSION:
            self.started = asgi.monotonic_ns()
            await self.refuse()
            return
        del scope["method"]
        offered = (field(scope, b"sec-websocket-protocol") or b"").decode("latin-1").split(",")
        scope["type"] = "websocket"
        scope["scheme"] = {"https": "wss"}.get(scope["scheme"], "ws")
        scope["subprotocols"] = [name.strip() for name in offered if name.strip()]
        await super().run(application)

    def extensions(self):
        """What is offered beyond the standard."""
        return {"websocket.http.response": {}}

    async def refuse(self):
        """Answers what is no handshake (RFC 6455 §4.2.2, §4.4)."""
        head = b"content-type\0text/plain\0sec-websocket-version\x0013\0"
        try:
            await self.begin(426 if self.key else 400, head, b"this is no websocket handshake\n")
            self.end()
        except Gone:
            self.abort("the visitor has gone")
        finally:
            self.connection.server.ran(self)

    def returned(self):
        """The application has returned: that closes an open websocket."""
        if self.accepted:
            self.close(NORMAL)
        else:
            super().returned()

    def failed(self, error):
        """The application raised."""
        if self.accepted:
            if not (self.disconnect and asgi.comes_of_gone(error)):
                asgi.report()
            self.close(FAILED)
        else:
            super().failed(error)

    def leave(self):
        """The worker is asked to stop."""
        if self.accepted:
            self.close(RESTART)
            self.lost(RESTART, "")

    def give_up(self):
        """The tunnel is gone."""
        super().give_up()
        self.lost(LOST, "")
        if self.accepted:
            self.abort("the visitor has gone")

    def take(self, kind, payload):
        """A frame from the edge. Raises ProtocolError."""
        super().take(kind, payload)
        self.heard = True
        if not self.accepted:
            return
        if kind == wire.DATA:
            self.read()
        elif kind == wire.END:
            self.lost(LOST, "")
            self.end()
        elif kind == wire.CREDIT:
            self.send_controls()

    def read(self):
        """Takes frames out of the content."""
        piece = bytes(self.content)
        self.content.clear()
        self.consumed += len(piece)
        try:
            for opcode, value in self.decoder.feed(piece):
                self.hear(opcode, value)
                if self.done:
                    return
        except rfc6455.Violation as violation:
            self.close(violation.code, str(violation))
            self.lost(violation.code, str(violation))
            self.end()
        if not self.messages:
            self.grant()

    def hear(self, opcode, value):
        """One message or control frame of the client."""
        if opcode == CLOSE:
            code, reason = value
            self.lost(code, reason)
            self.close(code)
            self.end()
        elif opcode == PING:
            self.control(rfc6455.frame(PONG, value))
        elif opcode != PONG and not self.disconnect:
            name = "text" if opcode == TEXT else "bytes"
            self.messages.append({"type": "websocket.receive", name: value})

    async def receive(self):
        """The next message; after the last, how it ended."""
        if not self.connected:
            self.connected = True
            return {"type": "websocket.connect"}
        while not self.messages:
            if self.disconnect is None and self.gone:
                self.lost(LOST, "")
            if self.disconnect is None and self.done:
                self.lost(NORMAL, "")
            if self.disconnect is not None:
                return self.disconnect
            await self.changed()
        message = self.messages.popleft()
        if not self.messages:
            self.grant()
        return message

    async def send(self, message):
        """Takes what the application sends. Raises OSError when nobody listens any more."""
        kind = message["type"]
        if self.gone or self.disconnect is not None:
            raise Gone("the visitor has gone")
        if kind == "websocket.send":
            await self.send_message(message)
        elif kind == "websocket.accept":
            await self.accept(message)
        elif kind == "websocket.close":
            await self.send_close(message)
        elif kind == "websocket.http.response.start" and not self.accepted:
            self.start(message)
        elif kind == "websocket.http.response.body" and not self.accepted:
            await self.send_body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError("the application sent %r out of its place" % (kind,))

    async def accept(self, message):
        """`websocket.accept`: the handshake's answer."""
        if self.accepted or self.head is not None:
            raise RuntimeError("websocket.accept after an answer")
        headers = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", self.key),
        ]
        if message.get("subprotocol") is not None:
            headers.append((b"sec-websocket-protocol", message["subprotocol"].encode("latin-1")))
        headers.extend(message.get("headers", ()))
        await self.begin(101, asgi.head_of(headers), b"")
        self.accepted = True
        self.timer = self.connection.server.loop.call_later(PING_SECONDS, self.ping)
        # What came before the application had made up its mind.
        self.read()
        if self.ended:
            self.lost(LOST, "")
            self.end()

    async def send_message(self, message):
        """`websocket.send`: one frame."""
        if not self.accepted or self.closing:
            raise RuntimeError("websocket.send on a websocket that is not open")
        text, binary = message.get("text"), message.get("bytes")
        if (text is None) == (binary is None):
            raise ValueError("websocket.send has either text or bytes")
        if text is not None:
            frame = rfc6455.frame(TEXT, text.encode("utf-8"))
        else:
            frame = rfc6455.frame(BINARY, bytes(binary))
        async with self.sending:
            await self.drained()
            if not self.closing:
                await self.send_content(frame)
        self.send_controls()

    async def send_close(self, message):
        """`websocket.close`; before it is accepted, that is 403."""
        code = message.get("code", NORMAL)
        if not rfc6455.is_close_code(code):
            raise ValueError("websocket.close with the code %r" % (code,))
        if self.accepted:
            self.close(code, message.get("reason") or "")
        elif self.head is None:
            self.head = b"content-type\0text/plain\0"
            await self.begin(403, self.head, b"Forbidden\n")
            self.end()
            self.lost(LOST, "")

    def close(self, code, reason=""):
        """Sends a close frame, unless one was sent, and waits a while for the other's."""
        if self.closing or self.done:
            return
        self.control(rfc6455.close(code, reason))
        self.closing = True
        self.stop_timer()
        self.timer = self.connection.server.loop.call_later(CLOSE_SECONDS, self.end)

    def control(self, frame):
        """Sends a control frame as soon as no message is under way."""
        if not self.closing and len(self.controls) < 16:
            self.controls.append(frame)
            self.send_controls()

    def send_controls(self):
        """Sends the control frames that wait, as far as there is credit."""
        while self.controls and not (self.sending.locked() or self.done):
            if len(self.controls[0]) > self.credit:
                return
            frame = self.controls.pop(0)
            self.credit -= len(frame)
            self.connection.post(wire.frame(wire.DATA, self.number, frame))

    def lost(self, code, reason):
        """What the application is told from now on, when it has taken all messages."""
        if self.disconnect is None:
            self.disconnect = {"type": "websocket.disconnect", "code": code, "reason": reason}
            self.wake()

    def ping(self):
        """Asks whether the client is still there; one that was not heard of since has gone."""
        if not (self.heard or self.messages):
            self.lost(LOST, "")
            self.abort("the client does not answer pings")
            return
        self.control(rfc6455.frame(PING, b""))
        # One that could not be sent asks nothing.
        self.heard = bool(self.controls)
        self.timer = self.connection.server.loop.call_later(PING_SECONDS, self.ping)

    def finish(self):
        """The edge knows that this is over."""
        self.stop_timer()
        super().finish()

    def stop_timer(self):
        """No ping and no end any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
