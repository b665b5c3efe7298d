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

CHANCE = "chance"
"""In what a stage leaves beside the weights: where the random numbers stood, for the stage after it."""


def trained_state(network: Network) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters() if p.requires_grad}


def load_trained(network: Network, checkpoint: Path) -> None:
    _copy(_weights_of(checkpoint)[0], network)


def keep_trained(network: Network, checkpoint: Path) -> None:
    """What `load_trained` and `go_on_after` read."""
    save({**trained_state(network), CHANCE: _chance()}, checkpoint)


def go_on_after(network: Network, checkpoint: Path) -> None:
    """As if the stage that left `checkpoint` had just ended."""
    weights, chance = _weights_of(checkpoint)
    _copy(weights, network)
    _set_chance(chance)


def _weights_of(checkpoint: Path) -> tuple[dict[str, Tensor], list[Tensor]]:
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    return state, state.pop(CHANCE, [])


def _chance() -> list[Tensor]:
    """Of the CPU, and of the CUDA devices if there are any."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]


def _set_chance(states: list[Tensor]) -> None:
    """Nothing for what older versions left."""
    if states:
        torch.set_rng_state(states[0])
    if len(states) > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states[1:])


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
        CHANCE: _chance(),
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
    _set_chance(state[CHANCE])
    logger.info("%s: going on after step %d of %d", partial.name, state["step"], steps)
    return int(state["step"])


def save(state: Mapping[str, object], path: Path) -> None:
    """All or nothing: a file of this name is whole, whenever the run is killed."""
    unfinished = path.with_suffix(".tmp")
    torch.save(state, unfinished)
    os.replace(unfinished, path)
