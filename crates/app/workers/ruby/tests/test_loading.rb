# How an application is loaded: its bundle first, its own server's configuration never.

require "open3"
require_relative "edge"

class TestLoading < Edge::Test
  def test_bundle_is_loaded_before_the_application
    app = "run ->(_) { [200, {}, [[defined?(Bundler), Gem.loaded_specs.keys.sort].inspect]] }"
    worker(app, env: { "BUNDLE_GEMFILE" => "Gemfile" }, files: { "Gemfile" => "gem 'rack'\n" })
    peer = @worker.connect
    peer.get(1, "/")
    told = peer.answer(1).content
    assert_match(/"constant", /, told)
    assert_match(/"rack"/, told)
    refute_match(/sinatra/, told)
  end

  def test_bundle_without_what_is_installed_is_told_of
    worker("run proc {}", env: { "BUNDLE_GEMFILE" => "Gemfile" },
                          files: { "Gemfile" => "gem 'not-to-be-found-anywhere'\n" })
    assert_equal 3, @worker.wait.exitstatus
    assert_match(/not-to-be-found-anywhere/, @worker.errors)
  end

  def test_config_is_that_of_rackup_files
    worker(<<~'RUBY')
      #\ -p 9292
      use(Class.new do
        def initialize(app) = @app = app
        def call(env) = @app.call(env.merge("seen" => "middleware"))
      end)
      map("/mapped") { run ->(env) { [200, {}, [env.values_at("seen", "SCRIPT_NAME", "PATH_INFO").join(" ")]] } }
    RUBY
    peer = @worker.connect
    peer.get(1, "/mapped/x")
    assert_equal "middleware /mapped /x", peer.answer(1).content
  end

  def test_called_wrongly_it_says_how
    _, errors, status = Open3.capture3("ruby", Edge::MAIN)
    assert_equal [2, "usage: ruby main.rb CONFIG_RU THREADS [--preload]\n"], [status.exitstatus, errors]
  end
end
