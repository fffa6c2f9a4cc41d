"""What every test needs before anything is imported."""

from __future__ import annotations

import os

# MLX's CPU build compiles fused kernels with g++ at first use: seconds a kernel, and a compiler that may be missing.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")
