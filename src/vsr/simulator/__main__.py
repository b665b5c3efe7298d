"""`python -m vsr.simulator`: simulated servers as a process of their own."""

from __future__ import annotations

import argparse
import asyncio
import sys

from vsr.errors import InvalidRequest
from vsr.simulator.run import run
from vsr.simulator.settings import Settings, parse_fault


def main() -> None:
    options = _parser().parse_args()
    try:
        settings = Settings(
            models=tuple(options.model),
            first_token=options.first_token,
            tokens_per_second=options.tokens_per_second,
            fault=parse_fault(options.fault),
            keep_requests=0,
        )
        asyncio.run(run(settings, options.host, options.port or [9001]))
    except (InvalidRequest, OSError) as error:
        sys.exit(f"vsr simulator: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m vsr.simulator", description="Simulated model servers.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=port, action="append", help="may be given several times (default 9001)"
    )
    parser.add_argument("--model", action="append", default=[], help="a name it answers to (default: any)")
    parser.add_argument("--first-token", type=float, default=0.0, help="seconds before the first token")
    parser.add_argument("--tokens-per-second", type=float, default=50.0, help="0: all at once")
    parser.add_argument("--fault", default="", help="see x-sim-fault, for every request")
    return parser


def port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return number


if __name__ == "__main__":
    main()
