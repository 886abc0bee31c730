"""The fuzzer: random items up to DynamoDB's limits are converted, loaded into PostgreSQL and compared."""
