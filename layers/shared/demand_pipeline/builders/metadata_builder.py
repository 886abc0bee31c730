"""`metadata` in DynamoDB becomes `metadata` in the warehouse: one row per field extracted from a document."""

from demand_pipeline.tables import Column, ColumnType, Table

METADATA = Table(
    name="metadata",
    source="metadata",
    description="Fields extracted from documents.",
    columns=(
        Column("document_id", ColumnType.TEXT, "documentId", "The document.", ("doc-000001",), key=True),
        Column("field_name", ColumnType.TEXT, "fieldName", "The field.", ("iban", "totalAmount", "dueDate"), key=True),
        Column("field_value", ColumnType.JSONB, "value", "Its value, of any type.", ('"DE02120300000000202051"', "1469.13", '{"raw": "31.03.2026", "parts": [31, 3, 2026]}')),
        Column("confidence", ColumnType.NUMERIC, "confidence", "0 to 1.", ("0.98", "0.12345678901234567890123456789012345678")),
        Column("extractor", ColumnType.TEXT, "extractor", "What found the value.", ("ocr-v4", "template", "manual")),
        Column("page_number", ColumnType.BIGINT, "pageNumber", "Page it was found on, from 1.", ("1", "2")),
        Column("bounding_box", ColumnType.NUMERIC_ARRAY, "boundingBox", "Left, top, width, height; shares of the page.", ("0.125", "0.5", "0.25", "0.0625")),
        Column("extracted_at", ColumnType.TIMESTAMPTZ, "extractedAt", "Time of extraction.", ("2026-04-01T06:31:12.345678+02:00", "1775025072.5")),
        Column("reviewed", ColumnType.BOOLEAN, "reviewed", "A person confirmed it.", ("true", "false")),
        Column("reviewed_by", ColumnType.TEXT, "reviewedBy", "Who confirmed it.", ("reviewer-7", "reviewer-12")),
    ),
)
