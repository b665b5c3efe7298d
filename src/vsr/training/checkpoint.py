"""What training keeps on disk: the weights that learnt, and the whole state amid a stage.

Only tensors and plain values are read back. Which step comes next is `train`'s business.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vsr.training.bundle import sha256
from vsr.training.model import Network

logger = logging.getLogger(__name__)


def trained_state(network: Network) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters() if p.requires_grad}


def load_trained(network: Network, checkpoint: Path) -> None:
    _copy(torch.load(checkpoint, weights_only=True, map_location="cpu"), network)


def _copy(state: Mapping[str, Tensor], network: Network) -> None:
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name, value in state.items():
            parameters[name].copy_(value)


def origin_of(work: Path, seed: int) -> str:
    """What a checkpoint was made of: the seed, the rows and how they are read."""
    return f"{seed} {sha256(work / 'train.jsonl')} {sha256(work / 'tokenizer.json')}"


def snapshot(
    network: Network,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    step: int,
    steps: int,
    origin: str,
) -> dict[str, object]:
    return {
        "origin": origin,
        "step": step,
        "steps": steps,
        "network": trained_state(network),
        "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
        "chance": torch.get_rng_state(),
    }


def resume(
    partial: Path,
    network: Network,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    steps: int,
    origin: str,
) -> int:
    """How many steps are done. A checkpoint of another origin or of another number of steps is not used."""
    if not partial.exists():
        return 0
    state = torch.load(partial, weights_only=True, map_location="cpu")
    if state["steps"] != steps or state.get("origin") != origin:
        logger.warning("%s is of other rows or settings: not used", partial.name)
        return 0
    _copy(state["network"], network)
    optimiser.load_state_dict(state["optimiser"])
    schedule.load_state_dict(state["schedule"])
    torch.set_rng_state(state["chance"])
    logger.info("%s: going on after step %d of %d", partial.name, state["step"], steps)
    return int(state["step"])


def save(state: Mapping[str, object], path: Path) -> None:
    """All or nothing: a file of this name is whole, whenever the run is killed."""
    unfinished = path.with_suffix(".tmp")
    torch.save(state, unfinished)
    os.replace(unfinished, path)
