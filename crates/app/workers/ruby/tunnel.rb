# A hijacked request: the application holds one end of a pair of sockets, the server splices the
# other with the frames of the stream.
#
#     edge ── DATA ──▶ stream.content ──▶ socket ══▶ the application's end
#     edge ◀── DATA ── credit ◀────────── socket ◀══
#
# After a full hijack the application writes the whole HTTP response, whose head becomes RESPONSE
# (raw_answer.rb); after a partial one, and for a streaming body, RESPONSE was sent before. Each
# method is called with the server's lock held and never waits. The pair's buffers are the only
# place where bytes lie that are not within a window of credit.

module DavyWorker
  # The server's end of the pair.
  class Tunnel
    READ_BYTES = 65_536

    attr_reader :socket

    # With `answer`, a RawAnswer, the head is still to come.
    def initialize(server, stream, socket, answer, upgraded: false)
      @server = server
      @stream = stream
      @socket = socket
      @answer = answer
      @upgraded = upgraded
      @open = true
    end

    # Whether more can be taken from the application now.
    def reads?
      @stream.credit.positive? && !@stream.crowded?
    end

    # Whether there is something for the application that it has not taken.
    def writes?
      !@stream.content.nil? && !@stream.content.empty?
    end

    # From the application to the edge.
    def pull
      read = @socket.read_nonblock([READ_BYTES, @stream.credit].min, exception: false)
      return if read == :wait_readable
      return finish if read.nil?

      read = head(read) if @answer && !@answer.begun?
      read = @answer.content(read) if @answer && read
      @stream.write_now(read) unless read.nil? || read.empty?
      return finish if @answer&.ended?

      # Without credit, or with much unsent, it has to be left out of what is waited for.
      @server.watch_less unless reads?
    rescue SystemCallError
      finish
    rescue ProtocolError => error
      warn "the request failed: #{error.message}"
      fail_with(error.message)
    end

    # From the edge to the application; and whatever has changed for this stream.
    def move
      return unless @open

      @server.watch_more
      if writes?
        written = @socket.write_nonblock(@stream.content, exception: false)
        @stream.consume(written) unless written == :wait_writable
      end
      @socket.shutdown(Socket::SHUT_WR) if @upgraded && @stream.ended? && !writes?
    rescue SystemCallError, IOError
      # The application reads no more; what it still writes goes on.
      @stream.consume(@stream.content.bytesize)
    end

    # The worker stops: what was upgraded has no end of its own.
    def end_upgrade
      finish if @upgraded
    end

    # The application failed, or its answer can't be understood.
    def fail_with(reason)
      @stream.abort_now(reason)
      close
    end

    # The edge does not want the answer any more.
    def lose
      fail_with("the visitor has gone")
    end

    private

    # Bytes of the head; gives what follows it, nil while it is incomplete.
    def head(bytes)
      rest = @answer.head(bytes)
      return unless rest

      @upgraded = @answer.status == 101
      @stream.start_now(@answer.status, @answer.fields)
      rest
    end

    def finish
      return fail_with("the hijacked request was closed before its answer") if @answer&.begun? == false

      @stream.finish_now
      close
    end

    def close
      return unless @open

      @open = false
      @server.remove_tunnel(self)
      @socket.close
    end
  end
end
