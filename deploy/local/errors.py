"""What the local stack says when it cannot go on."""


class StackError(Exception):
    """The stack could not do what was asked: what happened, what to do next, and the end of a log."""

    def __init__(self, what: str, next_step: str, *, log_tail: str = "") -> None:
        self.what = what
        self.next_step = next_step
        self.log_tail = log_tail
        super().__init__(what)

    def __str__(self) -> str:
        log = f"\nThe end of its log:\n{self.log_tail}" if self.log_tail else ""
        return f"{self.what}\nWhat to do: {self.next_step}{log}"
