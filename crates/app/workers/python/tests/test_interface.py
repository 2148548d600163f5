"""Which interface a callable speaks, and the worker that runs it."""

import functools
import unittest

from davy_worker import interface

from .worker import Worker


async def asgi3(scope, receive, send):
    """ASGI 3."""


class Asgi3:
    """An object that is called as ASGI 3, as frameworks' applications are."""

    async def __call__(self, scope, receive, send):
        """A request."""

    async def method(self, scope, receive, send):
        """A request."""


class Asgi3Class:
    """A class whose instances are awaited: `await Asgi3Class(scope, receive, send)`."""

    def __init__(self, scope, receive, send):
        self.scope = scope


class Asgi2:
    """ASGI 2: an instance is made of the scope, and called with the rest."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        """A request."""


class Wsgi:
    """A WSGI object, as Flask's and Django's are."""

    def __call__(self, environ, start_response):
        """A request."""


def wrapped(function):
    """A decorator that forgets everything but the arguments."""

    def call(scope, receive, send):
        return function(scope, receive, send)

    return call


class Interfaces(unittest.TestCase):
    """Nothing is called to find out."""

    def test_asgi(self):
        partial = functools.partial(lambda app, *rest: app(*rest), asgi3)
        for application in (asgi3, Asgi3(), Asgi3().method, Asgi3Class, wrapped(asgi3)):
            self.assertEqual(interface.of(application), interface.ASGI, application)
        self.assertEqual(interface.of(functools.partial(Asgi3.method, None)), interface.ASGI)
        self.assertEqual(interface.of(partial), interface.WSGI, "nothing tells")

    def test_asgi_2(self):
        for application in (Asgi2, lambda scope: None):
            self.assertEqual(interface.of(application), interface.ASGI2)

    def test_wsgi(self):
        class Iterable:
            def __init__(self, environ, start_response):
                pass

        for application in (
            Wsgi(), Iterable, lambda environ, start: [], lambda e, s, more=None: [], print, dict,
        ):  # fmt: skip
            self.assertEqual(interface.of(application), interface.WSGI, application)


class Choice(unittest.TestCase):
    """The worker takes what it finds."""

    def test_asgi_2_application_is_served(self):
        source = """
class app:
    def __init__(self, scope):
        self.scope = scope
    async def __call__(self, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": self.scope["path"].encode()})
"""
        with Worker(source) as worker, worker.connect() as peer:
            peer.get(1, "/two")
            self.assertEqual(peer.answer(1).text, "/two")

    def test_factory_is_called_once(self):
        source = """
def make():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"made"})
    return app
"""
        with Worker(source, name="app:make()") as worker, worker.connect() as peer:
            peer.get(1)
            self.assertEqual(peer.answer(1).text, "made")

    def test_wrong_arguments_are_told(self):
        for arguments in (["--threads", "0"], ["--threads", "x"], ["--concurrency", "1001"], ["x"]):
            with Worker("", *arguments) as worker:
                self.assertEqual(worker.ended(), 2)
                self.assertIn("usage: main.py", worker.stderr())
        with Worker("", name="app") as worker:
            self.assertEqual(worker.ended(), 2)
            self.assertIn("not MODULE:CALLABLE", worker.stderr())


if __name__ == "__main__":
    unittest.main()
