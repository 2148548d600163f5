"""The worker's loop: connections, their streams, and one request at a time.

    turn():   poll -> accept | read frames -> streams        (never runs the application)
    run():    turn, take the next waiting request, run the application, again
                                                  |
              the application reads or writes -> it waits for content or credit in turn()

So frames are read whenever the application waits, and only then. Connections take turns with
their requests. The application runs on the main thread alone; nothing here starts a thread but the
last resort of `stop`, and no peer, however broken, ends the process.
"""

import collections
import os
import select
import signal
import threading
from time import monotonic_ns

from . import wire

# Requests sent ahead on one connection; connections at a time.
WAITING_MAX = 256
CONNECTIONS_MAX = 64
# Content that may lie unsent before the application is made to wait.
UNSENT_PAUSE = 262_144
# Credit goes back when half of the window was read.
CREDIT_STEP = wire.REQUEST_CREDIT // 2
# With requests at hand, frames are looked for no oftener than this.
POLL_NS = 1_000_000
STOP_SECONDS = 30


class Gone(ConnectionError):
    """Nobody waits for this request any more."""


class Stream:
    """One request: content that came for the application, credit for what it answers.

    A subclass runs an application with it. Every request makes one, so it has slots, and the
    common way through it (no content, a small answer) makes few calls.
    """

    __slots__ = (
        "connection", "number", "variables", "content", "ended", "window", "consumed", "credit",
        "started", "gone", "done",
    )  # fmt: skip
    # Variables that a subclass adds to those of each request.
    known = {}

    def __init__(self, connection, number, flags, payload):
        self.connection = connection
        self.number = number
        self.variables = wire.pairs_of(payload, self.known)
        # What came of the request's content and was not read; None: there is none.
        self.content = None if flags & wire.NO_CONTENT else bytearray()
        self.ended = self.content is None
        self.window = wire.REQUEST_CREDIT
        self.consumed = 0
        self.credit = wire.RESPONSE_CREDIT
        # When the application was called; 0: it was not.
        self.started = 0
        self.gone = self.done = False

    def run(self, application):
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

    def give_up(self):
        """The edge does not want the answer: a request not begun ends here."""
        self.gone = True
        if not self.started:
            self.abort("not begun")

    def read_into(self, view):
        """Hands content to the application, waiting for some; 0 at its end."""
        while not self.content:
            if self.gone:
                raise Gone("the visitor has gone")
            if self.ended or self.done:
                return 0
            self.connection.server.turn()
        count = min(len(view), len(self.content))
        view[:count] = self.content[:count]
        del self.content[:count]
        self.consumed += count
        if self.consumed >= CREDIT_STEP and not (self.ended or self.done):
            self.connection.send(wire.credit(self.number, self.consumed))
            self.window += self.consumed
            self.consumed = 0
        return count

    def answer(self, status, head, content):
        """The whole answer: one write if one frame holds it, which is less than the credit."""
        ended = monotonic_ns()
        if wire.RESPONSE_PREFIX + len(head) + len(content) > wire.PAYLOAD_BYTES_MAX:
            self.begin(status, head, content)
            self.end(ended)
            return
        self._send(wire.answer(self.number, self.started, ended, status, head, content))
        self.done = True

    def begin(self, status, head, content):
        """RESPONSE, and all of `content` as credit comes."""
        room = wire.PAYLOAD_BYTES_MAX - wire.RESPONSE_PREFIX - len(head)
        if room < 0:
            raise ValueError("response headers of %d bytes" % len(head))
        first = content[: min(room, self.credit)]
        self.credit -= len(first)
        self._send(wire.response(self.number, self.started, status, head, first))
        if len(first) < len(content):
            self.send(memoryview(content)[len(first) :])

    def send(self, content):
        """DATA, as credit comes."""
        left = memoryview(content)
        while left:
            while not self.credit and not self.gone:
                self.connection.server.turn()
            piece = left[: min(self.credit, wire.PAYLOAD_BYTES_MAX)]
            self.credit -= len(piece)
            self._send(wire.frame(wire.DATA, self.number, piece))
            left = left[len(piece) :]

    def end(self, ended):
        """END of the answer."""
        self._send(wire.end(self.number, ended))
        self.done = True

    def abort(self, reason):
        """ABORT, unless the answer has ended."""
        if not self.done:
            self.done = True
            ended = monotonic_ns() if self.started else 0
            self.connection.send(wire.abort(self.number, reason, self.started, ended))

    def _send(self, frames):
        connection = self.connection
        if not self.gone:
            connection.send(frames)
            if connection.pending():
                self._wait_to_send()
        if self.gone:
            raise Gone("the visitor has gone")

    def _wait_to_send(self):
        while self.connection.pending() > UNSENT_PAUSE and not self.gone:
            self.connection.server.turn()


class Server:
    """Listens, reads, and runs the application for each request, as `stream`, a Stream, does."""

    # What a connection is, and how many requests are run at a time.
    connection = wire.Connection
    concurrency = 1

    def __init__(self, listener, stream, application):
        listener.setblocking(False)
        self.listener = listener
        self.stream = stream
        self.application = application
        self.connections = {}
        # Connections with waiting requests, in the order of their turns.
        self.turns = collections.deque()
        self.stopping = False
        self.forked = False
        os.register_at_fork(after_in_child=self.leave_to_parent)
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_write, False)
        self.poll = select.poll()
        self.poll.register(listener, select.POLLIN)
        self.poll.register(self.wake_read, select.POLLIN)

    def run(self):
        """Serves until told to stop; then answers what was begun, and closes."""
        self.wake_by_signals()
        polled = 0
        while not self.stopping:
            now = monotonic_ns()
            if not self.turns or now - polled > POLL_NS:
                self.turn(0 if self.turns else None)
                polled = monotonic_ns()
            else:
                self.serve(now, polled + POLL_NS)
        self.close_all()

    def serve(self, now, _until):
        """Runs the next request: one of each connection in turn."""
        connection = self.turns[0]
        stream = connection.waiting.popleft()
        if not connection.waiting:
            self.turns.popleft()
        elif len(self.turns) > 1:
            self.turns.rotate(-1)
        if stream.gone:
            return
        stream.started = now
        connection.begun = stream.number
        connection.running = stream
        stream.run(self.application)
        if self.forked:
            os._exit(0)
        connection.running = None

    def stop(self, *_):
        """Signal handler of SIGTERM. After 30 s the process ends whatever it does.

        A second one changes nothing: a site that dies sends one for each of its threads.
        """
        if self.stopping:
            return
        self.stopping = True
        last_resort = threading.Timer(STOP_SECONDS, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()
        try:
            os.write(self.wake_write, b"s")
        except OSError:
            pass

    def wake_by_signals(self):
        """A signal ends poll() also when it came just before: its handler runs after that alone."""
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)

    def leave_to_parent(self):
        """In a process the application forked: the sockets are the parent's, and so is the answer."""
        self.forked = True
        self.listener.close()
        for connection in self.connections.values():
            connection.close()

    def turn(self, timeout=None):
        """Waits for frames, connections or a signal, and takes in what is there."""
        self.take_in(self.poll.poll(timeout))

    def take_in(self, polled):
        """Takes in what poll() has found."""
        for fd, events in polled:
            connection = self.connections.get(fd)
            if connection is not None:
                self.exchange(connection, events)
            elif fd == self.wake_read:
                os.read(fd, 64)
                if self.stopping:
                    self.go_away()
            elif fd == self.listener.fileno():
                self.accept()

    def exchange(self, connection, events):
        """Writes and reads what one connection can take and has. Any fault of it closes it."""
        try:
            if events & select.POLLOUT:
                connection.flush()
                if not connection.pending():
                    self.poll.modify(connection.fd, select.POLLIN)
            if events & ~select.POLLOUT:
                self.read(connection)
        except (OSError, wire.ProtocolError):
            self.close(connection)

    def read(self, connection):
        """Takes in the frames that have come. Raises OSError or ProtocolError."""
        for kind, flags, number, payload in connection.receive():
            if not connection.open:
                break
            if kind == wire.REQUEST:
                self.take_request(connection, flags, number, payload)
            else:
                self.take(connection, kind, number, payload)

    def take_request(self, connection, flags, number, payload):
        """A new stream; it waits for its turn. Raises ProtocolError."""
        waiting = connection.waiting
        if number <= connection.last or not connection.greeted:
            raise wire.ProtocolError("a stream number used twice, or a request before HELLO")
        if len(waiting) >= WAITING_MAX:
            raise wire.ProtocolError("too many requests sent ahead")
        stream = self.stream(connection, number, flags, payload)
        connection.last = number
        if not waiting:
            self.turns.append(connection)
        waiting.append(stream)

    def take(self, connection, kind, number, payload):
        """Any other frame from the edge. Raises ProtocolError."""
        least, greatest = wire.FROM_EDGE.get(kind, (1, 0))
        if not least <= len(payload) <= greatest:
            raise wire.ProtocolError("frame of type %d and %d bytes" % (kind, len(payload)))
        if connection.greeted != (kind != wire.HELLO) or (number == 0) != (kind == wire.HELLO):
            raise wire.ProtocolError("frame of type %d out of its place" % kind)
        if kind == wire.HELLO:
            if wire.version_of(payload) != wire.VERSION:
                raise wire.ProtocolError("another version")
            connection.greeted = True
        elif number > connection.last:
            raise wire.ProtocolError("frame for a stream that was never opened")
        else:
            # A frame for a stream that has ended is dropped.
            for stream in connection.streams():
                if stream.number == number and not stream.gone:
                    stream.take(kind, payload)

    def watch(self, connection):
        """Polls also for when a connection can be written to again."""
        self.poll.modify(connection.fd, select.POLLIN | select.POLLOUT)

    def accept(self):
        """One new connection."""
        try:
            connected, _ = self.listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            # Out of descriptors: listening goes on when a connection closes. With none, a new
            # process is the only help.
            if not self.connections:
                raise
            self.poll.unregister(self.listener)
            return
        self.greet(self.connection(connected, self))
        if len(self.connections) >= CONNECTIONS_MAX:
            self.poll.unregister(self.listener)

    def greet(self, connection):
        """HELLO at once: it says that the application is loaded."""
        self.connections[connection.fd] = connection
        self.poll.register(connection.fd, select.POLLIN)
        connection.send(wire.hello(self.concurrency))

    def close(self, connection):
        """Ends a connection and all of its requests."""
        if not connection.open:
            return
        self.poll.unregister(connection.fd)
        del self.connections[connection.fd]
        if connection in self.turns:
            self.turns.remove(connection)
        connection.close()
        if self.listener.fileno() >= 0:
            self.poll.register(self.listener, select.POLLIN)

    def go_away(self):
        """Turns new connections away, and says which requests will not be run."""
        for connection in list(self.connections.values()):
            if not connection.leaving:
                connection.leaving = True
                connection.send(wire.goaway(connection.begun))
        fd = self.listener.fileno()
        if fd >= 0:
            try:
                self.poll.unregister(fd)
            except KeyError:
                pass
            self.listener.close()

    def close_all(self):
        """Sends what is left to send, then closes every connection."""
        self.go_away()
        while any(connection.pending() for connection in self.connections.values()):
            self.turn()
        for connection in list(self.connections.values()):
            self.close(connection)
