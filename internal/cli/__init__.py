"""`imagectl`: commands over HTTP, the operators' commands, and the demo."""
