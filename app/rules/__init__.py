"""What the business decides: pure functions of values, without a database, a clock or Flask."""
