# Requests that the application takes over, and answers that are called instead of iterated.

require_relative "edge"

class TestHijack < Edge::Test
  APP = <<~'RUBY'
    running = []
    full = lambda do |env, head, &work|
      io = env["rack.hijack"].call
      io.write("HTTP/1.1 #{head}\r\n\r\n")
      running << Thread.new { work.call(io) }
      [-1, {}, []]
    end
    partial = ->(head = {}, &work) { [200, head.merge("rack.hijack" => work), []] }
    run lambda { |env|
      case env["PATH_INFO"]
      when "/echo"
        full.call(env, "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo") do |io|
          loop { io.write(io.readpartial(1000).upcase) }
        rescue EOFError
          io.write("bye")
          io.close
        end
      when "/plain"
        full.call(env, "200 OK\r\nConnection: close\r\nA: b") { |io| io.write("plain"); io.close }
      when "/chunked"
        full.call(env, "200 OK\r\nTransfer-Encoding: chunked") do |io|
          "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n".each_char { |c| io.write(c); io.flush }
        end
      when "/blocking"
        io = env["rack.hijack"].call
        io.write("HTTP/1.1 200 OK\r\n\r\n", "z" * 1_000_000)
        io.close
        [200, {}, ["not used"]]
      when "/garbage" then full.call(env, "no response") { |io| sleep }
      when "/silent" then env["rack.hijack"].call.close; [200, {}, []]
      when "/partial" then partial.call("a" => "b") { |io| 3.times { |n| io.write("#{n} ") }; io.close }
      when "/late" then partial.call { |io| running << Thread.new { sleep 0.1; io.write("late"); io.close } }
      when "/failing" then partial.call { |io| io.write("x"); raise KeyError, "in the stream" }
      when "/events" then partial.call { |io| running << Thread.new { loop { io.write("data: 1\n\n"); sleep 0.01 } } }
      when "/call"
        body = ->(io) { io << "called " << env["rack.hijack?"].to_s; io.close }
        [200, {}, body]
      else [200, {}, ["ok #{running.count(&:alive?)}"]]
      end
    }
  RUBY
  UPGRADE = { "HTTP_UPGRADE" => "echo", "HTTP_CONNECTION" => "Upgrade" }.freeze

  def setup
    worker(APP)
    @peer = @worker.connect
  end

  # The next frame of a stream, whose content may come in more than one.
  def data(stream, count)
    bytes = String.new
    while bytes.bytesize < count
      frame = @peer.read
      assert_equal [Edge::DATA, stream], [frame.kind, frame.stream]
      bytes << frame.payload
    end
    bytes
  end

  # Reads RESPONSE and ASIDE, in whichever order they come.
  def opened(stream, path, more = UPGRADE)
    @peer.push(Edge::REQUEST, stream, @peer.send(:variables, path, more))
    frames = [@peer.read, @peer.read].sort_by(&:kind)
    assert_equal [[Edge::RESPONSE, stream], [Edge::ASIDE, stream]], frames.map { |it| [it.kind, it.stream] }
    @peer.begun(frames.first.payload)
  end

  def test_upgraded_connection_is_a_tunnel_beside_other_requests
    answer = opened(1, "/echo")
    assert_equal [101, [%w[Connection Upgrade], %w[Upgrade echo]]], [answer.status, answer.head]
    @peer.push(Edge::DATA, 1, "one")
    assert_equal "ONE", data(1, 3)
    @peer.get(2, "/")
    assert_equal "ok 1", @peer.answer(2).content
    @peer.push(Edge::DATA, 1, "two")
    @peer.push(Edge::FINISH, 1)
    assert_equal "TWObye", data(1, 6)
    assert_equal [Edge::FINISH, 1], @peer.read.to_a.first(2)
  end

  def test_tunnel_carries_more_than_any_window_both_ways
    opened(1, "/echo")
    sent = got = 0
    credit = 65_536
    while got < 1_000_000
      piece = [credit, 1_000_000 - sent].min
      @peer.push(Edge::DATA, 1, "a" * piece) if piece.positive?
      sent += piece
      credit -= piece
      frame = @peer.read
      if frame.kind == Edge::CREDIT then credit += frame.payload.unpack1("N")
      else
        assert_equal ["A" * frame.payload.bytesize, Edge::DATA], [frame.payload, frame.kind]
        got += frame.payload.bytesize
        @peer.credit(1, frame.payload.bytesize)
      end
    end
    @peer.push(Edge::FINISH, 1)
  end

  def test_data_that_comes_with_the_request_is_there_after_the_upgrade
    @peer.push(Edge::REQUEST, 1, @peer.send(:variables, "/echo", UPGRADE))
    @peer.push(Edge::DATA, 1, "early")
    frames = Array.new(3) { @peer.read }
    assert_equal "EARLY", frames.find { |frame| frame.kind == Edge::DATA }.payload
  end

  def test_visitor_that_goes_away_ends_the_application_s_side
    opened(1, "/echo")
    @peer.abort(1)
    assert_equal [Edge::ABORT, 1], @peer.read.to_a.first(2)
    stream = 1
    eventually do
      @peer.get(stream += 1, "/")
      @peer.answer(stream).content == "ok 0"
    end
  end

  def test_connection_that_breaks_ends_the_application_s_side
    opened(1, "/echo")
    @peer.close
    @peer = @worker.connect
    stream = 0
    eventually do
      @peer.get(stream += 1, "/")
      @peer.answer(stream).content == "ok 0"
    end
  end

  def test_whole_response_of_the_application_s_loses_what_framed_it
    @peer.get(1, "/plain")
    answer = @peer.answer(1)
    assert_equal [200, [%w[A b]], "plain"], [answer.status, answer.head, answer.content]
    @peer.get(2, "/chunked")
    answer = @peer.answer(2)
    assert_equal [[], "abcdefg"], [answer.head, answer.content]
  end

  def test_application_that_writes_much_before_it_returns_is_not_stuck
    @peer.get(1, "/blocking")
    @peer.credit(1, 1_000_000)
    assert_equal 1_000_000, @peer.answer(1).content.bytesize
    @peer.get(2, "/")
    assert_equal "ok 0", @peer.answer(2).content
  end

  def test_what_is_no_response_is_an_abort
    @peer.get(1, "/garbage")
    assert_match(/does not begin with an HTTP response/, assert_raises(RuntimeError) { @peer.answer(1) }.message)
    @peer.get(2, "/silent")
    assert_match(/closed before its answer/, assert_raises(RuntimeError) { @peer.answer(2) }.message)
  end

  def test_partial_hijack_and_body_that_is_called_write_behind_the_head
    @peer.get(1, "/partial")
    answer = @peer.answer(1)
    assert_equal [200, [%w[a b]], "0 1 2 "], [answer.status, answer.head, answer.content]
    @peer.get(2, "/late")
    @peer.get(3, "/")
    assert_equal "ok 1", @peer.answer(3).content, "the stream goes on beside it"
    @peer.get(4, "/call")
    assert_equal "called true", @peer.answer(4).content
  end

  def test_stream_that_fails_is_an_abort
    @peer.get(1, "/failing")
    assert_equal "KeyError: in the stream", assert_raises(RuntimeError) { @peer.answer(1) }.message
    assert_match(/in the stream \(KeyError\)/, @worker.errors)
  end

  def test_stopping_worker_ends_what_was_upgraded
    opened(1, "/echo")
    @worker.terminate
    kinds = [@peer.read.kind, @peer.read.kind]
    assert_equal [Edge::GOAWAY, Edge::FINISH], kinds
    assert_equal 0, @worker.wait.exitstatus
  end
end
