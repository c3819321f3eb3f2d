"""Signed links without HTTP: what is signed, what is refused, and the keys in the settings."""

import base64
import hashlib
import hmac
import json
import traceback

import pytest
from msgspec.structs import replace

from internal.domain.errors import LinkInvalid, LinksDisabled
from internal.identity.links import LinkGrant, LinkSigner
from internal.identity.settings import LinkKey, LinkSettings
from internal.runtime.secret import Secret
from internal.runtime.section import SettingsError

NOW = 1_796_000_000.0
OLD, NEW = LinkKey("2026-10", bytes(range(32))), LinkKey("2026-11", bytes(range(1, 33)))
SIGNER = LinkSigner((NEW, OLD))
PATH = "/api/v1/images/0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a"
GRANT = LinkGrant(PATH, "thumb", None, str(int(NOW) + 60), NEW.kid)


def test_the_signature_is_the_documented_one() -> None:
    """docs/api/links.md: HMAC-SHA-256 over a JSON array without blanks, in base64url without padding."""
    text = json.dumps(["image-link-1", PATH, "thumb", None, GRANT.expires, NEW.kid], separators=(",", ":"))
    mac = hmac.new(NEW.secret, text.encode(), hashlib.sha256).digest()

    assert SIGNER.sign(GRANT) == base64.urlsafe_b64encode(mac).decode().rstrip("=")


def test_the_first_key_signs_and_all_verify() -> None:
    assert SIGNER.kid == NEW.kid
    for key in (NEW, OLD):
        grant = replace(GRANT, kid=key.kid)
        SIGNER.verify(grant, LinkSigner((key,)).sign(grant), now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"path": PATH + "/original"},
        {"path": PATH.replace("1a", "1b")},
        {"path": PATH.upper()},
        {"rendition": "default"},
        {"rendition": None},
        {"rendition": ""},
        {"rendition": "Thumb"},
        {"disposition": "attachment"},
        {"disposition": ""},
        {"expires": "9796000000"},
        {"expires": "0" + GRANT.expires},
        {"expires": GRANT.expires + ".0"},
        {"expires": "x"},
        {"expires": ""},
        {"kid": OLD.kid},
        {"kid": "2026-12"},
        {"kid": ""},
        {"rendition": 'thumb",null,"9796000000'},
        {"rendition": "th", "disposition": "umb"},
    ],
)
def test_nothing_that_a_link_grants_can_be_changed(change: dict[str, str | None]) -> None:
    with pytest.raises(LinkInvalid):
        SIGNER.verify(replace(GRANT, **change), SIGNER.sign(GRANT), now=NOW)


def test_every_field_is_signed() -> None:
    """A field that is added to the grant later is not forgotten: each changes the signature."""
    signatures = {SIGNER.sign(replace(GRANT, **{name: OLD.kid})) for name in LinkGrant.__struct_fields__}

    assert len(signatures | {SIGNER.sign(GRANT)}) == len(LinkGrant.__struct_fields__) + 1


def test_one_text_alone_is_the_signature() -> None:
    """The last of 43 characters has two bits that base64 does not need: 4 texts stand for the same 32 bytes."""
    signature = SIGNER.sign(GRANT)
    mac = base64.urlsafe_b64decode(signature + "=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = [text for last in alphabet if base64.urlsafe_b64decode((text := signature[:-1] + last) + "=") == mac]
    assert len(same) == 4

    SIGNER.verify(GRANT, signature, now=NOW)
    others = [signature + "=", signature + " ", signature[:-1], "", "é" * 43, mac.hex(), *(s for s in same if s != signature)]
    for other in others:
        with pytest.raises(LinkInvalid):
            SIGNER.verify(GRANT, other, now=NOW)


def test_a_link_expires_in_its_second() -> None:
    signature = SIGNER.sign(GRANT)
    SIGNER.verify(GRANT, signature, now=NOW + 59.9)

    with pytest.raises(LinkInvalid):
        SIGNER.verify(GRANT, signature, now=NOW + 60)


def test_a_link_dies_with_its_key() -> None:
    signature = SIGNER.sign(GRANT)

    for left in ((OLD,), (), (replace(OLD, kid=NEW.kid),)):
        with pytest.raises(LinkInvalid):
            LinkSigner(left).verify(GRANT, signature, now=NOW)


def test_without_a_key_no_link_is_made() -> None:
    with pytest.raises(LinksDisabled):
        _ = LinkSigner().kid


def encoded(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


def test_keys_are_read() -> None:
    text = f" {NEW.kid}:{encoded(NEW.secret)} , {OLD.kid}:{encoded(OLD.secret)}"

    assert LinkSettings(Secret(text), 60).parsed_keys() == (NEW, OLD)
    assert LinkSettings(Secret(), 60).parsed_keys() == LinkSettings(Secret(" "), 60).parsed_keys() == ()


SECRET = encoded(b"\xfb\xef\xff" * 11)
"""It has both characters that base64url writes otherwise."""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (SECRET, "key 1 is not of the form kid:base64"),
        (f"a:{SECRET},", "key 2 is not of the form"),
        (f"a:{SECRET},,b:{SECRET}", "key 2 is not of the form"),
        (f":{SECRET}", "the id of key 1"),
        (f"a b:{SECRET}", "the id of key 1"),
        (f"é:{SECRET}", "the id of key 1"),
        (f"{SECRET}:a", "the id of key 1"),
        (f"a:{SECRET},a:{encoded(bytes(32))}", "key 2 has the id of one before it"),
        (f"a:{encoded(bytes(range(31)))}", "the secret of key 1 has 31 bytes, and needs at least 32"),
        (f"a:{SECRET.replace('+', '-').replace('/', '_')}", "the secret of key 1 is not standard base64"),
        (f"a:{SECRET[:-1]}", "the secret of key 1 is not standard base64"),
        (f"a:{SECRET[:8]} {SECRET[8:]}", "the secret of key 1 is not standard base64"),
        ("a:correct horse battery staple", "the secret of key 1 is not standard base64"),
        ("a:", "the secret of key 1 has 0 bytes"),
        ("hunter2hunter2:a", "the secret of key 1 is not standard base64"),
    ],
)
def test_a_bad_key_is_refused_without_a_word_of_it(text: str, fault: str) -> None:
    with pytest.raises(SettingsError, match=rf"^LINK_KEYS: {fault}") as refused:
        LinkSettings(Secret(text), 60).validate()

    told = "".join(traceback.format_exception(refused.value))
    for secret in (SECRET, SECRET[:8], "hunter2", "correct horse", encoded(bytes(range(31)))):
        assert secret not in told


def test_a_key_is_shown_by_its_id() -> None:
    assert repr(SIGNER) == "LinkSigner(keys=(LinkKey('2026-11'), LinkKey('2026-10')))"
