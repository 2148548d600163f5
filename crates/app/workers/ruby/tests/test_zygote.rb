# Workers forked from one process that has loaded the application; the site's side is played here.

require "json"
require_relative "edge"

class TestZygote < Edge::Test
  APP = <<~'RUBY'
    loaded_in = Process.pid
    run ->(_) { puts "said"; [200, {}, ["#{loaded_in} #{Process.pid} #{$stdin.read.inspect}"]] }
  RUBY

  def setup
    @folder = Dir.mktmpdir("davy")
    @control, @theirs = Socket.pair(:UNIX, :SEQPACKET)
  end

  def teardown
    @control.close
    Process.wait(@pid)
    FileUtils.remove_entry(@folder)
  end

  def zygote(config)
    File.write(File.join(@folder, "config.ru"), config)
    arguments = [Edge::MAIN, "config.ru", "1", "--preload"]
    @pid = Process.spawn({ "BUNDLE_GEMFILE" => nil, "RUBYOPT" => nil }, "ruby", *arguments,
                         in: @theirs, chdir: @folder)
    @theirs.close
    hear.first.fetch("loaded")
  end

  # The next message, and the descriptors beside it.
  def hear
    flunk "no answer" unless @control.wait_readable(Edge::SECONDS)
    message, _, _, *controls = @control.recvmsg(65_536, 0, 256, scm_rights: true)
    [JSON.parse(message), controls.flat_map(&:unix_rights)]
  end

  # Has a worker forked; gives its process id, a connection, its output and the end of its life.
  def fork_worker(number)
    path = File.join(@folder, "#{number}.sock")
    listener = UNIXServer.new(path)
    output, written = IO.pipe
    life, held = UNIXSocket.pair
    given = [listener, written, written, held]
    rights = Socket::AncillaryData.unix_rights(*given)
    @control.sendmsg(JSON.generate({ fork: number }), 0, nil, rights)
    given.each(&:close)
    message, descriptors = hear
    assert_equal [number, 1], [message.dig("forked", "number"), descriptors.size]
    [message.dig("forked", "pid"), Edge::Peer.new(UNIXSocket.new(path)), output, life]
  end

  def test_workers_are_forked_with_the_application_and_their_ends_are_told
    assert_equal({ "unsafe" => nil }, zygote(APP))
    workers = [1, 2].map { |number| fork_worker(number) }
    workers.each do |pid, peer, output, _|
      peer.get(1, "/")
      assert_equal "#{@pid} #{pid} \"\"", peer.answer(1).content
      assert output.wait_readable(Edge::SECONDS)
      assert_equal "00c0ffee0000 said\n", output.gets
      assert_equal pid, Process.getsid(pid), "a session of its own"
    end
    Process.kill(:TERM, workers[0][0])
    assert_equal({ "ended" => { "pid" => workers[0][0], "status" => 0 } }, hear.first)
    Process.kill(:KILL, workers[1][0])
    assert_equal({ "ended" => { "pid" => workers[1][0], "status" => 9 } }, hear.first)
  end

  def test_worker_ends_with_its_site
    zygote(APP)
    pid, peer, _, life = fork_worker(1)
    life.close
    assert_equal Edge::GOAWAY, peer.read.kind
    assert_equal pid, hear.first.dig("ended", "pid")
  end

  def test_what_can_not_be_forked_is_told
    told = zygote("Thread.new { sleep }\n#{APP}")["unsafe"]
    assert_match(/\Aloading leaves a thread running: .*config.ru:1 /, told)
  end

  def test_open_connections_can_not_be_forked
    told = zygote("$kept = UNIXSocket.pair\n#{APP}")
    assert_equal "loading leaves a network connection or a socket open", told["unsafe"]
  end
end
