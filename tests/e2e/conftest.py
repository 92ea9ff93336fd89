"""One running Springtide for the end-to-end tests: broker, worker and view as processes."""

from __future__ import annotations

import pytest
from running import Running

from springtide.app.settings import Settings
from springtide.app.up.stack import Stack


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("springtide"),
        port=0,
        ingress_partitions=2,
        inbox_partitions=2,
        broker_heap_mb=256,
    )
    with Stack(settings, 1, 1) as stack:
        stack.wait_until_ready()
        yield Running(stack)
