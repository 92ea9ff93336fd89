"""Which kind of source may state which fact: one authoritative kind each, by configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from springtide.codecs.cloudevents import Event, Refused
from springtide.codecs.facts import FACT_BY_NAME, FACT_TYPES

KINDS: Final = ("crm", "oms", "erp", "wms", "carrier", "storefront")
_WORD: Final = re.compile(r"[a-z]+")


class Authority:
    """`rules` fact name -> kinds, over the contract's own; `sources` source -> kind, over what names say.

    A source's kind is what `sources` gives, else the first word of its name that is a kind: `wms/ber`,
    `/erp` and `urn:oms:eu` say what they are. A source of no known kind is refused only if `strict`.
    """

    def __init__(
        self,
        rules: Mapping[str, tuple[str, ...]] | None = None,
        sources: Mapping[str, str] | None = None,
        *,
        strict: bool = False,
    ) -> None:
        unknown = sorted(set(rules or {}) - FACT_BY_NAME.keys())
        if unknown:
            raise ValueError(
                f"authority is set for '{unknown[0]}', which is no fact: write e.g. order.placed"
            )
        self._rules = {fact.name: fact.sources for fact in FACT_TYPES} | dict(rules or {})
        self._sources = dict(sources or {})
        self._strict = strict
        self._kind = lru_cache(maxsize=4_096)(self._kind_of)

    def check(self, event: Event) -> None:
        """Raises Refused with `not_authoritative` if the event's source may not state its fact."""
        source = event.envelope.source
        kind = self._kind(source)
        allowed = self._rules[event.fact.name]
        if kind in allowed or (kind is None and not self._strict):
            return
        what = "a source of no known kind" if kind is None else kind
        raise Refused(
            "not_authoritative",
            "source",
            f"'{source}' is {what}; {event.fact.name} is stated by {' or '.join(allowed)}",
        )

    def _kind_of(self, source: str) -> str | None:
        named = self._sources.get(source)
        if named is not None:
            return named
        return next((word for word in _WORD.findall(source.lower()) if word in KINDS), None)
