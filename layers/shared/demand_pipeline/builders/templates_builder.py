"""`templates` in DynamoDB becomes `templates` in the warehouse: one row per version of an extraction template."""

from demand_pipeline.tables import Column, ColumnType, Table

TEMPLATES = Table(
    name="templates",
    source="templates",
    description="Extraction templates, one row per version.",
    columns=(
        Column("template_id", ColumnType.TEXT, "templateId", "The template.", ("tpl-0001",), key=True),
        Column("version", ColumnType.BIGINT, "version", "Its version, from 1.", ("1", "2"), key=True),
        Column("name", ColumnType.TEXT, "name", "Its name.", ("Müller standard", "山田 請求書")),
        Column("tenant_id", ColumnType.TEXT, "tenantId", "The customer organisation.", ("acme-de", "acme-fr", "nordwind")),
        Column("supplier_tax_id", ColumnType.TEXT, "supplierTaxId", "Whose invoices it reads.", ("DE811569869", "FR40303265045")),
        Column("is_active", ColumnType.BOOLEAN, "isActive", "In use.", ("true", "false")),
        Column("priority", ColumnType.BIGINT, "priority", "Higher wins.", ("0", "10", "100")),
        Column("keywords", ColumnType.TEXT_ARRAY, "keywords", "Words that select it.", ("Rechnung", "facture", "請求書")),
        Column("fields", ColumnType.JSONB, "fields", "What it extracts, and where.", ('{"iban": {"page": 1, "box": [0.1, 0.2, 0.3, 0.05]}}', '{"total": {"page": -1, "regex": "\\\\d+,\\\\d{2}"}}')),
        Column("created_at", ColumnType.TIMESTAMPTZ, "createdAt", "Made.", ("2025-01-15T09:00:00Z", "1736931600000")),
        Column("updated_at", ColumnType.TIMESTAMPTZ, "updatedAt", "Last changed.", ("2026-02-28T23:59:59.999999+01:00", "1772319599")),
        Column("created_by", ColumnType.TEXT, "createdBy", "Who made it.", ("template-team", "import")),
    ),
)
