"""The pages, one module each: `build(page)` shows it."""
