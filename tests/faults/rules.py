"""Rules that must hold after a run: each rule is one promise, and yields a sentence for each violation.

It does not use the service's code. tests/faults/test_checker.py breaks each promise once, and shows that its rule sees it.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from tests.faults.evidence import Evidence, Row
from tests.faults.topics import Record

FINAL = frozenset({"processed", "failed"})
FINAL_EVENT = {"processed": "image.processing.completed", "failed": "image.processing.failed"}
DEAD_LETTER_HEADERS = ("dead-letter-source", "dead-letter-code", "dead-letter-detail", "dead-letter-attempts")


@dataclass(frozen=True)
class Told:
    """What clients know: ids that were answered 201, ids whose DELETE was answered 200, or 503 or not at all, ids asked for more.

    `bad`: the ids whose pictures may fail. `swept`: the sweep has had its time, so that nothing
    unreferenced may be left. `patience_seconds`: how far past its lease or its due time a rendition may be found waiting.
    """

    accepted: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    reopened: frozenset[str] = frozenset()
    bad: frozenset[str] = frozenset()
    swept: bool = True
    patience_seconds: float = 10.0


Rule: TypeAlias = Callable[[Evidence, Told], Iterable[str]]


def nothing_is_lost(evidence: Evidence, told: Told) -> Iterator[str]:
    """G1: what was acknowledged is there, and has reached a final status."""
    for id_ in told.accepted - told.deleted - told.doubtful:
        image = evidence.images.get(id_)
        if image is None:
            yield f"{id_} was accepted and is not there"
        elif image["status"] not in FINAL:
            yield f"{id_} was accepted and is still {image['status']}"


def good_pictures_are_processed(evidence: Evidence, told: Told) -> Iterator[str]:
    """G3: no outage and no death of ours fails a picture that is good, whoever was told of it."""
    for id_, image in evidence.images.items():
        if image["status"] == "failed" and id_ not in told.bad:
            codes = sorted({str(row["error_code"]) for row in evidence.renditions.get(id_, []) if row["status"] == "failed"})
            yield f"{id_} is a good picture and has failed: {', '.join(codes)}"


def deleted_is_gone(evidence: Evidence, told: Told) -> Iterator[str]:
    """G5: what was deleted has no row, and was deleted once."""
    deletions = Counter(str(row["image_id"]) for row in evidence.tables["events"] if row["type"] == "image.deleted")
    for id_ in told.deleted:
        if id_ in evidence.images:
            yield f"{id_} was deleted and is there"
        if deletions[id_] != 1:
            yield f"{id_} was deleted, which {deletions[id_]} events tell"


def one_status(evidence: Evidence, told: Told) -> Iterator[str]:
    """An image's status is what its renditions' statuses make it."""
    for id_, image in evidence.images.items():
        statuses = {row["status"] for row in evidence.renditions.get(id_, [])}
        expected = "failed" if "failed" in statuses else "processed"
        if statuses <= FINAL and image["status"] != expected:
            yield f"{id_} is {image['status']}, its renditions {sorted(statuses)}"


def one_published_attempt(evidence: Evidence, told: Told) -> Iterator[str]:
    """G2: a processed rendition's result is of an attempt of its own, and that one alone was told as completed."""
    completed: dict[tuple[str, str], list[int]] = {}
    for row in evidence.tables["events"]:
        if row["type"] == "rendition.completed":
            completed.setdefault((str(row["image_id"]), row["data"]["rendition"]), []).append(int(row["data"]["attempt"]))
    for row in evidence.tables["renditions"]:
        if row["status"] != "processed":
            continue
        image_id, attempts = str(row["image_id"]), sorted(completed.get((str(row["image_id"]), row["name"]), []))
        found = re.match(rf"renditions/{image_id}/{row['id']}/(\d+)(?!\d)", row["result_key"] or "")
        if found is None or int(found[1]) > row["attempt"]:
            yield f"rendition {row['id']} at attempt {row['attempt']} refers to {row['result_key']}"
        elif attempts[-1:] != [int(found[1])] or len(attempts) != len(set(attempts)):
            yield f"rendition {row['id']} refers to attempt {found[1]}, completed were {attempts}"
        elif len(attempts) > 1 and image_id not in told.reopened:
            yield f"rendition {row['id']} was completed {len(attempts)} times"


def no_row_without_object(evidence: Evidence, told: Told) -> Iterator[str]:
    """G4, one way."""
    for file in [*evidence.originals(), *evidence.results()]:
        if file["key"] not in evidence.keys:
            yield f"{file['key']} is referred to and not there"


def no_object_without_row(evidence: Evidence, told: Told) -> Iterator[str]:
    """G4, the other way: referred to or, until the sweep, listed."""
    referred = {file["key"] for file in [*evidence.originals(), *evidence.results()]}
    for key in evidence.keys - referred:
        if told.swept:
            yield f"{key} is there after the sweep"
        elif key not in evidence.listed and not _is_half_written(key, evidence.listed):
            yield f"{key} is neither referred to nor listed"
    for key in evidence.listed if told.swept else ():
        yield f"{key} is still listed after the sweep"
    for key in evidence.listed & referred:
        yield f"{key} is referred to and listed: the sweep will take it"


def no_upload_is_unfinished(evidence: Evidence, told: Told) -> Iterator[str]:
    """G4: of an upload in parts that broke off no part is left; a listing of the store does not show them."""
    for key in evidence.unfinished if told.swept else ():
        yield f"{key} has an unfinished upload after the sweep"


def _is_half_written(key: str, listed: set[str]) -> bool:
    """tmp/<the object's name>~<random> belongs to the key whose name it has."""
    name = key.removeprefix("tmp/").rpartition("~")[0]
    return key.startswith("tmp/") and any(".".join(other.split("/")[1:]) == name for other in listed)


def _wrong_bytes(evidence: Evidence, files: Iterable[Row]) -> Iterator[str]:
    for file in files:
        data = evidence.objects.read(file["key"])
        if data is None:
            continue  # another rule's
        if len(data) != file["size"]:
            yield f"{file['key']} has {len(data)} bytes, recorded are {file['size']}"
        elif hashlib.sha256(data).hexdigest() != file["sha256"]:
            yield f"{file['key']} has another SHA-256 than recorded"


def originals_match(evidence: Evidence, told: Told) -> Iterator[str]:
    return _wrong_bytes(evidence, evidence.originals())


def results_match(evidence: Evidence, told: Told) -> Iterator[str]:
    return _wrong_bytes(evidence, evidence.results())


def nothing_is_stuck(evidence: Evidence, told: Told) -> Iterator[str]:
    """G1, G3: whatever waits or is under way is found again soon after its time, whoever was told of it."""
    latest = evidence.now - timedelta(seconds=told.patience_seconds)
    for row in evidence.tables["renditions"]:
        until = row["lease_until"] if row["status"] == "processing" else row["due_at"]
        if row["status"] not in FINAL and (until is None or until < latest):
            yield f"rendition {row['id']} is {row['status']} since {until}"


def outbox_is_empty(evidence: Evidence, told: Told) -> Iterator[str]:
    for row in evidence.tables["outbox"]:
        yield f"outbox row {row['id']} for {row['channel']} since {row['created_at']}"


def queue_is_empty(evidence: Evidence, told: Told) -> Iterator[str]:
    """Of the queue in PostgreSQL: what is done is acknowledged."""
    for row in evidence.tables["queue_messages"]:
        yield f"message {row['id']} of {row['channel']} since {row['created_at']}"


def lanes_are_consumed(evidence: Evidence, told: Told) -> Iterator[str]:
    """Of the queue in Kafka: what is done is acknowledged, in each partition of each lane's topic."""
    for partition, count in evidence.undone.items():
        yield f"{count} messages of {partition} are not acknowledged"


def failures_have_letters(evidence: Evidence, told: Told) -> Iterator[str]:
    """G3: what failed for good lies in the table of dead letters, which says where from, why and how often."""
    letters = {(str(row["image_id"]), row["rendition"]) for row in evidence.tables["dead_letters"]}
    for row in evidence.tables["renditions"]:
        if row["status"] == "failed" and (str(row["image_id"]), row["name"]) not in letters:
            yield f"rendition {row['id']} has failed and no dead letter tells"
    for row in evidence.tables["dead_letters"]:
        if not (row["source"] and row["code"] and row["detail"] and row["attempts"] >= 1):
            yield f"dead letter {row['id']} does not say where from, why and how often"


def letters_are_exported(evidence: Evidence, told: Told) -> Iterator[str]:
    """G3: each dead letter is in the topic too, with headers that say the same."""
    if evidence.published_dead_letters is None:
        return
    for record in evidence.published_dead_letters:
        missing = [name for name in DEAD_LETTER_HEADERS if not record.headers.get(name)]
        if missing:
            yield f"a record of {record.topic} lacks {missing}"
    exported = {_said(record) for record in evidence.published_dead_letters}
    for row in evidence.tables["dead_letters"]:
        if (row["source"], row["code"], row["detail"], str(row["attempts"])) not in exported:
            yield f"dead letter {row['id']} was not exported"


def _said(record: Record) -> tuple[str, ...]:
    return tuple(record.headers.get(name, "") for name in DEAD_LETTER_HEADERS)


def events_tell_it(evidence: Evidence, told: Told) -> Iterator[str]:
    """Every image was told as uploaded once, and as finished once: more often only when somebody asked for more."""
    counts = Counter((str(row["image_id"]), row["type"]) for row in evidence.tables["events"])
    for id_, image in evidence.images.items():
        if counts[id_, "image.uploaded"] != 1:
            yield f"{id_} was told as uploaded {counts[id_, 'image.uploaded']} times"
        if image["status"] not in FINAL:
            continue
        finals = [counts[id_, name] for name in FINAL_EVENT.values()]
        if not counts[id_, FINAL_EVENT[image["status"]]]:
            yield f"{id_} is {image['status']}, which no event tells"
        elif sum(finals) > 1 and id_ not in told.reopened:
            yield f"{id_} was told as finished {sum(finals)} times"


def events_are_exported(evidence: Evidence, told: Told) -> Iterator[str]:
    published = evidence.published_event_ids()
    for row in evidence.tables["events"] if published is not None else ():
        if str(row["id"]) not in (published or ()):
            yield f"event {row['id']} ({row['type']}) was not exported"


def usage_is_what_is_there(evidence: Evidence, told: Told) -> Iterator[str]:
    """What is counted for an owner and what the rows add up to, in images, bytes and unfinished renditions."""
    if not all(row["counted_at"] for row in evidence.tables["usage_state"]):
        return  # rows of before usage was counted are still being counted
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in evidence.tables["owner_usage"] + evidence.tables["usage_changes"]:
        for name in ("images", "bytes", "queued"):
            counted[row["owner"]][name] += row[name]
    for image in evidence.tables["images"]:
        renditions = evidence.renditions.get(str(image["id"]), [])
        made = sum((row["size"] or 0) + sum(further["size"] for further in row["alternatives"]) for row in renditions)
        waiting = sum(row["status"] not in FINAL for row in renditions)
        counted[image["owner"]].subtract({"images": 1, "bytes": image["size"] + made, "queued": waiting})
    for owner, difference in counted.items():
        if any(difference.values()):
            yield f"the usage of {owner} is wrong by {dict(difference)}"


POLICY: tuple[Rule, ...] = (
    nothing_is_lost,
    good_pictures_are_processed,
    deleted_is_gone,
    one_status,
    one_published_attempt,
    no_row_without_object,
    no_object_without_row,
    no_upload_is_unfinished,
    originals_match,
    results_match,
    nothing_is_stuck,
    outbox_is_empty,
    queue_is_empty,
    lanes_are_consumed,
    failures_have_letters,
    letters_are_exported,
    events_tell_it,
    events_are_exported,
    usage_is_what_is_there,
)
