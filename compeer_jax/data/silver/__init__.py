"""Silver records: reasoning and verdicts made from a corpus's own annotations; never called CER."""
