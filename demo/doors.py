"""The doors of the demo: what every call and every request goes through, so that no new endpoint can forget it."""

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
    """Blocks whose functions get no file but those that were uploaded to this demo, or that it has made.

    Attributes:
        more_open: what is open to browsers beside `gate.OPEN`.
    """

    more_open: frozenset[str] = frozenset()

    def __init__(self, *args: Any, **named: Any) -> None:
        """As Gradio's; nobody elsewhere is told of what happens here."""
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # pages tell when they are made
        super().__init__(*args, **named)

    async def process_api(self, block_fn: Any, inputs: list[Any], *args: Any, **named: Any) -> dict[str, Any]:
        """Every call of a function goes through here: from the queue, past it, of agents, of private functions too."""
        if named.get("iterator") is not None:  # of a call that has begun, whose files are held
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
            for block in function.inputs:  # Gradio's list of files to remove later, which these need not be on
                block.temp_files.difference_update(hold.paths)
        if output.get("iterator") is None:
            hold.release()
        else:
            weakref.finalize(output["iterator"], hold.release)  # it goes when the call has ended, or was cancelled
        return output

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """As Gradio's, which makes a component and its schema anew where an output is skipped.

        That takes tens of milliseconds of the loop that serves everybody, at every step of every job.
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
        """As Gradio's, with fair turns."""
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
        """As Gradio's, behind the gate; the process asks the Hub for nothing from here on."""
        constants.HF_HUB_OFFLINE = True  # the client that agents' calls go through asks it for names of agents
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
