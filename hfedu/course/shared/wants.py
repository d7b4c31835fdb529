"""What an exercise says it wants, where several want the same."""

GUEST = "a scripted guest (a generator function: def guest(): yield configure() ...)"
C_SOURCE = "a C program as a text"
