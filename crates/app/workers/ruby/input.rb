# `rack.input`: the request's content for the application, in the three shapes it may have.
#
#     none                    Nothing       one object for all requests
#     all there already       StringIO      most forms: the edge reads ahead
#     still on its way        Input         Rack 3: as it comes, read once
#                             Rewindable    Rack 2: kept in memory, then on disk, and read again
#
# Nothing here knows frames: content comes from `stream.read`, which waits for it.

module DavyWorker
  # The content of a request that has none.
  class Nothing
    def read(length = nil, buffer = nil)
      buffer&.clear
      length.nil? || length.zero? ? (buffer || String.new) : nil
    end

    def gets(*) = nil

    def each = self

    def rewind = 0

    def size = 0

    def eof? = true

    def close = nil

    def external_encoding = Encoding::BINARY
  end

  # Content as it comes.
  class Input
    # One piece asked of the stream; a line longer than it is put together of several.
    PIECE_BYTES = 65_536

    def initialize(stream)
      @stream = stream
      @rest = String.new
      @ended = false
    end

    # As IO#read: waits for `length` bytes; fewer at the end, nil when there were none.
    def read(length = nil, buffer = nil)
      fetch until @ended || (length && @rest.bytesize >= length)
      taken = length ? @rest.slice!(0, length) : take_all
      buffer&.replace(taken)
      return nil if taken.empty? && length&.positive?

      buffer || taken
    end

    # What is there, waiting only if that is nothing. Raises EOFError at the end.
    def readpartial(length, buffer = nil)
      fetch while @rest.empty? && !@ended
      raise EOFError, "end of the content" if @rest.empty?

      taken = @rest.slice!(0, length)
      buffer ? buffer.replace(taken) : taken
    end

    def gets
      looked = 0
      until (at = @rest.index("\n", looked))
        looked = @rest.bytesize
        break if @ended

        fetch
      end
      line = at ? @rest.slice!(0, at + 1) : take_all
      line.empty? ? nil : line
    end

    def each
      while (line = gets)
        yield line
      end
      self
    end

    def close
      @ended = true
      @rest.clear
      nil
    end

    def external_encoding = Encoding::BINARY

    private

    def fetch
      piece = @stream.read(PIECE_BYTES)
      piece ? @rest << piece : @ended = true
    end

    def take_all
      all = @rest
      @rest = String.new
      all
    end
  end

  # Content that can be read again: all of it is fetched when it is first asked for.
  class Rewindable
    # More than this goes to a file without a name.
    MEMORY_BYTES_MAX = 262_144

    def initialize(stream)
      @stream = stream
    end

    def read(*arguments) = kept.read(*arguments)

    def gets(*arguments) = kept.gets(*arguments)

    def each(&)
      kept.each(&)
      self
    end

    def rewind = kept.rewind

    def size = kept.size

    def eof? = kept.eof?

    def external_encoding = Encoding::BINARY

    # Also called by the worker, when the request is over.
    def close
      @kept&.close
      nil
    end

    private

    def kept
      @kept ||= fetch
    end

    def fetch
      all = StringIO.new(String.new)
      while (piece = @stream.read(Input::PIECE_BYTES))
        all = spill(all) if all.is_a?(StringIO) && all.size + piece.bytesize > MEMORY_BYTES_MAX
        all.write(piece)
      end
      all.rewind
      all
    end

    def spill(memory)
      require "tempfile"
      file = Tempfile.create("davy", binmode: true)
      File.unlink(file.path)
      file.write(memory.string)
      file
    end
  end
end
