"""Which interface an application speaks: WSGI, ASGI 3, or ASGI 2 with its two calls.

An ASGI 3 application is a coroutine function of three arguments, or an object that is called as
one; where decorators hide that, the number of arguments tells. Nothing is called to find out.
"""

import inspect

WSGI, ASGI, ASGI2 = "WSGI", "ASGI", "ASGI 2"


def of(application):
    """The interface of a callable."""
    call = type(application).__call__
    if inspect.iscoroutinefunction(application):
        return ASGI
    if not inspect.isclass(application) and inspect.iscoroutinefunction(call):
        return ASGI
    return {1: ASGI2, 3: ASGI}.get(required(application), WSGI)


def required(application):
    """How many positional arguments a callable must be given; None: that can't be told."""
    try:
        parameters = inspect.signature(application).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = [one for one in parameters if one.kind in positional]
    if any(one.kind == inspect.Parameter.VAR_POSITIONAL for one in parameters):
        return None
    return sum(one.default is inspect.Parameter.empty for one in wanted)


def single(application):
    """An ASGI 2 application, `application(scope)(receive, send)`, as one of ASGI 3."""

    async def asgi3(scope, receive, send):
        await application(scope)(receive, send)

    return asgi3
