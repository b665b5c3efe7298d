"""Where the configuration comes from: a file, the models of an OpenAI-compatible server, or the built-in
one; and what the flags change about it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from urllib.parse import urlsplit

from vsr.cli.serve_options import ServeOptions
from vsr.config.endpoints import is_loopback
from vsr.config.load import DEFAULT_FILE, LoadedConfig, load_text, text_from_openai_env
from vsr.config.policy import Listener, Policy
from vsr.config.storage import ConfigFile, read_text
from vsr.errors import ConfigError, Problem, StartError
from vsr.reload import Source

_URL = "OPENAI_BASE_URL"
_KEY = "OPENAI_API_KEY"
_TIMEOUT = 15.0
_MAX_LIST_BYTES = 16 * 1024 * 1024


def uses_environment(options: ServeOptions, env: Mapping[str, str]) -> bool:
    """No file, and OPENAI_BASE_URL names a server to route to."""
    return options.config is None and bool(env.get("OPENAI_BASE_URL"))


@dataclass(frozen=True, slots=True)
class Given:
    """What to serve at first, and where more of it comes from."""

    source: Source
    text: str
    loaded: LoadedConfig

    @property
    def policy(self) -> Policy:
        return self.loaded.policy


def load(options: ServeOptions, env: Mapping[str, str]) -> Policy:
    """The policy to serve, with the flags applied. ConfigError with everything that is wrong."""
    return given(options, env).policy


def given(options: ServeOptions, env: Mapping[str, str]) -> Given:
    """As `load`. A worker that takes the place of another begins with what its router serves: the file may
    be wrong by now or need a restart, which is judged as for the others when it is watched."""
    source = _source(options, env)
    if options.models:
        text = text_from_openai_env(env["OPENAI_BASE_URL"], env.get("OPENAI_API_KEY", ""), options.models)
        return Given(source, text, source.load(text))
    path = options.config or DEFAULT_FILE
    if options.last_good is not None and options.last_good.exists():
        path = options.last_good
    text = read_text(path)
    return Given(source, text, source.load(text))


def _source(options: ServeOptions, env: Mapping[str, str]) -> Source:
    name = "OPENAI_BASE_URL" if options.models else str(options.config or DEFAULT_FILE)

    def load(text: str) -> LoadedConfig:
        try:
            loaded = load_text(text, name, env)
        except ConfigError as error:
            if options.models:  # nobody has seen the lines of a text that was made here
                raise ConfigError([replace(problem, line=0) for problem in error.problems]) from None
            raise
        return replace(loaded, policy=_with_flags(loaded.policy, options))

    return Source(name, ConfigFile(options.config) if options.config is not None else None, load)


def list_models(env: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the models that the server at OPENAI_BASE_URL offers, in its order. ConfigError if the URL or
    the key is wrong, StartError if the server does not answer or fails."""
    base_url = env[_URL].rstrip("/")
    _check_url(base_url)
    request = urllib.request.Request(f"{base_url}/models")
    key = env.get(_KEY, "").rstrip("\r\n")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError([Problem("holds line breaks, or characters that are not ASCII", _KEY)])
    if key:
        request.add_header("authorization", f"Bearer {key}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)
    try:
        with opener.open(request, timeout=_TIMEOUT) as response:
            listing = json.loads(response.read(_MAX_LIST_BYTES))
        names = tuple(str(item["id"]) for item in listing["data"])
    except urllib.error.HTTPError as error:
        answered = f"its /models answered with status {error.code}"
        if error.code >= 500:
            raise StartError(f"{_URL}: {answered}") from None
        hint = f"; is {_KEY} right?" if error.code in (401, 403) else ""
        raise _wrong(answered + hint) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise StartError(f"{_URL}: its /models cannot be reached: {reason}") from None
    except (ValueError, KeyError, TypeError):
        raise _wrong("its /models did not answer with a list of models") from None
    if not names:
        raise _wrong("its /models lists no models")
    return names


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key elsewhere, and serving follows none."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _check_url(url: str) -> None:
    """Its text is not repeated: there may be a password in it."""
    try:
        parts = urlsplit(url)
        usable = url.isascii() and url.isprintable() and " " not in url and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise _wrong("must look like https://host[:port]/v1")
    if parts.scheme not in ("http", "https"):
        raise _wrong("must begin with http:// or https://")
    if parts.username is not None:
        raise _wrong(f"must hold no user name and no password; the key belongs in {_KEY}")


def _wrong(what: str) -> ConfigError:
    return ConfigError([Problem(what, _URL)])


def _with_flags(policy: Policy, options: ServeOptions) -> Policy:
    if options.host is not None or options.port is not None:
        policy = replace(policy, listeners=(_moved_listener(policy, options),))
    if options.management_port is not None:
        policy = replace(policy, management=replace(policy.management, port=options.management_port))
    return policy


def _moved_listener(policy: Policy, options: ServeOptions) -> Listener:
    if len(policy.listeners) != 1:
        raise ConfigError(
            [Problem("--host and --port fit a configuration with one listener; this one has several")]
        )
    given = policy.listeners[0]
    address = given.address if options.host is None else options.host
    if not (is_loopback(address) or given.api_keys):
        raise ConfigError(
            [Problem(f"--host {address}: listening beyond loopback needs api_keys in the configuration")]
        )
    return replace(given, address=address, port=given.port if options.port is None else options.port)
