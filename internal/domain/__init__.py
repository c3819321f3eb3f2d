"""Image, rendition, tasks, events, object keys, errors: frozen structs, no I/O, no port."""
