"""ApiVersions."""

from __future__ import annotations

from ottla.protocol.messages.api_versions import ApiVersionsRequest

from ..case import RawBody, versions

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
def an_empty_body(w):
    yield RawBody(ApiVersionsRequest, w.version, b"")
