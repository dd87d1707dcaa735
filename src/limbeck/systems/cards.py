"""The catalogue's cards, read from the source of systems without running any of it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from limbeck.errors import LimbeckError, near_matches

ARGUMENTS = {"slug": True, "title": True, "year": True, "domain": True, "arxiv": False, "needs": False, "claim": False}
"""What :func:`~limbeck.systems.registry.system` takes, and whether it must be given."""
PACKAGE = Path(__file__).parents[1]


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
                yield _card(path, tree, node, decorator)


def _card(path: Path, tree: ast.Module, function: ast.FunctionDef, decorator: ast.Call) -> Card:
    where = f"{path}, line {decorator.lineno}"
    try:
        written = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in decorator.keywords}
    except ValueError:
        raise LimbeckError(f"{where}: the arguments of @system must be literals") from None
    missing = [name for name, needed in ARGUMENTS.items() if needed and name not in written]
    unknown = [name for name in written if name not in ARGUMENTS]
    if missing or unknown or decorator.args:
        raise LimbeckError(
            f"{where}: @system takes {', '.join(ARGUMENTS)} by name;"
            f" missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        )
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", str(written["slug"])):
        raise LimbeckError(f"{where}: a slug is lower-case words joined by hyphens; got {written['slug']!r}")
    arguments = function.args
    options = tuple(
        Option(argument.arg, _source(_spelt_out(argument.annotation, tree)), _source(default))
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


def _spelt_out(annotation: ast.expr | None, tree: ast.Module) -> ast.expr | None:
    """What a name that is imported from this package stands for there, so that users see what is possible."""
    if not isinstance(annotation, ast.Name):
        return annotation
    for node in tree.body:
        if not isinstance(node, ast.ImportFrom) or annotation.id not in (name.name for name in node.names):
            continue
        package, *inside = (node.module or "").split(".")
        file = PACKAGE.joinpath(*inside).with_suffix(".py")
        if package == PACKAGE.name and file.is_file():
            return _assigned(file).get(annotation.id, annotation)
    return annotation


@lru_cache  # many systems name the same few types
def _assigned(file: Path) -> dict[str, ast.expr]:
    """What names of a module stand for, where they are simply assigned."""
    lines = ast.parse(file.read_text(encoding="utf-8")).body
    return {ast.unparse(line.targets[0]): line.value for line in lines if isinstance(line, ast.Assign)}


def _source(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)
