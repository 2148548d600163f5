"""A guestbook: the page, the form, and the table behind them."""

import os

import pymysql
from flask import Flask, redirect, render_template, request

app = Flask(__name__)


def query(sql, values=()):
    with pymysql.connect(
        unix_socket=os.environ["MYSQL_UNIX_SOCKET"],
        user=os.environ["MYSQL_USER"],
        password=os.environ["MYSQL_PASSWORD"],
        database=os.environ["MYSQL_DATABASE"],
        autocommit=True,
        ssl_disabled=True,  # a local socket: no network to hide from
    ) as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


query("CREATE TABLE IF NOT EXISTS entries (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80),"
      " message VARCHAR(1000), written TIMESTAMP DEFAULT CURRENT_TIMESTAMP)")


@app.get("/")
def page(error=None):
    entries = query("SELECT id, name, message, written FROM entries ORDER BY id DESC LIMIT 50")
    return render_template("page.html", entries=entries, error=error)


@app.post("/")
def sign():
    name, message = (request.form.get(field, "").strip() for field in ("name", "message"))
    if not name or not message:
        return page("Please write both your name and a message."), 400
    query("INSERT INTO entries (name, message) VALUES (%s, %s)", (name[:80], message[:1000]))
    return redirect("/", code=303)
