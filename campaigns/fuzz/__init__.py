"""The fuzz: random items up to DynamoDB's limits, through the conversion into PostgreSQL and back."""
