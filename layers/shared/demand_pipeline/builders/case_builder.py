"""`documents` in DynamoDB becomes `cases` in the warehouse: one row per invoice document."""

from demand_pipeline.tables import Column, ColumnType, Table

CASES = Table(
    name="cases",
    source="documents",
    description="Invoice documents, each with the case it belongs to.",
    columns=(
        Column("document_id", ColumnType.TEXT, "documentId", "The document.", ("doc-000001",), key=True),
        Column("case_id", ColumnType.TEXT, "caseId", "The case the document belongs to.", ("case-0042", "case-0043")),
        Column("tenant_id", ColumnType.TEXT, "tenantId", "The customer organisation.", ("acme-de", "acme-fr", "nordwind")),
        Column("invoice_number", ColumnType.TEXT, "invoiceNumber", "As printed on it.", ("INV-2026/0815", "RE 4711")),
        Column("document_type", ColumnType.TEXT, "documentType", "Kind of document.", ("invoice", "credit_note", "reminder")),
        Column("status", ColumnType.TEXT, "status", "Where it stands in processing.", ("received", "extracted", "approved", "paid")),
        Column("currency", ColumnType.TEXT, "currency", "ISO 4217 code.", ("EUR", "USD", "JPY", "CHF")),
        Column("net_amount", ColumnType.NUMERIC, "amounts.net", "Without tax.", ("1234.56", "99.9")),
        Column("tax_amount", ColumnType.NUMERIC, "amounts.tax", "The tax.", ("234.57", "18.98")),
        Column("gross_amount", ColumnType.NUMERIC, "amounts.gross", "With tax.", ("1469.13", "118.88")),
        Column("issue_date", ColumnType.DATE, "issueDate", "Date on the invoice.", ("2026-03-31", "2026-11-02")),
        Column("due_date", ColumnType.DATE, "dueDate", "Payment is due.", ("2026-04-30", "2026-12-02")),
        Column("received_at", ColumnType.TIMESTAMPTZ, "receivedAt", "Arrived in the collector.", ("2026-04-01T06:30:00Z", "1775025000")),
        Column("page_count", ColumnType.BIGINT, "pageCount", "Pages of the document.", ("1", "2", "12")),
        Column("is_duplicate", ColumnType.BOOLEAN, "isDuplicate", "Seen before, by content.", ("true", "false")),
        Column("supplier_name", ColumnType.TEXT, "parties.supplier.name", "Who sends the invoice.", ("Müller & Söhne GmbH", "株式会社山田商事", "Æther Ångström A/S", "Пивоварня №1", "Société “L’Été” 🌻")),
        Column("supplier_tax_id", ColumnType.TEXT, "parties.supplier.taxId", "The sender's tax number.", ("DE811569869", "FR40303265045")),
        Column("buyer_name", ColumnType.TEXT, "parties.buyer.name", "Who is to pay.", ("Nordwind AG", 'Ouest "Atlantique" SARL')),
        Column("tags", ColumnType.TEXT_ARRAY, "tags", "Labels given by people and rules.", ("urgent", "recurring", "größer als 10k", "back\\slash")),
        Column("line_items", ColumnType.JSONB, "lineItems", "The invoice's lines.", ('[{"sku": "A-1", "qty": 2, "price": 12.50}]', '[{"sku": "Ü-7", "qty": 12345678901234567890.123456789012345678, "price": 0.01}]')),
        Column("content_hash", ColumnType.BYTEA, "contentHash", "SHA-256 of the file.", ("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",)),
        Column("version", ColumnType.BIGINT, "version", "Grows with every change of the item.", ("1", "2", "7")),
    ),
)
