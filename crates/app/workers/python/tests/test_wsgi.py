"""WSGI applications, each run by the pure server and by the one with its native helper."""

import io
import unittest

from davy_worker import wire

from . import served

OK = "200 OK"


class Case:
    """One request at a time to the server that `kind` makes."""

    kind = None

    def edge(self, application):
        """An edge whose server runs the application."""
        made = served.Edge(type(self).kind, application)
        self.addCleanup(made.close)
        return made

    def answer(self, application, **request):
        """The frames an application gives, and what it wrote to stderr."""
        made = self.edge(application)
        made.request(**request)
        errors = made.run()
        return made.frames(), errors


class Answers(Case):
    """What comes back of what the application does."""

    def test_list_goes_in_one_answer(self):
        def application(_environ, start_response):
            start_response("404 Not Found", [("A", "\xe9")])
            return [b"one", b"", b"two"]

        frames, _ = self.answer(application)
        self.assertEqual(frames, [("response", 404, b"A\0\xe9\0", b"onetwo"), ("end",)])

    def test_blocks_of_a_generator_are_not_held_back(self):
        seen = []

        def application(_environ, start_response):
            start_response(OK, [])
            yield b""
            seen.append(visitor.frames())
            yield b"a"
            seen.append(visitor.frames())
            yield b"b"

        visitor = self.edge(application)
        visitor.request()
        visitor.run()
        first = ("response", 200, b"", b"a")
        self.assertEqual(seen, [[], [first]], "the head waits for a block that is not empty")
        self.assertEqual(visitor.frames(), [("data", b"b"), ("end",)])

    def test_promised_content_ends_the_answer_and_no_more_is_asked_for(self):
        def application(_environ, start_response):
            start_response(OK, [("content-length", "6")])
            yield b"abc"
            yield b"def"
            raise AssertionError("nobody asks for more")

        frames, errors = self.answer(application)
        self.assertEqual([frame[0] for frame in frames], ["response", "data", "end"])
        self.assertEqual(errors, "")

    def test_first_block_of_the_promised_length_goes_in_one_answer(self):
        def application(_environ, start_response):
            start_response(OK, [("Content-Length", "3")])
            yield b"abc"

        visitor = self.edge(application)
        visitor.request()
        visitor.run()
        answer = [("response", 200, b"Content-Length\x003\0", b"abc"), ("end",)]
        self.assertEqual(visitor.writes(), [answer])

    def test_write_sends_at_once_and_before_what_is_returned(self):
        def application(_environ, start_response):
            write = start_response(OK, [])
            write(b"a")
            write(b"b")
            return [b"c"]

        frames, _ = self.answer(application)
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

        frames, _ = self.answer(application, method="HEAD")
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

        frames, errors = self.answer(application)
        self.assertEqual(frames[1:], [("abort", "LookupError: in the middle")])
        self.assertEqual(closed, [True])
        self.assertIn("the request failed", errors)
        self.assertIn("Traceback", errors)

    def test_file_wrapper_sends_the_file_and_closes_it(self):
        file = io.BytesIO(b"x" * 100_000)

        def application(environ, start_response):
            start_response(OK, [])
            return environ["wsgi.file_wrapper"](file)

        frames, _ = self.answer(application)
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

        frames, _ = self.answer(application)
        self.assertEqual(frames[0], ("response", 500, b"E\x001\0", b"sorry"))

    def test_error_after_the_head_was_sent_is_raised_again(self):
        def application(_environ, start_response):
            start_response(OK, [])(b"a")
            error = KeyError("late")
            start_response("500 Oops", [], (KeyError, error, None))

        frames, _ = self.answer(application)
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
                frames, errors = self.answer(application)
                self.assertEqual([frame[0] for frame in frames], ["abort"])
                self.assertIn("Traceback", errors)

    def test_gone_visitor_makes_no_noise(self):
        def application(environ, start_response):
            visitor.send(wire.ABORT, bytes(16))
            visitor.flush()
            start_response(OK, [])
            return [environ["wsgi.input"].read()]

        visitor = self.edge(application)
        visitor.send(wire.REQUEST, wire.head_of([("REQUEST_ID", "ab12")]))
        errors = visitor.run()
        self.assertEqual((visitor.frames(), errors), ([("abort", "the visitor has gone")], ""))

    def test_request_that_is_aborted_before_its_turn_is_not_run(self):
        ran = []
        visitor = self.edge(lambda environ, _start: ran.append(environ))
        visitor.request()
        visitor.send(wire.ABORT, bytes(16))
        visitor.run()
        self.assertEqual((visitor.frames(), ran), ([("abort", "not begun")], []))

    def test_list_that_no_frame_holds_is_sent_in_several(self):
        def application(_environ, start_response):
            start_response(OK, [("A", "b")])
            return [b"x" * 50_000, b"y" * 50_000, b"z" * 50_000]

        frames, _ = self.answer(application)
        self.assertEqual([frame[0] for frame in frames], ["response", "data", "end"])
        content = b"x" * 50_000 + b"y" * 50_000 + b"z" * 50_000
        self.assertEqual(frames[0][3] + frames[1][1], content)

    def test_headers_and_status_of_every_kind_are_sent_the_same(self):
        class Text(str):
            pass

        def application(_environ, start_response):
            start_response(Text("299 \xe9"), (("A", "\xff"), [Text("B"), ""]))
            return [bytearray(b"one"), memoryview(b"two")]

        frames, _ = self.answer(application)
        self.assertEqual(frames[0], ("response", 299, b"A\0\xff\0B\0\0", b"onetwo"))

    def test_start_response_of_a_request_that_has_ended_sends_nothing(self):
        kept = []

        def application(_environ, start_response):
            kept.extend((start_response, start_response(OK, [])))
            return [b"x"]

        visitor = self.edge(application)
        visitor.request()
        visitor.run()
        self.assertEqual([frame[0] for frame in visitor.frames()], ["response", "end"])
        start_response, write = kept
        self.assertRaises(Exception, start_response, OK, [])
        self.assertRaises(Exception, write, b"more")
        self.assertEqual(visitor.frames(), [])

    def test_error_in_close_comes_after_the_answer(self):
        class Blocks(list):
            def close(self):
                raise OSError("close")

        def application(_environ, start_response):
            start_response(OK, [])
            return Blocks([b"x"])

        frames, errors = self.answer(application)
        self.assertEqual([frame[0] for frame in frames], ["response", "end"])
        self.assertIn("OSError: close", errors)


class Environ(Case):
    """What the application is given."""

    def environ(self, **request):
        """The environ of one request."""
        seen = {}

        def application(environ, start_response):
            seen.update(environ, text=environ["wsgi.input"].read())
            start_response(OK, [])
            return []

        self.answer(application, **request)
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

    def test_what_follows_a_request_to_upgrade_is_no_content(self):
        upgrade = [("HTTP_CONNECTION", "Upgrade"), ("HTTP_UPGRADE", "websocket")]
        self.assertEqual(self.environ(content=b"no", more=upgrade)["text"], b"")

    def test_content_can_be_read_by_lines(self):
        def application(environ, start_response):
            content = environ["wsgi.input"]
            lines = [content.readline(), content.readline(1), *content.readlines()]
            start_response(OK, [])
            return [repr(lines).encode()]

        frames, _ = self.answer(application, content=b"a\nbc\nd\ne")
        self.assertEqual(frames[0][3], b"[b'a\\n', b'b', b'c\\n', b'd\\n', b'e']")


    def test_values_are_those_of_this_request_whatever_came_before(self):
        seen = []

        def application(environ, start_response):
            seen.append([environ.get("HTTP_" + name) for name in ("A", "B", "C")])
            environ["HTTP_C"] = "of the application"
            start_response(OK, [])
            return []

        visitor = self.edge(application)
        for number, more in enumerate(([("A", "1"), ("B", "2")], [("B", "2")], [("A", "\xe9")]), 1):
            head = wire.head_of([("REQUEST_ID", "ab12"), *(("HTTP_" + n, v) for n, v in more)])
            visitor.send(wire.REQUEST, head, wire.NO_CONTENT, number)
        visitor.run()
        self.assertEqual(seen, [["1", "2", None], [None, "2", None], ["\xe9", None, None]])


class PureAnswers(Answers, unittest.TestCase):
    kind = served.pure


class NativeAnswers(Answers, unittest.TestCase):
    kind = served.with_native


class PureEnviron(Environ, unittest.TestCase):
    kind = served.pure


class NativeEnviron(Environ, unittest.TestCase):
    kind = served.with_native


if __name__ == "__main__":
    unittest.main()
