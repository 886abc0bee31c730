"""The benchmark's table, which stays the same, so that figures of different versions are comparable.

It is the project's `cases` of November 2026. Changes to the project's tables do not affect it.
"""

import gzip
from collections.abc import Callable

from isal import igzip

from demand_pipeline.builders import TABLES
from demand_pipeline.s3 import gzip_format
from demand_pipeline.tables import Column, ColumnType, Table

_COLUMNS = {
    "document_id": (ColumnType.TEXT, "documentId"),
    "case_id": (ColumnType.TEXT, "caseId"),
    "tenant_id": (ColumnType.TEXT, "tenantId"),
    "invoice_number": (ColumnType.TEXT, "invoiceNumber"),
    "document_type": (ColumnType.TEXT, "documentType"),
    "status": (ColumnType.TEXT, "status"),
    "currency": (ColumnType.TEXT, "currency"),
    "net_amount": (ColumnType.NUMERIC, "amounts.net"),
    "tax_amount": (ColumnType.NUMERIC, "amounts.tax"),
    "gross_amount": (ColumnType.NUMERIC, "amounts.gross"),
    "issue_date": (ColumnType.DATE, "issueDate"),
    "due_date": (ColumnType.DATE, "dueDate"),
    "received_at": (ColumnType.TIMESTAMPTZ, "receivedAt"),
    "page_count": (ColumnType.BIGINT, "pageCount"),
    "is_duplicate": (ColumnType.BOOLEAN, "isDuplicate"),
    "supplier_name": (ColumnType.TEXT, "parties.supplier.name"),
    "supplier_tax_id": (ColumnType.TEXT, "parties.supplier.taxId"),
    "buyer_name": (ColumnType.TEXT, "parties.buyer.name"),
    "tags": (ColumnType.TEXT_ARRAY, "tags"),
    "line_items": (ColumnType.JSONB, "lineItems"),
    "content_hash": (ColumnType.BYTEA, "contentHash"),
    "version": (ColumnType.BIGINT, "version"),
}

CASES = Table(
    name="cases",
    source="documents",
    description="The benchmark's table.",
    columns=tuple(
        Column(name, kind, source, f"The attribute {source}.", key=name == "document_id")
        for name, (kind, source) in _COLUMNS.items()
    ),
)

ARN = f"arn:aws:dynamodb:eu-west-1:111111111111:table/{CASES.source}"


def register() -> None:
    """Register the table for the functions of this process, with a layer that was built without isal."""
    TABLES[CASES.name] = CASES
    gzip_format.GzipFile = gzip.GzipFile


def with_isal[T, R](variant: Callable[[T], R]) -> Callable[[T], R]:
    """Return the variant with a layer that was built with isal."""

    def native(task: T) -> R:
        gzip_format.GzipFile = igzip.IGzipFile
        return variant(task)

    return native
