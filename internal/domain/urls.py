"""URLs of other servers."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_secure(url: str, *, allow_http: bool = False) -> bool:
    """True for an https URL with a host and without userinfo; also for http to this machine, or to anywhere with `allow_http`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or not url.isprintable() or " " in url or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (allow_http or _is_loopback(host)))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
