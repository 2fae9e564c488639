"""The three operations that all operators are built on: `reassemble`, `correlate`, `scatter`."""

from unstride.ops import registration as registration  # defines `torch.ops.unstride`
from unstride.ops.border import fold_border as fold_border
from unstride.ops.border import spread_border as spread_border
from unstride.ops.exporting import keep_operations as keep_operations
from unstride.ops.functional import correlate as correlate
from unstride.ops.functional import decompositions as decompositions
from unstride.ops.functional import reassemble as reassemble
from unstride.ops.functional import scatter as scatter
from unstride.ops.reference import correlate_reference as correlate_reference
from unstride.ops.reference import reassemble_reference as reassemble_reference
from unstride.ops.reference import scatter_reference as scatter_reference
