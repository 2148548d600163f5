"""The application's own start and end (ASGI, lifespan): one task beside all requests.

    start():  {"type": "lifespan.startup"}  ->  startup.complete | startup.failed | an exception
    stop():   {"type": "lifespan.shutdown"} ->  shutdown.complete | shutdown.failed | ...

An application that raises before it answers has no lifespan, and runs without: that is how the
standard has it. One that says `failed` does not start at all.
"""

import asyncio

from .output import reason_of, report, say

SHUTDOWN_SECONDS = 8


class Lifespan:
    """The lifespan of one application in this process."""

    def __init__(self, application, state):
        self.application = application
        self.state = state
        self.messages = asyncio.Queue()
        # What the application said of its start and of its end.
        self.said = {}
        self.told = asyncio.Event()
        self.error = None
        self.task = None

    async def start(self, until):
        """Whether the application may serve. Waits no longer than until the event is set."""
        self.messages.put_nowait({"type": "lifespan.startup"})
        self.task = asyncio.ensure_future(self.run())
        stopped = asyncio.ensure_future(until.wait())
        told = asyncio.ensure_future(self.told.wait())
        await asyncio.wait({told, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not told.done():
            self.task.cancel()
            return False
        if "startup.failed" in self.said:
            say("the application's lifespan failed: %s" % self.said["startup.failed"])
            return False
        if "startup.complete" not in self.said:
            why = "it returned" if self.error is None else reason_of(self.error)
            say("the application has no lifespan (%s)" % why)
        return True

    async def stop(self):
        """Lets an application that has a lifespan end it."""
        if "startup.complete" not in self.said or self.task.done():
            return
        self.told.clear()
        self.messages.put_nowait({"type": "lifespan.shutdown"})
        try:
            await asyncio.wait_for(self.told.wait(), SHUTDOWN_SECONDS)
        except asyncio.TimeoutError:
            say("the application's lifespan did not end within %d s" % SHUTDOWN_SECONDS)
        if "shutdown.failed" in self.said:
            say("the application's lifespan failed: %s" % self.said["shutdown.failed"])
        # It has said so; its last lines of code may still be to come.
        await asyncio.wait({self.task}, timeout=1)

    async def run(self):
        """Runs the application for its lifespan. Never raises."""
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self.application(scope, self.messages.get, self.send)
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self.error = error
            if self.said:
                report()
        finally:
            self.told.set()

    async def send(self, message):
        """Takes what the application says of its start or its end."""
        kind = message["type"]
        step, _, how = kind.partition("lifespan.")[2].partition(".")
        if step not in ("startup", "shutdown") or how not in ("complete", "failed"):
            raise RuntimeError("the application sent %r in its lifespan" % (kind,))
        self.said["%s.%s" % (step, how)] = message.get("message", "")
        self.told.set()
