# Workers with several threads, and applications with threads of their own.

require_relative "edge"

class TestThreads < Edge::Test
  APP = <<~'RUBY'
    gate = Queue.new
    seen = Queue.new
    run lambda { |env|
      case env["PATH_INFO"]
      when "/wait" then [200, {}, [gate.pop]]
      when "/open" then gate << "opened"; [200, {}, ["open"]]
      when "/thread" then [200, {}, [Thread.new { env["rack.input"].read }.value]]
      when "/multithread" then [200, {}, [env["rack.multithread"].to_s]]
      when "/endless"
        [200, {}, Enumerator.new { |all| loop { all << "x" * 65_536 } }]
      else [200, {}, ["ok"]]
      end
    }
  RUBY

  def peer(threads)
    worker(APP, threads: threads)
    @worker.connect
  end

  def test_worker_says_how_many_requests_it_runs_and_runs_as_many
    peer = self.peer(3)
    assert_equal 3, peer.hello.payload.unpack1("@2n")
    peer.get(1, "/wait")
    peer.get(2, "/wait")
    peer.get(3, "/open")
    assert_equal "open", peer.answer(3).content
    peer.get(4, "/open")
    ended = []
    ended |= [peer.read.stream] until ended.size == 3
    assert_equal [1, 2, 4], ended.sort
    peer.get(5, "/multithread")
    assert_equal "true", peer.answer(5).content
  end

  def test_many_requests_on_many_connections_are_all_answered
    worker(APP, threads: 3)
    peers = Array.new(4) { @worker.connect }
    peers.each { |peer| (1..200).each { |stream| peer.get(stream, "/") } }
    peers.each do |peer|
      ended = []
      while ended.size < 200
        frame = peer.read
        ended << frame.stream if frame.kind == Edge::FINISH
      end
      assert_equal (1..200).to_a, ended.sort
    end
  end

  def test_content_may_be_read_by_a_thread_of_the_application_s
    peer = self.peer(1)
    peer.post(1, "/thread")
    peer.push(Edge::DATA, 1, "a" * 40_000)
    peer.content(1, "b" * 10)
    assert_equal 40_010, peer.answer(1).content.bytesize
    peer.get(2, "/")
    assert_equal "ok", peer.answer(2).content
  end

  def test_thread_that_waits_for_credit_holds_up_nobody
    peer = self.peer(2)
    peer.get(1, "/endless")
    got = peer.begun(peer.read.payload).content.bytesize
    got += peer.read.payload.bytesize while got < 262_144
    peer.get(2, "/")
    assert_equal "ok", peer.answer(2).content
    peer.abort(1)
    frame = peer.read
    assert_equal [Edge::ABORT, 1], [frame.kind, frame.stream]
  end

  def test_stopping_worker_lets_all_of_its_threads_finish
    peer = self.peer(3)
    peer.get(1, "/wait")
    peer.post(2, "/thread")
    peer.get(3, "/")
    peer.answer(3)
    @worker.terminate
    frame = peer.read
    assert_equal [Edge::GOAWAY, 3], [frame.kind, frame.payload.unpack1("N")]
    peer.content(2, "late")
    assert_equal "late", peer.answer(2).content
    @worker.terminate # a second one changes nothing
    assert_nil Process.wait(@worker.pid, Process::WNOHANG), "a thread is at a request still"
  end
end
