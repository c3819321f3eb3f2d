"""HTTP of the API and of the worker's side port: connections under uvicorn, middleware, problems, health and metrics.

Both processes serve health and metrics, and neither imports the other: what they share is here.
"""
