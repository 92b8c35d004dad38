"""What the documentation says is so: its commands parse, its links resolve, its files, columns and options exist."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest

from conceptx.api import explain
from conceptx.cli import cli
from conceptx.progress import silent
from conceptx.request import Request
from conceptx.verification.protocol import PROTOCOLS
from tests.worlds import write_tables

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "ontologies" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HISTORY = ROOT / "CHANGELOG.md"
OF_OTHERS = {
    "--extra-index-url": "pip",
    "--head": "ray",
    "--address": "ray",
    "--port": "ray",
    "--disable-usage-stats": "ray",
    "--classes": "a benchmark",
    "--others": "a benchmark",
}


def fenced(page: Path) -> Iterator[tuple[str, str]]:
    """Yield (language, text) of each block of code."""
    yield from re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def inline(page: Path) -> list[str]:
    """Return each span of code outside of blocks, on one line."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def commands_of(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands_of(cli))
OPTIONS = {
    option
    for command in COMMANDS.values()
    for parameter in command.params
    for option in (*parameter.opts, *parameter.secondary_opts)
    if isinstance(parameter, click.Option)
}


def words_of(line: str) -> list[str]:
    """Return the arguments of a command line as it stands on a page: without a prompt, a comment or an explanation."""
    line = re.sub(r"^\$ ", "", line.strip())
    line = re.split(r"\s{2,}", line)[0]
    return [word for word in shlex.split(line, comments=True) if word != "…"]


def split_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that words after ``conceptx`` name, and its arguments."""
    for length in (2, 1):
        if tuple(words[:length]) in COMMANDS:
            return COMMANDS[tuple(words[:length])], words[length:]
    raise AssertionError(f"there is no command {' '.join(words[:2])!r}")


def in_blocks() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for language, text in fenced(page):
            if language not in ("", "bash", "console"):
                continue
            for line in text.splitlines():
                for part in line.split("&&"):
                    if re.match(r"(\$ )?(\.venv/bin/)?conceptx ", part.strip()):
                        found.append((page.name, part.strip().replace(".venv/bin/", "")))
    return found


@pytest.mark.parametrize(("page", "line"), in_blocks())
def test_every_command_in_a_block_parses(page: str, line: str) -> None:
    command, arguments = split_command(words_of(line)[1:])
    with command.make_context(line, arguments):  # unknown options, missing arguments and wrong values raise
        pass


def test_every_command_in_a_sentence_exists() -> None:
    seen = 0
    for page in PAGES:
        for span in inline(page):
            if not span.startswith("conceptx ") or " = " in span:
                continue
            head, *others = [part.strip() for part in span.split(" | ")]
            words = [word for word in shlex.split(head) if "…" not in word][1:]
            if len(words) == 1 and words[0] in cli.commands and not others:
                seen += 1  # a group, or a command's bare name
                continue
            group = words[:1] if len(words) > 1 and isinstance(cli.commands.get(words[0]), click.Group) else []
            for other in others:
                split_command([*group, *shlex.split(other)])
            command, arguments = split_command(words)
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            assert {word for word in arguments if word.startswith("--")} <= known, (page.name, span)
            seen += 1
    assert seen > 30


def test_every_option_on_a_page_exists() -> None:
    for page in (*PAGES, HISTORY):
        text = "\n".join([*inline(page), *(text for _, text in fenced(page))])
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text):
            assert option in OPTIONS or option in OF_OTHERS, f"{page.name}: no command has {option}"


def test_every_command_and_option_is_on_a_page() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for path in COMMANDS:
        assert f"conceptx {' '.join(path)}" in text or path[0] in ("annotate", "induce"), path
    for path, command in COMMANDS.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.opts != ["--help"]:
                names = [*parameter.opts, *parameter.secondary_opts]
                assert any(re.search(rf"{name}(?![\w-])", text) for name in names), (path, names)


def test_every_link_resolves() -> None:
    for page in (*PAGES, HISTORY):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            path = (page.parent / file).resolve() if file else page
            assert path.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {slug(heading) for heading in headings}, f"{page.name}: {target}"


def slug(heading: str) -> str:
    """Return the anchor that a heading gets: lower case, without punctuation, with hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_python_blocks_compile_and_import_what_is_there() -> None:
    for page in PAGES:
        for language, text in fenced(page):
            if language == "python":
                for node in ast.walk(ast.parse(text)):
                    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("conceptx"):
                        module = importlib.import_module(node.module or "")
                        assert all(hasattr(module, name.name) for name in node.names), (page.name, node.module)
                    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "explain":
                        given = {keyword.arg for keyword in node.keywords}
                        known = {*inspect.signature(explain).parameters, *Request.__dataclass_fields__} - {"layers"}
                        assert given <= known, (page.name, given - known)
            elif language == "toml":
                tomllib.loads(text)
            elif language == "json":
                json.loads(text.replace("…", ""))


# ------------------------------------------------------------------------------------------------- files and columns


def listed(page: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, rest) of each row of the tables of files on a page."""
    for row in page.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\| `([\w./-]+)` \| (.*) \|$", row):
            yield match[1], match[2]


def columns_in(text: str) -> list[str]:
    """Return the columns that a row lists, with those of the intervals."""
    found = []
    for name, interval in re.findall(r"`(\w+)`(±?)", text):
        found += [name, *((f"{name}_low", f"{name}_high") if interval else ())]
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run on small tables."""
    folder = tmp_path_factory.mktemp("docs")
    tables = write_tables(folder)
    explain(
        activations=tables["activations"],
        labels=tables["labels"],
        ontology="world",
        out=folder / "run",
        max_length=1,
        progress=silent,
    )
    return folder / "run"


def test_the_run_folder_is_as_it_is_described(run: Path) -> None:
    rows = {file.replace("LAYER", "table"): text for file, text in listed(ROOT / "docs" / "run-folder.md")}
    for file, text in rows.items():
        assert (run / file).exists(), file
        if file.endswith(".parquet"):
            assert columns_in(text.partition(": ")[2]) == pq.read_schema(run / file).names, file
    beside = columns_in(" ".join(re.findall(r"`(\w+)\.csv`", rows["report/units.csv"])))
    described = {*rows, *(f"report/{name}.csv" for name in re.findall(r"`(\w+)\.csv`", rows["report/units.csv"]))}
    assert not beside
    for path in run.rglob("*"):
        name = path.relative_to(run).as_posix()
        if path.is_file() and path.name != ".lock" and not name.startswith(("hierarchy/", "report/units/")):
            assert name in described, f"{name} is not in docs/run-folder.md"


def test_readme_names_every_artefact(run: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## The run folder")[2]
    for path in run.glob("*.parquet"):
        assert f"`{path.name}`" in text, path.name


@pytest.mark.parametrize(
    ("after", "schema"),
    [
        ("## Statistics", "verdicts"),
        ("In `effects.parquet`", "effects"),
    ],
)
def test_every_statistic_is_explained(after: str, schema: str, run: Path) -> None:
    """A column of the table is on the page; each row of the page is a column, or its interval is."""
    text = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8").partition(after)[2]
    rows = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert rows is not None
    named = {name for row in rows[0].splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    held = set(pq.read_schema(run / f"{schema}.parquet").names)
    for name in named:
        assert name in held or {f"{name}_low", f"{name}_high"} <= held, name
    plain = {"layer", "unit", "expression", "split", "n_target", "n_other", "verdict", "note", "n_either"}
    assert {re.sub(r"_(low|high)$", "", name) for name in held} - plain <= named


def test_the_fields_of_a_protocol_are_as_they_are_described() -> None:
    text = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8").partition("## A protocol of your own")[2]
    described: dict[str, dict[str, object]] = {name: {} for name in PROTOCOLS}
    for row in re.findall(r"^\| (`.*`) \| (.*?) \| (.*?) \| .* \|$", text.partition("\n## ")[0], re.MULTILINE):
        fields = re.findall(r"`(\w+)`", row[0])
        for name, cell in zip(PROTOCOLS, row[1:], strict=True):
            values = [json.loads(value) for value in re.findall(r"`([^`]*)`", cell)]
            described[name] |= dict(zip(fields, values or [None] * len(fields), strict=True))
    for name, protocol in PROTOCOLS.items():
        held = json.loads(json.dumps(protocol.to_dict()))
        assert {**described[name], "source": held["source"]} == held
    example = next(text for language, text in fenced(ROOT / "docs" / "verification.md") if language == "toml")
    assert tomllib.loads(example).keys() - {"base"} <= described["conceptx"].keys()
