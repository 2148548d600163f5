"""The websocket protocol's frames (RFC 6455): bytes of a client to messages, messages to bytes.

    client   0x81 | mask | payload   text, whole          server   0x81 | payload
             0x01 ... 0x00 ... 0x80  text in fragments             one frame for each message

Pure: it knows no socket, no stream and no time. What a client must not do is a Violation with the
close code that answers it (§7.4.1). No extension is offered, so that all reserved bits are zero.
"""

import base64
import binascii
import hashlib
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

# Close codes (§7.4.1, and 1012 of IANA's registry).
NORMAL, GOING_AWAY, BREACH, NO_CODE, LOST, NO_TEXT, TOO_BIG = 1000, 1001, 1002, 1005, 1006, 1007, 1009
FAILED, RESTART = 1011, 1012

CONTROL_BYTES_MAX = 125
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CODE = struct.Struct(">H")


class Violation(Exception):
    """The client broke the protocol; `code` is what the connection is closed with."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code


def accept_of(key):
    """Sec-WebSocket-Accept for a client's key (§4.2.2); None when it is no key (§4.2.1)."""
    try:
        if len(base64.b64decode(key, validate=True)) != 16:
            return None
    except binascii.Error:
        return None
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())


def frame(opcode, payload):
    """A whole frame of a server, which is not masked (§5.1)."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65_536:
        return struct.pack(">BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack(">BBQ", 0x80 | opcode, 127, size) + payload


def close(code, reason=""):
    """A close frame, its reason cut to what fits, between two characters (§5.5.1)."""
    if code == NO_CODE:
        return frame(CLOSE, b"")
    text = reason.encode("utf-8", "replace")[: CONTROL_BYTES_MAX - 2].decode("utf-8", "ignore")
    return frame(CLOSE, _CODE.pack(code) + text.encode("utf-8"))


def is_close_code(code):
    """Whether a close frame may bear this code (§7.4)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


class Decoder:
    """What a client sends, in pieces as they come; holds at most one message and one frame."""

    __slots__ = ("message_bytes_max", "buffer", "message", "opcode")

    def __init__(self, message_bytes_max):
        self.message_bytes_max = message_bytes_max
        self.buffer = bytearray()
        # A message in fragments so far, and what it is.
        self.message = bytearray()
        self.opcode = None

    def feed(self, piece):
        """The messages and control frames that are complete, as (opcode, value).

        The value is a str for TEXT, (code, reason) for CLOSE and bytes for the others. What comes
        after a CLOSE is not read. Raises Violation.
        """
        self.buffer += piece
        while True:
            frame = self._next_frame()
            if frame is None:
                return
            opcode, value = self._take(*frame)
            if opcode is not None:
                yield opcode, value
            if opcode == CLOSE:
                self.buffer.clear()
                return

    def _next_frame(self):
        """The next whole frame as (final, opcode, payload); None: there is more to come."""
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        final, opcode, size = bool(first & 0x80), first & 0x0F, second & 0x7F
        self._check(final, first, second)
        at = {126: 4, 127: 10}.get(size, 2)
        if len(buffer) < at:
            return None
        if at > 2:
            least = 126 if at == 4 else 65_536
            size = int.from_bytes(buffer[2:at], "big")
            if size < least or size >> 63:
                raise Violation(BREACH, "a length in more bytes than it needs")
        if opcode < CLOSE and len(self.message) + size > self.message_bytes_max:
            raise Violation(TOO_BIG, "a message of more than %d bytes" % self.message_bytes_max)
        end = at + 4 + size
        if len(buffer) < end:
            return None
        payload = unmasked(buffer[at + 4 : end], buffer[at : at + 4])
        del buffer[:end]
        return final, opcode, payload

    def _check(self, final, first, second):
        """What the first two bytes of a frame may say, here and now (§5.2, §5.4, §5.5)."""
        opcode, size = first & 0x0F, second & 0x7F
        if first & 0x70:
            raise Violation(BREACH, "a reserved bit is set")
        if not second & 0x80:
            raise Violation(BREACH, "a frame without a mask")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Violation(BREACH, "a frame of the unknown type %d" % opcode)
        if opcode >= CLOSE and (not final or size > CONTROL_BYTES_MAX):
            raise Violation(BREACH, "a control frame in fragments, or too long")
        if opcode < CLOSE and (opcode == CONTINUATION) != (self.opcode is not None):
            raise Violation(BREACH, "a fragment out of its place")

    def _take(self, final, opcode, payload):
        """What a frame completes: (opcode, value), or (None, None)."""
        if opcode == CLOSE:
            return CLOSE, close_of(payload)
        if opcode > CLOSE:
            return opcode, payload
        kind = opcode or self.opcode
        if final and not self.message:
            message = payload
        else:
            self.message += payload
            self.opcode = kind
            if not final:
                return None, None
            message = bytes(self.message)
        self.message.clear()
        self.opcode = None
        return kind, text_of(message) if kind == TEXT else message


def close_of(payload):
    """The code and the reason in a close frame (§5.5.1). Raises Violation."""
    if not payload:
        return NO_CODE, ""
    code = _CODE.unpack_from(payload)[0] if len(payload) > 1 else 0
    if not is_close_code(code):
        raise Violation(BREACH, "a close frame without a valid code")
    return code, text_of(payload[2:])


def text_of(payload):
    """UTF-8 (§8.1). Raises Violation."""
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        raise Violation(NO_TEXT, "text that is not UTF-8") from None


def unmasked(payload, mask):
    """The payload without its mask (§5.3), as one long number: in Python the quickest way."""
    size = len(payload)
    if not size:
        return b""
    masks = mask * (size // 4) + mask[: size % 4]
    number = int.from_bytes(payload, "little") ^ int.from_bytes(masks, "little")
    return number.to_bytes(size, "little")
