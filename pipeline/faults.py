"""What a person can mend."""


class Fault(Exception):
    """The input, the data or a setting is at fault. The message says where, what is wrong, and what mends it, in words for
    the person who sees it; it never quotes a patient. The command prints it and exits with status 1."""
