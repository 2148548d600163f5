# The worker's loop: connections, their streams, and whose turn it is.
#
#     attached (one thread)                   detached (several, or once something is hijacked)
#
#     main: turn ─▶ run a request ─▶ turn     loop thread: turn, turn, turn ...
#             the application waits ─▶ turn   main and others: run a request, wait for the next
#
# A turn waits for sockets and takes in all that is there; it never runs the application. Attached,
# nothing is handed from one thread to another, which is most of what a small request would
# cost. Nobody can look after the sockets then while the application is at work, so the server
# detaches for good as soon as somebody but the main thread waits, or a request is hijacked.
#
# One lock guards all of the state; it is never held while something waits or the application runs.

module DavyWorker
  # CLOCK_MONOTONIC in nanoseconds.
  def self.now
    Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
  end

  # Listens, reads, and runs each request, a Stream, with the application.
  class Server
    # Requests sent ahead on one connection; connections at a time.
    WAITING_MAX = 256
    CONNECTIONS_MAX = 64
    # With requests at hand, frames are looked for no oftener than this.
    POLL_NS = 1_000_000
    STOP_SECONDS = 30

    def initialize(listener, stream, application, threads: 1)
      @listener = listener
      @stream = stream
      @application = application
      @threads = threads
      @connections = {}
      @tunnels = {}
      # Connections with waiting requests, in the order of their turns.
      @turns = []
      @lock = Mutex.new
      # Whether some thread waits for sockets: only one does.
      @polling = false
      # Whether the system had no descriptor for one more connection.
      @exhausted = false
      @arrived = ConditionVariable.new
      @changed = ConditionVariable.new
      @main = Thread.current
      @attached = true
      @stopping = @finished = @forked = false
      @read_at = 0
      @waiters = 0
      @wake_read, @wake_write = IO.pipe
    end

    # Serves until told to stop; then answers what was begun, and closes.
    def run
      detach if @threads > 1
      others = Array.new(@threads - 1) { Thread.new { work } }
      alone while @attached && !@stopping
      work
      others.each(&:join)
      drain
    end

    # Signal handler of SIGTERM. After 30 s the process ends whatever it does.
    def stop
      return if @stopping

      @stopping = true
      Thread.new do
        sleep STOP_SECONDS
        Process.exit!(1)
      end
      wake
    end

    # In a process the application forked: the sockets are the parent's, and so is the answer.
    def leave_to_parent
      @forked = true
      ([@listener, @wake_read, @wake_write] + @connections.keys + @tunnels.keys).each(&:close)
      # The lock may be held by a thread that is not in this process.
      @connections.each_value { |connection| connection.streams.each_value(&:lose) }
    end

    def synchronize(&)
      @lock.synchronize(&)
    end

    # Waits, with the lock held, until something may have changed.
    def wait
      if @attached && Thread.current.equal?(@main)
        @lock.unlock
        begin
          # The application may have asked to be interrupted (Timeout): while waiting, that does
          # no harm.
          Thread.handle_interrupt(Object => :on_blocking) { turn }
        ensure
          @lock.lock
        end
        return
      end
      detach_now
      pause
    end

    # The sockets get a thread of their own, for good.
    def detach
      synchronize { detach_now }
    end

    # A connection has something to send, or has sent all. With the lock held.
    def watch_more
      @interest = nil
      wake unless @attached || Thread.current.equal?(@loop)
    end

    def watch_less
      @interest = nil
    end

    # A socket to be spliced with a stream, from now on or no longer. With the lock held.
    def add_tunnel(tunnel)
      @tunnels[tunnel.socket] = tunnel
      watch_more
    end

    def remove_tunnel(tunnel)
      @tunnels.delete(tunnel.socket)
      @interest = nil
    end

    private

    # Attached: one request, or one turn.
    def alone
      now = DavyWorker.now
      if @turns.empty?
        turn
      elsif now - @read_at > POLL_NS
        look
      else
        stream = next_stream(now)
        execute(stream) if stream
      end
    end

    # Detached: requests one after the other, on any thread.
    def work
      loop do
        stream = synchronize do
          @arrived.wait(@lock) while @turns.empty? && !@stopping
          return if @stopping

          look_now if DavyWorker.now - @read_at > POLL_NS
          next_stream(DavyWorker.now)
        end
        execute(stream) if stream
      end
    end

    def execute(stream)
      stream.run(@application)
      Process.exit!(0) if @forked
    end

    # The request whose turn it is: one of each connection. It begins now.
    def next_stream(now)
      connection = @turns.shift or return
      stream = connection.waiting.shift
      @turns.push(connection) unless connection.waiting.empty?
      return if stream.nil? || stream.gone

      stream.started = now
      connection.begun = stream.number
      stream
    end

    # Reads all connections without waiting for any.
    def look
      synchronize { look_now }
    end

    def look_now
      @connections.values.each { |connection| exchange(connection) }
      @read_at = DavyWorker.now
      tell
    end

    # Waits for sockets or a signal, and takes in what is there.
    def turn
      readers, writers = synchronize do
        @polling = true
        @interest ||= interest
      end
      readable, writable = IO.select(readers, writers)
      synchronize do
        @polling = false
        writable&.each { |socket| write_to(socket) }
        readable&.each { |socket| read_from(socket) }
        @read_at = DavyWorker.now
        tell
      end
    ensure
      @polling = false
    end

    # What to wait for: sockets to read from, and sockets to write to.
    def interest
      readers = [@wake_read, *@connections.keys]
      readers << @listener if listening?
      writers = @connections.each_value.reject { |it| it.unsent.empty? }.map(&:socket)
      @tunnels.each_value do |tunnel|
        readers << tunnel.socket if tunnel.reads?
        writers << tunnel.socket if tunnel.writes?
      end
      [readers, writers]
    end

    def listening?
      !@listener.closed? && !@exhausted && @connections.size < CONNECTIONS_MAX
    end

    def read_from(socket)
      if (connection = @connections[socket])
        exchange(connection)
      elsif (tunnel = @tunnels[socket])
        tunnel.pull
      elsif socket.equal?(@wake_read)
        @wake_read.read_nonblock(64, exception: false)
        go_away if @stopping
      else
        accept
      end
    end

    def write_to(socket)
      if (connection = @connections[socket])
        guarded(connection) { connection.flush }
      else
        @tunnels[socket]&.move
      end
    end

    # Whoever waits learns that something has changed.
    def tell
      return if @attached

      # One thread for each request: those woken for nothing would cost as much as the request.
      @turns.each { |connection| connection.waiting.size.times { @arrived.signal } }
      @arrived.broadcast if @stopping
      @changed.broadcast if @waiters.positive?
    end

    # Takes in what one connection has.
    def exchange(connection)
      guarded(connection) do
        connection.receive do |kind, flags, number, payload|
          if !connection.open? then next
          elsif kind == Wire::REQUEST then take_request(connection, flags, number, payload)
          else
            take(connection, kind, number, payload)
          end
        end
      end
    end

    # Any fault of a connection closes it.
    def guarded(connection)
      yield
    rescue SystemCallError, IOError, ProtocolError
      close(connection)
    end

    # A new stream; it waits for its turn. Raises ProtocolError.
    def take_request(connection, flags, number, payload)
      if number <= connection.last || !connection.greeted
        raise ProtocolError, "a stream number used twice, or a request before HELLO"
      end
      raise ProtocolError, "too many requests ahead" if connection.waiting.size >= WAITING_MAX

      stream = @stream.new(connection, self, number, flags, payload)
      connection.last = number
      connection.streams[number] = stream
      @turns << connection if connection.waiting.empty?
      connection.waiting << stream
    end

    # Any other frame from the edge. Raises ProtocolError.
    def take(connection, kind, number, payload)
      unless Wire::FROM_EDGE[kind]&.cover?(payload.bytesize)
        raise ProtocolError, "frame of type #{kind} and #{payload.bytesize} bytes"
      end

      hello = kind == Wire::HELLO
      if connection.greeted == hello || number.zero? != hello
        raise ProtocolError, "frame of type #{kind} out of its place"
      end
      return greet(connection, payload) if hello
      raise ProtocolError, "frame for a stream never opened" if number > connection.last

      # A frame for a stream that has ended is dropped.
      stream = connection.streams[number]
      stream.take(kind, payload) if stream && !stream.gone
    end

    def greet(connection, payload)
      raise ProtocolError, "another version" if payload.unpack1("n") != Wire::VERSION

      connection.greeted = true
    end

    # One new connection, greeted at once: HELLO says that the application is loaded.
    def accept
      socket = @listener.accept_nonblock(exception: false)
      return if socket == :wait_readable

      connection = Connection.new(socket, self)
      @connections[socket] = connection
      @interest = nil
      connection.push(Wire.hello(@threads))
    rescue Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM
      # Listening goes on when a connection closes. With none, a new process is the only help.
      raise if @connections.empty?

      @exhausted = true
      @interest = nil
    rescue SystemCallError
      # The peer was gone before it was accepted.
    end

    # Ends a connection and all of its requests.
    def close(connection)
      @connections.delete(connection.socket)
      @turns.delete(connection)
      @exhausted = false
      @interest = nil
      connection.give_up
      connection.socket.close
    end

    # Turns new connections away, and says which requests will not be run.
    def go_away
      @interest = nil
      @listener.close
      @connections.each_value do |connection|
        next if connection.leaving

        connection.leaving = true
        connection.push(Wire.goaway(connection.begun))
        connection.waiting.clear
      end
      @turns.clear
      @tunnels.values.each(&:end_upgrade)
    end

    def wake
      @wake_write.write_nonblock("w", exception: false)
    rescue IOError
      # A process that was forked: the sockets are its parent's.
    end

    # Sends what is left to send and waits for what was hijacked, then ends every connection.
    def drain
      synchronize do
        wait until drained?
        # Their sockets are closed by whoever waits at them.
        @connections.each_value(&:give_up)
      end
    end

    def drained?
      @listener.closed? && @tunnels.empty? &&
        @connections.each_value.all? { |it| it.unsent.empty? }
    end

    def detach_now
      return unless @attached

      @attached = false
      @loop = Thread.new do
        synchronize { pause while @polling }
        turn until @forked
      end
      @loop.name = "davy"
      @loop.abort_on_exception = true
      # The main thread may wait for sockets still.
      wake
    end

    def pause
      @waiters += 1
      @changed.wait(@lock)
    ensure
      @waiters -= 1
    end
  end
end
