"""What the application writes while it is at a request, marked with the request's id.

Each line on stdout and stderr begins with the id that stands on the error page and in the edge's
log line, so that one search finds all three. Between requests nothing is marked. It never changes
or holds back what is written, and bytes written past the text streams are not seen. What davy
itself says when an application fails goes the same way.
"""

import contextvars
import sys
import traceback

# The id of the request in hand; empty between requests. Each thread and each task has its own.
request_id = contextvars.ContextVar("davy_request_id", default="")


class Marked:
    """A text stream that begins its lines with the request's id."""

    def __init__(self, stream):
        self.stream = stream
        self.at_start = True

    def write(self, text):
        """Writes text, as the stream below would."""
        name = request_id.get()
        if not name or not isinstance(text, str):
            self.at_start = not isinstance(text, str) or text.endswith("\n")
            return self.stream.write(text)
        mark = name + " "
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


def say(text):
    """A line of davy's own on stderr."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except Exception:  # stderr is gone or the application's own: there is nowhere to tell it
        pass


def report(error=None):
    """An exception, or the one in hand, on stderr, whose lines bear the request's id."""
    error = error or sys.exc_info()[1]
    told = traceback.format_exception(type(error), error, error.__traceback__)
    say("the request failed\n%s" % "".join(told).rstrip("\n"))


def reason_of(error):
    """An exception in one line, also if its own text can't be had."""
    try:
        return "%s: %s" % (type(error).__name__, error)
    except Exception:
        return type(error).__name__
