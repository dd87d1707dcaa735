"""Systems: what puts a function into the catalogue, and the one that is asked for, ready to run."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from limbeck.errors import LimbeckError
from limbeck.systems.cards import Card, find

if TYPE_CHECKING:
    from types import ModuleType

    from limbeck.systems.findings import Findings

Function = TypeVar("Function", bound=Callable[..., Any])

RESERVED = frozenset({"seeds", "seed", "scale", "out", "resume", "device", "debug", "help"})
"""Options of `limbeck run` itself, which no system may take."""


@dataclass(frozen=True)
class System:
    """A system that is ready to run: its card and its function."""

    card: Card
    run: Callable[..., Findings]

    def types(self) -> dict[str, Any]:
        """Each option's type, as Python sees it.

        Raises:
            LimbeckError: A type's name is not importable where the function was defined.
        """
        found = {}
        for option in _options(self.run):
            annotation = option.annotation
            if isinstance(annotation, str):
                try:
                    annotation = eval(annotation, getattr(self.run, "__globals__", {}))
                except NameError as error:
                    raise LimbeckError(f"{self.card.path}: the type of {option.name!r}: {error}") from None
            found[option.name] = annotation
        return found

    def defaults(self) -> dict[str, Any]:
        """Each option's default."""
        return {option.name: option.default for option in _options(self.run)}


def system(
    *,
    slug: str,
    title: str,
    year: int,
    domain: str,
    arxiv: str = "",
    needs: tuple[str, ...] = (),
    claim: str = "",
) -> Callable[[Function], Function]:
    """Put a function into the catalogue.

    The function takes a lab and keyword-only options with types and defaults, and returns findings. All arguments
    must be literals: the catalogue reads them from the source, so that listing it imports nothing heavy.

    Args:
        slug: The name on the command line, in lower case with hyphens.
        title: The paper's title.
        year: Of publication.
        domain: What it is about.
        arxiv: Its number there.
        needs: What its methods read from the models.
        claim: The paper's central statement, in a sentence.

    Raises:
        LimbeckError: An option has no type or no default, is not keyword-only, or has a name that `limbeck run` takes.

    Example:
        >>> @system(slug="toy", title="A toy", year=2024, domain="toys")
        ... def toy(lab, *, steps: int = 10):
        ...     "One paragraph: who teaches whom."
    """

    def check(function: Function) -> Function:
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
            raise LimbeckError(f"system {slug!r} must take the lab as its first argument")
        for parameter in parameters[1:]:
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                raise LimbeckError(f"system {slug!r}: option {parameter.name!r} must be keyword-only (after a `*`)")
            if parameter.annotation is parameter.empty or parameter.default is parameter.empty:
                raise LimbeckError(f"system {slug!r}: option {parameter.name!r} needs a type and a default")
            if parameter.name in RESERVED:
                raise LimbeckError(f"system {slug!r}: option {parameter.name!r} belongs to `limbeck run` itself")
        return function

    return check


def load(name: str) -> System:
    """Import one system.

    Args:
        name: A slug, or a path that ends in ``.py``.

    Raises:
        LimbeckError: There is none, or the file cannot be imported.
    """
    card = find(name)
    return System(card, getattr(_module(card.path), card.function))


def _options(function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    return [parameter for parameter in parameters.values() if parameter.kind is inspect.Parameter.KEYWORD_ONLY]


@functools.cache
def _module(path: Path) -> ModuleType:
    root = Path(__file__).parent
    if path.is_relative_to(root):
        return importlib.import_module(".".join(["limbeck.systems", *path.relative_to(root).with_suffix("").parts]))
    name = f"limbeck_local_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise LimbeckError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickling look a class's module up by name.
    sys.modules[name] = module
    # A file of one's own may import its neighbours, as it could if Python ran it; nothing installed is shadowed.
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.append(folder)
    spec.loader.exec_module(module)
    return module
