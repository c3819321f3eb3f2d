"""IP addresses as text, and the networks that they are in."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address


def address_from(text: str | None) -> IPv4Address | IPv6Address | None:
    """The address; an IPv4 address that is mapped into IPv6 is that IPv4 address. None for anything else."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


class Networks:
    """A set of networks. `"10.1.2.3" in networks`"""

    def __init__(self, networks: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self._networks = tuple(networks)

    def __contains__(self, text: str | None) -> bool:
        if not self._networks:
            return False
        address = address_from(text)
        return address is not None and any(address in network for network in self._networks)
