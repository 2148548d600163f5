"""The least a WSGI application can do: what it costs is what the stack around it costs."""

CONTENT = b"Hello, world!\n"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(CONTENT)))]


def application(environ, start_response):
    """The same answer to every request."""
    start_response("200 OK", HEADERS)
    return [CONTENT]
