"""The one way in which contracts say no."""

from __future__ import annotations


class Refused(ValueError):  # noqa: N818 - a verdict, not a failure of the program
    """What is wrong with an event, in words its sender understands.

    `reason` is a short snake_case code for machines (contracts/README.md lists them), `message` a sentence that says
    what was expected and what came, `field` the place in the payload (``$.total``) when there is one.
    """

    def __init__(self, reason: str, message: str, field: str | None = None) -> None:
        at = f" (at {field})" if field and field not in message else ""
        super().__init__(f"{reason}: {message}{at}")
        self.reason = reason
        self.message = message
        self.field = field

    def at(self, field: str) -> Refused:
        """The same verdict, naming the field it is about."""
        return Refused(self.reason, self.message, field)
