"""The door to the command `laion-pipeline`, which ends in one line however it is ended."""

import sys
from collections.abc import Sequence


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    try:
        from laion_pipeline.command import main  # what it needs takes a second to import

        return main(arguments)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(run())
