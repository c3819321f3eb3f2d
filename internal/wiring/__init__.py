"""Which adapter stands behind which port: for the API, the worker and operators' commands."""
