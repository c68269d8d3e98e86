"""Changes of the metadata: what they leave in the image, the log and with listeners; and what a restart finds."""

from __future__ import annotations

import pytest
from ottla.broker.metadata.image import ResourceType
from ottla.broker.metadata.metadata_reader import UnreadableMetadata
from ottla.broker.metadata.refusal import Refused
from ottla.broker.metadata.topic_creation import NewTopic
from ottla.protocol.errors import ErrorCode
from ottla.protocol.stored import metadata as stored

from ..metadata_broker import CLUSTER_ID, DIRECTORY_ID, MetadataBroker


@pytest.fixture
def broker(tmp_path):
    return MetadataBroker(tmp_path)


def state_of(image):
    return {name: value for name, value in vars(image).items() if name != "last_offset"}


class TestStart:
    def test_a_new_log_begins_with_the_levels_of_kafka_4_3_and_this_broker(self, broker):
        image = broker.metadata.image
        assert image.features == {
            "metadata.version": 30,
            "eligible.leader.replicas.version": 1,
            "group.version": 1,
            "share.version": 1,
            "streams.version": 1,
            "transaction.version": 2,
        }
        registered = image.brokers[1]
        assert (registered.fenced, registered.log_dirs) == (False, (DIRECTORY_ID,))
        assert registered.endpoints == (("PLAINTEXT", "127.0.0.1", 9092, 0),)
        assert image.cluster_id == CLUSTER_ID

    def test_the_broker_epoch_is_the_offset_at_which_the_registration_was_written(self, broker):
        first = broker.metadata.image.brokers[1].broker_epoch
        broker.restart()
        assert 0 < first < broker.metadata.image.brokers[1].broker_epoch

    def test_each_start_leads_in_a_new_epoch(self, broker):
        epochs = [broker.metadata_log.leader_epoch]
        broker.restart()
        epochs.append(broker.metadata_log.leader_epoch)
        broker.crash()
        epochs.append(broker.metadata_log.leader_epoch)
        assert epochs == [1, 2, 3]
        state = (broker.directory / "quorum-state").read_text()
        assert state == (
            '{"clusterId":"","leaderId":1,"leaderEpoch":3,"votedId":-1,"appliedOffset":0,'
            '"currentVoters":[{"voterId":1}],"data_version":0}'
        )

    def test_an_epoch_that_was_taken_and_never_used_is_not_taken_again(self, broker):
        state = broker.directory / "quorum-state"
        state.write_text(state.read_text().replace('"leaderEpoch":1', '"leaderEpoch":9'))
        broker.restart()
        assert broker.metadata_log.leader_epoch == 10

    def test_after_a_clean_stop_no_leader_epoch_moves(self, broker):
        topic = broker.create("orders", 2)
        broker.restart()
        partitions = broker.metadata.image.topics_by_name["orders"].partitions
        assert partitions == topic.partitions

    def test_after_a_crash_every_partition_begins_a_leader_epoch(self, broker):
        broker.create("orders", 2)
        broker.crash()
        partitions = broker.metadata.image.topics_by_name["orders"].partitions
        assert [(p.leader, p.leader_epoch, p.partition_epoch) for p in partitions] == [(1, 1, 1)] * 2

    def test_partitions_that_kafka_left_without_a_leader_get_this_one(self, broker):
        topic = broker.create("orders")
        stopped_by_kafka = stored.PartitionChangeRecord(
            partition_id=0, topic_id=topic.topic_id, isr=[], leader=-1, eligible_leader_replicas=[1], last_known_elr=[1]
        )
        broker.metadata_log.append([stopped_by_kafka])
        broker.restart()
        after = broker.metadata.image.topics_by_name["orders"].partitions[0]
        assert (after.leader, after.isr, after.leader_epoch) == (1, (1,), 2)
        assert (after.eligible_leader_replicas, after.last_known_elr) == ((), ())

    def test_partitions_with_replicas_elsewhere_are_left_alone(self, broker):
        topic = broker.create("orders")
        elsewhere = stored.PartitionChangeRecord(partition_id=0, topic_id=topic.topic_id, replicas=[1, 2], leader=2)
        broker.metadata_log.append([elsewhere])
        broker.crash()
        after = broker.metadata.image.topics_by_name["orders"].partitions[0]
        assert (after.leader, after.leader_epoch) == (2, 1)


class TestLoad:
    def test_the_image_from_the_log_equals_the_one_that_lived(self, broker):
        broker.create("orders", 3, retention_ms="5")
        broker.create("gone")
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["gone"])
        broker.metadata.set_configs(ResourceType.BROKER, "", {"num.partitions": "4"})
        broker.metadata.allocate_producer_ids()
        lived = state_of(broker.metadata.image)
        last_offset = broker.metadata.last_offset
        broker.load()
        assert state_of(broker.metadata.image) == lived
        assert broker.metadata.last_offset == last_offset

    def test_a_finished_transaction_counts_and_an_aborted_one_does_not(self, broker):
        begin, end = stored.BeginTransactionRecord(name="x"), stored.EndTransactionRecord()
        log = broker.metadata_log
        log.append([begin, stored.TopicRecord(name="kept", topic_id=b"k" * 16)])
        log.append([stored.PartitionRecord(partition_id=0, topic_id=b"k" * 16, replicas=[1], isr=[1], leader=1), end])
        log.append([begin, stored.TopicRecord(name="dropped", topic_id=b"d" * 16)])
        log.append([stored.AbortTransactionRecord(reason="no")])
        broker.restart()
        assert list(broker.metadata.image.topics_by_name) == ["kept"]

    def test_a_transaction_that_nobody_ended_is_aborted_at_the_start(self, broker):
        records = [stored.BeginTransactionRecord(), stored.TopicRecord(name="half", topic_id=b"h" * 16)]
        broker.metadata_log.append(records)
        broker.crash()
        assert not broker.metadata.image.topics_by_name
        broker.create("whole")
        broker.restart()
        assert list(broker.metadata.image.topics_by_name) == ["whole"]

    @pytest.mark.parametrize(
        ("records", "named"),
        [
            ([stored.EndTransactionRecord()], "a transaction ends that has not begun"),
            ([stored.BeginTransactionRecord()] * 2, "a transaction begins within another"),
            ([stored.RemoveTopicRecord(topic_id=b"n" * 16)], "no topic has the id"),
        ],
    )
    def test_a_log_that_contradicts_itself_is_refused_by_offset(self, broker, records, named):
        offset = broker.metadata_log.append(records) + len(records) - 1
        with pytest.raises(UnreadableMetadata, match=f"at offset {offset}: {named}"):
            broker.load()

    def test_a_refused_log_is_not_written_to(self, broker):
        broker.metadata_log.append([stored.EndTransactionRecord()])
        files = [broker.directory / "00000000000000000000.log", broker.directory / "quorum-state"]
        before = [file.read_bytes() for file in files]
        with pytest.raises(UnreadableMetadata):
            broker.load()
        assert [file.read_bytes() for file in files] == before

    def test_a_level_that_is_not_supported_is_refused_by_name(self, broker):
        broker.metadata_log.append([stored.FeatureLevelRecord(name="metadata.version", feature_level=31)])
        with pytest.raises(ValueError, match=r"metadata\.version at 31, supported are 7 to 30"):
            broker.load()

    def test_a_feature_that_is_not_known_is_refused_by_name(self, broker):
        broker.metadata_log.append([stored.FeatureLevelRecord(name="quantum.version", feature_level=1)])
        with pytest.raises(ValueError, match=r"quantum\.version at 1, which is not known"):
            broker.load()


class TestChanges:
    def test_a_topic_is_in_the_image_and_with_the_listeners_when_the_call_returns(self, broker):
        topic = broker.create("orders", 3, retention_ms="5")
        image = broker.metadata.image
        assert image.topics_by_name["orders"] is topic
        assert image.configs_of(ResourceType.TOPIC, "orders") == {"retention.ms": "5"}
        first = topic.partitions[0]
        assert (first.replicas, first.isr, first.leader, first.leader_epoch) == ((1,), (1,), 1, 0)
        assert first.directories == (DIRECTORY_ID,)
        assert broker.heard.lines == ["created orders 3"]

    def test_topic_ids_avoid_those_that_kafka_reserves_or_would_take_for_an_option(self, broker):
        reserved, dash, good = bytes(15) + b"\x01", b"\xf8" + b"x" * 15, b"g" * 16
        ids = iter([reserved, dash, good])
        broker.metadata._new_uuid = lambda: next(ids)
        assert broker.create("orders").topic_id == good

    def test_partitions_are_spread_over_the_log_directories(self, tmp_path):
        first, second = b"1" * 16, b"2" * 16
        broker = MetadataBroker(tmp_path, log_dirs=[first, second])
        broker.create("lonely")
        spread = broker.create("spread", 3)
        assert [p.directories[0] for p in spread.partitions] == [second, first, second]

    def test_more_partitions_follow_those_that_are_there(self, broker):
        topic = broker.create("orders", 2)
        broker.metadata.create_partitions(topic, 4)
        assert [p.index for p in topic.partitions] == [0, 1, 2, 3]
        assert broker.heard.lines[-1] == "added orders 2..3"

    def test_a_deleted_topic_and_its_configs_are_gone(self, broker):
        topic = broker.create("orders", 2, retention_ms="5")
        broker.metadata.delete_topic(topic)
        assert not broker.metadata.image.topics_by_name
        assert broker.heard.lines[1:] == ["deleted orders 2", "config 2 orders"]

    def test_a_topic_that_comes_back_has_another_id(self, broker):
        old = broker.create("orders")
        broker.metadata.delete_topic(old)
        assert broker.create("orders").topic_id != old.topic_id

    def test_only_configs_that_differ_are_written(self, broker):
        broker.create("orders", retention_ms="5")
        before = broker.metadata.last_offset
        broker.metadata.set_configs(ResourceType.TOPIC, "orders", {"retention.ms": "5", "retention.bytes": None})
        assert broker.metadata.last_offset == before
        assert broker.heard.lines == ["created orders 1"]
        broker.metadata.set_configs(ResourceType.TOPIC, "orders", {"retention.ms": None, "retention.bytes": "9"})
        assert broker.metadata.image.configs_of(ResourceType.TOPIC, "orders") == {"retention.bytes": "9"}
        assert broker.heard.lines[-1] == "config 2 orders"

    def test_producer_ids_come_in_blocks_that_no_restart_gives_out_again(self, broker):
        assert broker.metadata.allocate_producer_ids() == range(1000)
        broker.crash()
        assert broker.metadata.allocate_producer_ids() == range(1000, 2000)

    def test_a_change_that_the_disk_refuses_changes_nothing(self, broker):
        broker.disk.full = True
        with pytest.raises(Refused) as caught:
            broker.create("orders")
        assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
        assert not broker.metadata.image.topics_by_name
        assert not broker.heard.lines
        broker.disk.full = False
        broker.create("orders")
        broker.crash()
        assert list(broker.metadata.image.topics_by_name) == ["orders"]

    def test_nothing_can_be_written_before_the_log_is_led(self, tmp_path):
        broker = MetadataBroker(tmp_path, started=False)
        with pytest.raises(RuntimeError, match="not led yet"):
            broker.metadata_log.append([stored.NoOpRecord()])


class TestInternalTopics:
    def test_consumer_offsets_has_the_configs_that_kafka_gives_it(self, tmp_path):
        broker = MetadataBroker(tmp_path, ["offsets.topic.num.partitions=7"])
        topic = broker.metadata.ensure_internal_topic("__consumer_offsets")
        assert len(topic.partitions) == 7
        assert broker.metadata.image.configs_of(ResourceType.TOPIC, "__consumer_offsets") == {
            "compression.type": "producer",
            "cleanup.policy": "compact",
            "segment.bytes": "104857600",
        }

    @pytest.mark.parametrize("name", ["__consumer_offsets", "__transaction_state", "__share_group_state"])
    def test_an_internal_topic_is_created_once(self, broker, name):
        topic = broker.metadata.ensure_internal_topic(name)
        assert len(topic.partitions) == 50
        assert broker.metadata.ensure_internal_topic(name) is topic

    def test_an_internal_topic_that_somebody_uses_gets_its_own_configs(self, broker):
        broker.metadata.auto_create_topic("__transaction_state")
        configs = broker.metadata.image.configs_of(ResourceType.TOPIC, "__transaction_state")
        assert configs["cleanup.policy"] == "compact"


class TestNames:
    @pytest.mark.parametrize(
        ("name", "code", "message"),
        [
            ("", ErrorCode.INVALID_TOPIC_EXCEPTION, "Topic name is invalid: the empty string is not allowed"),
            ("..", ErrorCode.INVALID_TOPIC_EXCEPTION, "Topic name is invalid: '..' is not allowed"),
            (
                "a/b",
                ErrorCode.INVALID_TOPIC_EXCEPTION,
                "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, "
                "'.', '_' and '-'",
            ),
            (
                "x" * 250,
                ErrorCode.INVALID_TOPIC_EXCEPTION,
                f"Topic name is invalid: the length of '{'x' * 250}' is longer than the max allowed length 249",
            ),
            ("a_b", ErrorCode.INVALID_TOPIC_EXCEPTION, "Topic 'a_b' collides with existing topic: a.b"),
            ("a.b", ErrorCode.TOPIC_ALREADY_EXISTS, "Topic 'a.b' already exists."),
            (
                "__cluster_metadata",
                ErrorCode.INVALID_REQUEST,
                "Creation of internal topic __cluster_metadata is prohibited.",
            ),
        ],
    )
    def test_a_name_that_cannot_be_is_refused_in_kafkas_words(self, broker, name, code, message):
        broker.create("a.b")
        with pytest.raises(Refused) as caught:
            broker.metadata.create_topic(NewTopic(name))
        assert (caught.value.code, caught.value.message) == (code, message)

    def test_a_name_of_249_letters_is_taken(self, broker):
        assert broker.create("x" * 249).partitions


class TestLeaderEpochs:
    def test_a_partition_is_led_anew_and_the_others_are_not(self, broker):
        topic = broker.metadata.create_topic(NewTopic("orders", 2))
        assert [broker.metadata.begin_leader_epoch(topic, 1) for _ in range(2)] == [1, 2]
        for _ in range(2):
            partitions = broker.metadata.image.topics_by_name["orders"].partitions
            assert [(each.leader, each.leader_epoch, each.partition_epoch) for each in partitions] == [
                (1, 0, 0),
                (1, 2, 2),
            ]
            broker.restart()
