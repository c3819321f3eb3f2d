"""The worker process: consuming, dispatching, message handlers, health."""
