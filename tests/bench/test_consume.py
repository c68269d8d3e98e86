"""What the rows of consuming do to a broker's files."""

from __future__ import annotations

import shutil
import threading

from compat.bench.comparison.workloads.consume import forget_topic

WALKS = 300


def test_pages_are_forgotten_while_a_broker_deletes_folders_of_other_topics(tmp_path):
    (tmp_path / "cold-0").mkdir()
    (tmp_path / "cold-0" / "00000000000000000000.log").write_bytes(b"x" * 10_000)
    is_over = threading.Event()

    def create_and_delete() -> None:
        while not is_over.is_set():
            for number in range(20):
                (tmp_path / f"other-{number}" / "inner").mkdir(parents=True)
            for number in range(20):
                shutil.rmtree(tmp_path / f"other-{number}")

    thread = threading.Thread(target=create_and_delete)
    thread.start()
    try:
        for _ in range(WALKS):
            forget_topic(tmp_path, "cold")
    finally:
        is_over.set()
        thread.join()
