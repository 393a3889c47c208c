"""Packages whose public names are imported when they are first asked for (PEP 562).

Importing a package that re-exports would import all its modules: `wsdiag --version` would pay for
h11, zlib and every record. Names are given twice: under TYPE_CHECKING, which makes a misspelt one a
type checker's error, and in a table, which says where they are at run time.

    if TYPE_CHECKING:
        from wsdiag.protocol.codes import Opcode as Opcode
    else:
        __getattr__, __dir__, __all__ = lazy_exports(__name__, {"codes": "Opcode"})

The second half must be hidden from type checkers: to them, a `__getattr__` has every name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_exports(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of `package`.

    `homes`: from a module's name below the package to the names it has, separated by spaces. A
    module under its own name is exported itself.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = home_of[name]
        module = import_module(f"{package}.{home}")
        value = module if name == home else getattr(module, name)
        setattr(sys.modules[package], name, value)  # so that this is not called again
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return load, names, sorted(home_of)
