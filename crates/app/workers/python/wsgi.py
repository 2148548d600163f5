"""One request through a WSGI application (PEP 3333).

The server has read the variables; here they become `environ`, the application is called, and what
it returns goes back as frames. Blocks are never held back while the application makes the next
one; an answer is sent in one piece when its blocks all exist already (a list), or when its first
block is as long as its Content-Length says.

It never lets an exception out: the traceback goes to stderr, the edge gets ABORT.
"""

import functools
import io
import sys
from time import monotonic_ns

from . import output
from .output import reason_of, report
from .server import Gone, Stream
from .wire import head_of, length_in

# Iterators that run no code of the application between two blocks.
_READY_MADE = (type(iter([])), type(iter(())))


class FileWrapper:
    """`wsgi.file_wrapper`: a file as an iterable of blocks."""

    def __init__(self, filelike, block_bytes=65_536):
        self.filelike = filelike
        self.block_bytes = block_bytes
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return iter(lambda: self.filelike.read(self.block_bytes), b"")


# What is the same in every environ.
_TEMPLATE = {
    # What a request has unless it says otherwise (docs/worker-protocol.md).
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "QUERY_STRING": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REQUEST_SCHEME": "http",
    "wsgi.version": (1, 0),
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": FileWrapper,
    # Content without CONTENT_LENGTH ends all the same: frameworks may read to its end.
    "wsgi.input_terminated": True,
}


class Content(io.RawIOBase):
    """The request's content as it arrives; io.BufferedReader makes `wsgi.input` of it."""

    def __init__(self, stream):
        self.stream = stream

    def readable(self):
        """It is read from, and nothing else."""
        return True

    def readinto(self, view):
        """Waits for content; 0 at its end."""
        return self.stream.read_into(view)


class Request(Stream):
    """One request through the application: what start_response was told, and what was sent."""

    __slots__ = ("status", "head", "left", "head_sent", "head_only")
    known = _TEMPLATE

    def run(self, application):
        """Runs the application for this request. It may change its environ."""
        self.head = self.left = None
        self.head_sent = False
        try:
            environ = self.variables
            environ["wsgi.url_scheme"] = environ["REQUEST_SCHEME"]
            environ["wsgi.errors"] = sys.stderr
            # What comes after a request to upgrade is no content, and has no end that could be read.
            without = self.content is None or "HTTP_UPGRADE" in environ
            environ["wsgi.input"] = io.BytesIO() if without else self.input()
            environ["davy.request_id"] = environ["REQUEST_ID"]
            output.request_id.set(environ["REQUEST_ID"])
            self.head_only = environ["REQUEST_METHOD"] == "HEAD"
            self.give(application(environ, self.start))
        except BaseException as error:  # sys.exit() in a view ends the request, not the worker
            self.fail(error)
        finally:
            output.request_id.set("")

    @classmethod
    def resumed(cls, connection, number, credit, started, status, head, head_only):
        """A request whose application was called by the native helper (native.py)."""
        self = cls.__new__(cls)
        self.connection, self.number, self.credit, self.started = connection, number, credit, started
        self.variables, self.content, self.ended = {}, None, True
        self.gone = self.done = self.head_sent = False
        self.status, self.head, self.head_only, self.left = status, head, head_only, None
        return self

    def resume(self, iterable):
        """Goes on with what the application returned. Never raises."""
        try:
            self.give(iterable)
        except BaseException as error:
            self.fail(error)

    def fail(self, error):
        """The application raised, or did what WSGI forbids, or nobody waits any more."""
        if isinstance(error, Gone):
            self.abort("the visitor has gone")
            return
        report(error)
        self.abort(reason_of(error))

    def input(self):
        """`wsgi.input` of a request that has content."""
        return io.BufferedReader(Content(self))

    def start(self, status, headers, exc_info=None):
        """`start_response`."""
        if exc_info:
            try:
                if self.head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # or the frame and its traceback would hold each other
        elif self.head is not None:
            raise AssertionError("start_response() was called twice without exc_info")
        self.status = _code(status)
        self.head = head_of(headers)
        return self.write

    def write(self, block):
        """Sends one block; the head goes before the first."""
        if not isinstance(block, bytes):
            raise TypeError("the application's blocks must be bytes, not %s" % type(block).__name__)
        if self.head is None or self.done:
            raise AssertionError("a block came before start_response(), or after the end")
        if not block:
            return
        if not self.head_sent:
            self.left = length_in(self.head)
        if self.left is not None:
            self.left -= len(block)
        if self.head_only:
            block = b""
        if self.head_sent:
            self.send(block)
            return
        self.head_sent = True
        self.begin(self.status, self.head, block)

    def give(self, iterable):
        """Sends all the application returned."""
        if type(iterable) is list:
            self.finish(b"".join(iterable))
            return
        try:
            blocks = iter(iterable)
            if type(blocks) in _READY_MADE:
                self.finish(b"".join(blocks))
            else:
                self.give_each(blocks)
        finally:
            close = getattr(iterable, "close", None)
            if close is not None:
                close()

    def give_each(self, blocks):
        """Sends each block before the application makes the next."""
        for block in blocks:
            # "Stop iterating over the response when enough data has been sent" (PEP 3333).
            if self.is_last(block):
                self.finish(block)
                return
            self.write(block)
            if self.head_only and self.head_sent:
                break
        self.finish(b"")

    def is_last(self, block):
        """Whether this block has all that is left of the promised content."""
        if not self.head_sent and self.head is not None:
            self.left = length_in(self.head)
        return self.left is not None and 0 < self.left <= len(block)

    def finish(self, content):
        """Sends the last of it, and the end."""
        if self.head_sent:
            self.write(content)
            self.end(monotonic_ns())
            return
        if self.head is None:
            raise AssertionError("the application has not called start_response()")
        self.head_sent = True
        self.answer(self.status, self.head, b"" if self.head_only else content)


@functools.lru_cache(256)
def _code(status):
    """The number in a status line; applications use few of these."""
    code = status[:3]
    if not (len(code) == 3 and code.isascii() and code.isdigit() and status[3:4] in ("", " ")):
        raise ValueError("start_response() got the status %r, not like '200 OK'" % (status,))
    if int(code) < 200:
        raise ValueError("start_response() can't send the informational status %r" % (status,))
    return int(code)
