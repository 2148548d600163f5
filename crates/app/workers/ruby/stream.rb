# One request as the edge sees it: content that came for the application, credit for its answer.
#
#     edge ── DATA ──▶ content ──▶ read          at most a window of 64 KiB lies here
#     edge ◀── DATA ── credit ◀── write          nothing lies here: the sender waits for credit
#
# What the application calls (`read`, `start`, `write`, `finish`, `abort`) takes the server's lock and
# may wait; what the server calls (`take`, `lose`) is called with the lock held and never waits.

module DavyWorker
  # Nobody waits for this request any more.
  class Gone < IOError; end

  # A request on its connection. A subclass runs an application with it.
  class Stream
    # Credit goes back when half of the window was read.
    CREDIT_STEP = Wire::REQUEST_CREDIT / 2
    # Content that may lie unsent before the application is made to wait.
    UNSENT_PAUSE = 262_144

    attr_reader :number, :variables, :connection, :gone, :done, :credit, :content
    # When the application was called; 0: it was not.
    attr_accessor :started

    def initialize(connection, server, number, flags, payload)
      @connection = connection
      @server = server
      @number = number
      @variables = Wire.pairs_of(payload)
      # What came of the request's content and was not read; nil: there is none.
      @content = flags & Wire::NO_CONTENT == 0 ? String.new : nil
      @ended = @content.nil?
      @credit = Wire::RESPONSE_CREDIT
      @window = Wire::REQUEST_CREDIT
      @started = @consumed = 0
      @gone = @done = false
      @tunnel = nil
    end

    # A frame from the edge. Raises ProtocolError.
    def take(kind, payload)
      case kind
      when Wire::CREDIT then @credit += payload.unpack1("N")
      when Wire::ABORT then abandon
      when Wire::END_, Wire::DATA then take_content(kind, payload)
      end
      @tunnel&.move
    end

    # The edge or its connection is gone: nothing more is sent.
    def lose
      @gone = true
      @tunnel&.lose
    end

    # The content if all of it is there already, nil otherwise. It is taken then.
    def whole_content
      @server.synchronize { @ended ? consume(@content.bytesize) : nil }
    end

    # The next bytes of content, at most so many, waiting for some; nil at the end.
    def read(count)
      @server.synchronize do
        @server.wait until arrived?
        raise Gone, "the visitor has gone" if @gone && @content.empty?

        @content.empty? ? nil : consume(count)
      end
    end

    # The whole answer: one write if one frame holds it, which is less than the credit.
    def answer(status, head, content)
      ended = DavyWorker.now
      if Wire::RESPONSE_PREFIX + head.bytesize + content.bytesize > Wire::PAYLOAD_BYTES_MAX
        start(status, head, content)
        return finish(ended)
      end
      @server.synchronize do
        push(Wire.answer(@number, @started, ended, status, head, content))
        close
      end
    end

    # RESPONSE, and all of `content` as credit comes.
    def start(status, head, content)
      room = Wire::PAYLOAD_BYTES_MAX - Wire::RESPONSE_PREFIX - head.bytesize
      raise ArgumentError, "response headers of #{head.bytesize} bytes" if room.negative?

      first = content.byteslice(0, [room, @credit].min)
      @server.synchronize { start_now(status, head, first) }
      rest = content.bytesize - first.bytesize
      write(content.byteslice(first.bytesize, rest)) if rest.positive?
    end

    # DATA, as credit comes.
    def write(content)
      at = 0
      while at < content.bytesize
        @server.synchronize do
          @server.wait until @gone || (@credit.positive? && !crowded?)
          at += write_now(content.byteslice(at, Wire::PAYLOAD_BYTES_MAX))
        end
      end
    end

    # END of the answer.
    def finish(ended = DavyWorker.now)
      @server.synchronize { finish_now(ended) }
    end

    # ABORT, unless the answer has ended.
    def abort(reason)
      @server.synchronize { abort_now(reason) }
    end

    # What follows is called with the lock held, and never waits.

    # RESPONSE with some content, for which there is credit.
    def start_now(status, head, content = "")
      @credit -= content.bytesize
      push(Wire.response(@number, @started, status, head, content))
    end

    # DATA of what credit allows; gives the count of bytes.
    def write_now(content)
      piece = content.bytesize > @credit ? content.byteslice(0, @credit) : content
      @credit -= piece.bytesize
      push(Wire.frame(Wire::DATA, @number, piece))
      piece.bytesize
    end

    def finish_now(ended = DavyWorker.now)
      push(Wire.finish(@number, ended))
      close
    end

    def abort_now(reason)
      return if @done

      ended = @started.zero? ? 0 : DavyWorker.now
      @connection.push(Wire.abort(@number, reason, @started, ended))
      close
    end

    # The request goes on without the thread that ran it, which can run another.
    def aside_now
      push(Wire.aside(@number)) unless @done || @gone
    end

    # Whether so much lies unsent on the connection that more has to wait.
    def crowded?
      @connection.unsent.bytesize > UNSENT_PAUSE
    end

    # Whether all of the content has come.
    def ended?
      @ended
    end

    # Removes bytes from the content that lies here, and grants credit for them.
    def consume(count)
      if count >= @content.bytesize
        taken = @content
        @content = String.new
      else
        taken = @content.slice!(0, count)
      end
      @consumed += taken.bytesize
      grant if @consumed >= CREDIT_STEP && !@ended && !@done && !@gone
      taken
    end

    private

    def abandon
      lose
      abort_now("not begun") if @started.zero?
    end

    def take_content(kind, payload)
      raise ProtocolError, "content after its end" if @ended
      return @ended = true if kind == Wire::END_
      raise ProtocolError, "more content than credit" if payload.bytesize > @window

      @window -= payload.bytesize
      @content << payload
    end

    def arrived?
      @ended || @gone || @done || !@content.empty?
    end

    def grant
      @connection.push(Wire.credit(@number, @consumed))
      @window += @consumed
      @consumed = 0
    end

    def push(frames)
      raise Gone, "the visitor has gone" if @gone

      @connection.push(frames)
    end

    def close
      @done = true
      @connection.streams.delete(@number)
    end
  end
end
