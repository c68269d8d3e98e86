"""ApiVersions."""

from __future__ import annotations

from ottla.protocol.messages.api_versions import ApiVersionsRequest
from ottla.protocol.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest

from ..case import RawBody, alone, versions

API = ApiVersionsRequest


def asked_by_name(w):
    yield ApiVersionsRequest(client_software_name="compat", client_software_version="1.0")


@versions("3+")
def names_that_are_not_valid(w):
    for name, version in (("", ""), ("a b", "1"), ("a", "1 2"), ("-a", "1"), ("a-", "1"), ("ä", "1"), ("a", "-")):
        yield ApiVersionsRequest(client_software_name=name, client_software_version=version)


@versions("3+")
def names_with_all_that_is_allowed(w):
    yield ApiVersionsRequest(client_software_name="a.b-c9", client_software_version="1.0-rc.1")


def on_a_connection_that_asked_before(w):
    yield ApiVersionsRequest(client_software_name="compat", client_software_version="1.0")
    yield ApiVersionsRequest(client_software_name="compat", client_software_version="1.0")


@versions("3+")
@alone
def with_other_features(w):
    for level, upgrade_type in ((0, 2), (1, 1)):
        change = FeatureUpdateKey(feature="group.version", max_version_level=level, upgrade_type=upgrade_type)
        w.ask(UpdateFeaturesRequest(feature_updates=[change]))
        w.settle()
        yield ApiVersionsRequest(client_software_name="compat", client_software_version="1.0")


@versions("3+")
def an_empty_body(w):
    yield RawBody(ApiVersionsRequest, w.version, b"")
