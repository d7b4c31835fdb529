"""Running machines: RAM disks, the machine itself, and the recording of what happened."""
