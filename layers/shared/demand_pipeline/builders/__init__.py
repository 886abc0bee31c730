"""The data contract: one module per warehouse table, with the table's declaration."""

from demand_pipeline.builders.audit_builder import AUDIT
from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.builders.metadata_builder import METADATA
from demand_pipeline.builders.templates_builder import TEMPLATES
from demand_pipeline.tables import registry

TABLES = registry(CASES, METADATA, TEMPLATES, AUDIT)

__all__ = ["AUDIT", "CASES", "METADATA", "TABLES", "TEMPLATES"]
