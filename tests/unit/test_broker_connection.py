"""BrokerConnection takes good settings as they are and says of bad ones what is wrong."""

import ssl

import pytest

from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.errors import BrokerError


@pytest.mark.parametrize(
    ("url", "bootstrap"),
    [
        ("127.0.0.1:9092", "127.0.0.1:9092"),
        ("kafka://broker:9092", "broker:9092"),
        ("KAFKA://broker:9092/", "broker:9092"),
        (" a:1, b:65535 ", "a:1,b:65535"),
        ("kafka://a:9092,b:9093", "a:9092,b:9093"),
        ("[::1]:9092", "[::1]:9092"),
    ],
)
def test_reads_addresses(url, bootstrap):
    assert BrokerConnection.from_url(url).bootstrap == bootstrap


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "empty"),
        ("a:9092,", "comma too many"),
        ("broker", "'broker' is not a broker's address"),
        (":9092", "not a broker's address"),
        ("::1:9092", "not a broker's address"),
        ("broker:0", "not a port"),
        ("broker:65536", "not a port"),
        ("broker:nine", "'nine' in 'broker:nine'"),
        ("http://broker:9092", "http://"),
        ("kafka://broker:9092/topic", "not a"),
        ("two words:9092", "not a broker's address"),
    ],
)
def test_says_what_is_wrong_with_an_address(url, told):
    with pytest.raises(BrokerError) as caught:
        BrokerConnection.from_url(url)
    assert told in caught.value.message
    assert "HOST:PORT" in caught.value.next_step


def test_never_shows_a_password():
    with pytest.raises(BrokerError) as caught:
        BrokerConnection.from_url("kafka://me:hush@broker:9092")
    assert "hush" not in str(caught.value)
    connection = BrokerConnection(
        "broker:9092", "SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_username="me", sasl_password="hush"
    )
    assert "hush" not in repr(connection)


def test_options_for_plaintext():
    assert BrokerConnection("a:1,b:2").aiokafka_options() == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "PLAINTEXT",
    }


def test_options_for_an_encrypted_sign_in():
    options = BrokerConnection.from_url(
        "a:1",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="me",
        sasl_password="hush",
    ).aiokafka_options()
    context = options.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert options == {
        "bootstrap_servers": ["a:1"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": "hush",
    }


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"security_protocol": "TLS"}, "no security protocol 'TLS'"),
        ({"security_protocol": "SASL_SSL"}, "needs a SASL mechanism and user name and password"),
        ({"sasl_username": "me"}, "has none"),
        ({"ca_file": "ca.pem"}, "encrypts nothing"),
        ({"security_protocol": "SSL", "cert_file": "me.pem"}, "only one is given"),
        (
            {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "GSSAPI",
                "sasl_username": "me",
                "sasl_password": "x",
            },
            "'GSSAPI' is not supported",
        ),
    ],
)
def test_parts_must_fit_together(settings, told):
    with pytest.raises(BrokerError, match=told):
        BrokerConnection("a:1", **settings)


def test_names_the_file_that_is_missing_or_no_certificate(tmp_path):
    absent = tmp_path / "ca.pem"
    connection = BrokerConnection("a:1", "SSL", ca_file=absent)
    with pytest.raises(BrokerError) as caught:
        connection.aiokafka_options()
    assert str(absent) in caught.value.message
    absent.write_text("not a certificate")
    with pytest.raises(BrokerError, match="cannot be used"):
        connection.aiokafka_options()
