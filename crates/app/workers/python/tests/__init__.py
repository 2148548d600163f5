"""Unit tests of the worker: `python3 -m unittest discover -s tests -t .` beside main.py.

They see the worker's modules as the worker itself does: as the package `davy_worker`. DAVY_NATIVE
is the folder of a worker with its native helper, as davy writes it out; `cargo test -p davy-app`
makes one. Without it the tests of that helper fail.
"""

import os
import sys
import types

_package = types.ModuleType("davy_worker")
_package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
if "DAVY_NATIVE" in os.environ:
    _package.__path__.append(os.environ["DAVY_NATIVE"])
sys.modules.setdefault("davy_worker", _package)
