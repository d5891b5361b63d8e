"""Data quality: holding a table against the contract, and keeping what that found.

`validation` is the door. `measuring` and `row_sample` gather evidence; `expectations` are suites
generated from the contract, by which `judging` lets Great Expectations judge; `results` is what a
check found, `data_docs` the pages about it, `quarantine` the rows that break a rule.
"""
