"""Reads rejects: of the warehouse's current rows from PostgreSQL, of any run from S3."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from demand.runs.report import Report
from demand.stack import Stack
from demand.warehouse import Warehouse
from demand_pipeline.contracts.operating.rejects import (
    RejectedItem,
    RejectedItemsAnswer,
    RejectReason,
    RejectSample,
    RejectsAnswer,
)
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.dynamodb.typed_json import Item
from demand_pipeline.transform.reason import Reason


@dataclass(frozen=True)
class StoredReject:
    """A reject as the transform wrote it: key and item have DynamoDB's types."""

    run: str
    table: str
    key: Item
    reason: Reason
    item: Item

    def plain(self) -> RejectedItem:
        """Return the reject as the warehouse stores it."""
        from demand_pipeline.transform.jsonb import item_to_json, sanitize  # noqa: PLC0415 - slow, rarely needed

        key, item, reason = item_to_json(self.key), item_to_json(self.item), str(sanitize(str(self.reason)))
        return RejectedItem(self.run, self.table, key, reason, item)


def read_staging(stack: Stack, report: Report, tables: Sequence[str] | None) -> Iterator[StoredReject]:
    """Yield a run's rejects from the staging bucket, of some tables or of all.

    Raises the errors of `Staging.lines`: StagingError if the object has expired.
    """
    from demand_pipeline.s3.staging import Staging, rejects_key  # noqa: PLC0415 - slow, rarely needed

    staging = Staging(stack.staging_bucket, stack.client("s3"))
    for key in report.staged_with_rejects:
        name = key.split("/")[4]
        if tables is None or name in tables:
            for line in staging.lines(rejects_key(key)):
                found = json.loads(line)
                yield StoredReject(report.run.name, name, found["key"], Reason.read(found), found["item"])


def read_warehouse(warehouse: Warehouse, bucket: str, tables: Sequence[str] | None) -> Iterator[RejectedItem]:
    """Yield the rejects of each table's last run, page by page.

    An item that is too large for a page is replaced with `{"cut": …, "whole": …}`: its beginning, and the place of the
    whole item in the staging bucket.
    """
    for table in tables or (None,):
        after, more = None, True
        while more:
            page = warehouse.ask(RejectedItemsAnswer, ActionName.REJECTED_ITEMS, run=None, table=table, after=after)
            for item in page.items:
                cut = {"cut": item.item, "whole": f"s3://{bucket}/{item.whole}"}
                yield replace(item, item=json.dumps(cut, ensure_ascii=False)) if item.whole else item
            after, more = page.next, page.next is not None


def reasons_in_warehouse(warehouse: Warehouse, tables: Sequence[str] | None, samples: int) -> RejectsAnswer:
    """Return the reasons by count, as PostgreSQL counts them."""
    answers = [
        warehouse.ask(RejectsAnswer, ActionName.REJECTS, run=None, table=table, samples=samples)
        for table in tables or (None,)
    ]
    reasons = tuple(reason for answer in answers for reason in answer.reasons)
    return RejectsAnswer(reasons, complete=all(answer.complete for answer in answers))


def reasons_in_staging(stack: Stack, report: Report, tables: Sequence[str] | None, samples: int) -> RejectsAnswer:
    """Return the reasons by count for a run's rejects in the staging bucket, all of which are read."""
    counts: Counter[tuple[str, str]] = Counter()
    kept: dict[tuple[str, str], list[RejectSample]] = {}
    for reject in read_staging(stack, report, tables):
        kind = reject.table, reject.reason.kind
        counts[kind] += 1
        if len(shown := kept.setdefault(kind, [])) < samples:
            plain = reject.plain()
            shown.append(RejectSample(plain.key, plain.reason))
    order = sorted(counts, key=lambda kind: (kind[0], -counts[kind], kind[1]))
    reasons = [RejectReason(report.run.name, *kind, counts[kind], tuple(kept[kind])) for kind in order]
    return RejectsAnswer(tuple(reasons), complete=True)
