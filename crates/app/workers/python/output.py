"""What the application writes while it is at a request, marked with the request's id.

Each line on stdout and stderr begins with the id that stands on the error page and in the edge's
log line, so that one search finds all three. Between requests nothing is marked. It never changes
or holds back what is written, and bytes written past the text streams are not seen.
"""

import sys

# The id of the request in hand; empty between requests.
request_id = ""


class Marked:
    """A text stream that begins its lines with the request's id."""

    def __init__(self, stream):
        self.stream = stream
        self.at_start = True

    def write(self, text):
        """Writes text, as the stream below would."""
        if not request_id or not isinstance(text, str):
            self.at_start = not isinstance(text, str) or text.endswith("\n")
            return self.stream.write(text)
        mark = request_id + " "
        marked = text[:-1].replace("\n", "\n" + mark) + text[-1:]
        self.stream.write(mark + marked if self.at_start and text else marked)
        self.at_start = text.endswith("\n") if text else self.at_start
        return len(text)

    def writelines(self, lines):
        """Writes each of the lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self.stream, name)


def mark_streams():
    """Marks stdout and stderr of this process from now on."""
    sys.stdout = Marked(sys.stdout)
    sys.stderr = Marked(sys.stderr)
