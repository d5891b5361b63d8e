"""What the Hub's client reads of the environment, seen to be of use before the client does.

The client takes most of it for granted, and fails far from the cause, or with a secret in its
message. Neither the token nor the password in an address is ever shown.
"""

import os
import re
import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from laion_pipeline.errors import SettingsError

# Variables of the client, what each may hold beside nothing, and that in words.
_RULES = (
    (r"HF_(HUB_)?(DISABLE|ENABLE)_\w+|(HF_HUB|TRANSFORMERS)_OFFLINE|HF_DEBUG"
     r"|HF_XET_HIGH_PERFORMANCE|HUGGINGFACE_CO_STAGING",
     r"(?i)0|1|on|off|yes|no|true|false", "1 or 0"),
    (r"HF_HUB_(ETAG|DOWNLOAD)_TIMEOUT", r"[1-9][0-9]{0,8}", "a whole number of seconds"),
    (r"HF_HUB_VERBOSITY", r"(?i)debug|info|warning|error|critical",
     "debug, info, warning, error or critical"),
    (r"HF_HUB_USER_AGENT_ORIGIN", r"[ -~]*", "plain ASCII text"),
)  # fmt: skip
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def require_usable_environment() -> None:
    """See that the Hub's client can be set up as the environment says.

    Raises SettingsError naming the variable that is wrong.
    """
    for name, value in os.environ.items():
        for variables, allowed, words in _RULES:
            if re.fullmatch(variables, name) and value and not re.fullmatch(allowed, value):
                raise SettingsError(f"{name}={value}: should be {words}")
    for name in _TOKENS:
        require_token(os.environ.get(name, ""), name)
    if (endpoint := os.environ.get("HF_ENDPOINT")) is not None:
        require_endpoint(endpoint)
    for scheme, proxy in _proxies().items():
        _require_proxy(f"{scheme.upper()}_PROXY", proxy)
    _require_certificates()


def require_token(token: str, where: str) -> None:
    """See that a request can carry a token; blanks about it are taken off by the client.

    Raises SettingsError naming where it stands.
    """
    if not re.fullmatch(r"[!-~]*", token.strip()):
        raise SettingsError(
            f"{where}: holds a character that no request can carry, such as a line break or an"
            " accent: copy the token again (what it is now is not shown here)"
        )


def require_endpoint(endpoint: str) -> None:
    """See that an address can be one of a Hub.

    Raises SettingsError.
    """
    parts = _split(endpoint)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"HF_ENDPOINT={public(endpoint)}: not an address of a Hub")


def public(address: str) -> str:
    """An address without user, password, query and fragment, fit to be kept and shown."""
    bare = re.split(r"[?#]", address, maxsplit=1)[0]
    return re.sub(
        r"^([A-Za-z][\w+.-]*:(?=//))?(//)?[^/]*@", lambda m: (m[1] or "") + (m[2] or ""), bare
    )


def proxy_for(address: str) -> str:
    """The proxy that stands between here and an address, with its variable; '' for none."""
    parts = _split(address)
    if parts is None or (parts.hostname and proxy_bypass(parts.hostname)):
        return ""
    proxies = _proxies()
    for scheme in (parts.scheme, "all"):
        if proxy := proxies.get(scheme):
            return f"{scheme.upper()}_PROXY={public(proxy)}"
    return ""


def _proxies() -> Mapping[str, str]:
    known = getproxies_environment()
    return {scheme: known[scheme] for scheme in ("http", "https", "all") if known.get(scheme)}


def _require_proxy(name: str, proxy: str) -> None:
    parts = _split(proxy if "://" in proxy else f"http://{proxy}")
    if parts is None or parts.scheme not in _PROXY_SCHEMES or not parts.hostname:
        schemes = ", ".join(_PROXY_SCHEMES)
        raise SettingsError(
            f"{name}={public(proxy)}: not an address of a proxy; it should begin with one of"
            f" {schemes}, as in http://127.0.0.1:3128"
        )
    if parts.scheme.startswith("socks") and find_spec("socksio") is None:
        raise SettingsError(
            f"{name}={public(proxy)}: a SOCKS proxy needs the package socksio: install it with"
            " .venv/bin/pip install socksio, or name an http proxy"
        )


def _require_certificates() -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if not (value := os.environ.get(name)):
            continue
        try:
            there = Path(value).is_file() if name == "SSL_CERT_FILE" else Path(value).is_dir()
        except OSError:
            there = False
        if not there:
            what = "file" if name == "SSL_CERT_FILE" else "folder"
            raise SettingsError(f"{name}={value}: no such {what}; unset it, or name one that is")
        if name == "SSL_CERT_FILE":
            try:
                ssl.create_default_context(cafile=value)
            except OSError as error:
                raise SettingsError(
                    f"{name}={value}: holds no certificates that can be read; unset it, or name a"
                    " file in PEM form"
                ) from error


def _split(address: str) -> SplitResult | None:
    """The parts of an address; None where it is none."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    return parts if address.isprintable() and " " not in address else None
