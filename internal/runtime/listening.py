"""Ports that are taken, said before anything starts."""

import errno
import socket
import sys


def refuse_taken_ports(wanted: list[tuple[str, str, int]]) -> None:
    """As refuse_taken_port for all of them; none of them may be another's. Raises SystemExit."""
    seen: dict[int, str] = {}
    for variable, host, port in wanted:
        if port in seen:
            sys.exit(f"{variable}: port {port} is {seen[port]}. Choose another, for instance {variable}={port + 10}.")
        seen[port] = variable
        refuse_taken_port(variable, host, port)


def refuse_taken_port(variable: str, host: str, port: int) -> None:
    """One line that names the variable, instead of a stack trace, when the port can't be listened on. Raises SystemExit."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else f"can't be used: {error.strerror}"
            sys.exit(f"{variable}: port {port} on {host} {reason}. Choose another, for instance {variable}={port + 10}.")
