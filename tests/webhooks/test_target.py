"""Which addresses are never asked, however they are written and whatever a name server says?"""

import pytest

from secondme.core.address_guard import Resolve
from secondme.core.errors import DataError
from secondme.core.webhooks.target import addresses_to_dial, check_target, target_of

INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::a9fe:a9fe",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:808:808::1",
    "2001:0:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd12:3456:789a::1",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "4000::1",
]
WRITTEN = [
    "http://example.com/",
    "ftp://example.com/",
    "//example.com/",
    "example.com",
    "",
    "https://",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.0.1.:99999/",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://example.com@169.254.169.254/",
    "https://example.com\\@169.254.169.254/",
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://exa mple.com/",
    "https://example.com/\r\nx: y",
    "https://ex\u00e4mple.com/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https://example.com/#part",
    "https://[::1/",
    "https://[fe80::1%25eth0]/",
    "https://exa_mple.com/",
    "https://example.com/" + "x" * 3000,
]


def answering(*answers: str) -> Resolve:
    async def resolve(host: str, port: int) -> list[str]:
        del host, port
        return list(answers)

    return resolve


def test_the_table_is_no_shorter_than_it_was() -> None:
    assert len(INSIDE) + len(WRITTEN) >= 60
    assert len(set(INSIDE + WRITTEN)) == len(INSIDE + WRITTEN)


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_leads_inside_is_not_asked_not_even_beside_an_address_outside(address: str) -> None:
    target = target_of("https://hooks.example.com/x", is_local=False)
    for answers in ((address,), ("93.184.216.34", address)):
        with pytest.raises(DataError, match="private network"):
            await addresses_to_dial(target, answering(*answers), allow_private=False)


@pytest.mark.parametrize("address", [each for each in INSIDE if "%" not in each])
async def test_an_address_inside_is_not_asked_when_it_is_typed(address: str) -> None:
    url = f"https://[{address}]/" if ":" in address else f"https://{address}/"
    with pytest.raises(DataError):
        await check_target(target_of(url, is_local=False), answering(address), allow_private=False)


@pytest.mark.parametrize("url", WRITTEN)
def test_a_url_in_a_form_that_nobody_needs_is_refused(url: str) -> None:
    with pytest.raises(DataError):
        target_of(url, is_local=False)


@pytest.mark.parametrize(
    ("address", "is_asked"),
    [
        ("10.0.0.1", True),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("fd12:3456:789a::1", True),
        ("93.184.216.34", True),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.100.100.200", False),
        ("fd00:ec2::254", False),
        ("fe80::1", False),
        ("::ffff:10.0.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
    ],
)
async def test_private_networks_are_opened_by_a_setting_and_nothing_else_is(address: str, is_asked: bool) -> None:
    target = target_of("https://hooks.home.arpa:8443/x", is_local=False)
    try:
        found = await addresses_to_dial(target, answering(address), allow_private=True)
    except DataError:
        found = []
    assert found == [address] * is_asked


@pytest.mark.parametrize("address", ["10.0.0.1", "93.184.216.34", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0"])
async def test_a_local_one_goes_to_this_machine_only(address: str) -> None:
    target = target_of("http://n8n.local:5678/x", is_local=True)
    assert await addresses_to_dial(target, answering("127.0.0.1"), allow_private=False) == ["127.0.0.1"]
    assert await addresses_to_dial(target, answering("::1"), allow_private=False) == ["::1"]
    for private in (False, True):
        with pytest.raises(DataError):
            await addresses_to_dial(target, answering(address), allow_private=private)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "2a00:1450:4001:80b::200e"])
async def test_the_internet_is_asked(address: str) -> None:
    target = target_of("https://hooks.example.com/x?token=1", is_local=False)
    assert await addresses_to_dial(target, answering(address), allow_private=False) == [address]


async def test_a_host_that_is_not_known_yet_can_be_added() -> None:
    async def nothing(host: str, port: int) -> list[str]:
        raise OSError(host, port)

    await check_target(target_of("https://soon.example.com/", is_local=False), nothing, allow_private=False)
