# A hand-made edge: starts the real worker on a small config.ru and talks frames to it. It shares no
# code with the worker, so that the worker is held to the document and not to itself.

require "minitest/autorun"
require "socket"
require "tmpdir"

# The edge's side of the frames.
module Edge
  HELLO, REQUEST, RESPONSE, DATA, FINISH, ABORT, CREDIT, GOAWAY, ASIDE = *1..9
  NO_CONTENT = 1
  SECONDS = 20
  MAIN = File.expand_path("../main.rb", __dir__)

  Frame = Struct.new(:kind, :stream, :payload)
  Answer = Struct.new(:status, :head, :content, :started, :ended)

  # A worker process in a project of its own.
  class Worker
    attr_reader :pid

    # `ruby` are arguments for the interpreter, `env` variables of its environment.
    def initialize(config, threads: 1, ruby: [], env: {}, files: {})
      @folder = Dir.mktmpdir("davy")
      { "config.ru" => config }.merge(files).each { |name, text| File.write(in_folder(name), text) }
      listener = UNIXServer.new(in_folder("w.sock"))
      arguments = [MAIN, "config.ru", threads.to_s]
      clean = { "BUNDLE_GEMFILE" => nil, "RUBYOPT" => nil }
      @pid = Process.spawn(clean.merge(env), "ruby", *ruby, *arguments, in: listener,
                           chdir: @folder, out: in_folder("out"), err: in_folder("err"))
      listener.close
    end

    def in_folder(name)
      File.join(@folder, name)
    end

    def connect
      Peer.new(UNIXSocket.new(in_folder("w.sock")))
    end

    def output
      File.read(in_folder("out"))
    end

    def errors
      File.read(in_folder("err"))
    end

    def terminate
      Process.kill(:TERM, @pid)
    end

    def wait
      @status ||= Process.wait2(@pid).last
    end

    def stop
      Process.kill(:KILL, @pid) unless @status
      wait
      FileUtils.remove_entry(@folder)
    end
  end

  # A connection to a worker.
  class Peer
    attr_reader :socket, :hello

    def initialize(socket)
      @socket = socket
      @hello = read
      push(HELLO, 0, [1, 0, 7].pack("nnN")) if @hello
    end

    def push(kind, stream, payload = "", flags = 0)
      @socket.write([payload.bytesize, kind, flags, 0, stream].pack("NCCnN"), payload)
    end

    def get(stream, path, more = {})
      push(REQUEST, stream, variables(path, more), NO_CONTENT)
    end

    # A request whose content follows.
    def post(stream, path, more = {})
      push(REQUEST, stream, variables(path, { "REQUEST_METHOD" => "POST" }.merge(more)))
    end

    def content(stream, *pieces)
      pieces.each { |piece| push(DATA, stream, piece) }
      push(FINISH, stream)
    end

    def credit(stream, bytes)
      push(CREDIT, stream, [bytes].pack("N"))
    end

    def abort(stream)
      push(ABORT, stream, [0, 0].pack("Q>Q>") << "gone")
    end

    # The next frame, nil when the worker has closed.
    def read
      header = exactly(12) or return
      length, kind, _, _, stream = header.unpack("NCCnN")
      raise "a frame of #{length} bytes" if length > 131_072

      Frame.new(kind, stream, length.zero? ? "".b : exactly(length))
    end

    # The whole answer of a stream; an ABORT raises. Frames of other streams are dropped.
    def answer(stream)
      answer = nil
      loop do
        frame = read or raise "closed"
        next if frame.stream != stream

        case frame.kind
        when RESPONSE then answer = begun(frame.payload)
        when DATA then answer.content << frame.payload
        when FINISH then return answer.tap { |it| it.ended = frame.payload.unpack1("Q>") }
        when ABORT then raise frame.payload.byteslice(16, 1024)
        end
      end
    end

    def begun(payload)
      started, status, length = payload.unpack("Q>nN")
      head = payload.byteslice(14, length).split("\0", -1).each_slice(2).select { |it| it.size == 2 }
      Answer.new(status, head, payload.byteslice((14 + length)..), started)
    end

    def close
      @socket.close
    end

    private

    def exactly(count)
      bytes = String.new
      while bytes.bytesize < count
        raise "no answer" unless @socket.wait_readable(SECONDS)

        bytes << @socket.readpartial(count - bytes.bytesize)
      end
      bytes
    rescue EOFError, Errno::ECONNRESET
      nil
    end

    def variables(path, more)
      uri, query = path.split("?", 2)
      { "PATH_INFO" => uri, "QUERY_STRING" => query || "", "REQUEST_URI" => path,
        "SERVER_NAME" => "localhost", "SERVER_PORT" => "8080", "REMOTE_ADDR" => "127.0.0.1",
        "REMOTE_PORT" => "4711", "REQUEST_ID" => "00c0ffee0000", "HTTP_HOST" => "localhost:8080" }
        .merge(more).compact.flatten.map { |part| "#{part}\0" }.join.b
    end
  end

  # A test with workers, which end with it.
  class Test < Minitest::Test
    def worker(config, **options)
      @worker = Worker.new(config, **options)
    end

    def teardown
      @worker&.stop
    end

    # Waits until the block gives something.
    def eventually
      give_up = Process.clock_gettime(Process::CLOCK_MONOTONIC) + SECONDS
      until (found = yield)
        flunk "it did not happen" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > give_up
        sleep 0.01
      end
      found
    end
  end
end
