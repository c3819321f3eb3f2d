"""The parts of the measurement, a file each: `measure(scale)`, or `measure(deployment, scale)`, returns its table."""
