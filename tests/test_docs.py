"""What README and documentation tell people to type, and where they send them."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import typer.core
import typer.main
from docs.hooks.pages import CONFIGURATION, SOURCE, generated_pages, verdicts

from limbeck.cli.app import VERBS
from limbeck.settings import Settings
from limbeck.systems.cards import cards
from limbeck.systems.translation.config import TranslatorConfig

ROOT = Path(__file__).parents[1]
TEXTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
FENCE = re.compile(r"^ *```(\w*).*?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


def typed(text: str) -> Iterator[list[str]]:
    """What stands after each `limbeck` in the blocks of shell commands."""
    for language, block in FENCE.findall(text):
        if language not in ("sh", "bash", "shell"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&")
            lexer.whitespace_split = True
            words: list[str] = []
            for word in [*lexer, ";"]:
                if set(word) <= set("|;&"):
                    if words and words[0] == "limbeck":
                        yield words[1:]
                    words = []
                else:
                    words.append(word)


COMMANDS = sorted({(str(path.relative_to(ROOT)), *line) for path in TEXTS for line in typed(path.read_text())})


def check(arguments: list[str]) -> None:
    """Parse a command line as the program would, without running it.

    Raises:
        Exception: As the program would.
    """
    if arguments[0].startswith("-"):
        assert set(arguments) <= {"--help", "-h", "--version", "--debug"}
        return
    verb, *rest = [argument for argument in arguments if argument != "--debug"]
    assert verb in VERBS, f"no verb {verb}"
    command = typer.main.get_command(importlib.import_module(f"limbeck.cli.{verb}").app)
    try:
        context = command.make_context(verb, rest)
        if isinstance(command, typer.core.TyperGroup):
            name, chosen, rest = command.resolve_command(context, rest)
            assert chosen is not None
            chosen.make_context(name, rest, parent=context)
    except typer.Exit:
        return  # --help
    if verb == "run":
        known, named = cards(), context.params["system"]
        # A file that is no slug is somebody's copy of one of the systems.
        possible = [known[named]] if named in known else known.values()
        options = {option.flag for card in possible for option in card.options}
        for argument in context.args:
            assert not argument.startswith("--") or argument.partition("=")[0] in options, f"no option {argument}"


@pytest.mark.parametrize("line", COMMANDS, ids=" ".join)
def test_commands_can_be_typed(line: tuple[str, ...]) -> None:
    check(list(line[1:]))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("rnu ikd-mmt", "no verb rnu"),
        ("run ikd-mmt --seeds three", "integer"),
        ("run ikd-mmt --stepz 3", "no option --stepz"),
        ("train --out runs/mine", "config"),
        ("train captions.yaml --outt runs/mine", "--outt"),
        ("evaluate --hypotheses a.txt", "references"),
        ("world show --box", "--box"),
        ("world pictures", "pictures"),
        ("--versions", "--versions"),
    ],
)
def test_wrong_commands_are_found(wrong: str, told: str) -> None:
    [arguments] = typed(f"```sh\ncat a | limbeck {wrong}  # a comment\n```")
    with pytest.raises(Exception, match=told):
        check(arguments)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """What the site has beside the files."""
    return generated_pages()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path, pages: dict[str, str]) -> None:
    made = {(ROOT / "docs" / page).resolve() for page in pages}
    for link in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        target = (path.parent / link).resolve()
        assert target.exists() or target in made, link


def test_every_module_has_a_page(pages: dict[str, str]) -> None:
    for path in SOURCE.rglob("*.py"):
        name = ".".join(["limbeck", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")
        found = [page for page, text in pages.items() if page.startswith("api/") and f"::: {name}\n" in text]
        expected = 0 if name.startswith("limbeck.cli") or name == "limbeck.__main__" else 1
        assert len(found) == expected, name


def test_the_catalogue_has_what_the_cards_say(pages: dict[str, str]) -> None:
    for slug, card in cards().items():
        assert f"({slug}.md)" in pages["catalogue/index.md"]
        page = pages[f"catalogue/{slug}.md"]
        for said in (
            card.title,
            card.claim,
            card.description,
            card.url,
            *(f"| `{one.flag}` |" for one in card.options),
        ):
            assert said in page


def test_the_reference_has_every_verb_and_option(pages: dict[str, str]) -> None:
    sections = pages["cli-reference.md"].split("\n## ")
    assert [section.partition("\n")[0] for section in sections[1:]] == [f"`limbeck {verb}`" for verb in VERBS]
    run, train = (next(one for one in sections if one.startswith(f"`limbeck {verb}`")) for verb in ("run", "train"))
    assert all(f"`{option}" in run for option in ("--seeds", "--scale", "--resume"))
    assert "```yaml\n  pair: en-de\n" in train


def test_the_configurations_page_has_every_kind_of_settings() -> None:
    wanted: set[type[Settings]] = set()

    def gather(settings: type[Settings]) -> None:
        wanted.add(settings)
        for field in settings.model_fields.values():
            kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
            for kind in kinds:
                if isinstance(kind, type) and issubclass(kind, Settings):
                    gather(kind)

    gather(TranslatorConfig)
    assert {f"{one.__module__}.{one.__qualname__}" for one in wanted} == set(CONFIGURATION.values())


def test_every_claim_of_the_kept_results_has_a_verdict_in_the_catalogue() -> None:
    index = generated_pages()["catalogue/index.md"]
    for slug in cards():
        page = ROOT / "docs" / "results" / f"{slug}.md"
        (row,) = (line for line in index.splitlines() if line.startswith(f"| [`{slug}`]"))
        found = verdicts(page.read_text(encoding="utf-8")) if page.is_file() else []
        if not found:
            assert row.endswith(f"[results](../results/{slug}.md) |" if page.is_file() else "| not judged |")
            continue
        stated = page.read_text(encoding="utf-8").split("| claim | verdict |")[1].split("\n\n")[0].splitlines()[2:]
        assert len(found) == len(stated)
        assert f"| [{found[0]}](../results/{slug}.md); {found.count('holds')} of {len(stated)} hold |" in row
