# Notes on a wall: a page, a form, and an answer that comes line by line. Sinatra, and the table
# behind it; davy needs no config.ru.

require "mysql2"
require "sinatra"

# Each thread has a connection of its own.
def query(sql, *values)
  Thread.current[:database] ||= Mysql2::Client.new(
    socket: ENV.fetch("MYSQL_UNIX_SOCKET"), database: ENV.fetch("MYSQL_DATABASE"),
    username: ENV.fetch("MYSQL_USER"), password: ENV.fetch("MYSQL_PASSWORD"), encoding: "utf8mb4"
  )
  Thread.current[:database].prepare(sql).execute(*values).to_a
end

configure do
  query("CREATE TABLE IF NOT EXISTS notes (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(500))")
end

helpers do
  def h(text)
    Rack::Utils.escape_html(text)
  end

  def notes
    query("SELECT id, note FROM notes ORDER BY id DESC LIMIT 50")
  end
end

get "/" do
  erb :page, locals: { complaint: nil }
end

post "/" do
  note = params["note"].to_s.strip
  complaint = "A note has to say something."
  halt 400, erb(:page, locals: { complaint: complaint }) if note.empty?

  query("INSERT INTO notes (note) VALUES (?)", note[0, 500])
  redirect "/", 303
end

# All of it, a line at a time, the newest note first.
get "/notes.txt" do
  content_type "text/plain"
  stream do |out|
    notes.each { |it| out << "#{it["id"]} #{it["note"]}\n" }
  end
end
