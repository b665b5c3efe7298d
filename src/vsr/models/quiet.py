"""Silences what the libraries of a conversion say beside the point; only commands call it.

transformers lists weights that are missing, which are judged here, and draws bars for files read in
milliseconds; tracing warns of every shape it fixes, and the comparison with transformers is what tells.
"""

from __future__ import annotations

import warnings

from torch.jit import TracerWarning
from transformers.utils import logging


def quieten() -> None:
    """For the rest of this process."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore", TracerWarning)
    warnings.simplefilter("ignore", FutureWarning)
