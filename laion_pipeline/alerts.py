"""Alerts: what is newly wrong with a release, and what no longer is, told once where it is asked.

They hold counts and names of files, and nothing of the rows: captions and URLs are strangers'.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from laion_pipeline.errors import AlertError, SettingsError
from laion_pipeline.quality.results import RecordedCheck
from laion_pipeline.text import displayable
from laion_pipeline.warehouse.provenance import version_of

# Of a run that failed, beside the checks.
RUN = "run"
_LINE_CHARACTERS = 600
_SECONDS_TO_SEND = 20


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: its name, a state that changes when it is another, and one line."""

    name: str
    state: str
    line: str


@dataclass(frozen=True)
class Alert:
    """A message in plain text; `is_bad` where it tells of anything new."""

    title: str
    body: str
    is_bad: bool


def findings_of(checks: Iterable[RecordedCheck], failures: Sequence[str]) -> Sequence[Finding]:
    """What is wrong by the checks as they were made last, and by the last run's failures."""
    found = [Finding(f"{c.asset}.{c.name}", c.status, _line(c)) for c in checks if c.is_bad]
    if failures:
        # The same failure at another time or of another number is not another failure.
        state = version_of(*(re.sub(r"\d+", "#", failure) for failure in failures))
        found.append(Finding(RUN, state, f"the run failed: {'; '.join(failures)}"))
    return found


def compose(
    release: str,
    revision: str,
    findings: Sequence[Finding],
    told: Mapping[str, str],
    links: Mapping[str, str],
) -> Alert | None:
    """What there is to tell beyond what was told; None where that is nothing.

    `told` has the state of each finding by its name, as it was told last.
    """
    new = [finding for finding in findings if told.get(finding.name) != finding.state]
    gone = sorted(told.keys() - {finding.name for finding in findings})
    if not new and not gone:
        return None
    counts = [f"{len(found)} {word}" for found, word in ((new, "new"), (gone, "gone")) if found]
    lines = [f"{release}, revision {revision or 'none yet'}"]
    lines += [f"new: {displayable(finding.line, _LINE_CHARACTERS)}" for finding in new]
    lines += [f"gone: {'the failure of a run' if name == RUN else name}" for name in gone]
    lines += [f"{what}: {address}" for what, address in links.items()]
    return Alert(f"{release}: {', '.join(counts)}", "\n".join(lines), bool(new))


def require_valid(address: SecretStr | None) -> None:
    """See that alerts can be sent, if they are to be.

    Raises SettingsError when the address is none that Apprise knows; it is not repeated.
    """
    if address is not None:
        _open(address)


def send(alert: Alert, address: SecretStr) -> None:
    """Send an alert to one or several addresses, as Apprise writes them.

    Raises AlertError when it could not be sent, SettingsError when an address is none.
    """
    import apprise

    kind = apprise.NotifyType.FAILURE if alert.is_bad else apprise.NotifyType.SUCCESS
    services = _open(address)
    if not services.notify(
        alert.body, alert.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
    ):
        raise AlertError(
            "the alert could not be sent: a service of LAION_ALERT_URL does not answer, or refuses"
        )


def _open(address: SecretStr) -> "apprise.Apprise":  # type: ignore[name-defined]  # noqa: F821
    import apprise

    # What these log has addresses in it, and they hold passwords.
    for logger in ("apprise", "urllib3.connectionpool"):
        logging.getLogger(logger).disabled = True
    asset = apprise.AppriseAsset(
        app_id="laion-pipeline",
        app_desc="laion-pipeline",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        service_timeout=_SECONDS_TO_SEND,
    )
    services = apprise.Apprise(asset=asset)
    if not services.add(address.get_secret_value()):
        raise SettingsError(
            "LAION_ALERT_URL: should be an address that Apprise knows, such as"
            " mailto://user:password@example.org or json://127.0.0.1:8000 (what it is now is not"
            " shown here, since it may hold a password)"
        )
    return services


def _line(check: RecordedCheck) -> str:
    where = ", ".join(f"{displayable(path)} ({count:,})" for path, count in check.shards)
    found = f"{check.status}: {check.asset}.{check.name}: {check.finding}"
    return f"{found}{f', in {where}' if where else ''}. What to do: {check.advice}"
