"""Named points of the exactly-once path, where a fault test may end the process.

A guarantee about kills is only proven by kills that land in the worst places. The places are named here, once, so
that a run can say where each kill landed. Without `RAPPORT_KILL_AT` in the environment `reach` does nothing.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

IN_TRANSACTION = "in_transaction"  # everything written, not committed
AFTER_COMMIT = "after_commit"  # committed, Kafka's offsets not yet
RELAY_BEFORE_WORD = "relay_before_word"  # handed to the producer, the broker has not answered
RELAY_AFTER_WORD = "relay_after_word"  # the broker has answered, the row is not marked
IN_CLOCK = "in_clock"  # due moments read, their ticks not applied
MAIL_BEFORE_ANSWER = "mail_before_answer"  # attempt recorded, the mail server has not answered
MAIL_AFTER_ANSWER = "mail_after_answer"  # it has accepted, the answer is not recorded
HOOK_BEFORE_ANSWER = "hook_before_answer"  # the same two of a webhook and its receiver
HOOK_AFTER_ANSWER = "hook_after_answer"

STAGES = (
    IN_TRANSACTION,
    AFTER_COMMIT,
    RELAY_BEFORE_WORD,
    RELAY_AFTER_WORD,
    IN_CLOCK,
    MAIL_BEFORE_ANSWER,
    MAIL_AFTER_ANSWER,
    HOOK_BEFORE_ANSWER,
    HOOK_AFTER_ANSWER,
)

IN_REFOLD = "in_refold"  # a subject folded again from its ledger is written, not committed
IN_TIE = "in_tie"  # accounts that are one customer have changed places, not committed
IN_PARTING = "in_parting"  # they are parted again, not committed

# Only what waits in the ledger leads to these.
LEDGER_STAGES = (IN_REFOLD, IN_TIE, IN_PARTING)

IMPORT_BEFORE_WORD = "import_before_word"  # rows of a file handed to the producer, the broker has not answered
IMPORT_AFTER_WORD = "import_after_word"  # it has answered, how far the file (or its undoing) is has not been stored
IMPORT_AFTER_REFUSED = "import_after_refused"  # refused rows are stored, how far the file is has not been

# Only a service that takes files comes to these.
IMPORT_STAGES = (IMPORT_BEFORE_WORD, IMPORT_AFTER_WORD, IMPORT_AFTER_REFUSED)

FOLDER_AFTER_TAKEN = "folder_after_taken"  # a file of the watched folder is an import, this process has not noted it
FOLDER_AFTER_PAPERS = "folder_after_papers"  # its report is written, it still lies where it was laid
FOLDER_AFTER_MOVE = "folder_after_move"  # it is put away, the import does not know yet

# Only one that watches a folder comes to these.
FOLDER_STAGES = (FOLDER_AFTER_TAKEN, FOLDER_AFTER_PAPERS, FOLDER_AFTER_MOVE)

LETTERS_BEFORE_WORD = "letters_before_word"  # dead letters handed to the producer again, the broker has not answered
LETTERS_AFTER_WORD = "letters_after_word"  # it has answered, that they are out is not stored

# Only the gateway comes to these.
LETTER_STAGES = (LETTERS_BEFORE_WORD, LETTERS_AFTER_WORD)
_ALL = STAGES + LEDGER_STAGES + IMPORT_STAGES + FOLDER_STAGES + LETTER_STAGES


class _Aim:
    """`RAPPORT_KILL_AT=stage:n`: the n-th time this process reaches the stage is its last; `RAPPORT_KILL_LOG` names
    where it landed.
    """

    def __init__(self, spec: str, log: str) -> None:
        stage, _, nth = spec.partition(":")
        if spec and stage not in _ALL:
            known = ", ".join(_ALL)
            raise ValueError(f"RAPPORT_KILL_AT names the stage {stage!r}; it must be one of {known}")
        self.stage = stage
        self.left = int(nth or 1)
        self.log = log


_aim = _Aim(os.environ.get("RAPPORT_KILL_AT", ""), os.environ.get("RAPPORT_KILL_LOG", ""))


def reach(stage: str) -> None:
    """Say that the process has come to `stage`; ends it there if a fault test aimed at it."""
    if stage != _aim.stage:
        return
    _aim.left -= 1
    if _aim.left > 0:
        return
    if _aim.log:
        with Path(_aim.log).open("a") as log:
            log.write(f"{stage} {os.getpid()}\n")
    os.kill(os.getpid(), signal.SIGKILL)
