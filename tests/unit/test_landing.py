import gzip
import json
import stat
import threading
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from pipelines.sources.collect import parse
from pipelines.sources.payloads import ItemOutcome
from pipelines.storage.errors import BatchMissing, LandingCorrupt, LandingRefused, LoadRefused
from pipelines.storage.landing import Landing
from tests.fakes.storage import extract_of, parse_lines, payload

FEED = "fred_observations"
PARSERS = {"lines": parse_lines}
AS_OF = date(2024, 3, 1)


def land(landing, *payloads, run_id="run-1", frames=None):
    keep = landing.keep(run_id, FEED)
    for kept in payloads:
        keep(kept)
    if frames is None:
        parts = [parse(p, PARSERS)[FEED] for p in payloads]
        frames = {FEED: pd.concat(parts, ignore_index=True)}
    extract = extract_of(FEED, *payloads, frames=frames)
    landing.write_batch(run_id, extract, AS_OF, "sample")
    return extract


def only_body(tmp_path):
    [path] = tmp_path.glob("payloads/*/*.gz")
    return path


def test_a_payload_is_kept_under_its_content_address_read_only(tmp_path) -> None:
    kept = payload(b"hello")
    Landing(tmp_path).keep("run-1", FEED)(kept)
    path = only_body(tmp_path)
    assert path.name == f"{kept.sha256}.gz"
    assert path.parent.name == kept.sha256[:2]
    assert gzip.decompress(path.read_bytes()) == b"hello"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_the_same_body_is_stored_once_and_its_bytes_do_not_depend_on_the_day(tmp_path) -> None:
    keep = Landing(tmp_path).keep("run-1", FEED)
    keep(payload(b"hello"))
    first = only_body(tmp_path).stat()
    keep(payload(b"hello", item="B"))
    again = only_body(tmp_path).stat()
    assert (first.st_ino, first.st_mtime_ns) == (again.st_ino, again.st_mtime_ns)
    Landing(tmp_path / "other").keep("run-2", FEED)(payload(b"hello"))
    assert only_body(tmp_path).read_bytes() == only_body(tmp_path / "other").read_bytes()


def test_a_run_that_dies_while_fetching_keeps_what_had_arrived(tmp_path) -> None:
    landing = Landing(tmp_path)
    keep = landing.keep("run-1", FEED)
    keep(payload(b"one", item="A"))
    keep(payload(b"two", item="B"))
    with (tmp_path / "runs/run-1" / FEED / "requests.jsonl").open("a") as log:
        log.write('{"provider": "fred-gra')  # torn by a power cut
    keep(payload(b"three", item="C"))
    found = landing.kept_payloads("run-1", FEED)
    assert [p.item for p in found] == ["A", "B", "C"]
    assert [landing.body(p, run_id="run-1") for p in found] == [b"one", b"two", b"three"]
    with pytest.raises(BatchMissing, match="run-1"):
        landing.read_batch("run-1", FEED)


def test_threads_keep_payloads_without_tearing_the_log(tmp_path) -> None:
    landing = Landing(tmp_path)
    keep = landing.keep("run-1", FEED)
    threads = [
        threading.Thread(target=lambda i=i: [keep(payload(b"%d.%d" % (i, j))) for j in range(20)])
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(landing.kept_payloads("run-1", FEED)) == 80
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_batch_is_read_back_as_it_was_written(tmp_path) -> None:
    landing = Landing(tmp_path)
    written = land(landing, payload(b"2024-01-01 1.5\n2024-02-01 ."))
    read = landing.read_batch("run-1", FEED)
    assert read.payloads == written.payloads
    assert read.outcomes == written.outcomes
    assert read.requests == {"fred-graph": 1}
    pd.testing.assert_frame_equal(read.frames[FEED], written.frames[FEED])
    manifest = landing.manifest("run-1", FEED)
    assert manifest.rows == {FEED: 2}
    assert (manifest.as_of, manifest.world, manifest.payloads) == (AS_OF, "sample", 1)


def test_payloads_parse_again_to_the_same_frames(tmp_path) -> None:
    landing = Landing(tmp_path)
    written = land(landing, payload(b"2024-01-01 1.5"), payload(b"2024-01-01 7", item="B"))
    again = landing.reparse("run-1", FEED, PARSERS)
    pd.testing.assert_frame_equal(again.frames[FEED], written.frames[FEED])
    assert again.outcomes == written.outcomes


def test_a_payload_that_the_connector_replaced_is_not_parsed_again(tmp_path) -> None:
    landing = Landing(tmp_path)
    tail, whole = payload(b"2024-02-01 2"), payload(b"2024-01-01 1\n2024-02-01 3")
    frames = {FEED: parse(whole, PARSERS)[FEED]}
    land(landing, tail, whole, frames=frames)
    again = landing.reparse("run-1", FEED, PARSERS)
    assert again.frames[FEED]["value"].tolist() == [1.0, 3.0]


def test_a_payload_that_broke_is_parsed_again_with_the_mended_parser(tmp_path) -> None:
    landing = Landing(tmp_path)
    kept = payload(b"2024-01-01 1.5")
    landing.keep("run-1", FEED)(kept)
    broken = ItemOutcome("fred-graph", "A", "broken", "no header")
    gone = ItemOutcome("fred-graph", "Z", "unknown", "404")
    extract = replace(extract_of(FEED, kept, frames={}), outcomes=(broken, gone))
    landing.write_batch("run-1", extract, AS_OF, "sample")
    again = landing.reparse("run-1", FEED, PARSERS)
    assert again.frames[FEED]["value"].tolist() == [1.5]
    assert again.outcomes == (ItemOutcome("fred-graph", "A", "fetched"), gone)


WHOLE = gzip.compress(b"other content", mtime=0)


@pytest.mark.parametrize(
    "damage",
    [b"not gzip at all", WHOLE, WHOLE[:12] + b"\xff\xff" + WHOLE[14:], WHOLE[:15]],
    ids=["not-gzip", "other-content", "damaged-stream", "cut"],
)
def test_a_damaged_payload_is_named_with_its_run(tmp_path, damage) -> None:
    landing = Landing(tmp_path)
    land(landing, payload(b"2024-01-01 1.5"))
    path = only_body(tmp_path)
    path.chmod(0o644)
    path.write_bytes(damage)
    with pytest.raises(LandingCorrupt, match=f"run-1.*{path.name}"):
        landing.reparse("run-1", FEED, PARSERS)


def test_a_damaged_table_is_named_with_its_run(tmp_path) -> None:
    landing = Landing(tmp_path)
    land(landing, payload(b"2024-01-01 1.5"))
    path = tmp_path / "runs/run-1" / FEED / f"{FEED}.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(LandingCorrupt, match=f"run-1.*{path.name}"):
        landing.read_batch("run-1", FEED)


def test_a_batch_without_its_manifest_does_not_exist(tmp_path) -> None:
    landing = Landing(tmp_path)
    land(landing, payload(b"2024-01-01 1.5"))
    (tmp_path / "runs/run-1" / FEED / "manifest.json").unlink()
    with pytest.raises(BatchMissing):
        landing.read_batch("run-1", FEED)
    assert landing.runs() == ()


def test_runs_are_listed_oldest_first(tmp_path) -> None:
    landing = Landing(tmp_path)
    land(landing, payload(b"2024-01-01 1.5"), run_id="zz")
    land(landing, payload(b"2024-01-01 1.6"), run_id="aa")
    assert [(r.run_id, r.feeds, r.as_of) for r in landing.runs()] == [
        ("zz", (FEED,), AS_OF),
        ("aa", (FEED,), AS_OF),
    ]


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "x" * 90])
def test_a_run_id_cannot_leave_the_folder(tmp_path, name) -> None:
    with pytest.raises(LandingRefused, match="run id"):
        Landing(tmp_path).keep(name, FEED)


def test_what_a_source_says_names_no_file(tmp_path) -> None:
    land(Landing(tmp_path), payload(b"2024-01-01 1", item="../../evil", context={"series_id": "A"}))
    assert not [p for p in tmp_path.rglob("*") if "evil" in p.name]


def test_a_body_that_is_not_what_its_address_says_is_refused(tmp_path) -> None:
    with pytest.raises(LandingRefused, match="content address"):
        Landing(tmp_path).keep("run-1", FEED)(replace(payload(b"one"), body=b"two"))


def test_a_frame_with_other_columns_or_types_is_refused(tmp_path) -> None:
    landing = Landing(tmp_path)
    kept = payload(b"2024-01-01 1.5")
    good = parse(kept, PARSERS)[FEED]
    with pytest.raises(LandingRefused, match="missing \\['value'\\]"):
        land(landing, kept, frames={FEED: good.drop(columns="value")})
    with pytest.raises(LandingRefused, match="time of day"):
        noon = good.assign(observed_on=good["observed_on"] + pd.Timedelta(hours=12))
        land(landing, kept, frames={FEED: noon})
    with pytest.raises(LandingRefused, match="none of its tables"):
        land(landing, kept, frames={"fund_files": good})


def test_a_batch_needs_its_payloads_kept(tmp_path) -> None:
    kept = payload(b"2024-01-01 1.5")
    extract = extract_of(FEED, kept, frames={FEED: parse(kept, PARSERS)[FEED]})
    with pytest.raises(LandingRefused, match="1 payloads not kept"):
        Landing(tmp_path).write_batch("run-1", extract, AS_OF, "sample")


def test_a_verdict_is_read_back_and_closes_the_batch(tmp_path) -> None:
    landing = Landing(tmp_path)
    written = land(landing, payload(b"2024-01-01 1.5\n2024-02-01 9"))
    assert landing.read_verdict("run-1", FEED) is None
    with pytest.raises(LoadRefused, match="has not judged"):
        landing.accepted_frames("run-1", FEED)
    frame = written.frames[FEED]
    quarantine = pd.DataFrame({"item": ["A"], "row_date": [pd.Timestamp("2024-02-01")]})
    landing.write_verdict(
        "run-1", FEED, {"refused": False}, quarantine, accepted={FEED: frame.head(1)}
    )
    verdict, rows = landing.read_verdict("run-1", FEED)
    assert verdict == {"refused": False}
    assert rows["item"].tolist() == ["A"]
    pd.testing.assert_frame_equal(landing.accepted_frames("run-1", FEED)[FEED], frame.head(1))
    with pytest.raises(LandingRefused, match="judged"):
        landing.write_batch("run-1", written, AS_OF, "sample")


def test_a_refused_batch_gives_no_rows(tmp_path) -> None:
    landing = Landing(tmp_path)
    land(landing, payload(b"2024-01-01 1.5"))
    empty = pd.DataFrame({"item": pd.Series([], dtype="str")})
    landing.write_verdict("run-1", FEED, {"refused": True, "reasons": ["too few"]}, empty)
    with pytest.raises(LoadRefused, match="too few"):
        landing.accepted_frames("run-1", FEED)


def test_the_manifest_is_written_after_everything_it_names(tmp_path) -> None:
    landing = Landing(tmp_path)
    land(landing, payload(b"2024-01-01 1.5"))
    folder = tmp_path / "runs/run-1" / FEED
    files = json.loads((folder / "manifest.json").read_text())["files"]
    assert set(files) == {"requests.parquet", "outcomes.parquet", f"{FEED}.parquet"}
    newest = (folder / "manifest.json").stat().st_mtime_ns
    assert all((folder / name).stat().st_mtime_ns <= newest for name in files)
