"""The worker's event loop for ASGI: connections, their streams, and many requests at once.

    one turn:  read all there is -> streams -> tasks begin ... -> what they posted, in one write

    start:  lifespan.startup -> accept -> HELLO          (HELLO says: the application is loaded)
    stop:   GOAWAY -> websockets close, requests are answered -> lifespan.shutdown -> end

Requests beyond the concurrency of HELLO wait here, and may be taken back. The application runs on
the main thread, in the loop it would have under any other server; uvloop is taken where it is
importable. No peer, however broken, ends the process.
"""

import asyncio
import collections
import os
import signal
import sys
import threading

from . import asgi, websocket, wire
from .lifespan import Lifespan
from .server import CONNECTIONS_MAX, STOP_SECONDS, UNSENT_PAUSE, WAITING_MAX

# Requests at a time, unless the arguments say otherwise.
CONCURRENCY = 100
# After SIGTERM: when those who still run are told that nobody waits, and when they are cancelled.
GIVE_UP_SECONDS, CANCEL_SECONDS = 20, 25
# A task that runs at once and not in the next turn: Python 3.12 and newer.
_EAGER = sys.version_info >= (3, 12)


def new_loop():
    """uvloop's event loop if it can be had, else asyncio's own."""
    if sys.version_info < (3, 10):
        # What the application made while it was loaded, a lock say, belongs to this one already.
        return asyncio.get_event_loop()
    try:
        import uvloop

        return uvloop.new_event_loop()
    except Exception:  # not there, or not made for this interpreter
        return asyncio.new_event_loop()


class Connection(wire.Connection):
    """A connection whose frames leave together, once in a turn."""

    __slots__ = ("by_number", "behind", "posted", "held", "waiters")

    def __init__(self, connected, server):
        super().__init__(connected, server)
        # The streams that have not ended, and how many of them were not begun.
        self.by_number = {}
        self.behind = 0
        # Frames for the next write; bytes that were not sent yet, these included.
        self.posted = []
        self.held = 0
        self.waiters = []

    def post(self, frame):
        """Sends a frame at the end of this turn."""
        if not self.open:
            return
        if not self.posted:
            self.server.flush_soon(self)
        self.posted.append(frame)
        self.held += len(frame)

    def send_posted(self):
        """Sends what was posted."""
        posted = self.posted
        self.posted = []
        self.send(posted[0] if len(posted) == 1 else b"".join(posted))
        self.sent()

    def sent(self):
        """Counts what is left; with room again, those who wait for it go on."""
        self.held = len(self.unsent) + sum(map(len, self.posted))
        if self.held <= UNSENT_PAUSE or not self.open:
            self.wake()

    def wake(self):
        """Lets all go on who wait for room."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()

    async def drained(self):
        """Waits until some of what is held has been sent."""
        waiter = self.server.loop.create_future()
        self.waiters.append(waiter)
        await waiter

    def finished(self, stream):
        """A stream has ended for the edge."""
        self.by_number.pop(stream.number, None)
        self.server.finished(stream)


class Server:
    """Listens, reads, and runs the application for each request as a task."""

    def __init__(self, listener, application, concurrency=CONCURRENCY):
        listener.setblocking(False)
        self.listener = listener
        self.application = application
        self.concurrency = concurrency
        self.connections = set()
        # What lifespan made; each request gets a copy.
        self.state = {}
        # Requests in the order they came, those that count as running, and those whose
        # application has not returned: it may go on after its answer.
        self.waiting = collections.deque()
        self.active = 0
        self.running = set()
        # Connections with frames for this turn's write.
        self.dirty = []
        self.flushing = False
        self.stopping = False
        self.loop = new_loop()
        self.changed = None
        os.register_at_fork(after_in_child=self.leave_to_parent)

    def run(self):
        """Serves until told to stop. Whether the application started."""
        asyncio.set_event_loop(self.loop)
        try:
            return self.loop.run_until_complete(self.serve())
        finally:
            self.loop.run_until_complete(self.clear_up())
            self.loop.close()

    async def clear_up(self):
        """Ends what the application left running, as asyncio.run() does."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()

    async def serve(self):
        """From the application's start to its end."""
        self.changed = asyncio.Event()
        self.wake_by_signals()
        if self.stopping:
            self.changed.set()
        lifespan = Lifespan(self.application, self.state)
        if not await lifespan.start(until=self.changed):
            return self.stopping
        self.loop.add_reader(self.listener.fileno(), self.accept)
        while not self.stopping:
            await self.changed.wait()
            self.changed.clear()
        self.go_away()
        await self.come_to_an_end()
        await lifespan.stop()
        return True

    def wake_by_signals(self):
        """A signal ends the loop's wait also when it came just before: its handler runs after
        that alone. uvloop sees to it itself."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        theirs = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        if theirs != -1:
            signal.set_wakeup_fd(theirs)
        self.loop.add_reader(read, os.read, read, 64)

    def stop(self, *_):
        """Signal handler of SIGTERM. After 30 s the process ends whatever it does."""
        if self.stopping:
            return
        self.stopping = True
        last_resort = threading.Timer(STOP_SECONDS, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()
        if self.changed is not None:
            self.loop.call_soon_threadsafe(self.changed.set)

    def leave_to_parent(self):
        """In a process the application forked: the sockets are the parent's, and so is the loop."""
        self.listener.close()
        for connection in self.connections:
            connection.open = False
            connection.socket.close()
            for stream in connection.by_number.values():
                stream.gone = True
        if self.loop.is_running():
            self.loop.call_soon(os._exit, 0)

    def accept(self):
        """One new connection, greeted at once."""
        try:
            connected, _ = self.listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            # Out of descriptors: listening goes on when a connection closes. With none, a new
            # process is the only help.
            if not self.connections:
                os._exit(1)
            self.loop.remove_reader(self.listener.fileno())
            return
        connection = Connection(connected, self)
        self.connections.add(connection)
        self.loop.add_reader(connection.fd, self.readable, connection)
        connection.send(wire.hello(self.concurrency))
        if len(self.connections) >= CONNECTIONS_MAX:
            self.loop.remove_reader(self.listener.fileno())

    def readable(self, connection):
        """Takes in what has come, then begins what can begin. Any fault closes the connection."""
        try:
            for kind, flags, number, payload in connection.receive():
                if not connection.open:
                    return
                if kind == wire.REQUEST:
                    self.take_request(connection, flags, number, payload)
                else:
                    self.take(connection, kind, number, payload)
        except (OSError, wire.ProtocolError):
            self.close(connection)
        self.begin_waiting()
        self.flush_after_those()

    def take_request(self, connection, flags, number, payload):
        """A new stream; it waits for its turn. Raises ProtocolError."""
        if number <= connection.last or not connection.greeted:
            raise wire.ProtocolError("a stream number used twice, or a request before HELLO")
        if connection.behind >= WAITING_MAX:
            raise wire.ProtocolError("too many requests sent ahead")
        scope = asgi.scope_of(payload)
        has_content = not flags & wire.NO_CONTENT
        asked = has_content and websocket.is_asked_for(scope)
        kind = websocket.Session if asked else asgi.Request
        stream = kind(connection, number, scope, has_content)
        connection.last = number
        connection.behind += 1
        connection.by_number[number] = stream
        self.waiting.append(stream)

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
            stream = connection.by_number.get(number)
            if stream is not None and not stream.gone:
                stream.take(kind, payload)

    def begin_waiting(self):
        """Begins requests as far as the concurrency goes."""
        while self.waiting and self.active < self.concurrency and not self.stopping:
            stream = self.waiting.popleft()
            connection = stream.connection
            connection.behind -= 1
            if stream.gone or stream.done:
                continue
            connection.begun = max(connection.begun, stream.number)
            stream.begun = True
            self.active += 1
            self.running.add(stream)
            running = stream.run(self.application)
            if _EAGER:
                stream.task = asyncio.Task(running, loop=self.loop, eager_start=True)
            else:
                stream.task = self.loop.create_task(running)

    def finished(self, stream):
        """A stream that had begun has ended: the next one may begin, in a turn of its own."""
        if stream.begun:
            self.active -= 1
            if self.waiting:
                self.loop.call_soon(self.begin_waiting)
        if self.stopping:
            self.changed.set()

    def ran(self, stream):
        """The application has returned."""
        self.running.discard(stream)
        stream.task = None
        if self.stopping:
            self.changed.set()

    def flush_soon(self, connection):
        """Lets a connection send what was posted, once, when this turn's callbacks have run."""
        self.dirty.append(connection)
        if not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)

    def flush_after_those(self):
        """Lets what those post who just began leave right behind them."""
        if _EAGER:
            self.flush()
        elif not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)

    def flush(self):
        """One write for each connection that has something to send."""
        dirty, self.dirty, self.flushing = self.dirty, [], False
        for connection in dirty:
            if connection.open:
                connection.send_posted()

    def watch(self, connection):
        """A connection could not send all: it goes on when there is room."""
        self.loop.add_writer(connection.fd, self.writable, connection)

    def writable(self, connection):
        """Sends more of what could not be sent before."""
        try:
            connection.flush()
        except OSError:
            self.close(connection)
            return
        if not connection.unsent:
            self.loop.remove_writer(connection.fd)
        connection.sent()

    def close(self, connection):
        """Ends a connection and all of its requests."""
        if not connection.open:
            return
        connection.open = False
        self.connections.discard(connection)
        self.loop.remove_reader(connection.fd)
        self.loop.remove_writer(connection.fd)
        connection.socket.close()
        connection.unsent.clear()
        for stream in list(connection.by_number.values()):
            stream.give_up()
            stream.wake()
        connection.wake()
        if self.listener.fileno() >= 0 and not self.stopping:
            self.loop.add_reader(self.listener.fileno(), self.accept)

    def go_away(self):
        """Turns new connections away, and says which requests will not be run."""
        self.loop.remove_reader(self.listener.fileno())
        self.listener.close()
        self.waiting.clear()
        for connection in self.connections:
            for stream in list(connection.by_number.values()):
                if not stream.begun:
                    del connection.by_number[stream.number]
            connection.post(wire.goaway(connection.begun))
        for stream in list(self.running):
            stream.leave()

    async def come_to_an_end(self):
        """Waits for those who run; then sends what is left to send, and closes."""
        await self.until_idle(GIVE_UP_SECONDS)
        for stream in list(self.running):
            stream.give_up()
            stream.wake()
        await self.until_idle(CANCEL_SECONDS - GIVE_UP_SECONDS)
        for stream in list(self.running):
            stream.task.cancel()
        await self.until_idle(1)
        while any(connection.held for connection in self.connections):
            for connection in list(self.connections):
                if connection.held:
                    await connection.drained()
        for connection in list(self.connections):
            self.close(connection)

    async def until_idle(self, seconds):
        """Waits until nothing runs and nothing is owed, at most so long."""
        late = self.loop.call_later(seconds, self.changed.set)
        until = self.loop.time() + seconds
        while (self.running or self.active > 0) and self.loop.time() < until:
            self.changed.clear()
            await self.changed.wait()
        late.cancel()
