"""A page as small sites have it: one query, twenty rows, one template.

At `/` it keeps its connection to the database, one for each thread; at `/fresh` it makes one for
every request, as applications without a pool of connections do.
"""

import os
import threading

import pymysql
from flask import Flask, render_template

app = Flask(__name__)
kept = threading.local()


def connect():
    """A new connection."""
    return pymysql.connect(
        unix_socket=os.environ["MYSQL_UNIX_SOCKET"],
        user=os.environ["MYSQL_USER"],
        password=os.environ["MYSQL_PASSWORD"],
        database=os.environ["MYSQL_DATABASE"],
        autocommit=True,
        ssl_disabled=True,
    )


def query(connection, sql):
    """All rows of one statement."""
    with connection.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def page(connection):
    """The newest twenty."""
    newest = "SELECT id, name, message, written FROM entries ORDER BY id DESC LIMIT 20"
    return render_template("page.html", entries=query(connection, newest))


@app.get("/")
def on_kept_connection():
    if not hasattr(kept, "connection"):
        kept.connection = connect()
    return page(kept.connection)


@app.get("/fresh")
def on_fresh_connection():
    with connect() as connection:
        return page(connection)


ROWS = ", ".join(
    "(%d, 'Visitor %d', 'The lamp burns blue where there is firedamp, says number %d.')" % (n, n, n)
    for n in range(1, 41)
)
with connect() as first:
    query(first, "CREATE TABLE IF NOT EXISTS entries (id INT PRIMARY KEY, name VARCHAR(80),"
                 " message VARCHAR(1000), written TIMESTAMP DEFAULT CURRENT_TIMESTAMP)")
    query(first, "INSERT IGNORE INTO entries (id, name, message) VALUES " + ROWS)
