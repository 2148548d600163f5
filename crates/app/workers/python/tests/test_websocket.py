"""Websockets through the real worker: handshakes, messages, the ways they end."""

import json
import unittest

from davy_worker import wire
from davy_worker.rfc6455 import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

from .worker import Worker
from .websocket import Client

SOURCE = """
import asyncio, json, sys
events = []

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": json.dumps(events).encode()})
        return
    assert scope["type"] == "websocket", "no lifespan"
    await globals()["page_" + scope["path"][1:]](scope, receive, send)

async def page_echo(scope, receive, send):
    assert (await receive()) == {"type": "websocket.connect"}
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            events.append([message["code"], message["reason"]])
            try:
                await send({"type": "websocket.send", "text": "too late"})
            except OSError:
                events.append("OSError")
            return
        message["type"] = "websocket.send"
        await send(message)

async def page_scope(scope, receive, send):
    await receive()
    await send({
        "type": "websocket.accept",
        "subprotocol": scope["subprotocols"][-1],
        "headers": [(b"x-name", b"value")],
    })
    told = {key: scope[key] for key in ("scheme", "path", "subprotocols", "http_version", "state")}
    told["method"] = "method" in scope
    told["denial"] = "websocket.http.response" in scope["extensions"]
    await send({"type": "websocket.send", "text": json.dumps(told)})

async def page_refuse(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})

async def page_deny(scope, receive, send):
    await receive()
    head = [(b"content-type", b"text/plain")]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": head})
    await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"are you"})

async def page_raise(scope, receive, send):
    await receive()
    raise LookupError("before it was accepted")

async def page_break(scope, receive, send):
    await send({"type": "websocket.accept"})
    raise LookupError("after it was accepted")

async def page_bye(scope, receive, send):
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4321, "reason": "bye"})
    await receive()
    events.append((await receive())["code"])

async def page_large(scope, receive, send):
    await send({"type": "websocket.accept"})
    await asyncio.gather(*[
        send({"type": "websocket.send", "bytes": bytes([n]) * 400_000}) for n in range(5)
    ])

async def page_deaf(scope, receive, send):
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()
"""


class Sessions(unittest.TestCase):
    """One worker for all; each test has a connection of its own."""

    @classmethod
    def setUpClass(cls):
        cls.worker = Worker(SOURCE)
        cls.addClassCleanup(cls.worker.__exit__)

    def setUp(self):
        self.peer = self.worker.connect()
        self.addCleanup(self.peer.socket.close)

    def client(self, path, **more):
        """A websocket on stream 1."""
        return Client(self.peer, 1, path, **more)

    def opened(self, path):
        """A websocket that was accepted."""
        client = self.client(path)
        self.assertEqual(client.response()[0], 101)
        return client

    def events(self):
        """What the application has noted since this was last asked."""
        with self.worker.connect() as peer:
            peer.get(1)
            return json.loads(peer.answer(1).text)

    def test_handshake_and_scope(self):
        offered = {"HTTP_SEC_WEBSOCKET_PROTOCOL": "chat, superchat", "REQUEST_SCHEME": "https"}
        client = self.client("/scope", **offered)
        status, head, content = client.response()
        self.assertEqual((status, content), (101, b""))
        self.assertEqual(
            head,
            {
                "upgrade": "websocket",
                "connection": "Upgrade",
                "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                "sec-websocket-protocol": "superchat",
                "x-name": "value",
            },
        )
        told = json.loads(client.receive()[1])
        self.assertEqual(
            told,
            {
                "scheme": "wss",
                "path": "/scope",
                "subprotocols": ["chat", "superchat"],
                "http_version": "1.1",
                "state": {},
                "method": False,
                "denial": True,
            },
        )
        self.assertEqual(client.closed(), (1000, ""), "the application has returned")

    def test_messages_of_all_sizes_come_back(self):
        client = self.opened("/echo")
        for size in (0, 1, 125, 126, 65_535, 65_536, 1_000_000):
            client.send(BINARY, b"x" * size)
            self.assertEqual(client.receive(), (BINARY, b"x" * size))
        client.send(TEXT, "grüße".encode())
        self.assertEqual(client.receive(), (TEXT, "grüße".encode()))
        client.send(TEXT, b"in ", final=False)
        client.send(PING, b"between")
        self.assertEqual(client.receive(), (PONG, b"between"))
        client.send(CONTINUATION, b"fragments")
        self.assertEqual(client.receive(), (TEXT, b"in fragments"))

    def test_close_of_the_client_is_answered_and_told(self):
        before = len(self.events())
        client = self.opened("/echo")
        client.send(CLOSE, b"\x0f\xa1because")
        self.assertEqual(client.closed(), (4001, ""))
        self.assertIsNone(client.receive())
        self.assertEqual(client.end, wire.END)
        self.assertEqual(self.events()[before:], [[4001, "because"], "OSError"])

    def test_close_of_the_application_waits_for_the_clients(self):
        before = len(self.events())
        client = self.opened("/bye")
        self.assertEqual(client.closed(), (4321, "bye"))
        client.send(CLOSE, b"\x10\xe1")
        self.assertIsNone(client.receive())
        self.assertEqual(client.end, wire.END)
        self.assertEqual(self.events()[before:], [4321])

    def test_visitors_that_vanish_are_1006(self):
        before = len(self.events())
        client = self.opened("/echo")
        self.peer.abort(1)
        self.assertIsNone(client.receive())
        self.assertEqual(client.end, wire.ABORT)
        other = Client(self.peer, 2, "/echo")
        self.assertEqual(other.response()[0], 101)
        self.peer.send(wire.END, 2)
        self.assertIsNone(other.receive())
        self.assertEqual(other.end, wire.END)
        self.assertEqual(self.events()[before:], [[1006, ""], "OSError"] * 2)

    def test_breaches_are_closed_with_their_code(self):
        breaches = (
            (b"\x81\x05Hello", 1002),
            (b"\x81\x81\0\0\0\0\xff", 1007),
            (b"\x82\xff\0\0\0\0\xff\0\0\0", 1009),
        )
        for stream, (data, code) in enumerate(breaches, 1):
            client = Client(self.peer, stream, "/echo")
            self.assertEqual(client.response()[0], 101)
            client.send_raw(data)
            self.assertEqual(client.closed()[0], code)
            self.assertIsNone(client.receive())

    def test_refusals_are_answers(self):
        self.assertEqual(self.client("/refuse").response()[0], 403)
        self.assertEqual(self.peer.read()[0], wire.END)
        Client(self.peer, 2, "/deny")
        answer = self.peer.answer(2)
        self.assertEqual((answer.status, answer.text), (401, "who are you"))

    def test_what_is_no_handshake_is_refused(self):
        for stream, (more, status) in enumerate(
            (({"HTTP_SEC_WEBSOCKET_KEY": "x"}, 400), ({"HTTP_SEC_WEBSOCKET_VERSION": "8"}, 426)), 1
        ):
            Client(self.peer, stream, "/echo", **more)
            answer = self.peer.answer(stream)
            self.assertEqual((answer.status, answer.head["sec-websocket-version"]), (status, "13"))

    def test_failures_before_and_after(self):
        self.client("/raise")
        self.assertIn("LookupError: before", self.peer.aborted(1))
        client = Client(self.peer, 2, "/break")
        self.assertEqual(client.response()[0], 101)
        self.assertEqual(client.closed()[0], 1011)
        client.send(CLOSE, b"\x03\xf3")
        self.assertIsNone(client.receive())
        self.assertIn("LookupError: after it was accepted", self.worker.stderr())

    def test_messages_sent_at_once_leave_one_after_another(self):
        client = self.opened("/large")
        got = [client.receive() for _ in range(5)]
        self.assertEqual([payload for _, payload in got], [bytes([n]) * 400_000 for n in range(5)])

    def test_who_does_not_receive_is_sent_one_window_and_no_more(self):
        client = self.opened("/deaf")
        sent = 0
        while client.credit >= 1_006:
            client.send(BINARY, b"x" * 998)
            sent += 1_006
        self.assertLessEqual(sent, wire.REQUEST_CREDIT)
        self.peer.get(2)
        kind, stream, _ = self.peer.read()
        self.assertEqual((kind, stream), (wire.RESPONSE, 2), "no credit came before it")


class Ends(unittest.TestCase):
    """A worker that is asked to stop does not wait for websockets."""

    def test_on_the_way_down_websockets_are_closed_as_a_restart(self):
        with Worker(SOURCE) as worker, worker.connect() as peer:
            client = Client(peer, 1, "/echo")
            self.assertEqual(client.response()[0], 101)
            worker.stop()
            self.assertEqual(peer.read()[0], wire.GOAWAY)
            self.assertEqual(client.closed()[0], 1012)
            client.send(CLOSE, b"\x03\xf4")
            self.assertIsNone(client.receive())
            self.assertEqual(worker.ended(), 0)


if __name__ == "__main__":
    unittest.main()
