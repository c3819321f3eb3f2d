"""The authenticator: which header and which form of credential goes to which verifier."""

import pytest

from internal.domain.errors import InvalidRequest, Unauthenticated
from internal.domain.identity import ANYBODY, Credential, Principal, Scope
from internal.identity.authenticator import Authenticator


class Recorder:
    """A verifier that takes everything and notes it."""

    def __init__(self, kind: Credential) -> None:
        self.kind = kind
        self.seen: list[str] = []

    async def verify(self, credential: str) -> Principal:
        self.seen.append(credential)
        return Principal("owner", frozenset({Scope.READ}), self.kind)


@pytest.fixture
def keys() -> Recorder:
    return Recorder(Credential.KEY)


@pytest.fixture
def both(keys: Recorder) -> Authenticator:
    return Authenticator({Credential.KEY: keys, Credential.JWT: Recorder(Credential.JWT)})


async def test_without_verifiers_everybody_reads_and_writes_and_nobody_is_admin() -> None:
    assert await Authenticator().authenticate(["Bearer whatever"], []) == ANYBODY
    assert Scope.ADMIN not in ANYBODY.scopes


@pytest.mark.parametrize(
    ("authorization", "api_keys", "kind"),
    [
        (["Bearer imgp_abc"], [], Credential.KEY),
        (["bearer  imgp_abc"], [], Credential.KEY),
        ([], ["imgp_abc"], Credential.KEY),
        ([], ["eyJ.a.b"], Credential.KEY),
        (["Bearer eyJ.a.b"], [], Credential.JWT),
    ],
)
async def test_each_credential_goes_to_its_verifier(
    both: Authenticator, authorization: list[str], api_keys: list[str], kind: Credential
) -> None:
    assert (await both.authenticate(authorization, api_keys)).credential == kind


@pytest.mark.parametrize("authorization", [[], ["Basic dTpw"], ["Bearer"], ["Bearer  "], ["imgp_abc"]])
async def test_without_a_bearer_credential_one_is_asked_for(both: Authenticator, authorization: list[str]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await both.authenticate(authorization, [])
    assert not refused.value.rejected


@pytest.mark.parametrize(
    ("authorization", "api_keys"),
    [(["Bearer imgp_a"], ["imgp_a"]), (["Bearer imgp_a", "Bearer imgp_a"], []), ([], ["imgp_a", "imgp_a"])],
)
async def test_two_credentials_are_refused(both: Authenticator, authorization: list[str], api_keys: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="one credential"):
        await both.authenticate(authorization, api_keys)


async def test_a_kind_that_is_not_taken_is_refused(keys: Recorder) -> None:
    with pytest.raises(Unauthenticated, match=r"no API key .*takes no tokens") as refused:
        await Authenticator({Credential.KEY: keys}).authenticate(["Bearer eyJ.a.b"], [])
    assert refused.value.rejected
    assert keys.seen == []
