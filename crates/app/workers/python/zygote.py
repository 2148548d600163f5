"""Preload: one process that imports the application, and forks a worker whenever the site asks.

    site ──{"fork"} + listener, stdout, stderr, life──▶ zygote ──fork──▶ worker
         ◀──{"forked"} + pidfd──────────────────────────  │
         ◀──{"ended"}─────────────────────────────────────'  reaped here, and nowhere else

What was imported is shared by all workers until one of them writes to it, so that many of them take
little more memory than one. Messages are packets of JSON, with the descriptors beside them. A pidfd
is made before the worker can be reaped, so it never means another process.

It forks only what is safe to be forked: no thread but this one, and no open socket. What it knows of
databases is closed first; the workers open their own connections. Otherwise it says why not, and the
site starts each worker on its own. The application's own code does not run here after the import.
"""

import fcntl
import gc
import json
import os
import select
import signal
import socket
import sys

PACKET_BYTES = 65_536
# A listener, stdout, stderr, and the socket that tells of the site's end.
FORK_FDS = 4


def close_databases():
    """Closes what known libraries have opened: a connection can't be used by two processes."""
    django = sys.modules.get("django.db")
    if django is not None:
        django.connections.close_all()
    sqlalchemy = sys.modules.get("sqlalchemy.engine")
    if sqlalchemy is not None:
        for found in gc.get_objects():
            if isinstance(found, sqlalchemy.Engine):
                found.dispose()


def unsafe(control):
    """Why this process can't be forked; None: it can."""
    if not hasattr(os, "pidfd_open"):
        return "this system has no process descriptors"
    threads = len(os.listdir("/proc/self/task")) - 1
    if threads:
        return "the import leaves %d thread%s running" % (threads, "s" if threads > 1 else "")
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # the folder's own
        if target.startswith("socket:") and int(name) != control.fileno():
            return "the import leaves a network connection or a socket open"
        if target in ("anon_inode:[eventpoll]", "anon_inode:[io_uring]"):
            return "the import leaves an event loop open"
    return None


def end_with_site(life):
    """The site holds the other end: when it has gone, the kernel sends SIGTERM."""
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGTERM)
    flags = fcntl.fcntl(life, fcntl.F_GETFL)
    fcntl.fcntl(life, fcntl.F_SETFL, flags | os.O_ASYNC)


def become_worker(fds):
    """In the child: its own session, output and chance. Gives its listener."""
    listener, stdout, stderr, life = fds
    os.setsid()
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.close(stdout)
    os.close(stderr)
    end_with_site(life)
    # `random` sees to itself.
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
    return socket.socket(fileno=listener)


class Zygote:
    """The process that forks. Its life ends with the site's, or when the site lets go of it."""

    def __init__(self, control):
        control.setblocking(True)
        self.control = control
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)
        # Process ids by the descriptors of those processes.
        self.workers = {}

    def tell(self, message, fds=()):
        """Sends a message with descriptors. A site that has gone ends this process."""
        try:
            socket.send_fds(self.control, [json.dumps(message).encode()], fds)
        except OSError:
            os._exit(0)

    def run(self):
        """Forks when told to. Returns in the workers alone, each with its listener."""
        close_databases()
        reason = unsafe(self.control)
        self.tell({"loaded": {"unsafe": reason}})
        while True:
            for fd, _ in self.poll.poll():
                if fd in self.workers:
                    self.reap(fd)
                    continue
                message, fds, _, _ = socket.recv_fds(self.control, PACKET_BYTES, FORK_FDS)
                if not message:
                    os._exit(0)
                listener = self.fork(json.loads(message)["fork"], fds)
                if listener is not None:
                    return listener

    def fork(self, number, fds):
        """One worker; what it was given is closed here. Gives the listener in the child."""
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError as error:
            self.tell({"failed": {"number": number, "error": str(error)}})
            pid = None
        if pid == 0:
            self.control.close()
            for fd in self.workers:
                os.close(fd)
            return become_worker(fds)
        for fd in fds:
            os.close(fd)
        if pid is not None:
            worker = os.pidfd_open(pid)
            self.workers[worker] = pid
            self.poll.register(worker, select.POLLIN)
            self.tell({"forked": {"number": number, "pid": pid}}, [worker])
        return None

    def reap(self, fd):
        """A worker has ended."""
        pid = self.workers.pop(fd)
        self.poll.unregister(fd)
        os.close(fd)
        _, status = os.waitpid(pid, 0)
        self.tell({"ended": {"pid": pid, "status": status}})
