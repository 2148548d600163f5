"""A page as small sites have it: one query, twenty rows, one template.

It connects to the database for every request, as applications without a pool of connections do;
`examples/guestbook` does the same.
"""

import os

import pymysql
from flask import Flask, render_template

app = Flask(__name__)


def query(sql):
    """All rows of one statement, on a connection of its own."""
    with pymysql.connect(
        unix_socket=os.environ["MYSQL_UNIX_SOCKET"],
        user=os.environ["MYSQL_USER"],
        password=os.environ["MYSQL_PASSWORD"],
        database=os.environ["MYSQL_DATABASE"],
        autocommit=True,
        ssl_disabled=True,
    ) as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


ROWS = ", ".join(
    "(%d, 'Visitor %d', 'The lamp burns blue where there is firedamp, says number %d.')" % (n, n, n)
    for n in range(1, 41)
)
query("CREATE TABLE IF NOT EXISTS entries (id INT PRIMARY KEY, name VARCHAR(80),"
      " message VARCHAR(1000), written TIMESTAMP DEFAULT CURRENT_TIMESTAMP)")
query("INSERT IGNORE INTO entries (id, name, message) VALUES " + ROWS)


@app.get("/")
def page():
    """The newest twenty."""
    entries = query("SELECT id, name, message, written FROM entries ORDER BY id DESC LIMIT 20")
    return render_template("page.html", entries=entries)
