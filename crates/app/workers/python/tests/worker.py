"""A hand-made edge: starts the real worker on a small application and talks frames to it."""

import contextlib
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap

from davy_worker import wire

# As it lies in the project, without its native helper, and as davy writes it out.
PURE = pathlib.Path(__file__).resolve().parents[1] / "main.py"
MAIN = pathlib.Path(os.environ.get("DAVY_NATIVE", PURE.parent)) / "main.py"
SECONDS = 20
ALWAYS = {
    "PATH_INFO": "/",
    "REQUEST_URI": "/",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "8080",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "4711",
    "REQUEST_ID": "00c0ffee0000",
    "HTTP_HOST": "localhost:8080",
}


def variables(path="/", **more):
    """A REQUEST's payload."""
    pairs = {**ALWAYS, "PATH_INFO": path, "REQUEST_URI": path, **more}
    return "".join("%s\0%s\0" % pair for pair in pairs.items()).encode("latin-1")


class Worker:
    """A worker process on the source of a module `app`; ends with its `with` block."""

    def __init__(self, source, *arguments, name="app:app", main=MAIN):
        self.place = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.place.name)
        (self.folder / "app.py").write_text(textwrap.dedent(source), "utf-8")
        self.stderr_file = open(self.folder / "stderr", "wb")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.folder / "w.sock"))
        listener.listen()
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(main), name, *arguments],
            cwd=self.folder, stdin=listener, stdout=subprocess.DEVNULL, stderr=self.stderr_file,
        )  # fmt: skip
        listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.stderr_file.close()
        self.place.cleanup()

    def connect(self):
        """A connection that both sides have greeted."""
        return Peer(self.folder / "w.sock")

    def stderr(self):
        """All that was said."""
        return (self.folder / "stderr").read_text("utf-8")

    def stop(self):
        """Sends SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def ended(self):
        """The exit code."""
        return self.process.wait(SECONDS)

    def at_exit(self):
        """Waits until it has ended by SIGTERM, and gives its exit code."""
        self.stop()
        return self.ended()


class Answer:
    """An answer put together from its frames."""

    def __init__(self, status, head, content, end):
        self.status, self.head, self.content, self.end = status, head, content, end

    @property
    def text(self):
        """The content as text."""
        return self.content.decode("utf-8")


class Peer:
    """The edge's end of a connection."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        self.socket.connect(str(path))
        self.rest = b""
        self.found = []
        kind, stream, payload = self.read()
        assert (kind, stream) == (wire.HELLO, 0)
        _, self.concurrency, self.pid = struct.unpack(">HHI", payload)
        self.send(wire.HELLO, 0, struct.pack(">HHI", wire.VERSION, 0, os.getpid()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, kind, stream, payload=b"", flags=0):
        """One frame."""
        self.socket.sendall(wire.frame(kind, stream, payload, flags))

    def get(self, stream, path="/", **more):
        """A request without content."""
        self.send(wire.REQUEST, stream, variables(path, **more), wire.NO_CONTENT)

    def post(self, stream, path="/", *pieces, **more):
        """A request with content; it ends when there are pieces."""
        self.send(wire.REQUEST, stream, variables(path, **{"REQUEST_METHOD": "POST", **more}))
        for piece in pieces:
            self.send(wire.DATA, stream, piece)
        if pieces:
            self.send(wire.END, stream)

    def abort(self, stream):
        """The visitor has gone."""
        self.socket.sendall(wire.abort(stream, "gone"))

    def credit(self, stream, count):
        """The visitor has taken so much."""
        self.socket.sendall(wire.credit(stream, count))

    def read(self):
        """The next frame as (kind, stream, payload); None: the worker has closed."""
        while not self.found:
            with contextlib.suppress(ConnectionResetError):
                read = self.socket.recv(65_536)
                if read:
                    found, self.rest = wire.split(self.rest + read)
                    self.found += [(kind, stream, payload) for kind, _, stream, payload in found]
                    continue
            return None
        return self.found.pop(0)

    def skip(self, kind):
        """Reads on to the next frame that is of another type."""
        frame = self.read()
        while frame[0] == kind:
            frame = self.read()
        self.found.insert(0, frame)

    def sizes(self, count):
        """The sizes of so many answers, by their streams, in whatever order they come."""
        sizes, ended = {}, 0
        while ended < count:
            kind, stream, payload = self.read()
            if kind == wire.RESPONSE:
                sizes[stream] = len(payload) - 14 - struct.unpack_from(">I", payload, 10)[0]
            elif kind == wire.DATA:
                sizes[stream] += len(payload)
            else:
                assert kind == wire.END, (kind, stream, payload)
                ended += 1
        return sizes

    def response(self, stream):
        """The next frame, which is a RESPONSE: (status, head, first content)."""
        kind, number, payload = self.read()
        assert (kind, number) == (wire.RESPONSE, stream), (kind, number, payload)
        status, length = struct.unpack_from(">HI", payload, 8)
        head = payload[14 : 14 + length].decode("latin-1").split("\0")[:-1]
        return status, dict(zip(head[::2], head[1::2])), payload[14 + length :]

    def answer(self, stream):
        """The answer of a stream, to whose frames nothing else comes between."""
        status, head, content = self.response(stream)
        while True:
            kind, number, payload = self.read()
            assert number == stream, (kind, number, payload)
            if kind != wire.DATA:
                return Answer(status, head, content, kind)
            content += payload

    def aborted(self, stream):
        """The next frame, which is an ABORT: its reason."""
        kind, number, payload = self.read()
        assert (kind, number) == (wire.ABORT, stream), (kind, number, payload)
        return payload[16:].decode("utf-8")
