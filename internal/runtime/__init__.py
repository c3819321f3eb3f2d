"""What every process is made of: start and stop, circuit breaker, private folders."""
