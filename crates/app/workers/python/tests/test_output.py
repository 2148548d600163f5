"""What an application writes, and the marks that davy puts before its lines."""

import io
import unittest

from davy_worker import output


class Marks(unittest.TestCase):
    """Lines begin with the id of the request in hand."""

    def setUp(self):
        self.below = io.StringIO()
        self.stream = output.Marked(self.below)

    def tearDown(self):
        output.request_id.set("")

    def test_lines_of_a_request_are_marked_however_they_are_written(self):
        output.request_id.set("ab12")
        for text in ("one", "\n", "two\nthree\n", "", "four"):
            self.stream.write(text)
        self.assertEqual(self.below.getvalue(), "ab12 one\nab12 two\nab12 three\nab12 four")

    def test_nothing_is_marked_between_requests(self):
        self.stream.write("loading\n")
        output.request_id.set("ab12")
        self.stream.writelines(["a\n", "b\n"])
        output.request_id.set("")
        self.stream.write("idle\n")
        self.assertEqual(self.below.getvalue(), "loading\nab12 a\nab12 b\nidle\n")

    def test_the_stream_below_is_there_for_whatever_else_is_asked_of_it(self):
        self.stream.flush()
        self.assertFalse(self.stream.isatty())
