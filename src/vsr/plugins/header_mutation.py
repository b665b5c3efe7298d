"""Plugin `header_mutation`: headers the operator adds to, or takes from, the request to a back end.

Headers that frame the message, name the host or belong to the router are not the operator's to
change: a configuration that names one is refused, and here such an entry would be passed over.
Credentials belong to the back end's own settings.
"""

from __future__ import annotations

from collections.abc import Mapping

from vsr.config.headers import mutation_complaint
from vsr.route import HeaderMutation


def apply(headers: Mapping[str, str], mutation: HeaderMutation) -> tuple[dict[str, str], frozenset[str]]:
    """(headers to set, names to remove), all lower case.

    `headers` are the request's, keyed in lower case. `add` and `update` both overwrite, as in the
    original; a header that is deleted and set is set.
    """
    pairs = (*mutation.add, *mutation.update)
    changed = {name.lower(): value for name, value in pairs if not mutation_complaint(name, value)}
    deleted = {name.lower() for name in mutation.delete if not mutation_complaint(name)}
    return changed, frozenset(deleted & headers.keys() - changed.keys())
