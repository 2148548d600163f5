"""A guestbook: the page, the form, and the table behind them."""

import os

import pymysql
from flask import Flask, redirect, render_template, request

app = Flask(__name__)


def database():
    return pymysql.connect(
        unix_socket=os.environ["MYSQL_UNIX_SOCKET"],
        user=os.environ["MYSQL_USER"],
        password=os.environ["MYSQL_PASSWORD"],
        database=os.environ["MYSQL_DATABASE"],
        autocommit=True,
    )


with database() as connection, connection.cursor() as cursor:
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS entries (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80),"
        " message VARCHAR(500), written TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"
    )


@app.get("/")
def page():
    with database() as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute("SELECT name, message, written FROM entries ORDER BY id DESC LIMIT 50")
        return render_template("page.html", entries=cursor.fetchall())


@app.post("/")
def sign():
    with database() as connection, connection.cursor() as cursor:
        entry = (request.form["name"][:80], request.form["message"][:500])
        cursor.execute("INSERT INTO entries (name, message) VALUES (%s, %s)", entry)
    return redirect("/", code=303)
