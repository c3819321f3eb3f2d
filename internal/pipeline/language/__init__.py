"""The language of `processing`: text and JSON become a chain of operations, and a chain becomes one canonical text."""
