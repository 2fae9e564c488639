"""Does an upsampler help? One protocol for every upsampler: frozen features, fixed schedules."""

from unstride.evaluation.features import Setting as Setting
from unstride.evaluation.features import evaluate as evaluate
from unstride.evaluation.rows import Row as Row
