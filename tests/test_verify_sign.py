"""Signatures: made and checked by a real ssh-keygen; nobody else's, and no other record's, will do."""

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from hilbench.cli import cli
from hilbench.errors import StoreError, UsageError
from hilbench.records.directory import DirectoryStore, read_document
from hilbench.records.evidence import Evidence
from hilbench.records.record import Record
from hilbench.records.sign import NAMESPACE, BadSignature, sign, signer
from hilbench.records.store import Document
from hilbench.records.verify import Check, check
from hilbench.reports.site.build import publish

from .generated_records import generated

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen")


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(generated(2))


@pytest.fixture
def store(tmp_path: Path, records: list[Record]) -> Path:
    for record in records:
        DirectoryStore(tmp_path / "store").put(record)
    return tmp_path / "store"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key(tmp_path / "alice")


@pytest.fixture
def signers(tmp_path: Path, key: Path) -> Path:
    path = tmp_path / "allowed_signers"
    path.write_text(f"alice@example.org {key.with_suffix('.pub').read_text()}")
    return path


def new_key(path: Path, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", path], check=True)
    return path


def first(store: Path) -> Document:
    return read_document(sorted(store.glob("*.json"))[0])


def signature(document: Document, signers: Path) -> Check:
    found = check(document, evidence=Evidence(signers=signers)).signed
    assert found is not None
    return found


def test_a_signed_record_says_who_signed_it(store: Path, key: Path, signers: Path):
    path = sign(first(store), key)
    assert path.name == f"{first(store).id}.json.sig"
    assert signature(first(store), signers) == Check("signature", "ok", "by alice@example.org")
    assert check(first(store)).signed is None, "nobody asked"


def test_ssh_keygen_says_the_same(store: Path, key: Path, signers: Path):
    path = sign(first(store), key)
    done = subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "alice@example.org", "-n", NAMESPACE, "-s", path],
        input=Path(first(store).where).read_bytes(), capture_output=True, check=True,
    )  # fmt: skip
    assert b"Good" in done.stdout


def test_no_signature_is_a_failure_when_one_is_asked_for(store: Path, signers: Path):
    found = signature(first(store), signers)
    assert (found.state, found.detail) == ("failed", "there is no signature")


def test_a_record_that_was_changed_and_sealed_anew_is_not_the_signed_one(store: Path, key: Path, signers: Path):
    document = first(store)
    sign(document, key)
    Path(document.where).write_text(document.record().model_copy(update={"duration_s": 1.5}).to_json())
    assert check(first(store)).state == "ok", "it holds in itself"
    found = signature(first(store), signers)
    assert found.state == "failed"
    assert "not one of this record by alice@example.org" in found.detail


def test_the_signature_of_another_record_is_none_of_this(store: Path, key: Path, signers: Path):
    one, other = (read_document(path) for path in sorted(store.glob("*.json")))
    sign(one, key).rename(f"{other.where}.sig")
    assert signature(other, signers).state == "failed"


def test_a_stranger_may_not_sign(store: Path, signers: Path, tmp_path: Path):
    sign(first(store), new_key(tmp_path / "mallory"))
    assert signature(first(store), signers).detail == "it is signed by nobody who is allowed to"


def test_a_signature_for_something_else_is_none_of_a_record(store: Path, key: Path, signers: Path):
    where = first(store).where
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", "git", where], check=True, capture_output=True)
    assert signature(first(store), signers).state == "failed"


def test_a_damaged_signature_is_a_failure(store: Path, key: Path, signers: Path):
    path = sign(first(store), key)
    path.write_bytes(path.read_bytes()[:40])
    assert signature(first(store), signers).state == "failed"


def test_signatures_do_not_disturb_the_store(store: Path, key: Path, records: list[Record]):
    sign(first(store), key)
    assert [document.id for document in DirectoryStore(store).documents()] == sorted(one.id for one in records)
    DirectoryStore(store).put(records[0])
    assert check(first(store)).state == "ok"


def test_a_damaged_record_is_not_signed(store: Path, key: Path):
    Path(first(store).where).write_text(first(store).text.replace("1", "2", 1))
    with pytest.raises(StoreError, match=r"its seal is broken|not a hilbench"):
        sign(first(store), key)
    assert list(store.glob("*.sig")) == []


def test_only_files_are_signed(store: Path, key: Path):
    with pytest.raises(StoreError, match="only a record in a file can be signed"):
        sign(Document(first(store).id, "postgresql://server/records", first(store).text), key)


def test_what_is_no_key_is_told(store: Path, tmp_path: Path, signers: Path):
    with pytest.raises(UsageError, match="there is no key"):
        sign(first(store), tmp_path / "none")
    (tmp_path / "text").write_text("no key")
    with pytest.raises(UsageError, match="does not sign"):
        sign(first(store), tmp_path / "text")
    with pytest.raises(UsageError, match="there is no file of allowed signers"):
        signer(first(store), tmp_path / "nobody")
    with pytest.raises(BadSignature, match="there is no signature"):
        signer(first(store), signers)


def test_a_signature_goes_with_its_record_into_a_folder_and_a_site(
    store: Path, key: Path, signers: Path, tmp_path: Path
):
    signature = sign(first(store), key)
    done = CliRunner().invoke(cli, ["store", "copy", str(store), str(tmp_path / "copy")])
    assert done.exit_code == 0 and done.output.startswith("2 records of")
    copied = first(tmp_path / "copy")
    assert Path(f"{copied.where}.sig").read_bytes() == signature.read_bytes()
    assert signer(copied, signers) == "alice@example.org"
    site = publish(DirectoryStore(tmp_path / "copy"), tmp_path / "site", 1).folder
    assert [path.name for path in (site / "records").glob("*.sig")] == [signature.name]
    assert signer(read_document(site / "records" / f"{copied.id}.json"), signers) == "alice@example.org"
    assert sum(".json.sig" in page.read_text() for page in (site / "rows").glob("*.html")) == 1


def test_a_signature_that_is_there_stays(store: Path, key: Path, tmp_path: Path):
    CliRunner().invoke(cli, ["store", "copy", str(store), str(tmp_path / "copy")])
    mine = sign(first(tmp_path / "copy"), new_key(tmp_path / "bob")).read_bytes()
    sign(first(store), key)
    assert CliRunner().invoke(cli, ["store", "copy", str(store), str(tmp_path / "copy")]).exit_code == 0
    assert Path(f"{first(tmp_path / 'copy').where}.sig").read_bytes() == mine


def test_what_a_database_cannot_keep_is_told_once(store: Path, key: Path, tmp_path: Path):
    pytest.importorskip("sqlalchemy")
    for document in DirectoryStore(store).documents():
        sign(document, key)
    done = CliRunner().invoke(cli, ["store", "copy", str(store), f"sqlite:{tmp_path / 'x.db'}"])
    assert done.exit_code == 0
    assert done.output.count("left behind") == 1 and "the signatures of 2 records" in done.output
