# A socket to an edge that is never waited for: what arrived of a frame, what could not be sent yet.
#
# Its server holds a lock around all of this, closes it when the peer is gone, and looks when it can
# be written to again. It never closes itself: another thread may be waiting at its socket.

module DavyWorker
  # The edge's end of the frames.
  class Connection
    # One read; with as much there is perhaps more.
    READ_BYTES = 65_536
    # A peer that lets this much wait unread is broken: content stops long before, at its credit.
    UNSENT_BYTES_MAX = 1_048_576

    attr_reader :socket, :unsent, :streams, :waiting
    # Whether its HELLO came, and whether GOAWAY was sent.
    attr_accessor :greeted, :leaving
    # The numbers of the newest stream and of the last one begun.
    attr_accessor :last, :begun

    def initialize(socket, server)
      @server = server
      @socket = socket
      @buffer = String.new(capacity: READ_BYTES + 1)
      @rest = nil
      @unsent = String.new
      @open = true
      @greeted = @leaving = false
      @last = @begun = 0
      # The streams that have not ended, by their numbers, and those that wait for their turn.
      @streams = {}
      @waiting = []
    end

    def open?
      @open
    end

    # Hands out the frames that have come. Raises SystemCallError or EOFError when the peer is gone.
    def receive(&)
      loop do
        read = @socket.read_nonblock(READ_BYTES, @buffer, exception: false)
        raise EOFError if read.nil?
        break if read == :wait_readable

        full = read.bytesize == READ_BYTES
        split(&)
        # A full read: what came last, an ABORT perhaps, is still to be read. Credit bounds it.
        break unless full && @open
      end
    end

    # Sends what can be sent now and keeps the rest.
    def push(frames)
      return unless @open
      return keep(frames) unless @unsent.empty?

      sent = @socket.write_nonblock(frames, exception: false)
      sent = 0 if sent == :wait_writable
      keep(frames.byteslice(sent, frames.bytesize)) if sent < frames.bytesize
    rescue SystemCallError, IOError
      give_up
    end

    # Sends more of what could not be sent before.
    def flush
      sent = @socket.write_nonblock(@unsent, exception: false)
      return if sent == :wait_writable

      @unsent = @unsent.byteslice(sent, @unsent.bytesize)
      @server.watch_less if @unsent.empty?
    end

    # Nothing is sent or taken in any more; the server finds the end of the stream and closes.
    def give_up
      @open = false
      @unsent.clear
      @socket.shutdown
    rescue SystemCallError, IOError
      # It is shut already.
    ensure
      @streams.each_value(&:lose)
      @waiting.clear
    end

    private

    def split(&)
      if @rest
        @buffer.prepend(@rest)
        @rest = nil
      end
      size = @buffer.bytesize
      # With a byte behind it no payload is the tail of the buffer. Ruby would share tails, and
      # then make a new buffer for the next read.
      @buffer << 0
      taken = Wire.each_frame(@buffer, size, &)
      @rest = @buffer.byteslice(taken, size - taken) if taken < size
    end

    def keep(frames)
      return give_up if @unsent.bytesize + frames.bytesize > UNSENT_BYTES_MAX

      @server.watch_more if @unsent.empty?
      @unsent << frames
    end
  end
end
