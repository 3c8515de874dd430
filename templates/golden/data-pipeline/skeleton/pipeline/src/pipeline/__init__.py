"""A data pipeline in four stages: extract, validate, train, load."""
