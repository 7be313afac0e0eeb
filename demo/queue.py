"""The event queue: each visitor has few jobs in it, and the visitors take turns."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException
from gradio import queueing

from .turns import Turns
from .visitors import visitor_in

JOBS_OF_PAGE, JOBS_OF_VISITOR = 4, 32  # at a time; a visitor is an address, which several people may share


class FairQueue(queueing.Queue):
    """Gradio's queue, with a limit of jobs per visitor and page, and in the order of `Turns`."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._turns = Turns(owners)

    async def push(self, body: Any, request: Any, username: str | None) -> Any:
        """Add a job to the queue.

        Raises:
            HTTPException: the visitor, or the page, has too many jobs.
        """
        jobs = [event for events in self.active_jobs for event in events or ()] + self._waiting()
        mine = [event for event in jobs if owners(event)[0] == visitor_in(request.scope)]
        of_page = [event for event in mine if event.session_hash == body.session_hash]
        for count, most in ((len(of_page), JOBS_OF_PAGE), (len(mine), JOBS_OF_VISITOR)):
            if count >= most:
                raise HTTPException(429, f"You have {count} jobs here by now; wait until one is done, or cancel one.")
        pushed = await super().push(body, request, username)
        self._order()
        return pushed

    def get_events(self) -> Any:
        """Return the next events, as Gradio's queue does; this counts as a turn of their owners."""
        found = super().get_events()
        if found is not None:
            for event in found[0]:
                self._turns.took(event)
            self._order()
        return found

    def _waiting(self) -> list[Any]:
        return [event for queue in self.event_queue_per_concurrency_id.values() for event in queue.queue]

    def _order(self) -> None:
        for queue in self.event_queue_per_concurrency_id.values():
            queue.queue = self._turns.ordered(queue.queue)


def owners(event: Any) -> tuple[str, str]:
    """Return the owners of an event: the visitor and the page."""
    return visitor_in(event.request.scope), event.session_hash
