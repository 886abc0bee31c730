"""Reads DynamoDB: pages as bytes, and typed JSON."""
