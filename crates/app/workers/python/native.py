"""The server's common way in native code: `_native`, an extension made of crates/pyworker.

It lies beside this file and is loaded by whichever interpreter runs it. Where it can't be (PyPy,
free-threaded Python, another processor or C library), the reason is told once and the same worker
runs in pure Python. What is not common comes back to wsgi.py: both keep the same rules.
"""

import sys

from . import output, server, wsgi

# The interpreters of the stable ABI it is built for.
OLDEST = (3, 10)
# In every environ; a dict that is copied with a place for them need not grow.
_ALWAYS = (
    "PATH_INFO", "REQUEST_URI", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT",
    "REQUEST_ID", "HTTP_HOST", "davy.request_id", "wsgi.errors", "wsgi.input",
)  # fmt: skip


def load():
    """The extension. Raises ImportError with the reason why there is none."""
    if sys.implementation.name != "cpython" or sys.version_info < OLDEST:
        raise ImportError("it is for CPython 3.10 and newer")
    from . import _native

    return _native


def server_for(application):
    """What runs a WSGI application on a listener, one request at a time."""
    try:
        native = load()
    except ImportError as error:
        output.say("davy's native helper is left out, pure Python does its work: %s" % error)
        return lambda listener: server.Server(listener, wsgi.Request, application)
    return lambda listener: Server(native, listener, application)


class Server(server.Server):
    """Polls, accepts and stops as ever; connections and common requests are native."""

    def __init__(self, native, listener, application):
        super().__init__(listener, wsgi.Request, application)
        self.native = native
        template = {**wsgi.Request.known, "wsgi.url_scheme": "http"}
        self.calls = native.Application(application, template, wsgi.Request.resumed)
        # Asked when something is printed, which is seldomer than a request.
        output.request_id = self.calls

    def connection(self, connected, _server):
        """The connection of a socket that was accepted."""
        return self.native.Connection(connected.detach(), self, self.calls)

    def read(self, connection):
        """Takes in the frames that have come."""
        connection.read()
        if connection.waiting and connection not in self.turns:
            self.turns.append(connection)

    def serve(self, _now, until):
        """Runs requests: alone until it is time to poll, else one of each connection in turn."""
        connection = self.turns[0]
        stream = connection.serve(until if len(self.turns) == 1 else 0)
        if stream is not None:
            stream.run(self.application)
            connection.ended()
        if self.forked:
            server.os._exit(0)
        while connection.open and connection.pending() > server.UNSENT_PAUSE:
            self.turn()
        if connection in self.turns:
            self.turns.remove(connection)
            if connection.waiting:
                self.turns.append(connection)

    def stop(self, *signal):
        """Signal handler of SIGTERM."""
        super().stop(*signal)
        for connection in self.connections.values():
            connection.halt()
