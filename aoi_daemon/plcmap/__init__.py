"""The PLC map: what each coil and register means. Pure; the code, the page and the reference read it here."""
