# What the application writes while it is at a request, marked with the request's id.
#
# Each line on stdout and stderr begins with the id that stands on the error page and in the edge's
# log line, so that one search finds all three. Threads of the application's own, and what is written
# between requests, are not marked. It never holds back what is written.

module DavyWorker
  # Marks two streams.
  module Output
    # The id of the request that this thread is at, nil between requests.
    def self.request_id=(id)
      Thread.current[:davy_request_id] = id
    end

    # Marks stdout and stderr of this process from now on; also loggers keep these two objects.
    def self.mark_streams
      [$stdout, $stderr].each do |stream|
        stream.sync = true
        stream.singleton_class.prepend(Marked)
      end
    end
  end

  # An IO that begins its lines with the request's id.
  module Marked
    def write(*texts)
      id = Thread.current[:davy_request_id]
      text = texts.size == 1 ? texts[0].to_s : texts.join
      if id && !text.empty?
        marked = text.b.gsub(/\n(?!\z)/n, "\n#{id} ")
        super(@davy_inside ? marked : "#{id} ".b << marked)
      else
        super(text)
      end
      @davy_inside = !text.end_with?("\n") unless text.empty?
      text.bytesize
    end
  end
end
