"""One request on the event loop: content both ways by credit, and what waits for it.

    edge --REQUEST DATA END--> content --receive--> application
    edge <--RESPONSE DATA END-- credit <---send---- application
                    ABORT ----> gone: whoever waits is woken, nobody is cancelled

A frame that is posted leaves with the others of the same turn of the loop. Why nobody is cancelled:
an application that is at its database when the visitor leaves must be able to give the connection
back; it learns of it where it asks, in receive and in send.
"""

from time import monotonic_ns

from . import wire
from .server import CREDIT_STEP, UNSENT_PAUSE, Gone


class Stream:
    """A request, begun or not. Subclasses run an application with it."""

    __slots__ = (
        "connection", "number", "variables", "content", "ended", "window", "consumed", "credit",
        "begun", "started", "gone", "done", "waiters", "task",
    )  # fmt: skip

    def __init__(self, connection, number, variables, has_content):
        self.connection = connection
        self.number = number
        self.variables = variables
        # What came of the request's content and was not read; None: there is none.
        self.content = bytearray() if has_content else None
        self.ended = not has_content
        self.window = wire.REQUEST_CREDIT
        self.consumed = 0
        self.credit = wire.RESPONSE_CREDIT
        # Whether it has its place among those that run, and when the application was called.
        self.begun = False
        self.started = 0
        self.gone = self.done = False
        # Futures of those who wait for a frame.
        self.waiters = []
        self.task = None

    async def run(self, application):
        """Runs the application for this request. Never raises."""
        raise NotImplementedError

    def take(self, kind, payload):
        """A frame from the edge. Raises ProtocolError."""
        if kind == wire.CREDIT:
            self.credit += wire.credit_of(payload)
        elif kind == wire.ABORT:
            self.give_up()
        elif self.ended:
            raise wire.ProtocolError("content after its end")
        elif kind == wire.END:
            self.ended = True
        elif len(payload) > self.window:
            raise wire.ProtocolError("more content than credit")
        else:
            self.window -= len(payload)
            self.content += payload
        self.wake()

    def give_up(self):
        """Nobody waits for the answer any more: a request not begun ends here."""
        self.gone = True
        if not self.begun:
            self.abort("not begun")

    def leave(self):
        """The worker is asked to stop: a request is answered all the same."""

    def wake(self):
        """Lets all look again who wait for a frame."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()

    async def changed(self):
        """Waits for the next frame."""
        waiter = self.connection.server.loop.create_future()
        self.waiters.append(waiter)
        await waiter

    def grant(self):
        """Gives credit back for what was read, in portions worth a frame."""
        if self.consumed >= CREDIT_STEP and not (self.ended or self.done):
            self.connection.post(wire.credit(self.number, self.consumed))
            self.window += self.consumed
            self.consumed = 0

    async def begin(self, status, head, content):
        """RESPONSE, and all of `content` as credit comes."""
        room = wire.PAYLOAD_BYTES_MAX - wire.RESPONSE_PREFIX - len(head)
        if room < 0:
            raise ValueError("response headers of %d bytes" % len(head))
        await self.drained()
        first = content[: min(room, self.credit)]
        self.credit -= len(first)
        self.connection.post(wire.response(self.number, self.started, status, head, first))
        if len(first) < len(content):
            await self.send_content(memoryview(content)[len(first) :])

    async def send_content(self, content):
        """DATA, as credit comes."""
        left = memoryview(content)
        while left:
            while not (self.credit or self.gone or self.done):
                await self.changed()
            await self.drained()
            # Another task of the application may have taken the credit meanwhile.
            piece = left[: min(self.credit, wire.PAYLOAD_BYTES_MAX)]
            self.credit -= len(piece)
            if piece:
                self.connection.post(wire.frame(wire.DATA, self.number, piece))
            left = left[len(piece) :]

    async def drained(self):
        """Waits until the connection has room. Raises Gone."""
        while self.connection.held > UNSENT_PAUSE and not self.gone:
            await self.connection.drained()
        if self.gone or self.done:
            raise Gone("the visitor has gone")

    def end(self):
        """END of the answer."""
        if not self.done:
            self.connection.post(wire.end(self.number, monotonic_ns()))
            self.finish()

    def abort(self, reason):
        """ABORT, unless the answer has ended."""
        if not self.done:
            ended = monotonic_ns() if self.started else 0
            self.connection.post(wire.abort(self.number, reason, self.started, ended))
            self.finish()

    def finish(self):
        """The edge knows that this is over: what waits for a place may begin."""
        self.done = True
        self.connection.finished(self)
        self.wake()
