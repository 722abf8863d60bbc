"""Training, exporting and answering by the programs that models come from, an adapter each.

Run by an interpreter that has them; of this project nothing but `tools.models` is imported here.
"""
