"""The WSGI side, whose frames are only written down."""

import contextlib
import io
import unittest

from davy_worker import wire, wsgi
from davy_worker.server import Gone

OK = "200 OK"


class Recorder(wsgi.Request):
    """A request whose frames are a list of plain values."""

    def __init__(self, method="GET", content=None, gone=False):
        said = {"REQUEST_METHOD": method, "REQUEST_SCHEME": "https", "REQUEST_ID": "ab12"}
        self.variables = {**self.known, **said}
        self.content = None if content is None else bytearray(content)
        self.gone = gone
        self.done = False
        self.frames = []

    def read_into(self, view):
        count = min(len(view), len(self.content), 3)
        view[:count] = self.content[:count]
        del self.content[:count]
        return count

    def answer(self, status, head, content):
        self.begin(status, head, content)
        self.end(0)

    def begin(self, status, head, content):
        if self.gone:
            raise Gone
        self.frames.append(("response", status, head, content))

    def send(self, content):
        if content:
            self.frames.append(("data", content))

    def end(self, _ended):
        self.frames.append(("end",))
        self.done = True

    def abort(self, reason):
        if not self.done:
            self.frames.append(("abort", reason))


def run(application, **request):
    """The frames an application gives, and what it wrote to stderr."""
    stream = Recorder(**request)
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        stream.run(application)
    return stream.frames, errors.getvalue()


class Answers(unittest.TestCase):
    """What comes back of what the application does."""

    def test_list_goes_in_one_answer(self):
        def application(_environ, start_response):
            start_response("404 Not Found", [("A", "\xe9")])
            return [b"one", b"", b"two"]

        frames, _ = run(application)
        self.assertEqual(frames, [("response", 404, b"A\0\xe9\0", b"onetwo"), ("end",)])

    def test_blocks_of_a_generator_are_not_held_back(self):
        seen = []

        def application(_environ, start_response):
            start_response(OK, [])
            yield b""
            seen.append(list(stream.frames))
            yield b"a"
            seen.append(list(stream.frames))
            yield b"b"

        stream = Recorder()
        stream.run(application)
        first = ("response", 200, b"", b"a")
        self.assertEqual(seen, [[], [first]], "the head waits for a block that is not empty")
        self.assertEqual(stream.frames, [first, ("data", b"b"), ("end",)])

    def test_promised_content_ends_the_answer_and_no_more_is_asked_for(self):
        def application(_environ, start_response):
            start_response(OK, [("content-length", "6")])
            yield b"abc"
            yield b"def"
            raise AssertionError("nobody asks for more")

        frames, errors = run(application)
        self.assertEqual([frame[0] for frame in frames], ["response", "data", "end"])
        self.assertEqual(errors, "")

    def test_first_block_of_the_promised_length_goes_in_one_answer(self):
        answers = []

        def application(_environ, start_response):
            start_response(OK, [("Content-Length", "3")])
            yield b"abc"

        stream = Recorder()
        stream.answer = lambda *answer: answers.append(answer)
        stream.run(application)
        self.assertEqual(answers, [(200, b"Content-Length\x003\0", b"abc")])

    def test_write_sends_at_once_and_before_what_is_returned(self):
        def application(_environ, start_response):
            write = start_response(OK, [])
            write(b"a")
            write(b"b")
            return [b"c"]

        frames, _ = run(application)
        self.assertEqual([frame[0] for frame in frames], ["response", "data", "data", "end"])

    def test_head_sends_the_head_alone_and_closes_the_iterable(self):
        closed = []

        def application(_environ, start_response):
            start_response(OK, [])
            try:
                while True:
                    yield b"endless"
            finally:
                closed.append(True)

        frames, _ = run(application, method="HEAD")
        self.assertEqual(frames, [("response", 200, b"", b""), ("end",)])
        self.assertEqual(closed, [True])

    def test_iterable_is_closed_after_an_error_and_the_answer_is_aborted(self):
        closed = []

        class Blocks:
            def __iter__(self):
                yield b"a"
                raise LookupError("in the middle")

            def close(self):
                closed.append(True)

        def application(_environ, start_response):
            start_response(OK, [])
            return Blocks()

        frames, errors = run(application)
        self.assertEqual(frames[1:], [("abort", "LookupError: in the middle")])
        self.assertEqual(closed, [True])
        self.assertIn("the request failed", errors)
        self.assertIn("Traceback", errors)

    def test_file_wrapper_sends_the_file_and_closes_it(self):
        file = io.BytesIO(b"x" * 100_000)

        def application(environ, start_response):
            start_response(OK, [])
            return environ["wsgi.file_wrapper"](file)

        frames, _ = run(application)
        self.assertEqual(b"".join(f[-1] for f in frames[:-1]), b"x" * 100_000)
        self.assertTrue(file.closed)

    def test_error_page_replaces_headers_that_were_not_sent(self):
        def application(_environ, start_response):
            start_response(OK, [])
            try:
                raise ValueError
            except ValueError as error:
                start_response("500 Oops", [("E", "1")], (type(error), error, error.__traceback__))
            return [b"sorry"]

        frames, _ = run(application)
        self.assertEqual(frames[0], ("response", 500, b"E\x001\0", b"sorry"))

    def test_error_after_the_head_was_sent_is_raised_again(self):
        def application(_environ, start_response):
            start_response(OK, [])(b"a")
            error = KeyError("late")
            start_response("500 Oops", [], (KeyError, error, None))

        frames, _ = run(application)
        self.assertEqual(frames[-1], ("abort", "KeyError: 'late'"))

    def test_breaches_of_the_standard_are_aborted_with_a_reason(self):
        def no_start(_environ, _start):
            return [b"x"]

        def twice(_environ, start):
            start(OK, [])
            start(OK, [])

        def text(_environ, start):
            start(OK, [])
            return ["text"]

        def nothing(_environ, start):
            start(OK, [])

        def status(_environ, start):
            start("OK", [])

        def line_break(_environ, start):
            start(OK, [("a", "b\nc")])

        def leave(_environ, _start):
            raise SystemExit(1)

        for application in (no_start, twice, text, nothing, status, line_break, leave):
            with self.subTest(application.__name__):
                frames, errors = run(application)
                self.assertEqual([frame[0] for frame in frames], ["abort"])
                self.assertIn("Traceback", errors)

    def test_gone_visitor_makes_no_noise(self):
        def application(_environ, start_response):
            start_response(OK, [])
            return [b"x"]

        frames, errors = run(application, gone=True)
        self.assertEqual(([frame[0] for frame in frames], errors), (["abort"], ""))

    def test_error_in_close_comes_after_the_answer(self):
        class Blocks(list):
            def close(self):
                raise OSError("close")

        def application(_environ, start_response):
            start_response(OK, [])
            return Blocks([b"x"])

        frames, errors = run(application)
        self.assertEqual([frame[0] for frame in frames], ["response", "end"])
        self.assertIn("OSError: close", errors)


class Environ(unittest.TestCase):
    """What the application is given."""

    def environ(self, **request):
        """The environ of one request."""
        seen = {}

        def application(environ, start_response):
            seen.update(environ, text=environ["wsgi.input"].read())
            start_response(OK, [])
            return []

        run(application, **request)
        return seen

    def test_has_the_keys_of_the_standard(self):
        environ = self.environ()
        self.assertEqual(environ["wsgi.version"], (1, 0))
        self.assertEqual(environ["wsgi.url_scheme"], "https")
        self.assertEqual(environ["davy.request_id"], "ab12")
        flags = [environ["wsgi." + key] for key in ("multithread", "multiprocess", "run_once")]
        self.assertEqual(flags, [False, True, False])

    def test_request_without_content_reads_nothing(self):
        self.assertEqual(self.environ()["text"], b"")

    def test_content_is_read_to_its_end(self):
        self.assertEqual(self.environ(content=b"0123456789")["text"], b"0123456789")

    def test_content_can_be_read_by_lines(self):
        def application(environ, start_response):
            content = environ["wsgi.input"]
            lines = [content.readline(), content.readline(1), *content.readlines()]
            start_response(OK, [])
            return [repr(lines).encode()]

        frames, _ = run(application, content=b"a\nbc\nd\ne")
        self.assertEqual(frames[0][3], b"[b'a\\n', b'b', b'c\\n', b'd\\n', b'e']")


class Protocol(unittest.TestCase):
    """What both modules must agree on."""

    def test_status_and_head_fit_a_response_frame(self):
        frame = wire.response(7, 1, 200, wire.head_of([("A", "b")]), b"c")
        [(kind, _, stream, payload)], _ = wire.split(frame)
        self.assertEqual((kind, stream, payload[-1:]), (wire.RESPONSE, 7, b"c"))


if __name__ == "__main__":
    unittest.main()
