"""Where the policy comes from: a file, the models of an OpenAI-compatible server, or the built-in one."""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from http.client import HTTPException
from urllib.parse import urlsplit

from vsr.cli.serve_options import ServeOptions
from vsr.config.endpoints import is_loopback
from vsr.config.load import DEFAULT_FILE, load_config, policy_from_openai_env
from vsr.config.policy import Listener, Policy
from vsr.errors import ConfigError, Problem

logger = logging.getLogger(__name__)

_TIMEOUT = 15.0
_MAX_LIST_BYTES = 16 * 1024 * 1024


def uses_environment(options: ServeOptions, env: Mapping[str, str]) -> bool:
    """No file, and OPENAI_BASE_URL names a server to route to."""
    return options.config is None and bool(env.get("OPENAI_BASE_URL"))


def load(options: ServeOptions, env: Mapping[str, str]) -> Policy:
    """The policy to serve, with the flags applied. ConfigError with everything that is wrong."""
    if options.models:
        key = env.get("OPENAI_API_KEY", "")
        policy = policy_from_openai_env(env["OPENAI_BASE_URL"], key, options.models)
    else:
        loaded = load_config(options.config or DEFAULT_FILE, env)
        for warning in loaded.warnings:
            logger.warning("%s", warning)
        policy = loaded.policy
    return _with_flags(policy, options)


def list_models(env: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the models that the server at OPENAI_BASE_URL offers, in its order."""
    base_url = env["OPENAI_BASE_URL"].rstrip("/")
    if urlsplit(base_url).scheme not in ("http", "https"):
        raise _wrong("must begin with http:// or https://")
    key = env.get("OPENAI_API_KEY", "")
    request = urllib.request.Request(f"{base_url}/models")
    if key:
        request.add_header("authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            listing = json.loads(response.read(_MAX_LIST_BYTES))
        names = tuple(str(item["id"]) for item in listing["data"])
    except urllib.error.HTTPError as error:
        hint = "; is OPENAI_API_KEY right?" if error.code in (401, 403) else ""
        raise _wrong(f"its /models answered with status {error.code}{hint}") from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _wrong(f"its /models cannot be reached: {reason}") from None
    except (ValueError, KeyError, TypeError):
        raise _wrong("its /models did not answer with a list of models") from None
    if not names:
        raise _wrong("its /models lists no models")
    return names


def _wrong(what: str) -> ConfigError:
    return ConfigError([Problem(what, "OPENAI_BASE_URL")])


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
