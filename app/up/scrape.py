"""Prometheus metrics of the processes, read over loopback."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

Labels: TypeAlias = tuple[tuple[str, str], ...]
Sample: TypeAlias = dict[tuple[str, Labels], float]
"""(name, labels in the order of their names) -> value."""

_TIMEOUT_S: Final = 1.0
_BODY_BYTES_MAX: Final = 4 << 20
_PARALLEL: Final = 8
_PREFIX: Final = "springtide_"


def parse(text: str) -> Sample:
    """The samples of a page of metrics that are Springtide's own. Raises ValueError if it is no such page."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        if family.name.startswith(_PREFIX)
        for sample in family.samples
    }


def connect(host: str, port: int, timeout_s: float, *, tls: bool = False) -> http.client.HTTPConnection:
    """To a process on this machine; its certificate is for the names by which others know it."""
    if not tls:
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)


def scrape(host: str, port: int, tls: bool = False) -> Sample | None:
    """One process's metrics, None if it does not answer within a second."""
    connection = connect(host, port, _TIMEOUT_S, tls=tls)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        body = answer.read(_BODY_BYTES_MAX)
        return parse(body.decode()) if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


class Scraper:
    """Asks several processes at once, so that one that hangs costs a second and not one for each."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="scrape")

    def scrape(self, places: Mapping[str, tuple[str, int, bool]]) -> dict[str, Sample]:
        """Name -> (host, port, whether by TLS) in, name -> sample out; those that did not answer are left out."""
        samples = self._pool.map(lambda place: scrape(*place), places.values())
        return {name: sample for name, sample in zip(places, samples, strict=True) if sample is not None}

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
