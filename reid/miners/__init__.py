"""Mining rules: which pairs of a batch a metric loss is taken over, one rule per file."""
