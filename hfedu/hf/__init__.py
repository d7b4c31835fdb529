"""The hypervisor: Hafnium of 2018-10-04, in Python.

One file per upstream source file, functions under their upstream names, checks in upstream's order. This
layer is pure: it knows neither Unicorn nor files nor notebooks, and never prints. What it needs of the
hardware it asks of a `Platform` (see platform.py).
"""
