"""WSGI through the real worker, one request at a time and several: every application here is
wrapped in the standard library's validator."""

import unittest

from davy_worker import wire

from .worker import MAIN, PURE, Worker

SOURCE = """
import io, sys, threading, time
from wsgiref.validate import validator

meeting = threading.Barrier(3)
closed = []

class Blocks:
    def __init__(self, blocks):
        self.blocks = blocks
    def __iter__(self):
        return iter(self.blocks)
    def close(self):
        closed.append(True)

def plain(environ, start_response):
    path, content = environ["PATH_INFO"], environ["wsgi.input"]
    start = lambda: start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/lines":
        lines = [content.readline(), content.read(3), *content.readlines(), *content]
        start()
        return Blocks([repr(lines).encode()])
    if path == "/iterate":
        lines = list(content)
        start()
        return (line for line in lines)
    if path == "/write":
        write = start()
        write(b"one ")
        write(b"two ")
        return [b"three"]
    if path == "/file":
        start()
        return environ["wsgi.file_wrapper"](io.BytesIO(b"file" * 50_000), 8_192)
    if path == "/exc_info":
        start()
        try:
            raise LookupError("no such page")
        except LookupError:
            start_response("404 Not Found", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"sorry"]
    if path == "/meet":
        meeting.wait(20)
        start()
        return [str(environ["wsgi.multithread"]).encode()]
    if path == "/sum":
        size = 0
        while piece := content.read(10_000):
            size += len(piece)
        print("read", size, file=environ["wsgi.errors"])
        start()
        return [b"%d" % size]
    if path == "/large":
        start()
        return Blocks(b"x" * 100_000 for _ in range(10))
    if path == "/closed":
        start()
        return [b"%d" % len(closed)]
    if path == "/raise":
        raise LookupError("in a thread")
    start()
    return [b"hello"]

app = validator(plain)
"""


class Conversation:
    """What holds however many requests run at a time."""

    arguments = ()
    main = MAIN

    def setUp(self):
        self.worker = Worker(SOURCE, *self.arguments, main=self.main)
        self.addCleanup(self.worker.__exit__)
        self.peer = self.worker.connect()
        self.addCleanup(self.peer.socket.close)

    def test_content_is_read_in_every_way_the_standard_has(self):
        self.peer.post(1, "/lines", b"a\nbc", b"\nd\ne\nf")
        self.assertEqual(self.peer.answer(1).text, r"[b'a\n', b'bc\n', b'd\n', b'e\n', b'f']")
        self.peer.post(2, "/iterate", b"a\nb", b"c")
        self.assertEqual(self.peer.answer(2).text, "a\nbc")
        self.peer.get(3, "/lines")
        self.assertEqual(self.peer.answer(3).text, "[b'', b'']")

    def test_answers_are_given_in_every_way_the_standard_has(self):
        for stream, (path, status, content) in enumerate(
            (
                ("/", 200, b"hello"),
                ("/write", 200, b"one two three"),
                ("/file", 200, b"file" * 50_000),
                ("/exc_info", 404, b"sorry"),
            ),
            1,
        ):
            self.peer.get(stream, path)
            answer = self.peer.answer(stream)
            self.assertEqual((answer.status, answer.content), (status, content), path)
        self.peer.get(9, "/", REQUEST_METHOD="HEAD")
        self.assertEqual(self.peer.answer(9).content, b"")
        said = [line for line in self.worker.stderr().splitlines() if "left out" not in line]
        self.assertEqual(said, [], "the validator finds no fault")

    def test_long_content_flows_both_ways_by_credit(self):
        self.peer.post(1, "/sum")
        left, credit = 500_000, wire.REQUEST_CREDIT
        while left:
            while not credit:
                kind, _, payload = self.peer.read()
                self.assertEqual(kind, wire.CREDIT)
                credit += wire.credit_of(payload)
            count = min(left, credit, 9_999)
            self.peer.send(wire.DATA, 1, b"b" * count)
            left, credit = left - count, credit - count
        self.peer.send(wire.END, 1)
        self.peer.skip(wire.CREDIT)
        self.assertEqual(self.peer.answer(1).text, "500000")
        self.peer.get(2, "/large")
        got = len(self.peer.response(2)[2])
        while got < wire.RESPONSE_CREDIT:
            got += len(self.peer.read()[2])
        self.peer.credit(2, 1_000_000)
        while got < 1_000_000:
            got += len(self.peer.read()[2])
        self.assertEqual((got, self.peer.read()[0]), (1_000_000, wire.END))

    def test_answers_are_closed_also_when_the_visitor_has_gone(self):
        self.peer.get(1, "/large")
        self.assertEqual(self.peer.response(1)[0], 200)
        self.peer.abort(1)
        while self.peer.read()[:2] != (wire.ABORT, 1):
            pass
        self.peer.get(2, "/closed")
        self.assertEqual(self.peer.answer(2).text, "1")

    def test_failures_are_told_under_the_requests_id(self):
        self.peer.get(1, "/raise")
        self.assertEqual(self.peer.aborted(1), "LookupError: in a thread")
        self.assertIn("00c0ffee0000 LookupError: in a thread", self.worker.stderr())

    def test_on_the_way_down_what_was_begun_is_answered(self):
        self.peer.post(1, "/sum")
        self.peer.send(wire.DATA, 1, b"b" * 40_000)
        self.assertEqual(self.peer.read()[0], wire.CREDIT)
        self.worker.stop()
        self.assertEqual(self.peer.read(), (wire.GOAWAY, 0, b"\0\0\0\1"))
        self.peer.send(wire.END, 1)
        self.assertEqual(self.peer.answer(1).text, "40000")
        self.assertIsNone(self.peer.read())
        self.assertEqual(self.worker.ended(), 0)


class OneAtATime(Conversation, unittest.TestCase):
    """`threads = 1`."""

    def test_says_so(self):
        self.assertEqual(self.peer.concurrency, 1)

    def test_says_when_it_does_without_native_code(self):
        says = "native helper is left out, pure Python does its work" in self.worker.stderr()
        self.assertEqual(says, self.main == PURE)


class OneAtATimeInPurePython(OneAtATime):
    """`threads = 1`, where the native helper can't be loaded."""

    main = PURE


class Threads(Conversation, unittest.TestCase):
    """`threads = 3`."""

    arguments = ("--threads", "3")

    def test_requests_run_side_by_side_and_not_more_of_them(self):
        self.assertEqual(self.peer.concurrency, 3)
        for stream in range(1, 7):
            self.peer.get(stream, "/meet")
        self.assertEqual(self.peer.sizes(6), dict.fromkeys(range(1, 7), len("True")))

    def test_requests_that_wait_can_be_taken_back(self):
        for stream in (1, 2, 3):
            self.peer.post(stream, "/sum")
            self.peer.send(wire.DATA, stream, b"b" * 40_000)
            self.assertEqual(self.peer.read()[:2], (wire.CREDIT, stream))
        self.peer.get(4, "/")
        self.peer.abort(4)
        self.assertEqual(self.peer.aborted(4), "not begun")
        for stream in (1, 2, 3):
            self.peer.send(wire.END, stream)
            self.assertEqual(self.peer.answer(stream).text, "40000")

    def test_connection_that_closes_ends_its_requests_alone(self):
        with self.worker.connect() as other:
            other.get(1, "/large")
            self.assertEqual(other.response(1)[0], 200)
            other.post(2, "/sum")
        self.peer.get(1, "/")
        self.assertEqual(self.peer.answer(1).text, "hello")
        for stream in range(2, 5):
            self.peer.get(stream, "/meet")
        self.assertEqual(len(self.peer.sizes(3)), 3, "all three threads are free again")


if __name__ == "__main__":
    unittest.main()
