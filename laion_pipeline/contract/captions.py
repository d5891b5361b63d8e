"""What a caption is like, as SQL over `text`: one expression for each thing that is said of it.

Regular expressions are slow, so in each CASE something quick decides for almost all rows: how
strings compare, whether JSON would need an escape, and whether all characters are ASCII.
"""

from collections.abc import Mapping

from laion_pipeline.contract.rows import BLANKS

ONLY_DIGITS = (
    "CASE WHEN text < ':' OR text > chr(127)"
    f" THEN regexp_full_match(text, '[{BLANKS}]*\\p{{Nd}}+[{BLANKS}]*') ELSE false END"
)
HAS_REPLACEMENT = "contains(text, chr(65533))"
HAS_CONTROL = (
    "CASE WHEN strlen(to_json(text)) <> length(text) + 2 OR contains(text, chr(127))"
    r" THEN regexp_matches(text, '[\x{0}-\x{1f}\x{7f}-\x{9f}]') ELSE false END"
)
_ENTITY = "&(#[0-9]+|#[xX][0-9A-Fa-f]+|[A-Za-z][0-9A-Za-z]{1,31});"
HAS_ENTITY = f"CASE WHEN contains(text, '&') THEN regexp_matches(text, '{_ENTITY}') ELSE false END"
# Some small letters have no capital, and so are their own.
_ALL_CAPITALS = (
    "CASE WHEN upper(text) = text AND lower(text) <> text"
    r" THEN strlen(text) = length(text) OR NOT regexp_matches(text, '\p{Ll}') ELSE false END"
)
_HAS_OTHER_SCRIPT = (
    "CASE WHEN strlen(text) > length(text)"
    r" THEN regexp_matches(text, '[^\P{L}\p{Latin}]') ELSE false END"
)
# Pieces between blanks; where they are single blanks between words, counting those is enough.
_WORDS = (
    f"CASE WHEN regexp_matches(text, '^ | $|  |[^\\P{{Z}} ]|[\\x{{1}}-\\x{{1f}}\\x{{85}}]')"
    f" THEN array_length(regexp_extract_all(text, '[^{BLANKS}]+'))"
    " ELSE array_length(string_split(text, ' ')) END"
)
# Most captions show three words soon, when their words need not be counted.
_FEW_WORDS = (
    f"CASE WHEN regexp_matches(text, '[!-~] [!-~]+ [!-~]') THEN false ELSE {_WORDS} < 3 END"
)

# What the view `pair_captions` says of each valid pair's caption.
CAPTION_FACTS: Mapping[str, str] = {
    "characters": "length(text)",
    "words": _WORDS,
    "has_few_words": _FEW_WORDS,
    "only_digits": ONLY_DIGITS,
    "all_capitals": _ALL_CAPITALS,
    "has_entity": HAS_ENTITY,
    "has_replacement": HAS_REPLACEMENT,
    "has_other_script": _HAS_OTHER_SCRIPT,
}
