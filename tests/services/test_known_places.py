"""What counts as one place, from which somebody logs in or asks."""

import pytest

from app.services.known_places import place_of


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:192.0.2.1", "2001:db8::/64"),
        ("::1", "::/64"),
        ("::192.0.2.1", "::/64"),
    ],
)
def test_a_place_is_an_address_of_ipv4_or_a_network_of_ipv6(address: str, place: str) -> None:
    assert place_of(address) == place


@pytest.mark.parametrize("text", ["", "nowhere", "::ffff:192.0.2", "192.0.2.1:80"])
def test_what_is_no_address_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        place_of(text)
