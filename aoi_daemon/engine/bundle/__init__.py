"""Make a bundle: the model's files, their records, the parts that it proves itself with."""
