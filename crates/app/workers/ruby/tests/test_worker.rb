# The real worker process on small applications, driven by frames.

require_relative "edge"

class TestWorker < Edge::Test
  # Answers by path, and what is asked for by many tests.
  APP = <<~'RUBY'
    count = 0
    app = lambda do |env|
      count += 1
      head = { "Content-Type" => "text/plain", "X-Count" => count.to_s }
      case env["PATH_INFO"]
      when "/raise" then raise "the reason é"
      when "/exit" then exit 7
      when "/twice" then [200, head.merge("Set-Cookie" => "a=1\nb=2"), ["x"]]
      when "/status" then [99, head, []]
      when "/smuggle" then [200, head.merge("X" => "a\rb"), []]
      when "/five" then [200, head, ["5" * 5_242_880]]
      when "/file" then [200, head, File.open("config.ru")]
      when "/large" then [200, head, File.open("large")]
      when "/parts" then [200, head, Enumerator.new { |all| 3.times { |n| all << "part #{n}\n" } }]
      when "/promised" then [200, head.merge("Content-Length" => "3"), Enumerator.new { |all| all << "abc" }]
      when "/broken" then [200, head, Enumerator.new { |all| all << "a"; raise KeyError, "late" }]
      when "/endless" then [200, head, Enumerator.new { |all| loop { all << "x" * 65_536 } }]
      when "/stdin" then [200, head, [[$stdin.read, File.readlink("/proc/self/fd/0")].inspect]]
      when "/text" then [200, head, ["é", "\xff".b]]
      when "/fork"
        [200, head, [Process.wait2(fork { exit! 5 }).last.exitstatus.to_s]]
      when "/stray"
        fork or next [200, head, ["child"]]
        [200, head, ["parent"]]
      when "/after"
        env["rack.after_reply"] << -> { warn "after reply" }
        env["rack.response_finished"] << ->(_, status, _, error) { warn "finished #{status} #{error.inspect}" }
        [200, head, ["x"]]
      when "/print"
        puts "one", "two"
        $stdout.print "a", "b\n"
        require "logger"
        Logger.new(STDOUT, formatter: ->(*parts) { "#{parts.last}\n" }).info("logged")
        [200, head, ["x"]]
      else
        size = 0
        while (piece = env["rack.input"].read(10_000))
          raise "other content" unless piece.delete("b").empty?
          size += piece.bytesize
        end
        [200, head, ["read #{size}"]]
      end
    end
    run app
  RUBY

  def peer(**options)
    worker(APP, **options)
    @worker.connect
  end

  # A request with a first piece of content that is known to have begun.
  def post_begun(peer, stream, path = "/")
    peer.post(stream, path)
    peer.push(Edge::DATA, stream, "b" * 40_000)
    assert_equal [Edge::CREDIT, stream], peer.read.to_a.first(2)
  end

  def test_small_answer_comes_with_its_stamps
    peer = self.peer
    assert_equal [Edge::HELLO, [1, 1, @worker.pid].pack("nnN")], [peer.hello.kind, peer.hello.payload]
    before = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
    peer.get(1, "/")
    answer = peer.answer(1)
    assert_equal [200, "read 0"], [answer.status, answer.content]
    assert_equal [%w[Content-Type text/plain], %w[X-Count 1]], answer.head
    assert_operator before, :<, answer.started
    assert_operator answer.started, :<=, answer.ended
  end

  def test_small_answer_is_written_in_one_piece
    peer = self.peer
    peer.get(1, "/promised")
    peer.socket.wait_readable
    bytes = peer.socket.readpartial(65_536)
    assert_equal 2, bytes.scan(/\x00\x00\x00.[\x03\x05]\x00\x00\x00\x00\x00\x00\x01/n).size
    assert bytes.byteslice(-20, 5) == [8, Edge::FINISH].pack("NC")
  end

  def test_rack_lint_finds_no_fault
    worker(<<~'RUBY')
      require "uri"
      require "rack/lint"
      use Rack::Lint
      run lambda { |env|
        content = env["rack.input"].read(4).to_s + env["rack.input"].gets.to_s
        env["rack.input"].rewind
        env["rack.errors"].write("noted\n")
        [200, { "Content-Type" => "text/plain" }, [content, " of #{env["rack.input"].read.size}"]]
      }
    RUBY
    peer = @worker.connect
    peer.post(1, "/a?b=c", "CONTENT_LENGTH" => "11")
    peer.content(1, "some\nthing\n")
    assert_equal "some\n of 11", peer.answer(1).content
    peer.get(2, "/")
    assert_equal " of 0", peer.answer(2).content
    peer.get(3, "/", "REQUEST_METHOD" => "HEAD")
    assert_equal "", peer.answer(3).content
    assert_match(/^00c0ffee0000 noted$/, @worker.errors)
  end

  def test_env_has_the_path_as_it_came_and_the_rest_by_the_document
    worker("run ->(env) { [200, {}, [env.values_at(*env['QUERY_STRING'].split(',')).inspect]] }")
    peer = @worker.connect
    peer.get(1, "/a%20b?PATH_INFO,SCRIPT_NAME", "PATH_INFO" => "/a b")
    assert_equal '["/a%20b", ""]', peer.answer(1).content
    peer.get(2, "http://x/m/c%2Fd?PATH_INFO,HTTP_HOST", "PATH_INFO" => "/m/c/d", "SCRIPT_NAME" => "/m")
    assert_equal '["/c%2Fd", "localhost:8080"]', peer.answer(2).content
    peer.get(3, "/?REQUEST_METHOD,SERVER_PROTOCOL,rack.url_scheme,rack.multithread", "REQUEST_SCHEME" => "https")
    assert_equal '["GET", "HTTP/1.1", "https", false]', peer.answer(3).content
  end

  def test_content_larger_than_the_window_flows_by_credit
    peer = self.peer
    peer.post(1, "/")
    sent = 0
    credit = 65_536
    while sent < 1_000_000
      count = [credit, 1_000_000 - sent].min
      peer.push(Edge::DATA, 1, "b" * count)
      sent += count
      credit -= count
      next if sent == 1_000_000

      credit += peer.read.payload.unpack1("N") while credit.zero?
    end
    peer.push(Edge::FINISH, 1)
    assert_equal "read 1000000", peer.answer(1).content
  end

  def test_large_answer_waits_for_credit_and_meanwhile_takes_requests
    peer = self.peer
    peer.get(1, "/five")
    got = peer.begun(peer.read.payload).content.bytesize
    got += peer.read.payload.bytesize while got < 262_144
    assert_equal 262_144, got, "no more than the window comes"
    peer.get(2, "/")
    peer.credit(1, 10_000_000)
    frame = nil
    while (frame = peer.read).kind == Edge::DATA
      got += frame.payload.bytesize
    end
    assert_equal [5_242_880, Edge::FINISH], [got, frame.kind]
    assert_equal "read 0", peer.answer(2).content
  end

  def test_more_content_than_credit_closes_the_connection
    peer = self.peer
    peer.post(1, "/five", "CONTENT_LENGTH" => "70000")
    peer.push(Edge::DATA, 1, "b" * 65_536)
    peer.push(Edge::DATA, 1, "b")
    loop { break unless peer.read }
    assert_equal 200, @worker.connect.tap { |it| it.get(1, "/") }.answer(1).status
  end

  def test_blocks_are_not_held_back_and_those_of_promised_content_go_in_one
    peer = self.peer
    peer.credit(9, 1) # a stream that is not there
    assert_nil peer.read, "a frame for a stream never opened closes the connection"
    peer = @worker.connect
    peer.get(1, "/parts")
    kinds = Array.new(4) { peer.read.kind }
    assert_equal [Edge::RESPONSE, Edge::DATA, Edge::DATA, Edge::FINISH], kinds
    peer.get(2, "/promised")
    assert_equal "abc", peer.answer(2).content
  end

  def test_error_is_an_abort_with_its_backtrace_in_the_log
    peer = self.peer
    peer.get(1, "/raise")
    assert_equal "RuntimeError: the reason é".b, assert_raises(RuntimeError) { peer.answer(1) }.message.b
    peer.get(2, "/exit")
    assert_equal "SystemExit: exit", assert_raises(RuntimeError) { peer.answer(2) }.message
    assert_match(/^00c0ffee0000 config.ru:\d+:in .* the reason é \(RuntimeError\)/, @worker.errors)
    peer.get(3, "/")
    assert_equal "read 0", peer.answer(3).content
  end

  def test_breaches_of_rack_are_aborts
    peer = self.peer
    %w[/status /smuggle].each.with_index(1) do |path, stream|
      peer.get(stream, path)
      assert_match(/\AArgumentError: /, assert_raises(RuntimeError) { peer.answer(stream) }.message)
    end
  end

  def test_error_in_the_middle_of_an_answer_aborts_it
    peer = self.peer
    peer.get(1, "/broken")
    assert_equal [Edge::RESPONSE, Edge::ABORT], [peer.read.kind, peer.read.kind]
  end

  def test_fields_of_several_lines_are_several_fields
    peer = self.peer
    peer.get(1, "/twice")
    assert_equal [%w[Set-Cookie a=1], %w[Set-Cookie b=2]], peer.answer(1).head.last(2)
  end

  def test_texts_of_any_encoding_make_one_answer
    peer = self.peer
    peer.get(1, "/text")
    assert_equal "\xc3\xa9\xff".b, peer.answer(1).content
  end

  def test_files_are_sent_by_their_path
    peer = self.peer(files: { "large" => "0123456789" * 200_000 })
    peer.get(1, "/file")
    assert_equal APP.b, peer.answer(1).content
    peer.get(2, "/large")
    peer.credit(2, 2_000_000)
    assert_equal "0123456789" * 200_000, peer.answer(2).content
  end

  def test_head_has_no_content
    peer = self.peer
    peer.get(1, "/endless", "REQUEST_METHOD" => "HEAD")
    assert_equal [Edge::RESPONSE, Edge::FINISH], [peer.read.kind, peer.read.kind]
  end

  def test_given_up_requests_end_and_the_worker_goes_on
    peer = self.peer
    peer.get(1, "/endless")
    peer.read
    peer.get(2, "/")
    peer.abort(2)
    peer.abort(1)
    peer.get(3, "/")
    aborted = {}
    until aborted.size == 2
      frame = peer.read
      aborted[frame.stream] = frame.payload.unpack1("Q>") if frame.kind == Edge::ABORT
    end
    assert_equal 0, aborted[2], "it was not begun"
    assert_operator aborted[1], :>, 0
    assert_equal "X-Count 2", peer.answer(3).head.last.join(" ")
  end

  def test_request_given_up_with_its_content_still_to_come_ends
    peer = self.peer
    post_begun(peer, 1)
    peer.abort(1)
    assert_equal "the visitor has gone", assert_raises(RuntimeError) { peer.answer(1) }.message
    peer.get(2, "/")
    assert_equal 200, peer.answer(2).status
  end

  def test_two_connections_take_turns
    first = self.peer
    second = @worker.connect
    post_begun(first, 1)
    (2..4).each { |stream| first.get(stream, "/") }
    (1..3).each { |stream| second.get(stream, "/") }
    first.push(Edge::FINISH, 1)
    counts = [[first, 1..4], [second, 1..3]].map do |peer, streams|
      streams.map { |stream| peer.answer(stream).head.last.last.to_i }
    end
    assert_equal 1, counts[0].shift
    assert_equal (2..7).to_a, counts.flatten.sort
    assert counts.all? { |those| those.each_cons(2).all? { |a, b| b - a == 2 } }, counts.inspect
  end

  def test_stopping_worker_answers_what_it_has_begun_and_says_what_it_has_not
    peer = self.peer
    peer.get(1, "/")
    peer.answer(1)
    post_begun(peer, 2)
    peer.get(3, "/")
    @worker.terminate
    assert_equal [Edge::GOAWAY, 0, [2].pack("N")], peer.read.to_a
    peer.push(Edge::FINISH, 2)
    assert_equal "read 40000", peer.answer(2).content
    assert_nil peer.read
    assert_equal 0, @worker.wait.exitstatus
    assert_raises(Errno::ECONNREFUSED) { @worker.connect }
  end

  def test_worker_without_work_stops_at_once
    peer = self.peer
    @worker.terminate
    assert_equal Edge::GOAWAY, peer.read.kind
    assert_equal 0, @worker.wait.exitstatus
  end

  def test_garbage_closes_that_connection_alone
    peer = self.peer
    chance = Random.new(4711)
    50.times do
      broken = @worker.connect
      broken.socket.write(chance.bytes(200))
      broken.socket.close_write
      loop { break unless broken.read }
    rescue Errno::EPIPE, Errno::ECONNRESET
      # It was closed before all was written.
    end
    peer.get(1, "/")
    assert_equal 200, peer.answer(1).status
  end

  def test_too_many_requests_ahead_close_the_connection
    peer = self.peer
    post_begun(peer, 1)
    (2..300).each { |stream| peer.get(stream, "/") }
    assert_nil peer.read
  rescue Errno::EPIPE
    pass
  end

  def test_application_s_processes_leave_the_worker_s_sockets_alone
    peer = self.peer
    peer.get(1, "/fork")
    assert_equal "5", peer.answer(1).content
    peer.get(2, "/stray")
    assert_equal "parent", peer.answer(2).content
    peer.get(3, "/stdin")
    assert_equal '["", "/dev/null"]', peer.answer(3).content
  end

  def test_lines_written_at_a_request_bear_its_id
    peer = self.peer
    peer.get(1, "/print")
    peer.answer(1)
    lines = %w[one two ab logged].map { |line| "00c0ffee0000 #{line}\n" }
    eventually { @worker.output.lines == lines }
  end

  def test_what_is_left_for_after_the_answer_is_done
    peer = self.peer
    peer.get(1, "/after")
    peer.answer(1)
    eventually { @worker.errors.include?("after reply") && @worker.errors.include?("finished 200 nil") }
  end

  def test_application_that_can_not_be_loaded_is_told_of
    worker("raise 'not today'")
    assert_equal 3, @worker.wait.exitstatus
    assert_match(/config.ru can't be loaded\n.*not today/, @worker.errors)
  end
end
