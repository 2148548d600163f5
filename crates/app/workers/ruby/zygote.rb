# Preload: one process that loads the application, and forks a worker whenever the site asks.
#
#     site ──{"fork"} + listener, stdout, stderr, life──▶ zygote ──fork──▶ worker
#          ◀──{"forked"} + pidfd─────────────────────────  │
#          ◀──{"ended"}────────────────────────────────────'  reaped here, and nowhere else
#
# What was loaded is shared by all workers until one of them writes to it, so that many of them take
# little more memory than one. Messages are packets of JSON, with the descriptors beside them.
#
# It forks only what is safe to be forked: no thread but this one and some that are known, and no open
# socket. The connections that Active Record knows of are closed first. Otherwise it says why not, and
# the site starts each worker on its own.
#
# frozen_string_literal: true

module DavyWorker
  # The process that forks. Its life ends with the site's, or when the site lets go of it.
  class Zygote
    PACKET_BYTES = 65_536
    # Room for the descriptors of a packet: a listener, stdout, stderr, and the socket that tells of
    # the site's end.
    CONTROL_BYTES = 256
    # pidfd_open, the same on all architectures; Ruby has no method of that name.
    PIDFD_OPEN = 434
    # Linux's fcntl: whom a descriptor's signal is for, and which one it is.
    F_SETOWN = 8
    F_SETSIG = 10
    O_ASYNC = 0o20000

    # Threads that a forked process starts anew (Active Record's reaper), or does without (that of
    # concurrent-ruby before 1.2, which tidies up behind other threads).
    DISPENSABLE = %r{active_record/connection_adapters/abstract/connection_pool|
                     concurrent/atomic/ruby_thread_local_var}x

    def initialize(control)
      @control = Socket.for_fd(control)
      # Process ids by the descriptors of those processes.
      @workers = {}
    end

    # Forks when told to. Returns in the workers alone, each with its listener's descriptor.
    def run
      close_databases
      # What survives four collections is left alone by most later ones, and so stays shared.
      4.times { GC.start }
      tell({ loaded: { unsafe: unsafe } })
      loop do
        readable, = IO.select([@control, *@workers.keys])
        readable.each do |io|
          next reap(io) if @workers.key?(io)

          listener = obey
          return listener if listener
        end
      end
    end

    private

    def close_databases
      return unless defined?(ActiveRecord::Base)

      handler = ActiveRecord::Base.connection_handler
      takes_role = handler.method(:clear_all_connections!).arity != 0
      takes_role ? handler.clear_all_connections!(:all) : handler.clear_all_connections!
    end

    # Why this process can't be forked; nil: it can.
    def unsafe
      thread = Thread.list.find { |it| it != Thread.main && !dispensable?(it) }
      return "loading leaves a thread running: #{thread.inspect}" if thread

      Dir.children("/proc/self/fd").each do |name|
        target = File.readlink("/proc/self/fd/#{name}")
        socket = target.start_with?("socket:") && name.to_i != @control.fileno
        return "loading leaves a network connection or a socket open" if socket
        return "loading leaves an event loop open" if target == "anon_inode:[eventpoll]"
      rescue SystemCallError
        next # the folder's own
      end
      pidfd(Process.pid).close
      nil
    rescue NotImplementedError, SystemCallError
      "this system has no process descriptors"
    end

    def dispensable?(thread)
      thread.backtrace.to_a.any? { |line| line.match?(DISPENSABLE) }
    end

    def pidfd(pid)
      IO.for_fd(syscall(PIDFD_OPEN, pid, 0))
    end

    # One message of the site's. Gives the listener in a worker.
    def obey
      message, _, _, *controls = @control.recvmsg(PACKET_BYTES, 0, CONTROL_BYTES, scm_rights: true)
      Process.exit!(0) if message.empty?
      number = message[/"fork":(\d+)/, 1].to_i
      fork_worker(number, controls.flat_map(&:unix_rights))
    end

    # One worker; what it was given is closed here. Gives the listener in the child.
    def fork_worker(number, given)
      pid = Process.fork
      return become_worker(*given) if pid.nil?

      process = pidfd(pid)
      @workers[process] = pid
      tell({ forked: { number: number, pid: pid } }, process)
      nil
    rescue SystemCallError => error
      tell({ failed: { number: number, error: error.message } })
      nil
    ensure
      given.each(&:close) unless pid.nil?
    end

    # In the child: its own session and output. Gives its listener.
    def become_worker(listener, stdout, stderr, life)
      @control.close
      @workers.each_key(&:close)
      Process.setsid
      $stdout.reopen(stdout)
      $stderr.reopen(stderr)
      [stdout, stderr].each(&:close)
      # To reopen a stream is to forget what was added to it.
      Output.mark_streams
      end_with_site(life)
      listener.autoclose = false
      listener.fileno
    end

    # The site holds the other end: when it has gone, the kernel sends SIGTERM.
    def end_with_site(life)
      @life = life
      life.fcntl(F_SETOWN, Process.pid)
      life.fcntl(F_SETSIG, Signal.list["TERM"])
      life.fcntl(Fcntl::F_SETFL, life.fcntl(Fcntl::F_GETFL) | O_ASYNC)
    end

    # A worker has ended.
    def reap(process)
      pid = @workers.delete(process)
      process.close
      _, status = Process.wait2(pid)
      tell({ ended: { pid: pid, status: status.to_i } })
    end

    # Sends a message with descriptors. A site that has gone ends this process.
    def tell(message, *descriptors)
      rights = Socket::AncillaryData.unix_rights(*descriptors) unless descriptors.empty?
      @control.sendmsg(JSON.generate(message), 0, nil, *rights)
    rescue SystemCallError
      Process.exit!(0)
    end
  end
end
