"""Does an upsampler help? One protocol for every upsampler: frozen features, fixed schedules.

Names are loaded with their first use: what measures memory must not load it all.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unstride.evaluation.feature_evaluation import Setting as Setting
    from unstride.evaluation.feature_evaluation import evaluate as evaluate
    from unstride.evaluation.candidates import Row as Row

HOMES = {
    "Setting": "unstride.evaluation.feature_evaluation",
    "evaluate": "unstride.evaluation.feature_evaluation",
    "Row": "unstride.evaluation.candidates",
}
__all__ = list(HOMES)


def __getattr__(name: str):
    if name in HOMES:
        return getattr(import_module(HOMES[name]), name)
    raise AttributeError(f"module 'unstride.evaluation' has no attribute {name!r}")
