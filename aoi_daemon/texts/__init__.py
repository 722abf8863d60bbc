"""What people read, in each language: a TOML file of texts by key, and the words that are made of them."""
