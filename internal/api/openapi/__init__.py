"""The API's description, OpenAPI 3.1, written by hand as data.

The framework's generator is off: handlers read multipart streams and send binaries, of which it knows nothing. What can be read
off the code is read off it: schemas off the structs, problems off their table, operations off their classes, examples off the
functions that make the answers. Held to the routes by tests/unit/api/test_openapi.py.
"""
