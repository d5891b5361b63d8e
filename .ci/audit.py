"""Look the pinned versions up among the known vulnerabilities; 1 where one of them has any.

Without a network, or with a mirror of PyPI that knows of none, it says so, and ends with 0.
"""

import json
import subprocess
import sys
from pathlib import Path

PINNED = Path(__file__).resolve().parent.parent / "constraints.txt"
_AUDIT = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "10")


def main() -> int:
    """Audit, tell, and give the exit status."""
    asked = [sys.executable, "-m", "pip_audit", "--format", "json", *_AUDIT]
    done = subprocess.run(  # noqa: S603 - our own command
        [*asked, "--requirement", str(PINNED)], capture_output=True, text=True, check=False
    )
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:
        reason = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        print(f"audit: not done, vulnerabilities cannot be looked up: {reason[0]}")
        return 0
    known = [each for each in found if "skip_reason" not in each]
    if not known:
        print("audit: not done, the index in use tells of no vulnerabilities")
        return 0
    bad = [each for each in known if each["vulns"]]
    for each in bad:
        for one in each["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "none yet"
            print(f"audit: {each['name']} {each['version']}: {one['id']}; fixed in: {fixed}")
    print(f"audit: {len(known)} of {len(found)} pinned versions looked up, {len(bad)} vulnerable")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
