# What differs with Rack 3, which not every system has: a stand-in for its Builder is loaded instead.

require_relative "edge"

class TestRack3 < Edge::Test
  STAND_IN = <<~'RUBY'
    module Rack
      def self.release = "3.1.8"
      module Builder
        def self.parse_file(path) = new_app(File.read(path))
        def self.new_app(text) = eval(text)
      end
    end
  RUBY
  APP = <<~'RUBY'
    Listed = Struct.new(:blocks) do
      def to_ary = blocks
      def each = raise("not both")
      def close = warn("closed")
    end
    lambda do |env|
      input = env["rack.input"]
      case env["PATH_INFO"]
      when "/duplex"
        [200, {}, Enumerator.new { |all| while (line = input.gets) do all << line.upcase end }]
      when "/shape" then [200, { "a" => %w[b c] }, [input.respond_to?(:rewind).inspect]]
      when "/listed" then [200, {}, Listed.new(%w[x y])]
      else
        buffer = String.new
        parts = [input.read(3), input.read(3, buffer), buffer, input.read, input.read, input.read(1), input.gets]
        [200, {}, [parts.inspect]]
      end
    end
  RUBY

  def setup
    @stand_in = Dir.mktmpdir
    File.write(File.join(@stand_in, "rack.rb"), STAND_IN)
    worker(APP, ruby: ["-I", @stand_in])
    @peer = @worker.connect
  end

  def teardown
    super
    FileUtils.remove_entry(@stand_in)
  end

  def test_content_is_given_as_it_comes
    @peer.post(1, "/duplex")
    @peer.push(Edge::DATA, 1, "one\ntw")
    assert_equal "ONE\n", @peer.begun(@peer.read.payload).content
    @peer.push(Edge::DATA, 1, "o\nend")
    assert_equal "TWO\n", @peer.read.payload
    @peer.push(Edge::FINISH, 1)
    assert_equal "END", @peer.read.payload
    assert_equal Edge::FINISH, @peer.read.kind
  end

  def test_reading_follows_io
    @peer.post(1, "/read")
    @peer.push(Edge::DATA, 1, "01234")
    @peer.content(1, "56789")
    assert_equal '["012", "345", "345", "6789", "", nil, nil]', @peer.answer(1).content
  end

  def test_input_on_its_way_can_not_be_rewound_and_fields_may_be_arrays
    @peer.post(1, "/shape")
    answer = @peer.answer(1)
    assert_equal ["false", [%w[a b], %w[a c]]], [answer.content, answer.head]
  end

  def test_body_that_is_like_an_array_goes_in_one_answer_and_is_closed
    @peer.get(1, "/listed")
    assert_equal "xy", @peer.answer(1).content
    eventually { @worker.errors.include?("closed") }
  end
end
