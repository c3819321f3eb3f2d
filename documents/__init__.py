"""The generated parts of the documents: `make documents` writes them.

A folder of its own at the top level: the service does not need it, so it is not in `internal/` (and not in the image), and people
run it, so it is not among the tests. tests/unit/documents/test_generated.py fails when a document is stale.
"""
