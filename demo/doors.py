"""The Gradio app, with checks that every call and every request passes, so that no new endpoint can omit them."""

from __future__ import annotations

import copy
import os
import weakref
from pathlib import Path
from typing import Any

import anyio.to_thread
import gradio
from gradio.utils import get_upload_folder
from huggingface_hub import constants
from starlette.middleware import Middleware

from .files import Hold
from .gate import Gate
from .queue import FairQueue
from .uploads import MAX_FILE


class Doors(gradio.Blocks):
    """Gradio Blocks whose functions get only files that were uploaded to this demo, or that it has made.

    Attributes:
        more_open: the names that are open to browsers in addition to `gate.OPEN`.
    """

    more_open: frozenset[str] = frozenset()

    def __init__(self, *args: Any, **named: Any) -> None:
        """Make Gradio's Blocks, without Gradio's analytics."""
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # otherwise, Gradio reports that a page was made
        super().__init__(*args, **named)

    async def process_api(self, block_fn: Any, inputs: list[Any], *args: Any, **named: Any) -> dict[str, Any]:
        """Process a call as Gradio does, but with checked copies of its files.

        Every call of a function goes through here, whether it passed the queue or not: also calls of agents, and calls
        of private functions.
        """
        if named.get("iterator") is not None:  # a call that has begun; its files are held
            return await super().process_api(block_fn, inputs, *args, **named)
        hold = Hold(Path(get_upload_folder()), str(named.get("session_hash") or ""))
        try:
            inputs = await anyio.to_thread.run_sync(hold.hold, inputs)
            if event := named.get("event_data"):
                event._data = await anyio.to_thread.run_sync(hold.hold, event._data)
            output = await super().process_api(block_fn, inputs, *args, **named)
        except BaseException:
            hold.release()
            raise
        finally:
            function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
            for block in function.inputs:  # Gradio would remove these files later; `hold` does
                block.temp_files.difference_update(hold.paths)
        if output.get("iterator") is None:
            hold.release()
        else:
            weakref.finalize(output["iterator"], hold.release)  # the iterator goes when the call ends or is cancelled
        return output

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """Process outputs as Gradio does, but leave out skipped ones.

        For a skipped output, Gradio makes the component and its schema again. This takes tens of milliseconds of the
        event loop, which serves all visitors, at every step of every job.
        """
        outputs = block_fn.outputs
        several = isinstance(predictions, (list, tuple)) and len(predictions) == len(outputs)
        told = [place for place, value in enumerate(predictions) if not _is_skipped(value)] if several else []
        if not several or len(told) == len(outputs):
            return await super().postprocess_data(block_fn, predictions, state)
        data: list[Any] = [gradio.skip() for _ in outputs]
        if told:
            fewer = copy.copy(block_fn)
            fewer.outputs = [outputs[place] for place in told]
            values = [predictions[place] for place in told]
            made = await super().postprocess_data(fewer, values if len(told) > 1 else values[0], state)
            for place, value in zip(told, made, strict=True):
                data[place] = value
        return data

    def queue(self, *args: Any, **named: Any) -> Doors:
        """Add a queue as Gradio does, but with fair turns."""
        super().queue(*args, **named)
        plain = self._queue
        self._queue = FairQueue(
            plain.live_updates,
            plain.max_thread_count,
            plain.update_intervals,
            plain.max_size,
            self,
            plain.default_concurrency_limit,
        )
        return self

    def launch(self, *args: Any, **named: Any) -> Any:
        """Launch as Gradio does, but behind the gate; from here on, the process requests nothing from the Hub."""
        constants.HF_HUB_OFFLINE = True  # the client for agents' calls would ask the Hub for names of agents
        options = {
            "app_kwargs": {"middleware": [Middleware(Gate, more=self.more_open)]},
            "blocked_paths": [os.getcwd()],
            "max_file_size": MAX_FILE,
            "run_history": False,
            "enable_monitoring": False,
        }
        return super().launch(*args, **{**named, **options})


def _is_skipped(value: Any) -> bool:
    return isinstance(value, dict) and value == gradio.skip()
