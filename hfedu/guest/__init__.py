"""Who executes a guest: Unicorn (unicorn_cpu.py) or Python (a64.py) for AArch64 code, Python for scripts (scripted.py)."""
