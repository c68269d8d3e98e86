"""`quorum-state` in both of its versions, as Kafka 4.3.1 writes them."""

from __future__ import annotations

import pytest
from ottla.broker.metadata.quorum_state import QuorumState, read_quorum_state, write_quorum_state
from ottla.storage.checkpoints import CorruptFile
from ottla.storage.files import OS_FILES

STATIC = (
    '{"clusterId":"","leaderId":1,"leaderEpoch":3,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],'
    '"data_version":0}'
)
DYNAMIC = '{"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"dydq5dcfhcPFxEQVX0RCUQ","data_version":1}'


def test_no_file_is_no_state(tmp_path):
    assert read_quorum_state(str(tmp_path)) is None


@pytest.mark.parametrize("text", [STATIC, DYNAMIC])
def test_what_kafka_wrote_is_written_back_in_its_form(tmp_path, text):
    (tmp_path / "quorum-state").write_text(text)
    state = read_quorum_state(str(tmp_path))
    assert (state.leader_id, state.leader_epoch) == (1, 3)
    write_quorum_state(OS_FILES, str(tmp_path), state.led_by(1, 4, state.version))
    assert (tmp_path / "quorum-state").read_text() == text.replace('"leaderEpoch":3', '"leaderEpoch":4')


def test_a_new_state_is_that_of_a_static_quorum(tmp_path):
    write_quorum_state(OS_FILES, str(tmp_path), QuorumState().led_by(1, 3, 0))
    assert (tmp_path / "quorum-state").read_text() == STATIC


@pytest.mark.parametrize("text", ["", "no", "[]", "{}", '{"data_version":0}', STATIC.replace(":0}", ":2}"), "1"])
def test_what_is_no_state_is_refused_by_name(tmp_path, text):
    (tmp_path / "quorum-state").write_text(text)
    with pytest.raises(CorruptFile, match="quorum-state"):
        read_quorum_state(str(tmp_path))
