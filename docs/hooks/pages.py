"""The pages that are made from the code itself: the API, the catalogue, and the references.

Nothing here knows of mkdocs, so that the tests can ask which pages there will be.
"""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import typer
import typer.cli
import typer.main

from limbeck.cli.app import VERBS
from limbeck.systems.cards import Card, cards

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "limbeck"
WITHOUT_PAGE = {"cli", "__main__.py"}
"""What users do not import; the command line has a reference of its own."""

CONFIGURATION = {
    "The file": "limbeck.systems.translation.config.TranslatorConfig",
    "train, val, and each of tests": "limbeck.systems.translation.files.ParallelFiles",
    "vision": "limbeck.systems.translation.config.Vision",
    "recipe": "limbeck.systems.translation.recipe.Recipe",
    "recipe.plan": "limbeck.training.plan.Plan",
}
"""What `limbeck train` is told: keys, and the settings whose fields they have."""


def generated_pages() -> dict[str, str]:
    """Every page that no file under docs/ holds: its path there, and its Markdown."""
    return {
        **_api(),
        **_catalogue(),
        "cli-reference.md": _command_line(),
        "configuration.md": _configuration(),
    }


def api_page(path: Path) -> str | None:
    """The page of a module or package.

    Args:
        path: Its file or folder.

    Returns:
        The page's path under docs/; ``None`` where it has none.
    """
    if not path.is_relative_to(SOURCE) or not path.exists():
        return None
    parts = path.relative_to(SOURCE).parts
    if path.is_dir() or path.name == "__init__.py":
        folder = parts if path.is_dir() else parts[:-1]
        page = "/".join(["api", *folder, "index.md"])
    elif path.suffix == ".py":
        page = "/".join(["api", *parts[:-1], f"{path.stem}.md"])
    else:
        return None
    return None if parts and parts[0] in WITHOUT_PAGE else page


def _api() -> dict[str, str]:
    pages = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if page := api_page(path):
            pages[page] = _package(path.parent) if path.name == "__init__.py" else _module(path)
    return pages


def _module(path: Path) -> str:
    return f"---\ntitle: {path.stem}\n---\n\n::: {_dotted(path)}\n"


def _package(folder: Path) -> str:
    """A package's own words, and a line for each of its modules."""
    rows = []
    for path in sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        page = api_page(path)
        if page is None or path.name == "__init__.py" or (path.is_dir() and not (path / "__init__.py").is_file()):
            continue
        file = path / "__init__.py" if path.is_dir() else path
        link = f"{path.name}/index.md" if path.is_dir() else f"{path.stem}.md"
        rows.append(f"| [`{_dotted(path)}`]({link}) | {_first_sentence(file)} |")
    title = "API" if folder == SOURCE else folder.name
    table = "\n".join(["| module | what it is |", "| --- | --- |", *rows])
    own = f"::: {_dotted(folder)}\n    options: {{members: false}}"
    return f"---\ntitle: {title}\n---\n\n{own}\n\n{table}\n"


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).parts).removesuffix(".py")


def _first_sentence(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split()).replace("|", "\\|")


def _catalogue() -> dict[str, str]:
    """A table of all systems, and a page for each."""
    known = sorted(cards().values(), key=lambda card: (card.domain, card.slug))
    rows = [
        f"| [`{card.slug}`]({card.slug}.md) | {card.domain} | {card.year} | {_paper(card)} | {card.claim}"
        f" | {_judged(card)} |"
        for card in known
    ]
    head = ["| system | domain | year | paper | claim | verdict |", "| --- | --- | --- | --- | --- | --- |"]
    table = "\n".join([*head, *rows])
    text = (
        "Published systems that `limbeck run` trains and judges, as `limbeck ls` lists them. A claim is the paper's\n"
        "central statement. The verdict on it is that of the last run whose results are kept here, and beside it\n"
        "stands how many of all the system's claims hold; [claims](../claims.md) says what the words mean.\n"
    )
    index = f"---\ntitle: Catalogue\n---\n\n# Catalogue\n\n{text}\n{table}\n"
    return {"catalogue/index.md": index} | {f"catalogue/{card.slug}.md": _system(card) for card in known}


def _paper(card: Card) -> str:
    return f"[{card.title}]({card.url})" if card.url else card.title


def verdicts(results: str) -> list[str]:
    """The verdicts of a page of results on its claims, in their order.

    Args:
        results: Its Markdown.
    """
    return re.findall(r"^\| .* \| (holds|open|fails) \| [^|]+ \| [<>] [^|]+ \|$", results, flags=re.MULTILINE)


def _judged(card: Card) -> str:
    page = ROOT / "docs" / "results" / f"{card.slug}.md"
    if not page.is_file():
        return "not judged"
    link = f"(../results/{card.slug}.md)"
    found = verdicts(page.read_text(encoding="utf-8"))
    return f"[{found[0]}]{link}; {found.count('holds')} of {len(found)} hold" if found else f"[results]{link}"


def _system(card: Card) -> str:
    """What `limbeck show` prints, with links."""
    facts = [f"- Paper: {_paper(card)}, {card.year}", f"- Domain: {card.domain}"]
    if card.claim:
        facts.append(f"- Claim: {card.claim}")
    if card.needs:
        facts.append(f"- Reads from the models: {', '.join(card.needs)}")
    page = api_page(card.path)
    if page is not None:
        facts.append(f"- File: [`{card.path.relative_to(SOURCE.parent)}`](../{page})")
    more = [
        f"[{title}](../{place}.md)"
        for title, place in (("details", card.slug), ("results", f"results/{card.slug}"))
        if (ROOT / "docs" / f"{place}.md").is_file()
    ]
    if more:
        facts.append(f"- More: {', '.join(more)}")
    options = [f"| `{option.flag}` | `{option.annotation}` | `{option.default}` |" for option in card.options]
    table = ["## Options", "", "| option | type | default |", "| --- | --- | --- |", *options] if options else []
    common = "Those that [every system has](../cli-reference.md#limbeck-run) come beside them." if options else ""
    run = f"```sh\nlimbeck run {card.slug}\n```"
    parts = [f"# {card.slug}", "\n".join(facts), run, card.description, "\n".join(table), common]
    return f"---\ntitle: {card.slug}\n---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _command_line() -> str:
    """What each verb's `--help` says."""
    title = "---\ntitle: Reference\n---\n\n# Command line: reference\n"
    text = (
        "Every verb with its arguments and options, from the program itself; [by example](cli.md) shows them at work.\n"
        "`limbeck run` takes the options of [the system](catalogue/index.md) too. `limbeck --version` prints the\n"
        "version; `--debug`, anywhere on the line, shows the traceback of an error.\n"
    )
    return "\n".join([title, text, *map(_verb, VERBS)])


def _verb(name: str) -> str:
    command = typer.main.get_command(importlib.import_module(f"limbeck.cli.{name}").app)
    command.help = command.help or VERBS[name]
    called = f"limbeck {name}"
    context = typer.Context(command, info_name=called)
    text = typer.cli.get_docs_for_click(obj=command, ctx=context, indent=1, name=called)
    # What a help text wants kept as it is (after \b, up to an empty line) is a block of code here.
    return re.sub(r"^\x08\n(.+?)\n\n", r"```yaml\n\1\n```\n\n", text, flags=re.MULTILINE | re.DOTALL)


def _configuration() -> str:
    """The tables of arguments in the settings' docstrings, and nothing else of them."""
    title = "---\ntitle: Configuration\n---\n\n# Configuration of limbeck train\n"
    text = (
        "[Your own parallel data](guides/own-data.md) goes through a configuration by example. What `recipe` and\n"
        "`recipe.plan` say goes for `limbeck run ikd-mmt --recipe FILE` too. Where the plan of a configuration is\n"
        "silent, [`PLAN`][limbeck.systems.translation.config.PLAN] comes before the defaults below.\n"
    )
    hidden = ["root_heading", "root_toc_entry", "source", "bases", "signature"]
    hidden += [f"docstring_{part}" for part in ("description", "raises", "examples")]
    options = ["members: false", "skip_local_inventory: true", *(f"show_{part}: false" for part in hidden)]
    block = "    options:\n" + "\n".join(f"      {option}" for option in options)
    return "\n".join([title, text, *(f"## {key}\n\n::: {path}\n{block}\n" for key, path in CONFIGURATION.items())])
