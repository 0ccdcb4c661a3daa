"""Golden values: a few numbers of every part whose integer identifies results (spectralcal.study.numerics).

One module computes the values of one kind of part; `catalogue` lists the parts, `store` reads and writes their files in
tests/golden/values, `compare` and `verdict` say what differs, `complaint` what a test then tells, and `recording` what
may be written.
"""
