"""Checks of `listeners` and `global`: who may connect, and guards that can do what they are told."""

from __future__ import annotations

from vsr.config.endpoints import is_address, is_loopback
from vsr.config.lint.context import Context, check_pii_types
from vsr.config.lint.decisions import GUARD_IS_OFF, NOTHING_TO_ACT_ON
from vsr.config.paths import KeyPath, Report
from vsr.config.patterns import raw_pattern
from vsr.config.resolve import auto_names, entrypoints, lora_owners
from vsr.config.schema.providers import ApiKey
from vsr.config.schema.service import AuthzIdentity

_GUARDS: KeyPath = ("global", "guards")


def check_service(context: Context) -> None:
    _check_listeners(context)
    _check_identity(context)
    _check_management(context)
    _check_auto_names(context)
    _check_prompt_guard(context)
    _check_pii_guard(context)


def _check_listeners(context: Context) -> None:
    report = context.report
    taken: dict[int, str] = {context.document.global_.services.management_api.port: "the management API"}
    names: set[str] = set()
    for index, listener in enumerate(context.document.listeners):
        path: KeyPath = ("listeners", index)
        if not is_address(listener.address):
            report.error((*path, "address"), f"'{listener.address}' is not an IP address or localhost")
        elif not is_loopback(listener.address) and not listener.api_keys:
            report.error(
                path,
                f"listening on {listener.address} without api_keys lets everyone in: add an api_keys item "
                '"${NAME}", or listen on 127.0.0.1',
            )
        for position, given in enumerate(listener.api_keys):
            _check_api_key(given, (*path, "api_keys", position), context)
        if listener.name in names:
            report.error((*path, "name"), f"listener '{listener.name}' is defined twice")
        names.add(listener.name)
        if listener.port in taken:
            report.error((*path, "port"), f"port {listener.port} is already taken by {taken[listener.port]}")
        taken.setdefault(listener.port, f"listener '{listener.name}'")


def _check_api_key(given: str | ApiKey, path: KeyPath, context: Context) -> None:
    key, where = (given, path) if isinstance(given, str) else (given.key, (*path, "key"))
    if where not in context.references:
        message = "a key must not stand in the file: write ${NAME} and set the variable NAME"
        context.report.error(where, message)
    elif not key:
        context.report.error(where, "the environment variable of this key is empty")


def _check_identity(context: Context) -> None:
    """Headers that nobody believes would leave every role empty in silence. Files of the original spell out
    the usual names and mean nothing by it."""
    document, path = context.document, ("global", "services", "authz", "identity")
    identity = document.global_.services.authz.identity
    believed = any(listener.identity_headers == "trusted" for listener in document.listeners)
    if identity.user_id_header == identity.user_groups_header:
        context.report.error(path, "user and groups need a header each")
    if identity.model_fields_set and not believed:
        message = (
            "no listener believes these headers: set identity_headers: trusted on the listener that only "
            "your authenticating proxy can reach"
        )
        tell = context.report.warn if identity == AuthzIdentity() else context.report.error
        tell(path, message)


def _check_management(context: Context) -> None:
    api, path = context.document.global_.services.management_api, ("global", "services", "management_api")
    report, bearer = context.report, api.auth.mode == "bearer"
    if not is_address(api.bind_address):
        report.error((*path, "bind_address"), f"'{api.bind_address}' is not an IP address or localhost")
    elif not is_loopback(api.bind_address):
        if not api.remote_exposure:
            report.error(
                (*path, "bind_address"), f"listening on {api.bind_address} needs remote_exposure: true"
            )
        if not bearer:
            report.error(
                (*path, "bind_address"),
                f"listening on {api.bind_address} without tokens lets everyone in: set auth.mode: bearer",
            )
    if bearer and not api.auth.tokens:
        report.error((*path, "auth"), "auth.mode bearer needs auth.tokens")
    if api.auth.tokens and not bearer:
        report.error((*path, "auth"), "auth.tokens are asked for only with auth.mode: bearer")
    for index, token in enumerate(api.auth.tokens):
        if not context.env.get(token.env):
            where = (*path, "auth", "tokens", index, "env")
            report.error(where, f"the environment variable {token.env} is not set")


def _check_auto_names(context: Context) -> None:
    router, path = context.document.global_.router, ("global", "router", "auto_model_names")
    entered = entrypoints(context.document)
    if router.auto_model_names == () and not router.auto_model_name and not entered:
        context.report.warn(path, "no name asks the router to choose: decisions and domains are never used")
    taken = {*context.models(), *lora_owners(context.document)}
    for name in auto_names(context.document):
        if name in taken and name not in entered:
            context.report.error(path, f"'{name}' is both an automatic name and a model")


def _check_prompt_guard(context: Context) -> None:
    guard, report = context.document.global_.guards.jailbreak, context.report
    module = context.document.global_.model_catalog.modules.prompt_guard
    path: KeyPath = (*_GUARDS, "jailbreak")
    if not module.enabled and guard.mode in ("enforce", "shadow"):
        report.error((*path, "mode"), f"mode {guard.mode} contradicts prompt_guard.enabled: false")
    if module.threshold is not None and guard.threshold is not None:
        report.error((*path, "threshold"), "is also given as prompt_guard.threshold; keep one of them")
    if module.on_error is not None and guard.on_unavailable is not None and module.protocol is None:
        report.error((*path, "on_unavailable"), "is also given as prompt_guard.on_error; keep one of them")
    if guard.mode == "off" or not module.enabled:
        report.warn(path, "the prompt guard is off: jailbreaks reach the models")
    elif guard.mode == "shadow":
        report.warn(path, "the prompt guard only reports: jailbreaks reach the models")
    _check_patterns(guard.allow_list, (*path, "allow_list"), report)


def _check_pii_guard(context: Context) -> None:
    guard, report = context.document.global_.guards.pii, context.report
    path: KeyPath = (*_GUARDS, "pii")
    check_pii_types(guard.pii_types_allowed or (), (*path, "pii_types_allowed"), report)
    _check_patterns(guard.allow_list, (*path, "allow_list"), report)
    if guard.action in ("mask", "block") and guard.pii_types_allowed is None:
        report.error((*path, "action"), NOTHING_TO_ACT_ON.format(guard.action))
    module = context.document.global_.model_catalog.modules.classifier.pii
    if module.threshold is not None and guard.threshold is not None:
        report.error((*path, "threshold"), "is also given as classifier.pii.threshold; keep one of them")
    if module.on_error is not None and guard.on_unavailable is not None:
        report.error((*path, "on_unavailable"), "is also given as classifier.pii.on_error; keep one of them")
    if guard.mode == "off":
        report.warn(path, "the PII guard is off: no policy for personal data is applied")
        _check_orphaned_policies(context)


def _check_orphaned_policies(context: Context) -> None:
    for index, model in enumerate(context.document.providers.models):
        if model.pii_policy is not None:
            context.report.error(("providers", "models", index, "pii_policy"), f"pii_policy {GUARD_IS_OFF}")


def _check_patterns(patterns: tuple[str, ...], path: KeyPath, report: Report) -> None:
    for index, text in enumerate(patterns):
        try:
            raw_pattern(text)
        except ValueError as error:
            report.error((*path, index), f"pattern {error}")
