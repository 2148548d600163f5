"""Starts a worker: `python main.py MODULE:CALLABLE` in the project's folder, its socket as fd 0.

`--threads N` lets a WSGI application run that many requests at a time, each in a thread of its
own; `--concurrency N` says the same of an ASGI application, whose requests share the event loop.
Which of the two an application is, its callable shows.

With `--preload` fd 0 is the site's control socket, and workers are forked from here (zygote.py).

The application sees a plain process: the project's folder first on sys.path, /dev/null on stdin,
and of the worker nothing but the package `davy_worker` in sys.modules. That it is loaded shows
in HELLO: nothing is accepted before. Exit codes: 0 told to stop, 2 called wrongly, 3 the
application can't be loaded.
"""

import argparse
import faulthandler
import gc
import importlib
import os
import signal
import socket
import sys
import traceback
import types

NOT_LOADED = 3
COUNT_MAX = 1_000


def worker_package():
    """The neighbours of this file as a package of a private name; sys.path is the project's."""
    home = os.path.dirname(os.path.abspath(__file__))
    package = types.ModuleType("davy_worker")
    package.__path__ = [home]
    sys.modules[package.__name__] = package
    sys.path[:] = [os.getcwd()] + [path for path in sys.path if path != home]


def part(name):
    """A module of the worker's."""
    return importlib.import_module("davy_worker." + name)


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
    for step in (path[:-2] if factory else path).split("."):
        found = getattr(found, step)
    if factory:
        found = found()
    if not callable(found):
        raise TypeError("%s is a %s, which can't be called" % (name, type(found).__name__))
    return found


def server_for(application, options):
    """What runs an application of this kind on a listener."""
    interface = part("interface")
    kind = interface.of(application)
    if kind == interface.WSGI:
        if options.threads > 1:
            threads = part("threads")
            return lambda listener: threads.Server(listener, application, options.threads)
        return part("native").server_for(application)
    if kind == interface.ASGI2:
        application = interface.single(application)
    loop = part("loop")
    return lambda listener: loop.Server(listener, application, options.concurrency)


def count(text):
    """A number of requests."""
    number = int(text)
    if not 1 <= number <= COUNT_MAX:
        raise ValueError
    return number


def understood(arguments):
    """The arguments; ends the process with exit code 2 when they are wrong."""
    parser = argparse.ArgumentParser("main.py", allow_abbrev=False)
    parser.add_argument("name", metavar="MODULE:CALLABLE")
    parser.add_argument("--threads", type=count, default=1)
    parser.add_argument("--concurrency", type=count, default=100)
    parser.add_argument("--preload", action="store_true")
    options = parser.parse_args(arguments)
    if not all(options.name.partition(":")):
        parser.error("%r is not MODULE:CALLABLE" % options.name)
    return options


def main(arguments):
    """Loads the application and serves it until SIGTERM."""
    options = understood(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener = take_listener()
    worker_package()
    part("output").mark_streams()
    sys.argv[:] = [options.name]
    try:
        serve = server_for(load(options.name), options)
    except BaseException:  # sys.exit() while importing is no better than an error
        sys.stderr.write("%s can't be loaded\n%s" % (options.name, traceback.format_exc()))
        return NOT_LOADED
    # What was loaded stays for good: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    if options.preload:
        listener = part("zygote").Zygote(listener).run()
    tell_stack(listener)
    worker = serve(listener)
    signal.signal(signal.SIGTERM, worker.stop)
    return 0 if worker.run() is not False else NOT_LOADED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
