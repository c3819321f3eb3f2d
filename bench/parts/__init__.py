"""The four parts of the measurement, a file each: `measure(deployment, scale)` returns its table."""
