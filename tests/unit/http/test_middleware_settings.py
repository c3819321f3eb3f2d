"""The settings of the middleware: lists that can't be meant refuse the start, in a line that names the variable."""

import pytest

from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings


def test_everything_is_off() -> None:
    middleware = load_settings({}).middleware

    assert (middleware.cors, middleware.gzip, middleware.trustedhost, middleware.httpsredirect) == (False,) * 4
    assert not any((middleware.origins, middleware.hosts, middleware.proxies))


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "^TRUSTED_PROXIES: .*host bits"),
        ({"TRUSTED_PROXIES": "10.0.0.0/33"}, "^TRUSTED_PROXIES: .*no network"),
        ({"TRUSTED_PROXIES": "proxy.example"}, "^TRUSTED_PROXIES: .*no address"),
        ({"TRUSTED_PROXIES": "*"}, "^TRUSTED_PROXIES: .*no address"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8 127.0.0.1"}, "^TRUSTED_PROXIES: .*no address"),
        ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "^TRUSTED_PROXIES: .*everybody"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8,::/0"}, "^TRUSTED_PROXIES: .*everybody"),
        ({"APP_MIDDLEWARE_CORS": "true"}, "^CORS_ORIGINS: APP_MIDDLEWARE_CORS is true, and the list is empty"),
        ({"APP_MIDDLEWARE_CORS": "true", "CORS_ORIGINS": " , "}, "^CORS_ORIGINS: .*empty"),
        ({"APP_MIDDLEWARE_TRUSTEDHOST": "true"}, "^TRUSTED_HOSTS: APP_MIDDLEWARE_TRUSTEDHOST is true, and the list is empty"),
        ({"CORS_ORIGINS": "app.example"}, "^CORS_ORIGINS: 'app.example' is no origin"),
        ({"CORS_ORIGINS": "https://app.example/"}, "^CORS_ORIGINS: .*no origin"),
        ({"CORS_ORIGINS": "https://app.example/path"}, "^CORS_ORIGINS: .*no origin"),
        ({"CORS_ORIGINS": "https://*.example"}, "^CORS_ORIGINS: .*no origin"),
        ({"CORS_ORIGINS": "https://me@app.example"}, "^CORS_ORIGINS: .*no origin"),
        ({"CORS_ORIGINS": "https://bücher.example"}, "^CORS_ORIGINS: .*no origin"),
        ({"CORS_ORIGINS": "null"}, "^CORS_ORIGINS: .*no origin"),
        ({"CORS_ORIGINS": "*,https://app.example"}, r"^CORS_ORIGINS: \* is every origin"),
        ({"TRUSTED_HOSTS": "images.example:8443"}, "^TRUSTED_HOSTS: .*without a port"),
        ({"TRUSTED_HOSTS": "https://images.example"}, "^TRUSTED_HOSTS: .*no name"),
        ({"TRUSTED_HOSTS": "*"}, "^TRUSTED_HOSTS: .*no name"),
        ({"TRUSTED_HOSTS": "images.*"}, "^TRUSTED_HOSTS: .*no name"),
    ],
)
def test_what_can_not_be_meant_refuses_the_start(environment: dict[str, str], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        load_settings({"APP_PROFILE": "standalone", **environment}).validate()


def test_origins_are_as_browsers_write_them() -> None:
    listed = "https://App.example:443, http://localhost:3000,http://[::1]:80,capacitor://localhost,https://xn--bcher-kva.example"

    assert load_settings({"CORS_ORIGINS": listed}).middleware.origins == {
        "https://app.example",
        "http://localhost:3000",
        "http://[::1]",
        "capacitor://localhost",
        "https://xn--bcher-kva.example",
    }


def test_names_have_one_spelling() -> None:
    listed = "Images.Example., *.example.org,[2001:db8::1],192.0.2.1"

    assert load_settings({"TRUSTED_HOSTS": listed}).middleware.hosts == {
        "images.example",
        "*.example.org",
        "[2001:db8::1]",
        "192.0.2.1",
    }
