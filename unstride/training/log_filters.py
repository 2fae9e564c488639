"""Filters for Lightning's log: hides messages that are advertisements or do not apply here."""

import logging
import warnings

IGNORED_WARNINGS = (
    "Checkpoint directory .* exists and is not empty", r"Found \d+ module\(s\) in eval mode",
    "'set_vital' is deprecated", r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)  # fmt: skip
FILTERED_LOGGERS = ("utilities.rank_zero", "trainer.connectors.checkpoint_connector")
IGNORED_MESSAGES = ("Tip: ", "`weights_only` was not set")


def filter_lightning_messages() -> None:
    """Installs the filters."""
    for name in FILTERED_LOGGERS:
        logging.getLogger(f"pytorch_lightning.{name}").addFilter(is_useful_record)
    for pattern in IGNORED_WARNINGS:
        warnings.filterwarnings("ignore", pattern)


def is_useful_record(record: logging.LogRecord) -> bool:
    """Whether a log record contains none of the ignored messages."""
    return not any(text in record.getMessage() for text in IGNORED_MESSAGES)
