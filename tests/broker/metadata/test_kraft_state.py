"""What control records say of the quorum, and what a start makes of it."""

from __future__ import annotations

import json

import pytest
from ottla.broker.config import load_config
from ottla.broker.metadata.first_voter import first_voter
from ottla.broker.metadata.kraft_state import KRaftState
from ottla.broker.metadata.metadata_reader import UnreadableMetadata
from ottla.protocol.control_records import (
    KRaftVersionFeature,
    KRaftVersionRecord,
    SnapshotFooterRecord,
    SnapshotHeaderRecord,
    VotersEndpoint,
    VotersRecord,
    VotersRecordVoter,
    control_batch,
)
from ottla.protocol.errors import ProtocolError
from ottla.protocol.record_batch import read_header
from ottla.protocol.records import read_records

from ..metadata_broker import DIRECTORY_ID, MetadataBroker


def voters(*keys):
    return VotersRecord(
        voters=[
            VotersRecordVoter(
                voter_id=voter_id,
                voter_directory_id=directory_id,
                endpoints=[VotersEndpoint(name="CONTROLLER", host="127.0.0.1", port=9093)],
                k_raft_version_feature=KRaftVersionFeature(max_supported_version=1),
            )
            for voter_id, directory_id in keys
        ]
    )


def control_records(*messages):
    batch = control_batch(messages, base_offset=0, partition_leader_epoch=1, timestamp_ms=0)
    return list(read_records(memoryview(batch), 0, read_header(batch)))


def format_dynamic(broker, *keys):
    """What `kafka-storage format --standalone` leaves."""
    messages = [SnapshotHeaderRecord(), KRaftVersionRecord(k_raft_version=1), voters(*keys)]
    content = control_batch(messages, base_offset=0, partition_leader_epoch=0, timestamp_ms=0)
    content += control_batch([SnapshotFooterRecord()], base_offset=3, partition_leader_epoch=0, timestamp_ms=0)
    (broker.directory / "00000000000000000000-0000000000.checkpoint").write_bytes(content)


class TestRecords:
    def test_a_log_that_names_no_voters_is_one_of_a_static_quorum(self):
        state = KRaftState()
        assert (state.version, state.voter_keys(), state.messages()) == (0, None, [])

    def test_version_and_voters_are_followed_and_handed_on(self):
        state = KRaftState()
        messages = [KRaftVersionRecord(k_raft_version=1), voters((1, b"a" * 16), (2, b"b" * 16))]
        for record in control_records(*messages):
            state.replay(record, is_logged=True)
        assert state.voter_keys() == [(1, b"a" * 16), (2, b"b" * 16)]
        assert state.messages() == messages
        assert state.is_logged

    def test_a_newer_version_is_refused_by_name(self):
        [record] = control_records(KRaftVersionRecord(k_raft_version=2))
        with pytest.raises(ProtocolError, match=r"kraft\.version is at 2, known up to 1"):
            KRaftState().replay(record, is_logged=True)


class TestStarts:
    @pytest.fixture
    def broker(self, tmp_path):
        broker = MetadataBroker(tmp_path, started=False)
        format_dynamic(broker, (1, DIRECTORY_ID))
        broker.load()
        broker.start()
        return broker

    def test_the_first_epoch_puts_the_formatted_voters_into_the_log(self, broker):
        first, _ = next(broker.log.batches(0))
        kinds = [record.key[3] for record in read_records(first, 0, read_header(first))]
        assert kinds == [2, 5, 6]
        reader = broker.replayed()[1].reader
        assert reader.kraft.voter_keys() == [(1, DIRECTORY_ID)]
        assert reader.kraft.is_logged

    def test_later_epochs_do_not_repeat_them(self, broker):
        broker.restart()
        openings = [
            [record.key[3] for record in read_records(batch, 0, header)]
            for batch, header in broker.log.batches(0)
            if header.is_control
        ]
        assert openings == [[2, 5, 6], [2]]

    def test_quorum_state_has_the_form_of_a_dynamic_quorum(self, broker):
        fields = json.loads((broker.directory / "quorum-state").read_text())
        assert fields == {
            "leaderId": 1,
            "leaderEpoch": 1,
            "votedId": -1,
            "votedDirectoryId": "AAAAAAAAAAAAAAAAAAAAAA",
            "data_version": 1,
        }

    def test_voters_survive_a_snapshot_that_takes_the_place_of_the_log(self, broker):
        broker.create("orders")
        snapshot, work = broker.metadata_log.capture_snapshot(broker.metadata.image.copy(), 30)
        work()
        broker.log.truncate_fully_and_start_at(snapshot.end_offset, now_ms=0)
        broker.crash()
        reader = broker.replayed()[1].reader
        assert reader.kraft.voter_keys() == [(1, DIRECTORY_ID)]
        assert reader.kraft.version == 1
        assert list(broker.metadata.image.topics_by_name) == ["orders"]

    def test_a_newer_quorum_is_refused_with_its_offset_before_anything_is_written(self, tmp_path):
        broker = MetadataBroker(tmp_path, started=False)
        batch = control_batch(
            [KRaftVersionRecord(k_raft_version=7)], base_offset=0, partition_leader_epoch=1, timestamp_ms=0
        )
        (broker.directory / "00000000000000000005-0000000001.checkpoint").write_bytes(batch)
        with pytest.raises(UnreadableMetadata, match=r"checkpoint at offset 0: feature kraft\.version is at 7"):
            broker.replayed()


class TestFirstVoter:
    SERVERS = "controller.quorum.bootstrap.servers=a:9093"

    @pytest.mark.parametrize(
        ("options", "endpoint"),
        [
            (["listeners=PLAINTEXT://:9092,CONTROLLER://b:9094"], ("CONTROLLER", "b", 9094)),
            (["listeners=PLAINTEXT://:9092,CONTROLLER://:9094"], ("CONTROLLER", "a", 9094)),
            ([], ("CONTROLLER", "a", 9093)),
        ],
    )
    def test_bootstrap_servers_alone_ask_for_a_dynamic_quorum(self, options, endpoint):
        voter = first_voter(load_config(overrides=[self.SERVERS, *options]), DIRECTORY_ID)
        assert (voter.voter_id, voter.voter_directory_id) == (1, DIRECTORY_ID)
        assert [(e.name, e.host, e.port) for e in voter.endpoints] == [endpoint]

    def test_without_any_configuration_the_voter_is_in_the_log_too(self):
        voter = first_voter(load_config(), DIRECTORY_ID)
        assert [(e.name, e.host, e.port) for e in voter.endpoints] == [("CONTROLLER", "localhost", 9093)]

    @pytest.mark.parametrize("options", [[], [SERVERS]])
    def test_configured_voters_ask_for_a_static_one(self, options):
        assert first_voter(load_config(overrides=["controller.quorum.voters=1@a:9093", *options]), DIRECTORY_ID) is None

    def test_only_a_log_that_nobody_has_begun_takes_it(self, tmp_path):
        broker = MetadataBroker(tmp_path, started=False)
        voter = first_voter(load_config(overrides=[self.SERVERS]), DIRECTORY_ID)
        broker.metadata.begin_quorum(voter)
        broker.start()
        assert broker.replayed()[1].reader.kraft.voter_keys() == [(1, DIRECTORY_ID)]
        other = VotersRecordVoter(voter_id=1, voter_directory_id=b"o" * 16)
        _, metadata_log, metadata = broker.replayed()
        metadata.begin_quorum(other)
        assert metadata_log.reader.kraft.voter_keys() == [(1, DIRECTORY_ID)]

    def test_a_static_log_stays_one(self, tmp_path):
        broker = MetadataBroker(tmp_path)
        _, metadata_log, metadata = broker.replayed()
        metadata.begin_quorum(VotersRecordVoter(voter_id=1, voter_directory_id=DIRECTORY_ID))
        assert metadata_log.reader.kraft.voter_keys() is None
