"""Where settings come from, which wins, and how a wrong one is told."""

from __future__ import annotations

import pytest

from springtide.app.commands.up import opened
from springtide.app.settings import SettingsError, load


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """No springtide.toml and no variables but those of the test."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPRINGTIDE_CONFIG", "SPRINGTIDE_PORT", "SPRINGTIDE_BROKER", "SPRINGTIDE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_defaults_need_nothing():
    settings = load()
    assert settings.broker is None
    assert settings.port == 8080
    assert settings.inbox_partitions == 4


def test_command_line_beats_environment_beats_file(empty_folder, monkeypatch):
    (empty_folder / "springtide.toml").write_text('port = 1001\ninbox_partitions = 7\napp = "tide"\n')
    monkeypatch.setenv("SPRINGTIDE_PORT", "1002")
    monkeypatch.setenv("SPRINGTIDE_APP", "surf")

    settings = load(port=1003, app=None)

    assert settings.port == 1003
    assert settings.app == "surf"
    assert settings.inbox_partitions == 7


def test_tables_come_from_the_file_and_as_json_from_the_environment(empty_folder, monkeypatch):
    (empty_folder / "springtide.toml").write_text('[sources]\n"urn:crm" = "crm"\n')
    assert load().sources == {"urn:crm": "crm"}

    monkeypatch.setenv("SPRINGTIDE_SOURCES", '{"urn:erp": "erp"}')
    assert load().sources == {"urn:erp": "erp", "urn:crm": "crm"}


def test_a_named_file_is_read_and_must_be_there(empty_folder, monkeypatch):
    named = empty_folder / "other.toml"
    named.write_text("port = 1004\n")
    monkeypatch.setenv("SPRINGTIDE_CONFIG", str(named))
    assert load().port == 1004

    named.unlink()
    with pytest.raises(SettingsError, match=r"other\.toml, which is not there"):
        load()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"port": 70_000}, "port"),
        ({"inbox_partitions": 0}, "inbox_partitions"),
        ({"app": "Not A Name"}, "app"),
        ({"security_protocol": "TLS"}, "security_protocol"),
        ({"no_such_setting": 1}, "no_such_setting"),
    ],
)
def test_what_can_not_be_used_is_named(given, named):
    with pytest.raises(SettingsError, match=rf"^{named}: .*SPRINGTIDE_<NAME>"):
        load(**given)


def test_every_wrong_one_is_named_at_once(monkeypatch):
    monkeypatch.setenv("SPRINGTIDE_PORT", "many")
    with pytest.raises(SettingsError) as told:
        load(inbox_partitions=0)
    assert "port: " in str(told.value)
    assert "inbox_partitions: " in str(told.value)


def test_a_file_that_is_no_toml_is_told(empty_folder):
    (empty_folder / "springtide.toml").write_text("port: 8080\n")
    with pytest.raises(SettingsError, match=r"springtide\.toml can't be read: .*line 1"):
        load()


def test_a_password_is_not_shown():
    settings = load(
        broker="kafka.example:9093",
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_username="tide",
        sasl_password="hidden-in-the-sand",
    )
    assert "hidden-in-the-sand" not in repr(settings)
    assert "hidden-in-the-sand" not in repr(settings.connection())
    assert settings.connection().sasl_password == "hidden-in-the-sand"


def test_access_is_by_keys_unless_it_is_said_otherwise():
    assert load().access == "keys"
    assert load(access="open").access == "open"


def test_a_demo_on_this_machine_is_open_unless_it_is_told_not_to_be():
    assert opened(load()).access == "open"
    assert opened(load(host="0.0.0.0")).access == "keys"
    assert opened(load(access="keys")).access == "keys"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"oauth_jwks_url": "https://issuer.example/keys"}, "oauth_issuer"),
        (
            {"oauth_jwks_url": "http://issuer.example/keys", "oauth_issuer": "i", "oauth_audience": "a"},
            "https",
        ),
        ({"tls_cert_file": "cert.pem"}, "tls_key_file"),
    ],
)
def test_what_does_not_fit_together_is_told(given, told):
    with pytest.raises(SettingsError, match=told):
        load(**given)
