"""A hand-made websocket client on one stream of a hand-made edge."""

import struct

from davy_worker import rfc6455, wire

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = {
    "REQUEST_METHOD": "GET",
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_SEC_WEBSOCKET_KEY": KEY,
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
}
MASK = b"\x11\x22\x33\x44"


def client_frame(opcode, payload, final=True):
    """A frame as a client sends it: masked."""
    size = len(payload)
    head = bytes(((0x80 if final else 0) | opcode,))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65_536:
        head += struct.pack(">BH", 0xFE, size)
    else:
        head += struct.pack(">BQ", 0xFF, size)
    return head + MASK + rfc6455.unmasked(payload, MASK)


class Client:
    """A websocket that was asked for; `response` is the answer to that."""

    def __init__(self, peer, stream, path="/", **more):
        self.peer, self.stream = peer, stream
        self.buffer = b""
        self.end = None
        self.credit = wire.REQUEST_CREDIT
        peer.post(stream, path, **{**HANDSHAKE, **more})

    def response(self):
        """The answer to the handshake: (status, head, content)."""
        return self.peer.response(self.stream)

    def send(self, opcode, payload=b"", final=True):
        """One frame, as credit comes."""
        self.send_raw(client_frame(opcode, payload, final))

    def send_raw(self, data):
        """Any bytes, as credit comes."""
        while data:
            while not self.credit:
                self._read()
            piece = data[: min(self.credit, 60_000)]
            self.peer.send(wire.DATA, self.stream, piece)
            self.credit -= len(piece)
            data = data[len(piece) :]

    def _read(self):
        """Takes in one frame of davy's. Whether there was one."""
        frame = self.peer.read()
        if frame is None:
            return False
        kind, number, payload = frame
        assert number == self.stream, frame
        if kind == wire.DATA:
            self.buffer += payload
            self.peer.credit(self.stream, len(payload))
        elif kind == wire.CREDIT:
            self.credit += wire.credit_of(payload)
        else:
            self.end = kind
        return self.end is None

    def receive(self):
        """The next frame as (opcode, payload); None when the stream has ended."""
        while True:
            buffer = self.buffer
            if len(buffer) >= 2:
                size, at = buffer[1], 2
                if size == 126 and len(buffer) >= 4:
                    size, at = struct.unpack_from(">H", buffer, 2)[0], 4
                elif size == 127 and len(buffer) >= 10:
                    size, at = struct.unpack_from(">Q", buffer, 2)[0], 10
                if (size < 126 or at > 2) and len(buffer) >= at + size:
                    self.buffer = buffer[at + size :]
                    return buffer[0] & 0x0F, buffer[at : at + size]
            if not self._read():
                return None

    def closed(self):
        """The next frame, which is a close frame: (code, reason)."""
        opcode, payload = self.receive()
        assert opcode == rfc6455.CLOSE, (opcode, payload)
        return struct.unpack_from(">H", payload)[0], payload[2:].decode()
