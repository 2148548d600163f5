# Starts a worker: `ruby main.rb CONFIG_RU THREADS` in the project's folder, its socket as fd 0.
#
# The application sees a plain process: its own bundle loaded before anything else, so that no
# library of ours decides a version, /dev/null on stdin, and of the worker nothing but the module
# DavyWorker. That it is loaded shows in HELLO: nothing is accepted before. Exit codes: 0 told to
# stop, 2 called wrongly, 3 the application can't be loaded.

# Starts, loads and serves.
module DavyWorker
  USAGE = 2
  NOT_LOADED = 3

  module_function

  def main(arguments)
    file, threads = arguments
    unless file && threads.to_i.positive?
      warn "usage: ruby main.rb CONFIG_RU THREADS"
      return USAGE
    end
    trap("INT", "IGNORE")
    arguments.clear
    application = load(file)
    return NOT_LOADED unless application

    Request.multithread = threads.to_i > 1
    server = Server.new(take_listener, Request, application, threads: threads.to_i)
    trap("TERM") { server.stop }
    leave_children_alone(server)
    server.run
    0
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
  def take_listener
    copy = $stdin.dup
    copy.autoclose = false
    $stdin.reopen(File::NULL)
    UNIXServer.for_fd(copy.fileno)
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
