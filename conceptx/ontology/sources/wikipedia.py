"""A Wikipedia's category graph from its SQL dumps: `page`, `categorylinks` and, in newer dumps, `linktarget`.

`read_wikipedia` finds the dumps of a folder by their names (gz, bz2, zst or plain; ``enwiki-20260101-page.sql.gz``),
reads them one after the other, and keeps what it has read, so that a killed build goes on close to where it was.
`redirect` is read too where it is there: redirects to a class become its synonyms. `category` holds counts, which say
nothing about the hierarchy.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.files import digest_file
from conceptx.ontology.csr import Ints
from conceptx.ontology.records import ClassGraph, iri_tail
from conceptx.ontology.sources.sqldump import MEGABYTE, Checkpoint, DumpReader, Rows
from conceptx.ontology.sources.sqlscan import NULL
from conceptx.ontology.staging import Staging
from conceptx.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa

_KEPT_EVERY = 256 * MEGABYTE  # of unpacked text, some seconds of reading: what a killed build reads again at most
ENGLISH_ROOT = "Main_topic_classifications"
CATEGORY, ARTICLE = 14, 0

# Categories that serve the work on an encyclopaedia, by the names that the English one gives them.
MAINTENANCE = (
    r"^(Wikipedia|Wikipedians|WikiProject|Wikidata|Wikimedia|MediaWiki|Wikisource|Wikiquote|Wiktionary)s?_"
    r"|^(Hidden|Tracking|Container|Maintenance|Noindexed|Template|Parent|Set|Empty|Soft_redirected)_categor"
    r"|^All_(articles|pages|accuracy|stub|orphaned|BLP|Wikipedia|disambiguation|set_index|self-contradictory|NPOV"
    r"|unreferenced|free|non-free|redirect|dead|uncategorized|categories|copied|primary|portals|templates|files)"
    r"|^(Articles|Pages|Categories|Redirects?|Files|Images|Templates?|Infoboxes|Modules|Portals|Biographies|Lists)_"
    r"(with|without|using|containing|needing|lacking|having|requiring|that|which|to_be|for_(?:deletion|merging|speedy)"
    r"|slanted|prone|tagged|sourced|covered|created|imported|incorporating|missing|proposed|to_|from_|in_need|on_topics"
    r"|contradicting|calling|transcluding|where|whose|linked|semi-protected|automatically|generating|displaying)"
    r"|^(CS1|CatAutoTOC|Navseasoncats|Automatic_category_TOC|Harv_and_Sfn|Webarchive_template|Short_description"
    r"|Use_(dmy|mdy|ymd|[A-Z][a-z]+(_[A-Z][a-z]+)?_English)|EngvarB|Commons_(category|link)|Coordinates_(not_)?on_"
    r"|Disambiguation_(pages|categories)|Redirect-Class|Unassessed_|Unknown-importance_|Stub_(categories|message)"
    r"|Cleanup_tagged|Accuracy_disputes|Orphaned_articles|NPOV_disputes|Template_|Module_|Lua-based|User_(pages|talk|en)"
    r"|Official_website|Dynamic_lists|Interlanguage_link|ISSN_|OCLC_|AC_with_|Portal:|Vague_or_ambiguous_|Good_articles"
    r"|Featured_articles|Certification_Table_Entry)"
    r"|_stubs?(_|$)|[A-Za-z]+-(Class|importance|priority)_|_(WikiProject|templates|userboxes|navigational_boxes)$"
    r"|_(articles|pages)_(needing|with|without|missing|lacking|by_quality|by_importance)_?"
    r"|_from_(January|February|March|April|May|June|July|August|September|October|November|December)_\d{4}$"
)
_MARKERS = ("Hidden_categories", "Tracking_categories", "Maintenance_categories")
_TREES = ("Wikipedia_administration", "Wikipedia_categories", "Wikipedia_maintenance")


@dataclass(frozen=True, slots=True)
class WikipediaOptions:
    """What to take from the dumps.

    `root`: the category to start from (by default that of the English Wikipedia). `maintenance`: keep hidden and
    administrative categories. `drop`: further categories whose trees are left out; `drop_pattern`: a regular
    expression for further names. `max_depth`: most edges away from the root. `articles`: articles become classes
    below their categories. `redirects`: redirects become synonyms. `accept_incomplete`: take what a download that
    was cut off holds.
    """

    root: str | None = None
    maintenance: bool = False
    drop: tuple[str, ...] = ()
    drop_pattern: str = ""
    max_depth: int | None = None
    articles: bool = False
    redirects: bool = True
    accept_incomplete: bool = False


def read_wikipedia(
    folder: Path, staging: Staging, options: WikipediaOptions | None = None, progress: Progress = silent
) -> tuple[ClassGraph, str]:
    """Read the dumps in `folder`; return the category graph without maintenance categories, and the root's name."""
    import pyarrow as pa
    import pyarrow.compute as pc

    options = options or WikipediaOptions()
    try:
        pc.match_substring_regex(pa.array([""]), options.drop_pattern)
    except pa.ArrowInvalid as error:
        what = f"'{options.drop_pattern}' is no regular expression ({error})"
        raise InputError("the pattern of names to drop", what, "mend the pattern") from error
    tables = _Tables(folder, staging, options, progress)
    pages = tables.read("page", ("page_id", "page_namespace", "page_is_redirect"), ("page_title",), tables.namespace)
    if options.articles:
        pages = pages.filter(pc.is_in(pages["page_namespace"], pa.array([CATEGORY, ARTICLE], pa.int32())))
    links = tables.links()
    names, child, parent, page_name = _joined(pages, links, tables)
    graph, notes = _without_maintenance(names, child, parent, options, tables.notes)
    redirect_of, redirects = _redirects(tables, pages, graph.names) if options.redirects else _no_redirects()
    root = options.root.replace(" ", "_") if options.root else _default_root(folder, tables.wiki, graph)
    base, iri_of, iris = _iris(tables.wiki, graph.names, pages, page_name if options.articles else None)
    about = {"source": "wikipedia", "wiki": tables.wiki, "files": tables.files, "options": asdict(options)}
    result = ClassGraph(
        names=graph.names,
        child=graph.child,
        parent=graph.parent,
        synonym_of=redirect_of,
        synonyms=redirects,
        iri_of=iri_of,
        iris=iris,
        iri_base=base,
        about=about,
        notes=tuple(notes),
    )
    return result, root


class _Tables:
    """The dumps of one folder: found by name, read in turn, each kept once it is read."""

    def __init__(self, folder: Path, staging: Staging, options: WikipediaOptions, progress: Progress) -> None:
        if not folder.is_dir():
            raise InputError(str(folder), "is no folder", "give the folder that holds the SQL dumps")
        self.folder, self.staging, self.options, self.progress = folder, staging, options, progress
        self.namespace = None if options.articles else ("page_namespace", b"14")
        self.notes: list[str] = []
        self.files: dict[str, str] = {}
        links = self.find("categorylinks")
        self.wiki = links.name.split("-")[0] if links is not None and "-" in links.name else ""

    def find(self, table: str, needed: bool = True) -> Path | None:
        """Return the dump of `table`, or None where it may be absent."""
        pattern = re.compile(rf"^(?:.+-)?{table}\.sql(?:\.gz|\.bz2|\.zst)?$")
        found = sorted(path for path in self.folder.iterdir() if pattern.match(path.name))
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            what = f"holds several dumps of the table '{table}': {names}"
            raise InputError(str(self.folder), what, "keep the dumps of one wiki and one day in the folder")
        if not found and needed:
            what = f"holds no dump of the table '{table}'"
            raise InputError(str(self.folder), what, f"add …-{table}.sql.gz of the same day")
        return found[0] if found else None

    def read(
        self, table: str, numbers: tuple[str, ...], texts: tuple[str, ...], only: tuple[str, bytes] | None
    ) -> pa.Table:
        """Return the chosen columns of a table, read now or by an earlier build that was killed."""
        path = self.find(table)
        assert path is not None
        return self._staged(path, table, numbers, texts, only)

    def _staged(
        self, path: Path, table: str, numbers: tuple[str, ...], texts: tuple[str, ...], only: tuple[str, bytes] | None
    ) -> pa.Table:
        digest = digest_file(path)
        self.files[path.name] = digest
        chosen = {"table": table, "numbers": numbers, "texts": texts, "only": only and [only[0], only[1].decode()]}
        made_from = {"digest": digest, **chosen, "accept_incomplete": self.options.accept_incomplete}

        def make() -> pa.Table:
            import pyarrow as pa

            done = self.staging.pieces(table, made_from)
            start = None if done.state is None else _checkpoint(done.state)
            reader = DumpReader(path, table, numbers, texts, only, self.options.accept_incomplete, start)
            kept, rows = reader.checkpoint.offset, list[Rows]()
            for _ in self.progress(reader.steps(), total=reader.megabytes, label=f"Reading {path.name} (MB)"):
                rows += reader.take()
                if reader.checkpoint.offset - kept >= _KEPT_EVERY:
                    done.add(_table_of(rows, numbers, texts), asdict(reader.checkpoint))
                    kept, rows = reader.checkpoint.offset, []
            rows += reader.take()
            whole = pa.concat_tables([*done.tables, _table_of(rows, numbers, texts)])
            for k, name in enumerate(numbers):
                whole = whole.set_column(k, name, pa.array(_small(whole[name].to_numpy())))
            return whole.replace_schema_metadata({"complete": str(reader.complete)})

        result = self.staging.table(table, made_from, make)
        self.staging.pieces(table, made_from).clear()
        if result.schema.metadata.get(b"complete") == b"False":
            self.notes.append(f"{path.name} was cut off; the rows before the cut were taken")
        return result

    def links(self) -> pa.Table:
        """Return the category links: `cl_from`, and either `cl_to` or `cl_target_id`, by what the dump has."""
        path = self.find("categorylinks")
        assert path is not None
        only = None if self.options.articles else ("cl_type", b"subcat")
        columns = dump_columns(path, "categorylinks")
        texts = ("cl_type",) if self.options.articles else ()
        if "cl_to" in columns:
            return self._staged(path, "categorylinks", ("cl_from",), ("cl_to", *texts), only)
        return self._staged(path, "categorylinks", ("cl_from", "cl_target_id"), texts, only)


def _table_of(rows: list[Rows], numbers: tuple[str, ...], texts: tuple[str, ...]) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {
        name: pa.array(np.concatenate([r.numbers[name] for r in rows] or [np.zeros(0, np.int64)])) for name in numbers
    }
    columns |= {
        name: pa.concat_arrays([r.texts[name] for r in rows] or [pa.array([], pa.large_binary())]) for name in texts
    }
    return pa.table(columns)


def _checkpoint(state: dict[str, Any]) -> Checkpoint:
    created, columns = tuple(state["created"]), tuple(state["columns"])
    return Checkpoint(state["offset"], state["in_rows"], state["creating"], created, columns)


def dump_columns(path: Path, table: str) -> tuple[str, ...]:
    """Return the columns that the dump's CREATE TABLE names, reading no further than that."""
    from conceptx.ontology.sources.streams import buffered

    with buffered(path) as stream:
        head = stream.peek(1 << 20)[: 1 << 20].decode("utf-8", "replace")
    created = re.search(r"CREATE TABLE[^`\"(]*[`\"]?(\w+)[`\"]?\s*\((.*?)\n\)", head, re.DOTALL | re.IGNORECASE)
    if created is None:
        listed = re.search(r"INSERT INTO [`\"]?(\w+)[`\"]?\s*\(([^()]*)\)\s*VALUES", head, re.IGNORECASE)
        if listed is None:
            what = "names no columns: it has no CREATE TABLE in its first megabyte"
            raise InputError(str(path), what, "give a whole MediaWiki SQL dump")
        name, columns = listed[1], [c.strip(' `"\n\r') for c in listed[2].split(",")]
    else:
        name, columns = created[1], re.findall(r"^\s*[`\"](\w+)[`\"]\s", created[2], re.MULTILINE)
    if name != table:
        raise InputError(str(path), f"is a dump of the table '{name}', not of '{table}'", f"give the dump of '{table}'")
    return tuple(columns)


def _small(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.integer]:
    """Return the numbers in 32 bits where they fit (page ids do); NULL becomes -1."""
    numbers = np.where(numbers == NULL, -1, numbers)
    fits = len(numbers) == 0 or (numbers.max() < 1 << 31 and numbers.min() >= -1)
    return numbers.astype(np.int32) if fits else numbers


def _joined(pages: pa.Table, links: pa.Table, tables: _Tables) -> tuple[pa.Array, Ints, Ints, npt.NDArray[np.int64]]:
    """Return all category names (unique), the links as pairs of positions in them, and each page's position."""
    import pyarrow as pa
    import pyarrow.compute as pc

    titles = pages["page_title"].combine_chunks()
    if "cl_to" in links.column_names:
        targets = links["cl_to"].combine_chunks()
        target_row = np.arange(len(links))
    else:
        target_row, targets = _link_targets(links["cl_target_id"].to_numpy(), tables)
    # Pages count as classes if they are categories, or (with articles) anything that is filed in one.
    both = pa.concat_arrays([titles, targets]).dictionary_encode()
    names = both.dictionary
    _check_utf8(tables, names)
    code = both.indices.to_numpy().astype(np.int64)
    page_code, target_code = code[: len(titles)], code[len(titles) :]
    ids = pages["page_id"].to_numpy()
    order = np.argsort(ids, kind="stable")
    source = links["cl_from"].to_numpy()
    place = np.minimum(np.searchsorted(ids[order], source), max(len(ids) - 1, 0))
    known = (ids[order][place] == source) if len(ids) else np.zeros(len(source), np.bool_)
    known &= target_row >= 0
    if "cl_type" in links.column_names:
        kinds = links["cl_type"].combine_chunks()
        known &= pc.not_equal(kinds, b"file").to_numpy(zero_copy_only=False)
    lost = int(len(source) - known.sum())
    if lost and not tables.options.articles:
        tables.notes.append(f"{lost} links lead from or to a page that the dumps do not name")
    if not known.any():
        what = "hold no link between two categories"
        raise InputError(str(tables.folder), f"the dumps {what}", "check that all are whole and of the same wiki")
    child = page_code[order[place[known]]].astype(np.int32)
    parent = target_code[target_row[known]].astype(np.int32)
    return names, child, parent, page_code


def _link_targets(wanted: npt.NDArray[np.integer], tables: _Tables) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Return for each target id its row in the link targets (-1 where it has none), and the rows' titles."""
    table = tables.read("linktarget", ("lt_id",), ("lt_title",), ("lt_namespace", b"14"))
    ids = table["lt_id"].to_numpy()
    titles = table["lt_title"].combine_chunks()
    if len(ids) == 0:
        return np.full(len(wanted), -1, np.int64), titles
    order = np.argsort(ids, kind="stable")
    place = np.minimum(np.searchsorted(ids[order], wanted), len(ids) - 1)
    return np.where(ids[order][place] == wanted, order[place], -1), titles


def _check_utf8(tables: _Tables, names: pa.Array) -> None:
    import pyarrow as pa

    try:
        names.cast(pa.large_string())
    except pa.ArrowInvalid as error:
        for raw in names.to_pylist():
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                what = f"the title {raw[:80]!r} is not UTF-8; the dump mixes encodings"
                raise InputError(str(tables.folder), what, "download the dumps again") from error
        raise


def _without_maintenance(
    names: pa.Array, child: Ints, parent: Ints, options: WikipediaOptions, notes: list[str]
) -> tuple[ClassGraph, list[str]]:
    """Leave out maintenance categories by name and marker, trees that the user drops, and unfit titles."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = names.cast(pa.large_string())
    used = np.zeros(len(names), np.bool_)
    used[child] = used[parent] = True
    # Titles with control characters or marks that turn the reading direction are damage, not names.
    unfit = pc.match_substring_regex(text, "[\\x00-\\x1f\\x7f\\x{200e}\\x{200f}\\x{202a}-\\x{202e}\\x{2066}-\\x{2069}]")
    drop = unfit.to_numpy(zero_copy_only=False).copy()
    if (drop & used).any():
        notes.append(f"{int((drop & used).sum())} titles hold control characters or direction marks and were left out")
    kept_root = options.root.replace(" ", "_") if options.root else ENGLISH_ROOT
    dropped_trees = {name.replace(" ", "_") for name in options.drop}
    for name in options.drop:
        if not pc.any(pc.equal(text, name.replace(" ", "_"))).as_py():
            notes.append(f"there is no category {name!r} to leave out")
    if not options.maintenance:
        by_name = pc.match_substring_regex(text, MAINTENANCE).to_numpy(zero_copy_only=False)
        marker = pc.is_in(text, pa.array(_MARKERS, pa.large_string())).to_numpy(zero_copy_only=False)
        hidden = np.zeros(len(names), np.bool_)
        hidden[child[marker[parent]]] = True
        before = int((drop & used).sum())
        drop |= by_name | hidden | marker
        notes.append(f"{int((drop & used).sum()) - before} hidden or maintenance categories were left out")
        dropped_trees.update(_TREES)
    drop |= pc.is_in(text, pa.array(sorted(dropped_trees), pa.large_string())).to_numpy(zero_copy_only=False)
    if options.drop_pattern:
        drop |= pc.match_substring_regex(text, options.drop_pattern).to_numpy(zero_copy_only=False)
    drop &= ~pc.equal(text, kept_root).to_numpy(zero_copy_only=False)
    keep = used & ~drop
    number = np.full(len(names), -1, np.int32)
    number[keep] = np.arange(int(keep.sum()), dtype=np.int32)
    inside = keep[child] & keep[parent]
    kept = names.filter(pa.array(keep))
    return ClassGraph(kept, number[child[inside]], number[parent[inside]]), notes


def _default_root(folder: Path, wiki: str, graph: ClassGraph) -> str:
    """Return the English root where it is there; otherwise the user has to choose among the tops."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.index(graph.names, pa.scalar(ENGLISH_ROOT.encode(), graph.names.type)).as_py() >= 0:
        return ENGLISH_ROOT
    n = len(graph.names)
    tops = np.flatnonzero((np.bincount(graph.child, minlength=n) == 0) & (np.bincount(graph.parent, minlength=n) > 0))
    widest = tops[np.argsort(-np.bincount(graph.parent, minlength=n)[tops], kind="stable")][:5]
    shown = ", ".join(f"'{graph.names[int(i)].as_py().decode()}'" for i in widest)
    what = f"has {len(tops)} categories without a parent ({shown}…) and no '{ENGLISH_ROOT}'"
    raise InputError(str(folder), what, f"name the root of {wiki or 'this wiki'} with --root")


def _no_redirects() -> tuple[Ints, list[str]]:
    return np.zeros(0, np.int32), []


def _redirects(tables: _Tables, pages: pa.Table, names: pa.Array) -> tuple[Ints, Any]:
    """Return the titles that redirect to a class, with the class's position."""
    import pyarrow as pa
    import pyarrow.compute as pc

    path = tables.find("redirect", needed=False)
    if path is None:
        return _no_redirects()
    only = None if tables.options.articles else ("rd_namespace", b"14")
    table = tables.read("redirect", ("rd_from", "rd_namespace"), ("rd_title",), only)
    space = pc.is_in(table["rd_namespace"], pa.array([CATEGORY, ARTICLE], table["rd_namespace"].type))
    target = pc.index_in(table["rd_title"].combine_chunks(), names)
    source = pc.index_in(table["rd_from"].cast(pa.int64()), pages["page_id"].cast(pa.int64()).combine_chunks())
    source = source.combine_chunks() if isinstance(source, pa.ChunkedArray) else source
    good = pc.and_(pc.and_(target.is_valid(), source.is_valid()), space.combine_chunks())
    titles = pages["page_title"].combine_chunks().take(source.filter(good))
    text = pc.replace_substring(titles.cast(pa.large_string()), pattern="_", replacement=" ")
    return target.filter(good).to_numpy().astype(np.int32), text


def _iris(
    wiki: str, names: pa.Array, pages: pa.Table, page_code: npt.NDArray[np.int64] | None
) -> tuple[str, Ints, list[str]]:
    """Return the base of the categories' IRIs, and the articles' own IRIs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    language = wiki.removesuffix("wiki").replace("_", "-")
    site = f"https://{language}.wikipedia.org/wiki/" if wiki.endswith("wiki") and language else "urn:wikipedia:"
    if page_code is None:
        return site + "Category:", np.zeros(0, np.int32), []
    categories = pages.filter(pc.equal(pages["page_namespace"], CATEGORY))["page_title"].combine_chunks()
    articles = pages.filter(pc.equal(pages["page_namespace"], ARTICLE))["page_title"].combine_chunks()
    is_article = pc.and_(pc.is_in(names, articles), pc.invert(pc.is_in(names, categories)))
    places = np.flatnonzero(is_article.to_numpy(zero_copy_only=False)).astype(np.int32)
    titles = names.take(pa.array(places)).to_pylist()
    return site + "Category:", places, [site + iri_tail(title.decode()) for title in titles]
