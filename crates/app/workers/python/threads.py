"""Several requests of one WSGI application at a time, each in a thread of its own.

    main thread    turn: poll -> frames -> streams, hands out those that wait
    thread 1..N    runs the application; sends by itself; waits for the main thread's next turn

One lock holds connections and streams together. A thread has it while it reads or writes frames,
never while the application runs. So a request costs two hand-overs more than in `server`, which is
why one thread is the usual number.
"""

import os
import queue
import threading

from . import server, wire, wsgi


class Connection(wire.Connection):
    """A connection that may run several streams."""

    __slots__ = ("at_work",)

    def __init__(self, connected, owner):
        super().__init__(connected, owner)
        self.at_work = set()

    def streams(self):
        """The streams that have not ended."""
        return [*self.at_work, *self.waiting]


class Request(wsgi.Request):
    """A request whose dealings with its connection are done one after another."""

    __slots__ = ()
    known = {**wsgi.Request.known, "wsgi.multithread": True}

    def read_into(self, view):
        """As of any stream, under the lock."""
        with self.connection.server.changed:
            return super().read_into(view)

    def answer(self, status, head, content):
        """As of any stream, under the lock."""
        with self.connection.server.changed:
            super().answer(status, head, content)

    def begin(self, status, head, content):
        """As of any stream, under the lock."""
        with self.connection.server.changed:
            super().begin(status, head, content)

    def send(self, content):
        """As of any stream, under the lock."""
        with self.connection.server.changed:
            super().send(content)

    def end(self, ended):
        """As of any stream, under the lock."""
        with self.connection.server.changed:
            super().end(ended)

    def abort(self, reason):
        """As of any stream, under the lock."""
        with self.connection.server.changed:
            super().abort(reason)


class Server(server.Server):
    """Reads and hands out on the main thread, runs the application on others."""

    connection = Connection

    def __init__(self, listener, application, threads):
        super().__init__(listener, Request, application)
        self.concurrency = self.free = threads
        self.main = threading.get_ident()
        # Holds all connections and streams; told after each turn.
        self.changed = threading.Condition()
        self.jobs = queue.SimpleQueue()
        os.set_blocking(self.wake_read, False)

    def run(self):
        """Serves until told to stop; then answers what was begun, and closes."""
        self.wake_by_signals()
        for number in range(self.concurrency):
            name = "davy-%d" % (number + 1)
            threading.Thread(target=self.work, name=name, daemon=True).start()
        while not self.stopping:
            self.turn()
            with self.changed:
                self.hand_out()
        while self.free < self.concurrency:
            self.turn()
        with self.changed:
            self.go_away()
        self.close_all()

    def hand_out(self):
        """Gives waiting requests to free threads: one of each connection in turn."""
        while self.turns and self.free and not self.stopping:
            connection = self.turns.popleft()
            stream = connection.waiting.popleft()
            if connection.waiting:
                self.turns.append(connection)
            if stream.gone:
                continue
            stream.started = server.monotonic_ns()
            connection.begun = stream.number
            connection.at_work.add(stream)
            self.free -= 1
            self.jobs.put(stream)

    def work(self):
        """A thread: one request after another."""
        while True:
            stream = self.jobs.get()
            stream.started = server.monotonic_ns()
            stream.run(self.application)
            if self.forked:
                os._exit(0)
            with self.changed:
                stream.connection.at_work.discard(stream)
                self.free += 1
                if self.turns or self.stopping:
                    self.wake()

    def turn(self, timeout=None):
        """On the main thread, waits for what comes and takes it in; on others, for that."""
        if threading.get_ident() != self.main:
            self.changed.wait()
            return
        polled = self.poll.poll(timeout)
        with self.changed:
            self.take_in(polled)
            self.changed.notify_all()

    def wake(self):
        """Has the main thread poll anew, which it does with what it found when it began to."""
        if threading.get_ident() != self.main:
            try:
                os.write(self.wake_write, b"w")
            except OSError:
                pass

    def watch(self, connection):
        """Polls also for when a connection can be written to again."""
        super().watch(connection)
        self.wake()

    def close(self, connection):
        """Ends a connection and all of its requests."""
        super().close(connection)
        self.wake()

    def leave_to_parent(self):
        """In a process the application forked: no other thread is left to give the lock back."""
        self.changed = threading.Condition()
        super().leave_to_parent()
