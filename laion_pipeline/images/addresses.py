"""Which addresses of the network may be connected to: public ones, in their plain form."""

from ipaddress import ip_address, ip_network

# Public by their number, but who answers is the provider of the machine that asks, or they lead to
# an address of IPv4 that is written within them: mapped, translated (NAT64), 6to4 and Teredo.
_NOT_PLAIN = tuple(
    map(
        ip_network,
        (
            *("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "::ffff:0:0/96", "::/96"),
            *("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),
        ),
    )
)


def is_public(address: str) -> bool:
    """Whether anybody may be behind an address, and not this machine or its own network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not parsed.is_reserved
        and not any(parsed in network for network in _NOT_PLAIN)
    )
