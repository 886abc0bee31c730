"""`audit` in DynamoDB becomes `audit` in the warehouse: one row per action on a document or case."""

from demand_pipeline.tables import Column, ColumnType, Table

AUDIT = Table(
    name="audit",
    source="audit",
    description="Who did what to which document, and when.",
    columns=(
        Column("audit_id", ColumnType.TEXT, "auditId", "The entry.", ("aud-00000001",), key=True),
        Column("document_id", ColumnType.TEXT, "documentId", "The document acted on.", ("doc-000001",)),
        Column("case_id", ColumnType.TEXT, "caseId", "Its case.", ("case-0042", "case-0043")),
        Column("action", ColumnType.TEXT, "action", "What was done.", ("created", "extracted", "approved", "exported")),
        Column("actor", ColumnType.TEXT, "actor", "Who did it.", ("reviewer-7", "scheduler", "émile")),
        Column("actor_type", ColumnType.TEXT, "actorType", "Kind of actor.", ("user", "system", "rule")),
        Column("occurred_at", ColumnType.TIMESTAMPTZ, "occurredAt", "When.", ("2026-04-01T06:31:12Z", "1775025072123")),
        Column("source_ip", ColumnType.TEXT, "sourceIp", "Where from.", ("192.0.2.17", "2001:db8::17")),
        Column("success", ColumnType.BOOLEAN, "success", "It worked.", ("true", "false")),
        Column("duration_ms", ColumnType.BIGINT, "durationMs", "How long it took, in milliseconds.", ("12", "345", "9007199254740993")),
        Column("old_values", ColumnType.JSONB, "oldValues", "Before the action.", ('{"status": "received"}', "null")),
        Column("new_values", ColumnType.JSONB, "newValues", "After the action.", ('{"status": "approved", "note": "ok ✔"}', '{"amounts": {"net": 99.90}}')),
    ),
)
