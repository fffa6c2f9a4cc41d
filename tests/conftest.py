"""What every test needs before anything is imported."""

from __future__ import annotations

import os
import tempfile

from hypothesis import settings

# MLX's CPU build compiles fused kernels with g++ at first use: seconds a kernel, and a compiler that may be missing.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

# How long an example takes says nothing on a loaded machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Nobody's own keys and stored answers are read or written.
os.environ["MLX_GATEWAY_STATE_DIR"] = tempfile.mkdtemp(prefix="gw-state-")
