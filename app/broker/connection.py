"""How to reach a broker: addresses, encryption and sign-in, checked when given and not when first used."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

from springtide.app.broker.errors import BrokerError

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_SCHEME = "kafka://"
_MAX_PORT = 65_535
_FORM = "Write the broker's address as HOST:PORT, several with commas between them, as in 127.0.0.1:9092."


@dataclass(frozen=True, slots=True)
class BrokerConnection:
    """One broker, or one cluster, and how to sign in to it.

    `bootstrap` is "host:port[,host:port...]". The files are PEM: `ca_file` to trust the broker by (None
    trusts what the system trusts), `cert_file` and `key_file` to be known by. Raises BrokerError if the
    parts do not fit together.
    """

    bootstrap: str
    security_protocol: SecurityProtocol = "PLAINTEXT"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    sasl_mechanism: SaslMechanism | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bootstrap", _checked_addresses(self.bootstrap))
        if self.security_protocol not in get_args(SecurityProtocol):
            raise BrokerError(
                f"There is no security protocol {self.security_protocol!r}.",
                f"Use one of {', '.join(get_args(SecurityProtocol))}.",
            )
        self._check_sasl()
        self._check_tls()

    @classmethod
    def from_url(cls, url: str, **settings: Any) -> Self:
        """From "host:port[,host:port...]" or the same after "kafka://"; `settings` are the other fields.

        Raises BrokerError if the address cannot be read. The message never holds a password.
        """
        text = url.strip()
        if text.lower().startswith(_SCHEME):
            text = text[len(_SCHEME) :].rstrip("/")
        elif "://" in text:
            raise BrokerError(
                f"The broker's address begins with {text.split('://')[0]}://, which is not known here.", _FORM
            )
        return cls(text, **settings)

    @property
    def addresses(self) -> list[str]:
        """Each "host:port"."""
        return self.bootstrap.split(",")

    @property
    def is_local(self) -> bool:
        """Whether every address is this machine's own."""
        return all(_host(address) in {"127.0.0.1", "localhost", "[::1]"} for address in self.addresses)

    def aiokafka_options(self) -> dict[str, Any]:
        """The keyword arguments aiokafka's clients take to reach this broker.

        Raises BrokerError if a certificate or key file cannot be read.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.addresses,
            "security_protocol": self.security_protocol,
        }
        if self._encrypted:
            options["ssl_context"] = self._ssl_context()
        if self._signs_in:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options

    @property
    def _encrypted(self) -> bool:
        return self.security_protocol in {"SSL", "SASL_SSL"}

    @property
    def _signs_in(self) -> bool:
        return self.security_protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    def _check_sasl(self) -> None:
        given = [self.sasl_mechanism, self.sasl_username, self.sasl_password]
        if not self._signs_in:
            if any(part is not None for part in given):
                raise BrokerError(
                    f"A sign-in is given, but security protocol {self.security_protocol} has none.",
                    "Use SASL_SSL (or SASL_PLAINTEXT), or leave the SASL settings out.",
                )
            return
        names = ["mechanism", "user name", "password"]
        missing = [name for name, part in zip(names, given, strict=True) if not part]
        if missing:
            raise BrokerError(
                f"Security protocol {self.security_protocol} needs a SASL {' and '.join(missing)}.",
                "Set it, or use PLAINTEXT or SSL.",
            )
        if self.sasl_mechanism not in get_args(SaslMechanism):
            raise BrokerError(
                f"SASL mechanism {self.sasl_mechanism!r} is not supported.",
                f"Use one of {', '.join(get_args(SaslMechanism))}.",
            )

    def _check_tls(self) -> None:
        files = {"CA": self.ca_file, "certificate": self.cert_file, "key": self.key_file}
        given = [name for name, path in files.items() if path is not None]
        if given and not self._encrypted:
            raise BrokerError(
                f"A {' and '.join(given)} file is given, but security protocol {self.security_protocol} "
                "encrypts nothing.",
                "Use SSL or SASL_SSL, or leave the files out.",
            )
        if (self.cert_file is None) != (self.key_file is None):
            raise BrokerError(
                "A client certificate needs its key, and a key its certificate; only one is given.",
                "Give both files, or neither.",
            )

    def _ssl_context(self) -> ssl.SSLContext:
        for name, path in (("CA", self.ca_file), ("certificate", self.cert_file), ("key", self.key_file)):
            if path is not None and not Path(path).is_file():
                raise BrokerError(f"The {name} file {path} is not there.", "Correct its path.")
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
            if self.cert_file is not None:
                context.load_cert_chain(str(self.cert_file), str(self.key_file))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise BrokerError(
                f"The files for an encrypted connection cannot be used: {error}.",
                "See that the CA, certificate and key files are PEM, and that the key belongs to the certificate.",
            ) from error
        return context


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _checked_addresses(text: str) -> str:
    if "@" in text:  # not shown: it may hold a password
        raise BrokerError(
            "The broker's address holds an @.",
            "Leave user name and password out of it and give them in the SASL settings.",
        )
    addresses = [part.strip() for part in text.split(",")]
    for address in addresses:
        host, colon, port = address.rpartition(":")
        if not address:
            raise BrokerError("The broker's address is empty, or has a comma too many.", _FORM)
        if not colon or not host or (":" in host and not (host.startswith("[") and host.endswith("]"))):
            raise BrokerError(f"{address!r} is not a broker's address.", _FORM)
        if "/" in address or any(character.isspace() for character in address):
            raise BrokerError(f"{address!r} is not a broker's address.", _FORM)
        if not (port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT):
            raise BrokerError(f"{port!r} in {address!r} is not a port between 1 and {_MAX_PORT}.", _FORM)
    return ",".join(addresses)
