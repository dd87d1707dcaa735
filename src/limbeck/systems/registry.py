"""The catalogue's index: cards read from the source of systems, and the one system that is asked for."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from limbeck.errors import LimbeckError, near_matches

if TYPE_CHECKING:
    from types import ModuleType

    from limbeck.systems.findings import Findings

Function = TypeVar("Function", bound=Callable[..., Any])

RESERVED = frozenset({"seeds", "seed", "scale", "out", "resume", "device", "debug", "help"})
"""Options of `limbeck run` itself, which no system may take."""


@dataclass(frozen=True)
class Option:
    """One keyword option of a system, as its source has it.

    Args:
        name: With underscores, as in Python.
        annotation: The source of its type.
        default: The source of its default.
    """

    name: str
    annotation: str
    default: str

    @property
    def flag(self) -> str:
        """How it is written on the command line."""
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True)
class Card:
    """What the catalogue knows of a system without running any of its code.

    Args:
        slug: The name on the command line.
        title: The paper's title.
        year: Of publication.
        arxiv: Its number there; empty where it has none.
        domain: What it is about: ``"translation"``, ``"language"``, ``"vision"``, ...
        needs: What its methods read from the models.
        claim: The paper's central statement, in a sentence.
        description: The function's docstring.
        options: Its keyword options.
        function: The function's name.
        path: The file it is in.
    """

    slug: str
    title: str
    year: int
    arxiv: str
    domain: str
    needs: tuple[str, ...]
    claim: str
    description: str
    options: tuple[Option, ...]
    function: str
    path: Path

    @property
    def url(self) -> str:
        """The paper's address; empty where it has no arXiv number."""
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else ""

    def summary(self) -> str:
        """The first sentence of the description."""
        return " ".join(self.description.split("\n\n")[0].split())


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


def cards() -> dict[str, Card]:
    """Every system of the catalogue, by slug, without importing any.

    Raises:
        LimbeckError: Two systems have the same slug.
    """
    found: dict[str, Card] = {}
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        for card in read_cards(path):
            if card.slug in found:
                raise LimbeckError(f"two systems are called {card.slug!r}: {found[card.slug].path} and {path}")
            found[card.slug] = card
    return dict(sorted(found.items()))


def find(name: str) -> Card:
    """The card of a slug, or of a file with one system in it.

    Args:
        name: A slug, or a path that ends in ``.py``.

    Raises:
        LimbeckError: There is none; near matches are named.
    """
    if not name.endswith(".py"):
        known = cards()
        if name in known:
            return known[name]
        raise LimbeckError(f"no system is called {name!r}; {near_matches(name, known)}")
    path = Path(name)
    if not path.is_file():
        raise LimbeckError(f"no such file: {path}")
    written = list(read_cards(path))
    if len(written) != 1:
        slugs = ", ".join(card.slug for card in written) or "none"
        raise LimbeckError(f"{path} must have exactly one function under @system; it has {slugs}")
    return written[0]


def load(name: str) -> System:
    """Import one system.

    Args:
        name: A slug, or a path that ends in ``.py``.

    Raises:
        LimbeckError: There is none, or the file cannot be imported.
    """
    card = find(name)
    return System(card, getattr(_module(card.path), card.function))


def read_cards(path: Path) -> Iterator[Card]:
    """The cards of the systems in one file, from its source alone.

    Raises:
        LimbeckError: The file is not Python, or a decorator's argument is missing, unknown or not a literal.
    """
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LimbeckError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start})") from None
    if "@system" not in source:
        return
    try:
        tree = ast.parse(source, filename=str(path))
    except SyntaxError as error:
        raise LimbeckError(f"{path}, line {error.lineno}: {error.msg}") from None
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).split(".")[-1] == "system":
                yield _card(path, node, decorator)


def _card(path: Path, function: ast.FunctionDef, decorator: ast.Call) -> Card:
    where = f"{path}, line {decorator.lineno}"
    try:
        written = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in decorator.keywords}
    except ValueError:
        raise LimbeckError(f"{where}: the arguments of @system must be literals") from None
    parameters = inspect.signature(system).parameters
    missing = [name for name, p in parameters.items() if p.default is p.empty and name not in written]
    unknown = [name for name in written if name not in parameters]
    if missing or unknown or decorator.args:
        raise LimbeckError(
            f"{where}: @system takes {', '.join(parameters)} by name;"
            f" missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        )
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", str(written["slug"])):
        raise LimbeckError(f"{where}: a slug is lower-case words joined by hyphens; got {written['slug']!r}")
    arguments = function.args
    options = tuple(
        Option(argument.arg, _source(argument.annotation), _source(default))
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    )
    return Card(
        slug=written["slug"],
        title=written["title"],
        year=written["year"],
        arxiv=written.get("arxiv", ""),
        domain=written["domain"],
        needs=tuple(written.get("needs", ())),
        claim=written.get("claim", ""),
        description=inspect.cleandoc(ast.get_docstring(function) or ""),
        options=options,
        function=function.name,
        path=path,
    )


def _source(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)


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
