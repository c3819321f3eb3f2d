"""The pipeline: from a chain of operations and a file to a result.

The rooms import downwards only: vips, language, operations, containers.
"""
