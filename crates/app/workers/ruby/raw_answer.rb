# The HTTP/1.1 response that an application writes itself after a full hijack (RFC 9112).
#
# The edge frames content for its visitor anew, so what the application did for that is undone: the
# fields of one hop go, and chunks become plain content. It never does I/O and keeps at most a head,
# or a line of a chunk.

module DavyWorker
  # Bytes of a response in, its parts out.
  class RawAnswer
    HEAD_BYTES_MAX = 32_768
    LINE_BYTES_MAX = 1_024
    # Fields of one hop, which a 101 alone is made of.
    HOP = %w[connection keep-alive transfer-encoding].freeze

    attr_reader :status, :fields

    def initialize
      @bytes = String.new
      @status = nil
      # Of chunked content: what is left of a chunk. nil: content is not chunked.
      @left = nil
      @ended = false
    end

    def begun?
      !@status.nil?
    end

    # Whether the content has told its own end.
    def ended?
      @ended
    end

    # More bytes; gives those that follow the head, nil while it is incomplete.
    def head(bytes)
      @bytes << bytes
      at = @bytes.index("\r\n\r\n")
      if at.nil? || at > HEAD_BYTES_MAX
        raise ProtocolError, "the hijacked response's head is too long" if at || full?

        return
      end
      lines = @bytes.slice!(0, at + 4).split("\r\n")
      read_status(lines.shift)
      read_fields(lines)
      rest = @bytes
      @bytes = String.new
      rest
    end

    # The content in these bytes.
    def content(bytes)
      return bytes if @left.nil?

      @bytes << bytes
      found = String.new
      take_chunk(found) until @ended || @bytes.empty? || stuck?
      found
    end

    private

    def full?
      @bytes.bytesize > HEAD_BYTES_MAX
    end

    def read_status(line)
      found = %r{\AHTTP/1\.[01] ([1-5]\d\d)(?: |\z)}n.match(line.to_s)
      raise ProtocolError, "what was hijacked does not begin with an HTTP response" unless found

      @status = Integer(found[1])
    end

    def read_fields(lines)
      pairs = lines.map { |line| line.split(":", 2).map(&:strip) }
      raise ProtocolError, "the hijacked response has a broken field" if pairs.any? { |it| it.size < 2 }

      chunked = pairs.any? { |name, value| name.casecmp?("transfer-encoding") && value =~ /chunked/i }
      @left = 0 if chunked
      pairs = pairs.reject { |name, _| HOP.include?(name.downcase) } unless @status == 101
      @fields = Wire.head_of(pairs)
    rescue ArgumentError => error
      raise ProtocolError, error.message
    end

    # Whether the next chunk's line is incomplete.
    def stuck?
      return false if @left.positive? || @bytes.index("\r\n", 0)
      raise ProtocolError, "the hijacked response has a broken chunk" if @bytes.bytesize > LINE_BYTES_MAX

      true
    end

    # The rest of a chunk with the line break behind it, or the line before the next one.
    def take_chunk(found)
      if @left.positive?
        piece = @bytes.slice!(0, @left)
        @left -= piece.bytesize
        # The two last bytes are the line break.
        found << piece.byteslice(0, [piece.bytesize - [2 - @left, 0].max, 0].max)
        return
      end
      line = @bytes.slice!(0, @bytes.index("\r\n") + 2)
      size = line[/\A\h{1,8}(?=[;\s])/n]
      raise ProtocolError, "the hijacked response has a broken chunk" unless size

      size = size.hex
      size.zero? ? @ended = true : @left = size + 2
    end
  end
end
