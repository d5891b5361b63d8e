"""A look at a subset, as text for a terminal."""

from collections.abc import Sequence

from laion_pipeline.subsets.preview import QUANTILES, Preview, Row
from laion_pipeline.text import displayable

_CAPTION_CHARACTERS = 70


def told(shown: Preview) -> str:
    """A preview as text."""
    provenance = shown.provenance
    made_up = ", made-up data" if provenance.made_up else ""
    lines = [f"{shown.name}, of {provenance.release} at {provenance.revision[:12]}{made_up}", ""]
    wide = max(len(step.words) for step in shown.steps)
    of = max(1, shown.steps[0].pairs)
    lines += [
        f"  {displayable(step.words):{wide}}  {'about ' if step.about else '':6}"
        f"{step.pairs:>13,}  {100 * step.pairs / of:8.3f} %"
        for step in shown.steps
    ]
    if shown.hosts_unasked:
        lines += ["", "hosts are asked for their consent at export, which may leave fewer"]
    if shown.every > 1:
        lines += ["", f"what follows is of one pair in {shown.every:,}"]
    if shown.looked_at is not None and shown.hosts:
        few = f"characters, words and hosts are of {shown.looked_at:,} pairs, the first ones loaded"
        lines += ["", few]
    if shown.quantiles:
        heads = "".join(f"{f'{100 * share:g} %':>12}" for share in QUANTILES)
        lines += ["", f"  {'':12}{heads}"]
        lines += [
            f"  {name:12}" + "".join(f"{_number(value):>12}" for value in values)
            for name, values in shown.quantiles.items()
        ]
    if shown.hosts:
        lines += ["", *_told_hosts(shown)]
        lines += ["", "  first pairs"]
        lines += [f"  {size:>13}  {caption}" for size, caption in told_examples(shown)]
    else:
        lines += ["", "no pair is left; loosen the condition after which there are none"]
    return "\n".join(lines)


def _told_hosts(shown: Preview) -> Sequence[str]:
    if shown.live is None:
        return [
            "  commonest hosts",
            *(f"  {each.pairs:>12,}  {displayable(each.host)}" for each in shown.hosts),
        ]
    return [
        f"  about {shown.live * shown.pairs:,.0f} links are expected to lead to an image, by what"
        " downloads found",
        "",
        f"  {'':12}  live  commonest hosts",
        *(
            f"  {each.pairs:>12,} {100 * (each.live or 0):>4.0f} %  {displayable(each.host)}"
            for each in shown.hosts
        ),
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def told_examples(shown: Preview) -> Sequence[tuple[str, str]]:
    """The size and the caption of its first pairs, as far as they are fit to be shown."""
    return [(_size(row), _caption(row, shown.unsafe_from)) for row in shown.examples]


def _size(row: Row) -> str:
    return "size unknown" if row["width"] is None else f"{row['width']} x {row['height']}"


def _caption(row: Row, unsafe_from: float) -> str:
    punsafe = row["punsafe"]
    hidden = isinstance(punsafe, float) and punsafe >= unsafe_from
    return "(probably unsafe)" if hidden else displayable(str(row["text"]), _CAPTION_CHARACTERS)
