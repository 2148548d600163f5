"""The websocket protocol's bytes: the RFC's own examples, and what a client must not send."""

import random
import unittest

from davy_worker import rfc6455
from davy_worker.rfc6455 import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

from .websocket import client_frame

HELLO_MASKED = bytes.fromhex("818537fa213d7f9f4d5158")


def decoded(data, limit=1_000, cuts=()):
    """What a decoder makes of bytes that come in pieces."""
    decoder = rfc6455.Decoder(limit)
    edges = [0, *cuts, len(data)]
    return [found for a, b in zip(edges, edges[1:]) for found in decoder.feed(data[a:b])]


class Examples(unittest.TestCase):
    """RFC 6455 §1.3 and §5.7."""

    def test_key_of_the_rfc_is_accepted(self):
        self.assertEqual(
            rfc6455.accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        )

    def test_what_is_no_key_is_none(self):
        for key in (b"", b"dGhl", b"dGhlIHNhbXBsZSBub25jZQ", b"\xff" * 24, b"=" * 24):
            self.assertIsNone(rfc6455.accept_of(key))

    def test_frames_of_the_rfc(self):
        self.assertEqual(rfc6455.frame(TEXT, b"Hello"), bytes.fromhex("810548656c6c6f"))
        self.assertEqual(rfc6455.frame(BINARY, b"x" * 256)[:4], bytes.fromhex("827e0100"))
        self.assertEqual(rfc6455.frame(BINARY, b"x" * 65_536)[:4], bytes.fromhex("827f0000"))
        self.assertEqual(decoded(HELLO_MASKED), [(TEXT, "Hello")])

    def test_reason_of_a_close_frame_is_cut_between_two_characters(self):
        frame = rfc6455.close(1000, "é" * 100)
        self.assertEqual((frame[0], frame[1]), (0x88, 2 + 122))
        self.assertEqual(frame[4:].decode(), "é" * 61)
        self.assertEqual(rfc6455.close(rfc6455.NO_CODE), b"\x88\0")


class Messages(unittest.TestCase):
    """Whatever the pieces, the messages are the same."""

    def test_fragments_make_a_message_and_control_frames_may_come_between(self):
        data = (
            client_frame(TEXT, "gr".encode(), final=False)
            + client_frame(PING, b"?")
            + client_frame(CONTINUATION, "ü".encode()[:1], final=False)
            + client_frame(CONTINUATION, b"", final=False)
            + client_frame(CONTINUATION, "ü".encode()[1:])
            + client_frame(BINARY, b"")
            + client_frame(PONG, b"!")
        )
        expected = [(PING, b"?"), (TEXT, "grü"), (BINARY, b""), (PONG, b"!")]
        for cut in range(len(data)):
            self.assertEqual(decoded(data, cuts=[cut]), expected)

    def test_random_messages_come_back_from_random_pieces(self):
        chance = random.Random(6455)
        for _ in range(200):
            messages = [chance.randbytes(chance.choice((0, 1, 125, 126, 700))) for _ in range(5)]
            data = b"".join(client_frame(BINARY, message) for message in messages)
            cuts = sorted(chance.randrange(len(data)) for _ in range(chance.randrange(9)))
            self.assertEqual(decoded(data, cuts=cuts), [(BINARY, m) for m in messages])

    def test_nothing_is_read_after_a_close(self):
        data = client_frame(CLOSE, b"\x03\xe8bye") + b"\xff" * 100
        self.assertEqual(decoded(data), [(CLOSE, (1000, "bye"))])
        self.assertEqual(decoded(client_frame(CLOSE, b"")), [(CLOSE, (1005, ""))])


class Violations(unittest.TestCase):
    """Each has the close code that the RFC gives it."""

    def test_breaches_of_the_protocol(self):
        breaches = {
            "reserved bit": b"\xc1\x80",
            "unknown opcode": b"\x83\x80",
            "no mask": b"\x81\x05Hello",
            "ping in fragments": b"\x09\x80",
            "long ping": b"\x89\xfe\0\x7e",
            "continuation of nothing": b"\x80\x80",
            "two messages at once": client_frame(TEXT, b"a", final=False) + b"\x81\x80",
            "length too long": b"\x81\xfe\0\x05",
            "length beyond all": b"\x81\xff\x80" + b"\0" * 7,
            "close of one byte": client_frame(CLOSE, b"\x03"),
            "close with a code for nobody": client_frame(CLOSE, b"\x03\xed"),
        }
        for name, data in breaches.items():
            with self.subTest(name), self.assertRaises(rfc6455.Violation) as raised:
                decoded(data)
            self.assertEqual(raised.exception.code, 1002)

    def test_text_that_is_no_utf8(self):
        for data in (client_frame(TEXT, b"\xff"), client_frame(CLOSE, b"\x03\xe8\xff")):
            with self.assertRaises(rfc6455.Violation) as raised:
                decoded(data)
            self.assertEqual(raised.exception.code, 1007)

    def test_messages_have_a_limit_whole_and_in_fragments(self):
        self.assertEqual(len(decoded(client_frame(BINARY, b"x" * 1_000))), 1)
        whole = client_frame(BINARY, b"x" * 1_001)
        parts = client_frame(BINARY, b"x" * 900, final=False)
        for data in (whole[:8], parts + client_frame(CONTINUATION, b"x" * 101)[:2]):
            with self.assertRaises(rfc6455.Violation) as raised:
                decoded(data)
            self.assertEqual(raised.exception.code, 1009)

    def test_garbage_never_raises_anything_else(self):
        chance = random.Random(1)
        for _ in range(2_000):
            decoder = rfc6455.Decoder(1_000)
            try:
                for _ in range(4):
                    list(decoder.feed(chance.randbytes(chance.randrange(40))))
            except rfc6455.Violation:
                pass
            self.assertLess(len(decoder.buffer), 1_200)


if __name__ == "__main__":
    unittest.main()
