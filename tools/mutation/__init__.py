"""Mutants of the package's own modules, and whether the tests notice them: `tools/mutate`.

`operators` says what is changed, `mutants` finds it in a module, `reach` measures which tests execute which lines,
`choose` picks the tests of a mutant, `fork` runs one, `campaign` runs them all, `results` keeps what came of it.
"""
