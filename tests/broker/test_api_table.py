"""What is advertised is served: every API, in every version, answers over a real connection."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any

import pytest
from ottla.broker.api_table import APIS, advertised
from ottla.broker.app import Broker
from ottla.broker.config import load_config
from ottla.protocol import messages
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.compiler import decode_with_end, encode
from ottla.protocol.headers import RequestHeader, ResponseHeader, request_header_version, response_header_version
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from ottla.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic

if TYPE_CHECKING:
    from pathlib import Path

    from ottla.protocol.schema import FieldSpec, Message, Struct

VERSIONS = [(api, version) for api in APIS.values() for version in range(api.lowest, api.highest + 1)]


def response_type(request: type[Message]) -> type[Message]:
    module = __import__(request.__module__, fromlist=["_"])
    return getattr(module, request.__name__.removesuffix("Request") + "Response")  # type: ignore[no-any-return]


def a_value(spec: FieldSpec, version: int) -> Any:
    """Something plausible for a field, so that handlers have something to do."""
    if spec.is_array:
        if spec.struct is not None:
            return [an_instance(spec.struct, version)]
        return spec.new_default()
    if spec.struct is not None:
        return an_instance(spec.struct, version) if spec.default is not None else None
    if spec.name in ("topic", "name", "topic_name") and spec.wire == "string":
        return "topic"
    if spec.name in ("group_id", "key", "groups") and spec.wire == "string":
        return "group"
    return spec.new_default()


def an_instance(kind: type[Struct], version: int) -> Any:
    values = {spec.name: a_value(spec, version) for spec in kind.fields if version in spec.versions}
    return kind(**values)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def call(self, request: Message, version: int) -> Message:
        kind = type(request)
        header = RequestHeader(
            request_api_key=kind.api_key, request_api_version=version, correlation_id=7, client_id="test"
        )
        frame = encode(header, request_header_version(kind, version)) + encode(request, version)
        self.writer.write(struct.pack(">i", len(frame)) + frame)
        (size,) = struct.unpack(">i", await self.reader.readexactly(4))
        answer = await self.reader.readexactly(size)
        head, position = decode_with_end(ResponseHeader, answer, response_header_version(kind, version))
        assert head.correlation_id == 7
        response, end = decode_with_end(response_type(kind), answer, version, position)
        assert end == len(answer)
        return response


async def with_broker(folder: Path, use: Any) -> None:
    broker = Broker(load_config(data_dir=str(folder / "data"), port=0, overrides=["offsets.topic.num.partitions=2"]))
    await broker.start()
    try:
        [(_, host, port)] = broker.addresses
        reader, writer = await asyncio.open_connection(host, port)
        try:
            async with asyncio.timeout(60):
                await use(Client(reader, writer))
        finally:
            writer.close()
            await writer.wait_closed()
    finally:
        await broker.stop()


def test_every_version_of_every_api_answers(tmp_path: Path) -> None:
    async def use(client: Client) -> None:
        await client.call(
            CreateTopicsRequest(topics=[CreatableTopic(name="topic", num_partitions=1, replication_factor=1)]), 7
        )
        for api, version in VERSIONS:
            for request in (api.request(), an_instance(api.request, version)):
                if api.key == ApiKey.PRODUCE:
                    request.acks = 1
                await client.call(request, version)

    asyncio.run(with_broker(tmp_path, use))


@pytest.mark.parametrize("timestamp", range(-7, 1))
def test_list_offsets_in_every_version(tmp_path: Path, timestamp: int) -> None:
    async def use(client: Client) -> None:
        await client.call(CreateTopicsRequest(topics=[CreatableTopic(name="t", num_partitions=1)]), 7)
        wanted = ListOffsetsTopic(name="t", partitions=[ListOffsetsPartition(timestamp=timestamp)])
        for version in range(1, 12):
            await client.call(ListOffsetsRequest(topics=[wanted]), version)

    asyncio.run(with_broker(tmp_path, use))


def test_the_rows_are_those_of_the_table() -> None:
    rows = {row.api_key: (row.min_version, row.max_version) for row in advertised()}
    expected = {key: (api.lowest, api.highest) for key, api in APIS.items()}
    expected[ApiKey.PRODUCE] = (0, 13)
    assert rows == expected


def test_every_handler_says_which_versions_it_serves() -> None:
    for api in APIS.values():
        documentation = __import__(api.handle.__module__, fromlist=["_"]).__doc__ or ""
        name = api.request.__name__.removesuffix("Request")
        versions = f"{api.lowest}-{api.highest}" if api.lowest != api.highest else str(api.lowest)
        assert documentation.startswith(f"{name} {versions}:"), api.handle.__module__


def test_every_client_facing_api_has_its_messages() -> None:
    names = {path.stem for path in __import__("pathlib").Path(messages.__path__[0]).glob("*.py")}
    assert {key.name.lower() for key in ApiKey} <= names | {"__init__"}
