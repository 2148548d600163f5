"""Starts a worker: `python main.py MODULE:CALLABLE` in the project's folder, its socket as fd 0.

The application sees a plain process: the project's folder first on sys.path, /dev/null on stdin,
and of the worker nothing but the package `davy_worker` in sys.modules. That it is loaded shows
in HELLO: nothing is accepted before. Exit codes: 0 told to stop, 2 called wrongly, 3 the
application can't be loaded.
"""

import faulthandler
import importlib
import inspect
import os
import signal
import socket
import sys
import traceback
import types

USAGE, NOT_LOADED = 2, 3


def worker_package():
    """The neighbours of this file as one package of a private name; sys.path is the project's."""
    home = os.path.dirname(os.path.abspath(__file__))
    package = types.ModuleType("davy_worker")
    package.__path__ = [home]
    sys.modules[package.__name__] = package
    sys.path[:] = [os.getcwd()] + [path for path in sys.path if path != home]
    names = ("server", "wsgi", "output")
    return [importlib.import_module("davy_worker." + name) for name in names]


def take_listener():
    """The socket on fd 0, moved away: what the application starts must not inherit it as stdin."""
    listener = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return listener


def tell_stack(listener):
    """From now on SIGURG appends the stacks of all threads to the file beside the socket.

    The site asks for them when a request takes long (docs/workers.md). It is done without the
    interpreter, so it works whatever the application is at.
    """
    path = listener.getsockname()
    if path:
        file = open(os.path.splitext(path)[0] + ".stack", "ab", 0)
        faulthandler.register(signal.SIGURG, file, all_threads=True)


def load(name):
    """The callable that `module:callable` names; `module:factory()` is called once to make it."""
    module, _, path = name.partition(":")
    factory = path.endswith("()")
    found = importlib.import_module(module)
    for part in (path[:-2] if factory else path).split("."):
        found = getattr(found, part)
    if factory:
        found = found()
    if not callable(found):
        raise TypeError("%s is a %s, which can't be called" % (name, type(found).__name__))
    if any(map(inspect.iscoroutinefunction, (found, type(found).__call__))):
        raise TypeError("%s speaks ASGI; this version of davy runs WSGI applications" % name)
    return found


def main(arguments):
    """Loads the application and serves it until SIGTERM."""
    name = arguments[0] if len(arguments) == 1 else ""
    if not all(name.partition(":")):
        sys.stderr.write("usage: python main.py MODULE:CALLABLE\n")
        return USAGE
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener = take_listener()
    tell_stack(listener)
    server, wsgi, output = worker_package()
    output.mark_streams()
    sys.argv[:] = [name]
    try:
        application = load(name)
    except BaseException:  # sys.exit() while importing is no better than an error
        sys.stderr.write("%s can't be loaded\n%s" % (name, traceback.format_exc()))
        return NOT_LOADED
    worker = server.Server(listener, wsgi.Request, application)
    signal.signal(signal.SIGTERM, worker.stop)
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
