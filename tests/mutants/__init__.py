"""Named ways to break each file, which the tests must notice: `make mutants`."""
