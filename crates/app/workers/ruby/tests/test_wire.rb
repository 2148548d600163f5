# The frames against the vectors of docs/worker-protocol.md, and against broken bytes.

require "minitest/autorun"
require_relative "../wire"

class TestWire < Minitest::Test
  Wire = DavyWorker::Wire
  DOCUMENT = File.expand_path("../../../../../docs/worker-protocol.md", __dir__)
  KINDS = {
    "HELLO" => Wire::HELLO, "REQUEST" => Wire::REQUEST, "RESPONSE" => Wire::RESPONSE,
    "DATA" => Wire::DATA, "END" => Wire::END_, "ABORT" => Wire::ABORT, "CREDIT" => Wire::CREDIT,
    "GOAWAY" => Wire::GOAWAY, "ASIDE" => Wire::ASIDE
  }.freeze

  # The fields of every vector of the document; `bytes` may go on over indented lines.
  def vectors
    File.read(DOCUMENT).scan(/```vector\n(.*?)```/m).map do |(block)|
      fields = block.gsub("\n  ", " ").lines.to_h { |line| line.split(":", 2).map(&:strip) }
      fields.merge("bytes" => [fields["bytes"].delete(" ")].pack("H*"))
    end
  end

  # `A=1 B=2` as a hash; a value may contain `=`.
  def pairs(text)
    text.split.to_h { |part| part.split("=", 2) }
  end

  def encoded(fields)
    stream = fields["stream"].to_i
    case fields["type"]
    when "HELLO" then Wire.hello(fields["concurrency"].to_i, fields["pid"].to_i)
    when "REQUEST"
      flags = fields.key?("flags") ? Wire::NO_CONTENT : 0
      Wire.frame(Wire::REQUEST, stream, Wire.head_of(pairs(fields["variables"])), flags)
    when "RESPONSE"
      head = Wire.head_of(pairs(fields["head"]))
      Wire.response(stream, fields["started"].to_i, fields["status"].to_i, head, fields["content"])
    when "ABORT"
      Wire.abort(stream, fields["reason"], fields["started"].to_i, fields["ended"].to_i)
    when "CREDIT" then Wire.credit(stream, fields["credit"].to_i)
    when "GOAWAY" then Wire.goaway(fields["last"].to_i)
    when "ASIDE" then Wire.aside(stream)
    else
      return Wire.finish(stream, fields["ended"].to_i) if fields.key?("ended")

      Wire.frame(KINDS[fields["type"]], stream, fields["content"] || "")
    end
  end

  def split(bytes)
    found = []
    taken = Wire.each_frame(bytes) { |*frame| found << frame }
    [found, bytes.byteslice(taken..)]
  end

  def test_document_has_a_vector_for_every_type
    assert_equal KINDS.keys.sort, vectors.map { |it| it["type"] }.uniq.sort
  end

  def test_frames_are_encoded_to_the_bytes_of_the_document
    vectors.each do |fields|
      assert_equal fields["bytes"].unpack1("H*"), encoded(fields).unpack1("H*"), fields["name"]
    end
  end

  def test_bytes_of_the_document_are_split_into_one_frame
    vectors.each do |fields|
      found, rest = split(fields["bytes"])
      assert_equal [1, ""], [found.size, rest], fields["name"]
      kind, flags, stream, payload = found.first
      assert_equal [KINDS[fields["type"]], fields["stream"].to_i], [kind, stream]
      assert_equal fields.key?("flags") ? Wire::NO_CONTENT : 0, flags
      assert_equal pairs(fields["variables"]), Wire.pairs_of(payload) if kind == Wire::REQUEST
    end
  end

  def test_frame_longer_than_the_limit_is_refused_by_its_header_alone
    assert_raises(DavyWorker::ProtocolError) { split(["0002000104000000000000 01".delete(" ")].pack("H*")) }
  end

  def test_garbage_is_split_or_refused_and_nothing_else
    chance = Random.new(4711)
    2_000.times do
      found, = split(chance.bytes(chance.rand(64)))
      found.each { |frame| Wire.pairs_of(frame.last) }
    rescue DavyWorker::ProtocolError
      # This is one of the two.
    end
  end

  def test_variables_need_their_last_nul_and_a_value_each
    ["A\0b", "A\0", "A\0b\0C\0", "", "\0"].each do |payload|
      assert_raises(DavyWorker::ProtocolError, payload.inspect) { Wire.pairs_of(payload.b) }
    end
    assert_equal({ "A" => "", "B" => "\xe9".b }, Wire.pairs_of("A\0\0B\0\xe9\0".b))
  end

  def test_many_variables_are_as_good_as_few
    payload = (1..10_000).map { |n| "N#{n}\0v\0" }.join.b
    assert_equal 10_000, Wire.pairs_of(payload).size
  end

  def test_header_can_not_smuggle_a_line_or_a_name
    [{ "a" => "b\rc: d" }, { "a" => "b\0c" }, { "a\n" => "b" }, { "a" => ["b\nc"] }].each do |headers|
      assert_raises(ArgumentError, headers.inspect) { Wire.head_of(headers) }
    end
  end

  def test_lines_of_a_field_become_fields_as_rack_2_and_3_have_them
    assert_equal "a\0b\0a\0c\0", Wire.head_of("a" => "b\nc")
    assert_equal "a\0b\0a\0c\0", Wire.head_of("a" => %w[b c])
    assert_equal "n\0005\0", Wire.head_of("n" => 5, "rack.hijack" => proc {})
    assert_equal "a\0\xc3\xa9\0".b, Wire.head_of("a" => "é")
    assert_equal "", Wire.head_of([])
  end

  def test_answer_is_its_two_frames_in_one_piece
    frames = Wire.response(7, 1, 200, "A\0b\0".b, "content") + Wire.finish(7, 2)
    assert_equal frames, Wire.answer(7, 1, 2, 200, "A\0b\0".b, "content")
  end

  def test_reason_is_cut_between_two_characters
    found, = split(Wire.abort(1, "x#{"é" * 600}"))
    assert_equal "x#{"é" * 511}".b, found.first.last.byteslice(16..)
    found, = split(Wire.abort(1, "\xff no text".b))
    assert_equal "? no text", found.first.last.byteslice(16..)
  end
end
