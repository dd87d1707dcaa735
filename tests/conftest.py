"""Of all tests."""

from __future__ import annotations

import os

# Before torch is imported. Models of tests are so small that a second thread costs more than it brings, above all
# where the cores are busy; processes that tests start take it over.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Some virtual machines tell of bf16 matrix instructions that end a process when they are used.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
