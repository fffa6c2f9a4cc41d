"""What every test needs before anything is imported."""

from __future__ import annotations

import os

from hypothesis import settings

# MLX's CPU build compiles fused kernels with g++ at first use: seconds a kernel, and a compiler that may be missing.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

# How long an example takes says nothing on a loaded machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
