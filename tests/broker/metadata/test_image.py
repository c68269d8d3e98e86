"""Replay of single records, and what no log may say."""

from __future__ import annotations

import pytest
from ottla.broker.metadata.image import MetadataImage, ReplayError, ResourceType
from ottla.protocol.stored import metadata as stored

NODE = 1
TOPIC_ID = b"\x01" * 16
OTHER_ID = b"\x02" * 16
DIRECTORY = b"\x0d" * 16
OTHER_DIRECTORY = b"\x0e" * 16


def image_of(*records) -> MetadataImage:
    image = MetadataImage("cluster", NODE)
    for record in records:
        image.replay(record)
    return image


def topic(name="orders", topic_id=TOPIC_ID):
    return stored.TopicRecord(name=name, topic_id=topic_id)


def partition(index=0, topic_id=TOPIC_ID, **fields):
    fields = {"replicas": [1], "isr": [1], "leader": 1, "directories": [DIRECTORY], **fields}
    return stored.PartitionRecord(partition_id=index, topic_id=topic_id, leader_epoch=0, partition_epoch=0, **fields)


def change(index=0, topic_id=TOPIC_ID, **fields):
    return stored.PartitionChangeRecord(partition_id=index, topic_id=topic_id, **fields)


def broker(broker_id=NODE, **fields):
    return stored.RegisterBrokerRecord(broker_id=broker_id, incarnation_id=b"i" * 16, **fields)


def config(value, key="retention.ms", name="orders", resource_type=ResourceType.TOPIC):
    return stored.ConfigRecord(resource_type=resource_type, resource_name=name, name=key, value=value)


class TestTopics:
    def test_a_topic_is_found_by_name_and_by_id_with_its_partitions_in_order(self):
        image = image_of(topic(), partition(0), partition(1))
        found = image.topics_by_name["orders"]
        assert image.topics_by_id[TOPIC_ID] is found
        assert [p.index for p in found.partitions] == [0, 1]
        assert found.partitions[1].replicas == (1,)
        assert found.partitions[1].directories == (DIRECTORY,)

    def test_a_removed_topic_leaves_neither_id_nor_configs(self):
        image = image_of(topic(), partition(), config("5"), stored.RemoveTopicRecord(topic_id=TOPIC_ID))
        assert not image.topics_by_name
        assert not image.topics_by_id
        assert not image.configs

    def test_a_topic_may_come_back_under_another_id(self):
        image = image_of(topic(), stored.RemoveTopicRecord(topic_id=TOPIC_ID), topic(topic_id=OTHER_ID))
        assert image.topics_by_name["orders"].topic_id == OTHER_ID

    def test_names_that_differ_in_dots_and_underscores_collide_until_the_topic_is_gone(self):
        image = image_of(topic("a.b"))
        assert image.colliding_topic("a_b") == "a.b"
        assert image.colliding_topic("ab") is None
        image.replay(stored.RemoveTopicRecord(topic_id=TOPIC_ID))
        assert image.colliding_topic("a_b") is None

    @pytest.mark.parametrize(
        "records",
        [
            [partition()],
            [topic(), partition(1)],
            [topic(), partition(-1)],
            [topic(), topic("other")],
            [topic(), topic(topic_id=OTHER_ID)],
            [topic(), change()],
            [topic(), partition(), change(1)],
            [stored.RemoveTopicRecord(topic_id=TOPIC_ID)],
            [stored.ClearElrRecord(topic_name="orders")],
        ],
    )
    def test_a_log_that_contradicts_itself_is_refused(self, records):
        with pytest.raises(ReplayError):
            image_of(*records)


class TestPartitionChanges:
    def changed(self, *changes):
        image = image_of(topic(), partition(replicas=[1, 2], isr=[1, 2], directories=[DIRECTORY, OTHER_DIRECTORY]))
        for record in changes:
            image.replay(record)
        return image.topics_by_name["orders"].partitions[0]

    def test_naming_a_leader_begins_a_leader_epoch_even_when_it_is_the_same(self):
        after = self.changed(change(leader=1))
        assert (after.leader, after.leader_epoch, after.partition_epoch) == (1, 1, 1)

    def test_shrinking_the_isr_moves_only_the_partition_epoch(self):
        after = self.changed(change(isr=[1]))
        assert (after.isr, after.leader_epoch, after.partition_epoch) == ((1,), 0, 1)

    def test_what_a_change_does_not_name_stays(self):
        before = self.changed()
        after = self.changed(change(leader=-1))
        assert (after.replicas, after.isr, after.directories) == (before.replicas, before.isr, before.directories)
        assert after.leader == -1

    def test_a_replica_that_stays_keeps_its_directory(self):
        after = self.changed(change(replicas=[2, 3]))
        assert after.directories == (OTHER_DIRECTORY, bytes(16))

    def test_directories_that_are_named_replace_those_before(self):
        after = self.changed(change(directories=[OTHER_DIRECTORY, DIRECTORY]))
        assert after.directories == (OTHER_DIRECTORY, DIRECTORY)

    def test_the_recovery_state_and_the_elr_follow(self):
        after = self.changed(
            change(leader_recovery_state=1, eligible_leader_replicas=[2], last_known_elr=[1]), change(isr=[1])
        )
        assert (after.leader_recovery_state, after.eligible_leader_replicas, after.last_known_elr) == (1, (2,), (1,))

    @pytest.mark.parametrize("named", ["", "orders"])
    def test_clearing_the_elr_touches_partitions_that_have_one(self, named):
        image = image_of(topic(), partition(0, eligible_leader_replicas=[1]), partition(1))
        image.replay(stored.ClearElrRecord(topic_name=named))
        cleared, untouched = image.topics_by_name["orders"].partitions
        assert (cleared.eligible_leader_replicas, cleared.partition_epoch) == ((), 1)
        assert untouched.partition_epoch == 0


class TestBrokers:
    def test_a_registration_is_changed_by_what_a_change_names(self):
        image = image_of(broker(broker_epoch=7, log_dirs=[DIRECTORY]))
        assert image.brokers[NODE].fenced
        image.replay(stored.BrokerRegistrationChangeRecord(broker_id=NODE, broker_epoch=7, fenced=-1))
        assert not image.brokers[NODE].fenced
        image.replay(stored.BrokerRegistrationChangeRecord(broker_id=NODE, broker_epoch=7, in_controlled_shutdown=1))
        after = image.brokers[NODE]
        assert (after.fenced, after.in_controlled_shutdown, after.log_dirs) == (False, True, (DIRECTORY,))

    def test_the_records_of_kafka_3_0_fence_and_unfence(self):
        image = image_of(broker(), stored.UnfenceBrokerRecord(id=NODE))
        assert not image.brokers[NODE].fenced
        image.replay(stored.FenceBrokerRecord(id=NODE))
        assert image.brokers[NODE].fenced

    def test_an_unregistered_broker_is_gone_and_cannot_change(self):
        image = image_of(broker(), stored.UnregisterBrokerRecord(broker_id=NODE))
        assert not image.brokers
        with pytest.raises(ReplayError):
            image.replay(stored.BrokerRegistrationChangeRecord(broker_id=NODE))


class TestConfigsAndFeatures:
    def test_a_null_value_deletes_and_the_last_one_leaves_no_resource(self):
        image = image_of(config("5"), config("6"), config("9", "retention.bytes"))
        assert image.configs_of(ResourceType.TOPIC, "orders") == {"retention.ms": "6", "retention.bytes": "9"}
        image.replay(config(None))
        image.replay(config(None, "retention.bytes"))
        assert not image.configs

    def test_deleting_what_is_not_set_changes_nothing(self):
        assert not image_of(config(None)).configs

    def test_a_feature_at_level_zero_is_not_finalized(self):
        record = stored.FeatureLevelRecord
        image = image_of(record(name="group.version", feature_level=1), record(name="group.version", feature_level=0))
        assert not image.features

    def test_producer_ids_only_grow(self):
        image = image_of(stored.ProducerIdsRecord(broker_id=1, next_producer_id=1000))
        assert image.next_producer_id == 1000
        with pytest.raises(ReplayError):
            image.replay(stored.ProducerIdsRecord(broker_id=1, next_producer_id=1000))


class TestQuotasAndSecurity:
    """What this broker does not enforce yet is kept all the same: another one may."""

    def test_quotas_are_kept_by_entity_whatever_the_order_of_its_parts(self):
        user, client = (stored.EntityData(entity_type=t, entity_name="x") for t in ("user", "client-id"))
        image = image_of(stored.ClientQuotaRecord(entity=[user, client], key="producer_byte_rate", value=5.0))
        assert image.client_quotas == {(("client-id", "x"), ("user", "x")): {"producer_byte_rate": 5.0}}
        image.replay(stored.ClientQuotaRecord(entity=[client, user], key="producer_byte_rate", remove=True))
        assert not image.client_quotas

    def test_acls_credentials_and_tokens_come_and_go(self):
        acl = stored.AccessControlEntryRecord(id=TOPIC_ID, principal="User:a")
        credential = stored.UserScramCredentialRecord(name="a", mechanism=1)
        token = stored.DelegationTokenRecord(token_id="t")
        image = image_of(acl, credential, token)
        assert image.acls == {TOPIC_ID: acl}
        assert image.scram_credentials == {("a", 1): credential}
        assert image.delegation_tokens == {"t": token}
        image.replay(stored.RemoveAccessControlEntryRecord(id=TOPIC_ID))
        image.replay(stored.RemoveUserScramCredentialRecord(name="a", mechanism=1))
        image.replay(stored.RemoveDelegationTokenRecord(token_id="t"))
        assert not [*image.acls, *image.scram_credentials, *image.delegation_tokens]

    def test_an_acl_that_is_not_there_cannot_be_removed(self):
        with pytest.raises(ReplayError):
            image_of(stored.RemoveAccessControlEntryRecord(id=TOPIC_ID))


def test_records_that_mark_time_change_nothing():
    image = image_of(stored.NoOpRecord(), stored.ZkMigrationStateRecord(zk_migration_state=3))
    assert vars(image) == vars(MetadataImage("cluster", NODE))


def test_a_record_that_is_no_state_is_refused():
    with pytest.raises(ReplayError, match="EndTransactionRecord"):
        image_of(stored.EndTransactionRecord())
