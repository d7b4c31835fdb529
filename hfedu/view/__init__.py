"""From a recording to pictures and text. Pure functions; only `paint.py` imports matplotlib, when it is first used."""
