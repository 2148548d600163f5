# One request through a Rack application, of Rack 2 or 3 (the SPEC of rack).
#
# The server has read the variables; here they become `env`, the application is called, and what it
# returns goes back as frames: all of it at once if its blocks exist already (an array), else block
# by block, none held back while the application makes the next one.
#
# It never lets an exception out: the backtrace goes to stderr, the edge gets ABORT.

module DavyWorker
  # A request: what the application is given, and what becomes of its answer.
  class Request < Stream
    # What is the same in every env.
    TEMPLATE = {
      # What a request has unless it says otherwise (docs/worker-protocol.md).
      "REQUEST_METHOD" => "GET",
      "SCRIPT_NAME" => "",
      "QUERY_STRING" => "",
      "SERVER_PROTOCOL" => "HTTP/1.1",
      "REQUEST_SCHEME" => "http",
      "SERVER_SOFTWARE" => "davy",
      "rack.version" => [1, 6].freeze,
      "rack.multithread" => false,
      "rack.multiprocess" => true,
      "rack.run_once" => false,
      "rack.hijack?" => true,
      "rack.url_scheme" => "http",
      "rack.errors" => $stderr,
      "rack.input" => Nothing.new
    }
    # Hash keys are shared strings: these stay, so that no request makes them anew.
    NAMES = %w[
      REQUEST_METHOD PATH_INFO QUERY_STRING REQUEST_URI SERVER_NAME SERVER_PORT REMOTE_ADDR
      REMOTE_PORT REQUEST_ID CONTENT_TYPE CONTENT_LENGTH HTTP_HOST HTTP_USER_AGENT HTTP_ACCEPT
      HTTP_ACCEPT_ENCODING HTTP_ACCEPT_LANGUAGE HTTP_COOKIE HTTP_REFERER HTTP_CACHE_CONTROL
      HTTP_IF_NONE_MATCH HTTP_IF_MODIFIED_SINCE HTTP_ORIGIN HTTP_AUTHORIZATION HTTP_PRAGMA
      HTTP_UPGRADE_INSECURE_REQUESTS HTTP_SEC_FETCH_DEST HTTP_SEC_FETCH_MODE HTTP_SEC_FETCH_SITE
      HTTP_SEC_FETCH_USER HTTP_SEC_CH_UA HTTP_SEC_CH_UA_MOBILE HTTP_SEC_CH_UA_PLATFORM
      HTTP_X_REQUESTED_WITH HTTP_X_CSRF_TOKEN HTTP_DNT HTTP_PRIORITY
    ].map { |name| -name.b }.freeze
    FILE_PIECE_BYTES = 131_072

    class << self
      # Whether `rack.input` has to be rewindable: Rack 2.
      attr_accessor :rewindable

      # Whether requests run side by side in this process.
      def multithread=(answer)
        TEMPLATE["rack.multithread"] = answer
      end
    end

    # Runs the application for this request.
    def run(application)
      @env = environment
      Output.request_id = @env["REQUEST_ID"]
      status, headers, body = application.call(@env)
      begin
        respond(Integer(status), headers, body) unless @hijacked
      ensure
        body.close if body.respond_to?(:close)
      end
      after_reply(status, headers, nil)
    rescue Gone => error
      fail_with("the visitor has gone", error)
    rescue Exception => error # `exit` in an action ends the request, not the worker
      report(error)
      fail_with(reason_of(error), error)
    ensure
      Output.request_id = nil
      settle
    end

    # `rack.hijack`: the application takes over, and writes the whole HTTP response itself.
    def call
      @env["rack.hijack_io"] ||= splice(RawAnswer.new)
    end

    # The request may be in a message of an exception: its env would be in it twice.
    def inspect
      "#<davy request #{@variables["REQUEST_ID"]}>"
    end

    private

    def environment
      env = TEMPLATE.merge(@variables)
      uri = env["REQUEST_URI"]
      # Rack's applications decode the path themselves.
      env["PATH_INFO"] = raw_path(uri, env) if uri.include?("%")
      env["rack.url_scheme"] = env["REQUEST_SCHEME"] unless env["REQUEST_SCHEME"] == "http"
      env["rack.hijack"] = self
      env["rack.after_reply"] = []
      env["rack.response_finished"] = []
      put_input(env) if @content
      env
    end

    def raw_path(uri, env)
      path = uri[%r{\A(?:\w[\w+.-]*://[^/?]*)?([^?]*)}n, 1]
      path.delete_prefix(env["SCRIPT_NAME"])
    end

    def put_input(env)
      # What follows a request to upgrade is not content, and waits for who hijacks it.
      @upgrade = env["HTTP_UPGRADE"] && env["REQUEST_METHOD"] == "GET" && !env["CONTENT_LENGTH"]
      return if @upgrade

      if (whole = whole_content)
        env["CONTENT_LENGTH"] ||= whole.bytesize.to_s
        env["rack.input"] = StringIO.new(whole)
      elsif Request.rewindable
        env["rack.input"] = @input = Rewindable.new(self)
        env["CONTENT_LENGTH"] ||= @input.size.to_s
      else
        env["rack.input"] = Input.new(self)
      end
    end

    def respond(status, headers, body)
      raise ArgumentError, "the status #{status}" unless status.between?(100, 599)

      head = Wire.head_of(headers)
      hijack = headers["rack.hijack"]
      if hijack then stream(status, head, hijack)
      elsif @env["REQUEST_METHOD"] == "HEAD" then answer(status, head, "")
      elsif body.respond_to?(:to_ary) then answer(status, head, joined(body.to_ary))
      elsif body.respond_to?(:to_path) && File.file?(body.to_path) then give_file(status, head, body)
      elsif body.respond_to?(:each) then give_each(status, headers, head, body)
      else
        stream(status, head, body)
      end
    end

    def joined(blocks)
      blocks.size == 1 ? blocks[0].b : blocks.map(&:b).join
    end

    def give_file(status, head, body)
      File.open(body.to_path, "rb") do |file|
        return answer(status, head, file.read) if file.size <= FILE_PIECE_BYTES / 2

        start(status, head, "")
        buffer = String.new
        write(buffer) while file.read(FILE_PIECE_BYTES, buffer)
      end
      finish
    end

    # A block that is all of the promised content goes with the head and the end, in one write.
    def give_each(status, headers, head, body)
      promised = headers["content-length"] || headers["Content-Length"]
      begun = false
      body.each do |block|
        next if block.empty?

        block = block.b
        if begun then write(block)
        elsif block.bytesize == promised.to_i then answer(status, head, block)
        else
          start(status, head, block)
        end
        begun = true
      end
      return answer(status, head, "") unless begun

      finish unless @done
    end

    # A body that is called (Rack 3), or partial hijacking: the application writes to a socket, also
    # after it has returned, and closes it.
    def stream(status, head, body)
      start(status, head, "")
      body.call(splice(nil, upgraded: status == 101))
    end

    # The application's end of a pair of sockets whose other end the server splices.
    def splice(answer, upgraded: false)
      @io, ours = UNIXSocket.pair
      @hijacked = true
      @server.detach
      @server.synchronize do
        raise Gone, "the visitor has gone" if @gone

        @tunnel = Tunnel.new(@server, self, ours, answer, upgraded: upgraded)
        @server.add_tunnel(@tunnel)
        @tunnel.move
      end
      @io
    end

    # The request is over, or goes on without this thread.
    def settle
      @input&.close
      return unless @hijacked

      @server.synchronize { aside_now }
    end

    def fail_with(reason, error)
      @server.synchronize { @tunnel ? @tunnel.fail_with(reason) : abort_now(reason) }
      @io&.close
      after_reply(nil, nil, error)
    end

    # What the application left to be done when the visitor has the answer.
    def after_reply(status, headers, error)
      return unless @env

      @env["rack.after_reply"]&.each(&:call)
      @env["rack.response_finished"]&.reverse_each { |it| it.call(@env, status, headers, error) }
    rescue Exception => error
      report(error)
    end

    # The exception on stderr, whose lines bear the request's id.
    def report(error)
      $stderr.write("the request failed\n#{error.full_message(highlight: false, order: :top)}")
    rescue StandardError
      # stderr is gone, or the error's own text can't be had.
      $stderr.write("the request failed: #{error.class}\n") rescue nil # rubocop:disable all
    end

    def reason_of(error)
      "#{error.class}: #{error.message}"
    rescue StandardError
      error.class.name
    end
  end
end
