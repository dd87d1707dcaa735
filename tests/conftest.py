"""Of all tests."""

from __future__ import annotations

import os

# Before torch is imported. Models of tests are so small that a second thread costs more than it brings, above all
# where the cores are busy; processes that tests start take it over.
os.environ.setdefault("OMP_NUM_THREADS", "1")
