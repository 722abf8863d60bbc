"""The report of a qualification: text, HTML, pictures."""
