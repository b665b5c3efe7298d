"""A model server that is not one: it speaks as vLLM does, for trying out, for tests, for benchmarks.

It depends on nothing of the router but the error types, so it stands in for a back end honestly.
"""

from vsr.simulator.replies import Received
from vsr.simulator.server import SimulatorServer
from vsr.simulator.settings import Fault, Settings, parse_fault

__all__ = ["Fault", "Received", "Settings", "SimulatorServer", "parse_fault"]
