"""Reading DynamoDB: pages as bytes, and its typed JSON."""
