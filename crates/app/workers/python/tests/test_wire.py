"""The frames against the vectors of docs/worker-protocol.md, and against broken bytes."""

import pathlib
import random
import re
import unittest

from davy_worker import wire

DOCUMENT = pathlib.Path(__file__).resolve().parents[5] / "docs" / "worker-protocol.md"
KINDS = {
    "HELLO": wire.HELLO,
    "REQUEST": wire.REQUEST,
    "RESPONSE": wire.RESPONSE,
    "DATA": wire.DATA,
    "END": wire.END,
    "ABORT": wire.ABORT,
    "CREDIT": wire.CREDIT,
    "GOAWAY": wire.GOAWAY,
    "ASIDE": wire.ASIDE,
}


def vectors():
    """The fields of every vector of the document; `bytes` may go on over indented lines."""
    for block in re.findall(r"```vector\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL):
        fields = {}
        for line in block.replace("\n  ", " ").splitlines():
            name, value = line.split(":", 1)
            fields[name] = value.strip()
        fields["bytes"] = bytes.fromhex(fields["bytes"])
        yield fields


def pairs(text):
    """`A=1 B=2` as a dict; a value may contain `=`."""
    return dict(part.split("=", 1) for part in text.split())


def encoded(fields):
    """The frame that a vector describes."""
    kind, stream = KINDS[fields["type"]], int(fields["stream"])
    if kind == wire.HELLO:
        return wire.hello(int(fields["concurrency"]), int(fields["pid"]))
    if kind == wire.REQUEST:
        payload = wire.head_of(list(pairs(fields["variables"]).items()))
        return wire.frame(kind, stream, payload, wire.NO_CONTENT if "flags" in fields else 0)
    if kind == wire.RESPONSE:
        head = wire.head_of(list(pairs(fields["head"]).items()))
        content = fields["content"].encode()
        return wire.response(stream, int(fields["started"]), int(fields["status"]), head, content)
    if kind == wire.END and "ended" in fields:
        return wire.end(stream, int(fields["ended"]))
    if kind == wire.ABORT:
        stamps = int(fields["started"]), int(fields["ended"])
        return wire.abort(stream, fields["reason"], *stamps)
    if kind == wire.CREDIT:
        return wire.credit(stream, int(fields["credit"]))
    if kind == wire.GOAWAY:
        return wire.goaway(int(fields["last"]))
    return wire.frame(kind, stream, fields.get("content", "").encode())


class Vectors(unittest.TestCase):
    """Both ways over every vector."""

    def test_document_has_a_vector_for_every_type(self):
        self.assertEqual({fields["type"] for fields in vectors()}, set(KINDS))

    def test_frames_are_encoded_to_the_bytes_of_the_document(self):
        for fields in vectors():
            with self.subTest(fields["name"]):
                self.assertEqual(encoded(fields).hex(), fields["bytes"].hex())

    def test_bytes_of_the_document_are_split_into_one_frame(self):
        for fields in vectors():
            with self.subTest(fields["name"]):
                found, rest = wire.split(fields["bytes"])
                self.assertEqual(rest, b"")
                [(kind, flags, stream, payload)] = found
                self.assertEqual((kind, stream), (KINDS[fields["type"]], int(fields["stream"])))
                self.assertEqual(flags, wire.NO_CONTENT if "flags" in fields else 0)
                if kind == wire.REQUEST:
                    self.assertEqual(wire.pairs_of(payload), pairs(fields["variables"]))
                if kind == wire.CREDIT:
                    self.assertEqual(wire.credit_of(payload), int(fields["credit"]))
                if kind == wire.HELLO:
                    self.assertEqual(wire.version_of(payload), int(fields["version"]))


class Limits(unittest.TestCase):
    """What is refused, and what is cut."""

    def test_frames_are_found_however_the_bytes_arrive(self):
        whole = b"".join(fields["bytes"] for fields in vectors())
        expected, _ = wire.split(whole)
        found, rest = [], b""
        for byte in whole:
            more, rest = wire.split(rest + bytes([byte]))
            found += more
        self.assertEqual((found, rest), (expected, b""))

    def test_frame_longer_than_the_limit_is_refused_by_its_header_alone(self):
        with self.assertRaises(wire.ProtocolError):
            wire.split(bytes.fromhex("00020001 04 00 0000 00000001"))

    def test_garbage_is_split_or_refused_and_nothing_else(self):
        chance = random.Random(4711)
        for _ in range(2_000):
            try:
                found, rest = wire.split(chance.randbytes(chance.randrange(64)))
                for _, _, _, payload in found:
                    wire.pairs_of(payload)
            except wire.ProtocolError:
                pass

    def test_variables_need_their_last_nul_and_a_value_each(self):
        for payload in (b"A\0b", b"A\0", b"A\0b\0C\0", b""):
            with self.subTest(payload), self.assertRaises(wire.ProtocolError):
                wire.pairs_of(payload)
        self.assertEqual(wire.pairs_of(b"A\0\0B\0\xe9\0"), {"A": "", "B": "\xe9"})

    def test_header_can_not_smuggle_a_line_or_a_name(self):
        for header in (("a", "b\r\nc: d"), ("a", "b\0c"), ("a",), ("a", "b", "c")):
            with self.subTest(header), self.assertRaises(ValueError):
                wire.head_of([header])
        self.assertEqual(wire.head_of([]), b"")

    def test_promised_length_is_that_of_the_field_and_of_nothing_else(self):
        for headers, length in (
            ([("Vary", "Content-Length"), ("CONTENT-LENGTH", "12")], 12),
            ([("Vary", "Content-Length"), ("X", "7")], None),
            ([("Content-Length", "-1")], None),
            ([("Content-Length", "")], None),
            ([], None),
        ):
            with self.subTest(headers):
                self.assertEqual(wire.length_in(wire.head_of(headers)), length)

    def test_answer_is_its_two_frames_in_one_piece(self):
        frames = wire.response(7, 1, 200, b"A\0b\0", b"content") + wire.end(7, 2)
        self.assertEqual(wire.answer(7, 1, 2, 200, b"A\0b\0", b"content"), frames)

    def test_reason_is_cut_between_two_characters(self):
        [(_, _, _, payload)], _ = wire.split(wire.abort(1, "x" + "é" * 600))
        self.assertEqual(payload[16:].decode("utf-8"), "x" + "é" * 511)


if __name__ == "__main__":
    unittest.main()
