"""Unit tests of the worker: `python3 -m unittest discover -s tests -t .` beside main.py.

They see the worker's modules as the worker itself does: as the package `davy_worker`.
"""

import os
import sys
import types

_package = types.ModuleType("davy_worker")
_package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
sys.modules.setdefault("davy_worker", _package)
