# Starts a worker: `ruby main.rb CONFIG_RU THREADS` in the project's folder, its socket as fd 0.
#
# With `--preload` behind, fd 0 is the site's control socket, and workers are forked from here
# (zygote.rb).
#
# The application sees a plain process: its own bundle loaded before anything else, so that no
# library of ours decides a version, /dev/null on stdin, and of the worker nothing but the module
# DavyWorker. That it is loaded shows in HELLO: nothing is accepted before. Exit codes: 0 told to
# stop, 2 called wrongly, 3 the application can't be loaded.
#
# frozen_string_literal: true

# Starts, loads and serves.
module DavyWorker
  USAGE = 2
  NOT_LOADED = 3

  module_function

  def main(arguments)
    file, threads, preload = arguments
    unless file && threads.to_i.positive? && [nil, "--preload"].include?(preload)
      warn "usage: ruby main.rb CONFIG_RU THREADS [--preload]"
      return USAGE
    end
    trap("INT", "IGNORE")
    arguments.clear
    socket = take_socket
    application = load(file)
    return NOT_LOADED unless application

    socket = zygote(socket).run if preload
    serve(UNIXServer.for_fd(socket), application, threads.to_i)
    0
  end

  def serve(listener, application, threads)
    tell_stacks(listener)
    Request.multithread = threads > 1
    server = Server.new(listener, Request, application, threads: threads)
    trap("TERM") { server.stop }
    leave_children_alone(server)
    # Rubies that know it make room in memory, and look less often at what stays for good.
    Process.warmup if Process.respond_to?(:warmup)
    server.run
  end

  # The application, its bundle and this worker, in the one order that does no harm.
  def load(file)
    require "bundler/setup" if ENV["BUNDLE_GEMFILE"]
    require_worker
    Output.mark_streams
    require "rack"
    Request.rewindable = Rack.release.to_i < 3
    application = Rack::Builder.parse_file(file)
    # Rack 2 adds options, which stand in the file's first line.
    application.is_a?(Array) ? application.first : application
  rescue Exception => error # `exit` while loading is no better than an error
    warn "#{file} can't be loaded\n#{error.full_message(highlight: false, order: :top)}"
    nil
  end

  def require_worker
    require "socket"
    require "stringio"
    %w[output wire connection stream input raw_answer tunnel request server].each do |name|
      require_relative name
    end
  end

  # The socket on fd 0, moved away: what the application starts must not inherit it as stdin.
  def take_socket
    copy = $stdin.dup
    copy.autoclose = false
    $stdin.reopen(File::NULL)
    copy.fileno
  end

  def zygote(socket)
    require "fcntl"
    require "json"
    require_relative "zygote"
    Zygote.new(socket)
  end

  # From now on SIGURG appends the stacks of all threads to the file beside the socket: the site asks
  # for them when a request takes long. Ruby looks at signals between two steps of its own code, so
  # a call into C that holds the interpreter tells nothing.
  def tell_stacks(listener)
    path = "#{listener.path.delete_suffix(".sock")}.stack"
    trap("URG") do
      main = caller
      stacks = Thread.list.map do |thread|
        # That of the main thread is the one this handler interrupts.
        lines = thread == Thread.main ? main : thread.backtrace
        name = thread == Thread.main ? "main" : thread.name || "thread"
        ["#{name}:", *lines].join("\n  ")
      end
      File.write(path, "#{stacks.join("\n")}\n", mode: "a")
    end
  end

  # A process that the application forks has nothing of the worker's.
  def leave_children_alone(server)
    Process.singleton_class.prepend(Module.new do
      define_method(:_fork) do
        super().tap { |pid| server.leave_to_parent if pid.zero? }
      end
    end)
  end
end

exit DavyWorker.main(ARGV) if $PROGRAM_NAME == __FILE__
