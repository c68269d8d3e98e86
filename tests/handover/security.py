"""Client quotas, ACLs and SCRAM users: made where they are served, kept by everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ottla.protocol.api_keys import ApiKey
from ottla.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    EntityData,
    EntryData,
    OpData,
)
from ottla.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    ScramCredentialUpsertion,
)
from ottla.protocol.messages.create_acls import AclCreation, CreateAclsRequest, CreateAclsResponse
from ottla.protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse
from ottla.protocol.messages.describe_client_quotas import DescribeClientQuotasRequest, DescribeClientQuotasResponse
from ottla.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
)

if TYPE_CHECKING:
    from .asking import Broker

SHA_256 = 1
TOPIC, LITERAL, PREFIXED = 2, 3, 4
READ, WRITE = 3, 4
ALLOW, DENY = 3, 2
ANY = 1
# So high that nobody here is ever throttled.
QUOTAS = [OpData(key="producer_byte_rate", value=1e12), OpData(key="request_percentage", value=12_345.5)]


def is_served(broker: Broker) -> bool:
    return all(
        broker.serves(key)
        for key in (ApiKey.DESCRIBE_CLIENT_QUOTAS, ApiKey.DESCRIBE_ACLS, ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS)
    )


def write(broker: Broker, stay: int) -> None:
    """A quota of each kind of entity, two ACLs, a user; other ones in each stay."""
    for entity in ({"user": f"user-{stay}"}, {"user": None}, {"client-id": "app"}, {"user": "u", "client-id": None}):
        names = [EntityData(entity_type=kind, entity_name=name) for kind, name in entity.items()]
        entry = EntryData(entity=names, ops=QUOTAS)
        answer = broker.ask(AlterClientQuotasRequest(entries=[entry]), AlterClientQuotasResponse, 1)
        assert answer.entries[0].error_code == 0, answer
    acls = [_acl(f"topic-{stay}", LITERAL, "User:alice", READ, ALLOW), _acl("p", PREFIXED, "User:bob", WRITE, DENY)]
    answer = broker.ask(CreateAclsRequest(creations=acls), CreateAclsResponse, 3)
    assert [result.error_code for result in answer.results] == [0, 0], answer
    user = ScramCredentialUpsertion(
        name=f"user-{stay}", mechanism=SHA_256, iterations=4096, salt=b"salt" * 4, salted_password=b"p" * 32
    )
    request = AlterUserScramCredentialsRequest(upsertions=[user])
    answer = broker.ask(request, AlterUserScramCredentialsResponse, 0)
    assert answer.results[0].error_code == 0, answer


def describe(broker: Broker) -> dict[str, Any]:
    quotas = broker.ask(DescribeClientQuotasRequest(), DescribeClientQuotasResponse, 1).entries
    everything = DescribeAclsRequest(
        resource_type_filter=ANY, pattern_type_filter=ANY, operation=ANY, permission_type=ANY
    )
    acls = broker.ask(everything, DescribeAclsResponse, 3).resources
    users = broker.ask(DescribeUserScramCredentialsRequest(users=None), DescribeUserScramCredentialsResponse, 0).results
    return {
        "quotas": sorted(map(repr, quotas)),
        "acls": sorted(f"{each.resource_name} {each.pattern_type} {acl!r}" for each in acls for acl in each.acls),
        "users": sorted(map(repr, users)),
    }


def _acl(name: str, pattern_type: int, principal: str, operation: int, permission: int) -> AclCreation:
    return AclCreation(
        resource_type=TOPIC,
        resource_name=name,
        resource_pattern_type=pattern_type,
        principal=principal,
        host="*",
        operation=operation,
        permission_type=permission,
    )
