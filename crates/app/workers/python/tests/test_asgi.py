"""ASGI over HTTP, with the real worker: scopes, content both ways, absent visitors, the end."""

import json
import unittest

from davy_worker import asgi, wire

from .worker import Worker, variables

HTTP = """
import asyncio, json, os, sys

events = []

async def answer(send, body, status=200, headers=((b"content-type", b"text/plain"),)):
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await globals()["page_" + scope["path"][1:].partition("/")[0]](scope, receive, send)
"""


def app(pages):
    """An application of these pages, each `async def page_NAME(scope, receive, send)`."""
    return HTTP + pages


class Scopes(unittest.TestCase):
    """What the application is told of a request."""

    def test_has_the_keys_of_the_standard(self):
        scope = asgi.scope_of(
            variables(
                "/caf\xc3\xa9/x",
                REQUEST_URI="/caf%C3%A9/x?a=1",
                QUERY_STRING="a=1",
                REQUEST_SCHEME="https",
                CONTENT_TYPE="text/plain",
                HTTP_X_REAL="a\xe9",
            )
        )
        self.assertEqual(
            scope,
            {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.4"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "https",
                "path": "/café/x",
                "raw_path": b"/caf%C3%A9/x",
                "query_string": b"a=1",
                "root_path": "",
                "headers": [
                    (b"host", b"localhost:8080"),
                    (b"content-type", b"text/plain"),
                    (b"x-real", b"a\xe9"),
                ],
                "client": ("127.0.0.1", 4711),
                "server": ("localhost", 8080),
                "davy.request_id": "00c0ffee0000",
            },
        )

    def test_variables_are_found_in_whatever_order_they_come(self):
        pairs = variables().split(b"\0")[:-1]
        pairs = [pairs[at : at + 2] for at in range(0, len(pairs), 2)]
        turned = b"".join(b"%s\0%s\0" % tuple(pair) for pair in reversed(pairs))
        self.assertEqual(asgi.scope_of(turned), asgi.scope_of(variables()))

    def test_broken_variables_are_a_breach_of_the_protocol(self):
        for payload in (b"", b"a\0", b"a\0b", b"a\0b\0", variables(REMOTE_PORT="x"), b"\0\0"):
            with self.subTest(payload), self.assertRaises(wire.ProtocolError):
                asgi.scope_of(payload)

    def test_sets_of_names_that_somebody_makes_up_are_not_all_remembered(self):
        for n in range(2 * asgi.SHAPES_MAX):
            asgi.scope_of(variables(**{"HTTP_N%d" % n: "x"}))
        asgi.scope_of(variables(**{"HTTP_" + "N" * asgi.SHAPE_BYTES_MAX: "x"}))
        self.assertLessEqual(len(asgi._SHAPES), asgi.SHAPES_MAX)
        self.assertLess(max(map(len, map(b"".join, asgi._SHAPES))), asgi.SHAPE_BYTES_MAX)


class Heads(unittest.TestCase):
    """What becomes of the headers that an application sends."""

    def test_pairs_of_bytes_become_a_head(self):
        for headers in ([(b"a", b"1"), [b"b", b"2"]], iter([(b"a", b"1"), (b"b", b"2")])):
            self.assertEqual(asgi.head_of(headers), b"a\x001\0b\x002\0")
        self.assertEqual(asgi.head_of([]), b"")

    def test_what_is_no_header_is_refused(self):
        for headers in ([(b"a", b"1\r\nb: 2")], [(b"a\0b", b"1")], [(b"a",)], [(b"a", b"\n")]):
            with self.subTest(headers), self.assertRaises(ValueError):
                asgi.head_of(headers)
        with self.assertRaises(TypeError):
            asgi.head_of([("a", "1")])


class Requests(unittest.TestCase):
    """Requests through the real worker."""

    def test_many_requests_run_at_once_and_answer_in_any_order(self):
        source = app("""
gate = asyncio.Event()
async def page_wait(scope, receive, send):
    await gate.wait()
    await answer(send, b"waited")
async def page_open(scope, receive, send):
    gate.set()
    await answer(send, b"opened")
""")
        with Worker(source) as worker, worker.connect() as peer:
            self.assertEqual(peer.concurrency, 100)
            for stream in range(1, 51):
                peer.get(stream, "/wait")
            peer.get(51, "/open")
            answers = [peer.answer(stream) for stream in (51, *range(1, 51))]
            self.assertEqual({one.text for one in answers[1:]}, {"waited"})
            self.assertEqual((answers[0].text, answers[0].status), ("opened", 200))

    def test_requests_beyond_the_concurrency_wait_and_can_be_taken_back(self):
        source = app("""
gates = {}
async def page_wait(scope, receive, send):
    name = scope["path"]
    gates[name] = asyncio.Event()
    await gates[name].wait()
    await answer(send, b"waited")
async def page_post(scope, receive, send):
    await receive()
    await answer(send, b"begun")
""")
        with Worker(source, "--concurrency", "2") as worker, worker.connect() as peer:
            self.assertEqual(peer.concurrency, 2)
            peer.post(1, "/post")
            peer.post(2, "/post")
            peer.get(3, "/post")
            peer.get(4, "/post")
            peer.abort(3)
            self.assertEqual(peer.aborted(3), "not begun")
            peer.send(wire.END, 1)
            self.assertEqual(peer.answer(1).text, "begun")
            self.assertEqual(peer.answer(4).text, "begun")

    def test_content_comes_piece_by_piece_and_credit_goes_back(self):
        source = app("""
async def page_sum(scope, receive, send):
    total, more = 0, True
    while more:
        message = await receive()
        total += len(message["body"])
        more = message["more_body"]
    await answer(send, b"%d" % total)
""")
        with Worker(source) as worker, worker.connect() as peer:
            peer.post(1, "/sum")
            left, credit = 1_000_000, wire.REQUEST_CREDIT
            while left:
                while not credit:
                    kind, stream, payload = peer.read()
                    self.assertEqual((kind, stream), (wire.CREDIT, 1))
                    credit += wire.credit_of(payload)
                    self.assertLessEqual(credit, wire.REQUEST_CREDIT)
                count = min(left, credit, 9_999)
                peer.send(wire.DATA, 1, b"b" * count)
                left, credit = left - count, credit - count
            peer.send(wire.END, 1)
            peer.skip(wire.CREDIT)
            self.assertEqual(peer.answer(1).text, "1000000")

    def test_early_answer_reaches_a_visitor_who_still_uploads(self):
        source = app("""
async def page_refuse(scope, receive, send):
    await answer(send, b"too large", 413)
    events.append((await receive())["type"])
async def page_events(scope, receive, send):
    await answer(send, json.dumps(events).encode())
""")
        with Worker(source) as worker, worker.connect() as peer:
            peer.post(1, "/refuse")
            self.assertEqual(peer.answer(1).status, 413)
            peer.send(wire.DATA, 1, b"more of it")
            peer.send(wire.END, 1)
            peer.get(2, "/events")
            self.assertEqual(json.loads(peer.answer(2).text), ["http.disconnect"])

    def test_both_directions_stream_at_once(self):
        source = app("""
async def page_echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})
""")
        with Worker(source) as worker, worker.connect() as peer:
            peer.post(1, "/echo")
            peer.send(wire.DATA, 1, b"one")
            self.assertEqual(peer.response(1), (200, {}, b"one"))
            peer.send(wire.DATA, 1, b"two")
            self.assertEqual(peer.read(), (wire.DATA, 1, b"two"))
            peer.send(wire.END, 1)
            self.assertEqual(peer.read()[0], wire.END)

    def test_long_answer_waits_for_credit_while_others_are_answered(self):
        source = app("""
async def page_long(scope, receive, send):
    await answer(send, b"x" * 1_000_000)
async def page_short(scope, receive, send):
    await answer(send, b"short")
""")
        with Worker(source) as worker, worker.connect() as peer:
            peer.get(1, "/long")
            status, _, content = peer.response(1)
            self.assertEqual(status, 200)
            got = len(content)
            while got < wire.RESPONSE_CREDIT:
                got += len(peer.read()[2])
            self.assertEqual(got, wire.RESPONSE_CREDIT)
            peer.get(2, "/short")
            self.assertEqual(peer.answer(2).text, "short")
            peer.credit(1, 1_000_000)
            while got < 1_000_000:
                got += len(peer.read()[2])
            self.assertEqual((got, peer.read()[0]), (1_000_000, wire.END))

    def test_many_large_answers_at_once_leave_whole(self):
        source = app("""
async def page_large(scope, receive, send):
    await answer(send, b"x" * 130_000)
""")
        with Worker(source) as worker, worker.connect() as peer:
            for stream in range(1, 101):
                peer.get(stream, "/large")
            self.assertEqual(peer.sizes(100), dict.fromkeys(range(1, 101), 130_000))

    def test_head_is_answered_without_content(self):
        source = app("""
async def page_x(scope, receive, send):
    await answer(send, b"content", headers=[(b"content-length", b"7")])
""")
        with Worker(source) as worker, worker.connect() as peer:
            peer.get(1, "/x", REQUEST_METHOD="HEAD")
            answer = peer.answer(1)
            self.assertEqual((answer.head, answer.content), ({"content-length": "7"}, b""))

    def test_pathsend_sends_the_whole_file(self):
        source = app("""
async def page_file(scope, receive, send):
    assert "http.response.pathsend" in scope["extensions"]
    with open("file", "wb") as file:
        file.write(bytes(range(256)) * int(scope["query_string"]))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.pathsend", "path": os.path.abspath("file")})
""")
        with Worker(source) as worker, worker.connect() as peer:
            for stream, count in ((1, 0), (2, 3), (3, 512), (4, 600)):
                peer.get(stream, "/file", QUERY_STRING=str(count))
                self.assertEqual(peer.answer(stream).content, bytes(range(256)) * count)

    def test_failures_are_aborted_and_told_under_the_requests_id(self):
        source = app("""
async def page_raise(scope, receive, send):
    await asyncio.sleep(0)
    raise LookupError("no such colour")
async def page_nothing(scope, receive, send):
    pass
async def page_exit(scope, receive, send):
    sys.exit(1)
async def page_half(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
async def page_twice(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.start", "status": 200})
async def page_informational(scope, receive, send):
    await send({"type": "http.response.start", "status": 103})
async def page_unknown(scope, receive, send):
    await send({"type": "http.response.trailers"})
async def page_text(scope, receive, send):
    await answer(send, "text")
async def page_fine(scope, receive, send):
    print("a line", file=sys.stderr)
    await answer(send, b"fine")
""")
        reasons = {
            "raise": "LookupError: no such colour",
            "nothing": "the application returned before",
            "exit": "SystemExit: 1",
            "twice": "RuntimeError: http.response.start was sent twice",
            "informational": "ValueError: http.response.start with the status 103",
            "unknown": "RuntimeError: the application sent 'http.response.trailers'",
            "text": "TypeError: a body must be bytes, not str",
        }
        with Worker(source) as worker, worker.connect() as peer:
            for stream, (page, reason) in enumerate(reasons.items(), 1):
                peer.get(stream, "/" + page)
                self.assertIn(reason, peer.aborted(stream))
            peer.get(20, "/half")
            self.assertEqual(peer.response(20)[2], b"half")
            self.assertIn("before it had sent a whole answer", peer.aborted(20))
            peer.get(21, "/fine", REQUEST_ID="feed")
            self.assertEqual(peer.answer(21).text, "fine")
            said = worker.stderr()
            self.assertIn("00c0ffee0000 LookupError: no such colour\n", said)
            self.assertIn("feed a line\n", said)

    def test_answer_is_out_before_work_that_follows_it(self):
        source = app("""
gate = asyncio.Event()
async def page_work(scope, receive, send):
    await answer(send, b"answered")
    await gate.wait()
    events.append("worked")
async def page_open(scope, receive, send):
    gate.set()
    await asyncio.sleep(0)
    await answer(send, json.dumps(events).encode())
""")
        with Worker(source, "--concurrency", "1") as worker, worker.connect() as peer:
            peer.get(1, "/work")
            self.assertEqual(peer.answer(1).text, "answered")
            peer.get(2, "/open")
            self.assertEqual(peer.answer(2).text, '["worked"]')


class Absence(unittest.TestCase):
    """A visitor who leaves is told of, and nobody is cancelled."""

    PAGES = """
async def begin(send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"x", "more_body": True})
async def page_listen(scope, receive, send):
    await begin(send)
    while (await receive())["type"] != "http.disconnect":
        pass
    events.append("disconnect")
    try:
        await send({"type": "http.response.body", "body": b"x"})
    except OSError:
        events.append("OSError")
async def page_endless(scope, receive, send):
    await begin(send)
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    finally:
        events.append("endless ended")
async def page_busy(scope, receive, send):
    await begin(send)
    try:
        await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        events.append("cancelled")
        raise
    events.append("busy ended")
async def page_events(scope, receive, send):
    await answer(send, json.dumps(events).encode())
"""

    def test_receive_tells_and_send_raises(self):
        with Worker(app(self.PAGES)) as worker, worker.connect() as peer:
            for stream, page in ((1, "listen"), (2, "endless"), (3, "busy")):
                peer.get(stream, "/" + page)
                self.assertEqual(peer.response(stream)[0], 200)
                peer.abort(stream)
                while peer.read()[:2] != (wire.ABORT, stream):
                    pass
            peer.get(4, "/events")
            events = json.loads(peer.answer(4).text)
            self.assertEqual(events, ["disconnect", "OSError", "endless ended", "busy ended"])
            self.assertEqual(worker.stderr(), "", "an absent visitor makes no noise")

    def test_closed_connection_ends_all_of_its_requests(self):
        with Worker(app(self.PAGES)) as worker:
            with worker.connect() as first:
                first.get(1, "/listen")
                self.assertEqual(first.response(1)[0], 200)
                first.get(2, "/endless")
                self.assertEqual(first.response(2)[0], 200)
            with worker.connect() as second:
                events, stream = [], 0
                while len(events) < 3:
                    stream += 1
                    second.get(stream, "/events")
                    events = json.loads(second.answer(stream).text)
                self.assertEqual(sorted(events), ["OSError", "disconnect", "endless ended"])


class Protocol(unittest.TestCase):
    """Broken edges cost their connection alone."""

    def test_breaches_close_the_connection_and_others_go_on(self):
        source = app("""
async def page_wait(scope, receive, send):
    await receive()
    await answer(send, b"x")
""")
        breaches = [
            wire.frame(99, 1),
            wire.frame(wire.DATA, 7, b"x"),
            wire.frame(wire.HELLO, 0, b"\0\1\0\0\0\0\0\1"),
            wire.frame(wire.CREDIT, 1, b"x"),
            wire.frame(wire.REQUEST, 1, b"broken"),
            wire.frame(wire.REQUEST, 1, variables("/wait"))
            + wire.frame(wire.DATA, 1, b"x" * 65_536) * 2,
            wire.frame(wire.REQUEST, 2, variables("/wait")) * 2,
            b"\xff" * 12,
        ]
        with Worker(source) as worker, worker.connect() as good:
            for breach in breaches:
                with self.subTest(breach[:20]), worker.connect() as peer:
                    peer.socket.sendall(breach)
                    while (frame := peer.read()) is not None:
                        self.assertNotEqual(frame[0], wire.RESPONSE)
            good.get(1, "/wait")
            self.assertEqual(good.answer(1).text, "x")


class Lifespans(unittest.TestCase):
    """The application's start and end."""

    def test_state_reaches_each_request_as_a_copy(self):
        source = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["pool"] = ["shared"]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("last words", file=__import__("sys").stderr)
        await send({"type": "lifespan.shutdown.complete"})
        return
    scope["state"]["own"] = True
    scope["state"]["pool"].append("x")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": repr(scope["state"]).encode()})
"""
        with Worker(source) as worker, worker.connect() as peer:
            peer.get(1)
            peer.answer(1)
            peer.get(2)
            self.assertEqual(peer.answer(2).text, "{'pool': ['shared', 'x', 'x'], 'own': True}")
            self.assertEqual(worker.at_exit(), 0)
            self.assertEqual(worker.stderr(), "last words\n")

    def test_application_without_lifespan_is_served_all_the_same(self):
        source = """
async def app(scope, receive, send):
    assert scope["type"] == "http", "this is no http"
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})
"""
        with Worker(source) as worker, worker.connect() as peer:
            peer.get(1)
            self.assertEqual(peer.answer(1).status, 204)
            self.assertIn("no lifespan (AssertionError: this is no http)", worker.stderr())
            self.assertEqual(worker.at_exit(), 0)

    def test_failed_start_ends_the_worker_with_its_message(self):
        source = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
"""
        with Worker(source) as worker:
            self.assertEqual(worker.ended(), 3)
            self.assertIn("no database", worker.stderr())

    def test_told_to_stop_while_it_starts_it_ends(self):
        source = """
import asyncio, pathlib
async def app(scope, receive, send):
    pathlib.Path("begun").touch()
    await asyncio.sleep(3600)
"""
        with Worker(source) as worker:
            while not (worker.folder / "begun").exists() and worker.process.poll() is None:
                pass
            self.assertEqual(worker.at_exit(), 0)

    def test_on_the_way_down_begun_requests_are_answered_and_others_turned_away(self):
        source = app("""
async def page_slow(scope, receive, send):
    await receive()
    await answer(send, b"slow")
""")
        with Worker(source, "--concurrency", "1") as worker, worker.connect() as peer:
            peer.post(5, "/slow")
            peer.get(6, "/slow")
            peer.get(7, "/slow")
            peer.abort(7)
            self.assertEqual(peer.aborted(7), "not begun", "so all three have been read")
            worker.stop()
            self.assertEqual(peer.read(), (wire.GOAWAY, 0, b"\0\0\0\5"))
            peer.send(wire.END, 5)
            self.assertEqual(peer.answer(5).text, "slow")
            self.assertIsNone(peer.read())
            self.assertEqual(worker.ended(), 0)


if __name__ == "__main__":
    unittest.main()
