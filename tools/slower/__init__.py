"""`tools/no_slower`: the line of this tree beside that of another revision, by the rule "No slower"."""
