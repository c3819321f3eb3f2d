"""The API's description, OpenAPI 3.1, generated from the routes.

Litestar's generator reads handlers; `describe` says what a signature can't; `document` adds what the generator can't express.
Schemas come from the structs, problems from their table, operations from their classes, and examples from the functions that make
the answers. Held to the routes by tests/unit/api/test_openapi.py.
"""
