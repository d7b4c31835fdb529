"""Who executes a guest: Unicorn (unicorn_cpu.py) or Python (a64.py) AArch64 code, Python scripts (scripted.py)."""
