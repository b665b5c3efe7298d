"""The whole bundle by one command; needs the `train` extra:

vsr train --data DIR --out BUNDLE [--work DIR] [--seed N] [--stage NAME]
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from vsr.training.build import SEED, STAGES, build_bundle


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="vsr train",
        description="Make an encoder bundle from a data directory, in stages that go on where they stopped.",
        epilog="To fine-tune one task on a base of your choice instead: vsr train --task domain --help",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="JSON lines, see docs/training.md"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="BUNDLE", help="where the bundle is written"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("work"), metavar="DIR", help="outputs of the stages"
    )
    parser.add_argument(
        "--natural", type=Path, default=None, metavar="FILE", help="more prompts to report on"
    )
    parser.add_argument(
        "--natural-asks", type=Path, default=None, metavar="FILE", help="more asks and feedback to report on"
    )
    parser.add_argument("--stage", choices=STAGES, help="run this stage alone, even if its output is there")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="7 made the one that ships")
    parser.add_argument("--version", metavar="VERSION", help="of the bundle; the date by default")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    build_bundle(
        arguments.data,
        arguments.out,
        arguments.work,
        stage=arguments.stage,
        seed=arguments.seed,
        version=arguments.version,
        natural=arguments.natural,
        natural_asks=arguments.natural_asks,
    )


if __name__ == "__main__":
    main()
