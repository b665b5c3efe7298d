"""One worker of `vsr serve --workers N`: `python -m vsr.cli.worker OPTIONS`, started by its parent only."""

from __future__ import annotations

import asyncio
import os
import sys

from vsr.cli import logs, source
from vsr.cli.serve_options import ServeOptions
from vsr.cli.serving import new_event_loop, reload_signal, stop_signals
from vsr.cli.stack import Stack
from vsr.errors import VSRError


async def work(options: ServeOptions) -> None:
    stopping = stop_signals()
    stack = Stack(source.given(options, os.environ), options)
    reload_signal(stack.reload, stopping)
    await stack.start()
    print("ready", flush=True)
    orphaned = asyncio.create_task(_input_closed())
    _, pending = await asyncio.wait(
        [asyncio.create_task(stopping.wait()), orphaned], return_when=asyncio.FIRST_COMPLETED
    )
    for task in pending:
        task.cancel()
    await stack.stop(options.grace)


async def _input_closed() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main() -> None:
    options = ServeOptions.from_json(sys.argv[1])
    logs.configure(options.log_level, options.log_format)
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(work(options))
    except VSRError as error:
        sys.exit(f"vsr: {error}")


if __name__ == "__main__":
    main()
