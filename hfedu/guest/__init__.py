"""Who executes a guest: Unicorn for real AArch64 code (unicorn_cpu.py), Python for scripted guests (scripted.py)."""
