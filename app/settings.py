"""Configuration: environment variables `SPRINGTIDE_*`, then a TOML file, then these defaults.

The file is the one named in SPRINGTIDE_CONFIG, else `springtide.toml` where the command is run, if it is there.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from springtide.app.broker.connection import BrokerConnection, SaslMechanism, SecurityProtocol

MIB = 1 << 20
Partitions = Annotated[int, Field(ge=1, le=1_024)]


class SettingsError(Exception):
    """A setting can't be used; the message names it and says what would do."""


class Settings(BaseSettings):
    """All settings of every command. Sizes say their unit; names are those of the variables, in lower case."""

    model_config = SettingsConfigDict(env_prefix="SPRINGTIDE_", extra="forbid", frozen=True)

    app: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")] = "springtide"
    """Sets installations on one broker apart: prefix of groups, changelogs and transactional ids."""
    data_dir: Path = Path(".springtide")

    broker: str | None = None
    """host:port[,host:port...] of a broker that is there; none starts the embedded one."""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    sasl_mechanism: SaslMechanism | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    broker_heap_mb: Annotated[int, Field(ge=128, le=65_536)] = 512

    ingress_partitions: Partitions = 4
    inbox_partitions: Partitions = 4
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """How long ingress and event topics keep records; none keeps all: `verify` and rebuilds need the logs."""

    session_timeout_s: Annotated[float, Field(ge=1, le=300)] = 6.0
    """After so long without a sign of life a worker's partitions go to another one."""
    mailbox_records_max: Annotated[int, Field(ge=100, le=1_000_000)] = 16_384
    step_records_max: Annotated[int, Field(ge=1, le=100_000)] = 8_192
    cached_rows_max: Annotated[int, Field(ge=100, le=10_000_000)] = 8_192
    """Decoded rows each partition keeps."""
    dedup_retention_s: Annotated[int, Field(ge=60, le=366 * 86_400)] = 7 * 86_400
    """In stream time: the same source and id again within it is a duplicate."""
    rocksdb_cache_mb: Annotated[int, Field(ge=8, le=1_000_000)] = 128
    """One block cache for all partitions of a process."""
    rocksdb_write_buffer_mb: Annotated[int, Field(ge=8, le=1_000_000)] = 64
    """One bound on memtables for all partitions of a process."""

    orphan_grace_s: Annotated[int, Field(ge=1, le=366 * 86_400)] = 7 * 86_400
    """In stream time: so long facts of an order that is not placed wait before they become dead letters."""

    history_days: Annotated[int, Field(ge=0, le=36_500)] = 90
    """For so long the view keeps what SKUs and orders were told, to answer about the past; 0 keeps nothing."""

    strict_sources: bool = False
    """Refuse sources whose kind is not known."""
    sources: dict[str, str] = {}
    """source -> kind, where a source's name does not say it."""
    authority: dict[str, tuple[str, ...]] = {}
    """fact -> kinds of source that may state it, over the contract's own."""

    push_allow_inside: bool = False
    """Let receivers be at private and loopback addresses, and plain http."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Where the view answers; 0 takes a free one."""
    body_bytes_max: Annotated[int, Field(ge=1_024, le=64 * MIB)] = 2 * MIB
    access: Literal["keys", "open"] = "keys"
    """Who may ask: bearers of keys or tokens, or whoever reaches the view."""
    oauth_jwks_url: str | None = None
    """Where the issuer of bearer tokens publishes its keys; none takes no tokens."""
    oauth_issuer: str | None = None
    oauth_audience: str | None = None
    oauth_rate_per_s: Annotated[float, Field(gt=0, le=1_000_000)] = 100.0
    oauth_burst: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    oauth_quota_per_day: Annotated[int, Field(ge=1)] | None = None
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may ask from a browser; "*" is any."""
    tls_cert_file: Path | None = None
    """PEM with its chain; views answer https then."""
    tls_key_file: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        oauth = (self.oauth_jwks_url, self.oauth_issuer, self.oauth_audience)
        if any(oauth) and not all(oauth):
            raise ValueError(
                "bearer tokens need all of oauth_jwks_url, oauth_issuer and oauth_audience: name the others too"
            )
        if self.oauth_jwks_url is not None:
            at = urlsplit(self.oauth_jwks_url)
            if at.scheme != "https" and not is_loopback(at.hostname or ""):
                raise ValueError("oauth_jwks_url has to be https, or http on this machine")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("TLS needs both tls_cert_file and tls_key_file")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - one file is enough
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        named = os.environ.get("SPRINGTIDE_CONFIG")
        path = Path(named) if named else Path("springtide.toml")
        if named and not path.is_file():
            raise SettingsError(f"SPRINGTIDE_CONFIG names {path}, which is not there: correct its path")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    def connection(self, bootstrap: str | None = None) -> BrokerConnection:
        """How to reach the broker that is configured, or the local one at `bootstrap`."""
        if bootstrap is not None:
            return BrokerConnection.from_url(bootstrap)
        assert self.broker is not None
        return BrokerConnection.from_url(
            self.broker,
            security_protocol=self.security_protocol,
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            key_file=self.key_file,
            sasl_mechanism=self.sasl_mechanism,
            sasl_username=self.sasl_username,
            sasl_password=None if self.sasl_password is None else self.sasl_password.get_secret_value(),
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def load(**given: object) -> Settings:
    """The settings, with what a command line gave on top (None counts as not given).

    Raises SettingsError that names each setting that can't be used.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'settings'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise SettingsError(
            f"{told}. Set it as SPRINGTIDE_<NAME>, in springtide.toml, or on the command line"
        ) from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"springtide.toml can't be read: {error}") from None
