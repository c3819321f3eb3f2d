"""Check for ports that are in use, before anything starts."""

import errno
import socket
import sys


def refuse_taken_ports(wanted: list[tuple[str, str, int]]) -> None:
    """Check several ports, each as a variable's name, host and port. Raises SystemExit if one is in use or given twice."""
    seen: dict[int, str] = {}
    for variable, host, port in wanted:
        if port in seen:
            sys.exit(f"{variable}: port {port} is {seen[port]}. Choose another, for instance {variable}={port + 10}.")
        seen[port] = variable
        refuse_taken_port(variable, host, port)


def refuse_taken_port(variable: str, host: str, port: int) -> None:
    """Raise SystemExit if the port can't be used, with one line that names the variable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else f"can't be used: {error.strerror}"
            sys.exit(f"{variable}: port {port} on {host} {reason}. Choose another, for instance {variable}={port + 10}.")
