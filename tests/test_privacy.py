"""What libraries would tell their makers, or write down about a user, is not told and not written."""

import os
import subprocess
import sys
from pathlib import Path


def test_reading_a_model_leaves_nothing_in_the_users_home(tmp_path: Path) -> None:
    code = "import vsr.encoder.openvino, openvino; assert openvino.Core() is not None"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "HOME": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []
