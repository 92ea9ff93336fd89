"""Configuration: environment variables `SPRINGTIDE_*`, then a TOML file, then these defaults.

The file is the one named in SPRINGTIDE_CONFIG, else `springtide.toml` where the command is run, if it is there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
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
    rocksdb_cache_mb: Annotated[int, Field(ge=8, le=1_000_000)] = 64
    """One block cache for all partitions of a process."""
    rocksdb_write_buffer_mb: Annotated[int, Field(ge=8, le=1_000_000)] = 64
    """One bound on memtables for all partitions of a process."""

    strict_sources: bool = False
    """Refuse sources whose kind is not known."""
    sources: dict[str, str] = {}
    """source -> kind, where a source's name does not say it."""
    authority: dict[str, tuple[str, ...]] = {}
    """fact -> kinds of source that may state it, over the contract's own."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Where the view answers; 0 takes a free one."""
    body_bytes_max: Annotated[int, Field(ge=1_024, le=64 * MIB)] = 2 * MIB
    log_level: Literal["debug", "info", "warning", "error"] = "info"

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
