# The frames of docs/worker-protocol.md: bytes of them, and what stands in them.
#
#     edge     HELLO  REQUEST  DATA ... END             CREDIT ...
#     worker   HELLO                    RESPONSE  DATA ...        END   GOAWAY
#
# Why a file of its own: it is the only part that knows bytes, and it is held against the same
# vectors as the Rust and the Python side. It never waits and never runs the application.

module DavyWorker
  # The peer broke the protocol; its connection is closed.
  class ProtocolError < StandardError; end

  # Frames as byte strings, and back.
  module Wire
    VERSION = 1
    HELLO, REQUEST, RESPONSE, DATA, END_, ABORT, CREDIT, GOAWAY, ASIDE = *1..9
    NO_CONTENT = 1

    HEADER_BYTES = 12
    PAYLOAD_BYTES_MAX = 131_072
    REASON_BYTES_MAX = 1_024
    # Content that may be sent at the start of each stream, before any CREDIT.
    RESPONSE_CREDIT = 262_144
    REQUEST_CREDIT = 65_536
    # The part of a RESPONSE's payload before its head.
    RESPONSE_PREFIX = 14

    # What an edge may send but a REQUEST: the lengths that its payload may have.
    FROM_EDGE = {
      HELLO => 8..8,
      DATA => 0..PAYLOAD_BYTES_MAX,
      END_ => 0..0,
      ABORT => 16..(16 + REASON_BYTES_MAX),
      CREDIT => 4..4
    }.freeze

    # Any frame, from its payload.
    def self.frame(kind, stream, payload = "", flags = 0)
      [payload.bytesize, kind, flags, 0, stream].pack("NCCnN") << payload
    end

    # HELLO of this process.
    def self.hello(concurrency, pid = Process.pid)
      [8, HELLO, 0, 0, 0, VERSION, concurrency, pid].pack("NCCnNnnN")
    end

    # RESPONSE with the first bytes of its content.
    def self.response(stream, started, status, head, content)
      length = RESPONSE_PREFIX + head.bytesize + content.bytesize
      prefix = [length, RESPONSE, 0, 0, stream, started, status, head.bytesize]
      prefix.pack("NCCnNQ>nN") << head << content
    end

    # RESPONSE and END in one piece.
    def self.answer(stream, started, ended, status, head, content)
      response(stream, started, status, head, content) << finish(stream, ended)
    end

    # END of a response.
    def self.finish(stream, ended)
      [8, END_, 0, 0, stream, ended].pack("NCCnNQ>")
    end

    # ABORT, its reason cut to the limit between two characters. Stamps of 0: it was not run.
    def self.abort(stream, reason, started = 0, ended = 0)
      text = reason.dup.force_encoding(Encoding::UTF_8).scrub("?")
      text = text.byteslice(0, REASON_BYTES_MAX).scrub("")
      frame(ABORT, stream, [started, ended].pack("Q>Q>") << text.b)
    end

    # CREDIT for `count` bytes more.
    def self.credit(stream, count)
      [4, CREDIT, 0, 0, stream, count].pack("NCCnNN")
    end

    # GOAWAY: streams above `last` are not run.
    def self.goaway(last)
      [4, GOAWAY, 0, 0, 0, last].pack("NCCnNN")
    end

    # ASIDE: the request goes on, but the worker can take another in its place.
    def self.aside(stream)
      [0, ASIDE, 0, 0, stream].pack("NCCnN")
    end

    # The head of a response from the application's headers. Raises ArgumentError.
    def self.head_of(headers)
      head = String.new(capacity: 512)
      pairs = 0
      headers.each do |name, value|
        name = name.to_s
        next if name.start_with?("rack.")

        lines_of(value).each do |line|
          head << name.b << 0 << line.b << 0
          pairs += 1
        end
      end
      return head if head.count("\0") == 2 * pairs && !head.match?(/[\r\n]/n)

      raise ArgumentError, "a header has a line break or NUL: #{headers.inspect}"
    end

    # The lines of a field: Rack 2 keeps them in one string, Rack 3 in an array.
    def self.lines_of(value)
      return value.map(&:to_s) if value.is_a?(Array)

      value = value.to_s
      value.include?("\n") ? value.split("\n") : [value]
    end

    # Pairs of strings from variables or a head. Raises ProtocolError.
    def self.pairs_of(payload)
      raise ProtocolError, "variables without a NUL at their end" unless payload.end_with?("\0")

      # Without the last NUL, so that no empty part is left behind it.
      parts = payload.byteslice(0, payload.bytesize - 1).split("\0", -1)
      raise ProtocolError, "a variable without a value" if parts.empty? || parts.size.odd?
      # A call takes its arguments on a stack of limited height.
      return Hash[*parts] if parts.size <= 512

      parts.each_slice(2).to_h
    end

    # The whole frames in the first `size` bytes go to the block as type, flags, stream and payload;
    # gives the count of bytes they took. Raises ProtocolError.
    def self.each_frame(buffer, size = buffer.bytesize)
      at = 0
      while size - at >= HEADER_BYTES
        length, kind, flags, _, stream = buffer.unpack("NCCnN", offset: at)
        raise ProtocolError, "a frame of #{length} bytes" if length > PAYLOAD_BYTES_MAX

        stop = at + HEADER_BYTES + length
        break if stop > size

        yield kind, flags, stream, buffer.byteslice(at + HEADER_BYTES, length)
        at = stop
      end
      at
    end
  end
end
