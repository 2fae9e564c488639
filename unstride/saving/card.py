"""Writes model cards: the README.md that the Hugging Face Hub shows."""

from collections.abc import Sequence
from typing import Any

from unstride.saving.configuration import FACTORIES

HOMEPAGE = "https://github.com/unstride/unstride"


def model_card(config: dict[str, Any]) -> str:
    """The card of an upsampler, or of dense features (a config with a backbone)."""
    upsampler = config["upsampler"] if "backbone" in config else config
    names = [stage["upsampler"] for stage in upsampler.get("stages", [upsampler])]
    user_defined = ", ".join(dict.fromkeys(name for name in names if name not in FACTORIES))
    classes = f", classes=[{user_defined}]" if user_defined else ""
    backbone = f" on {config['backbone']['name']}" if "backbone" in config else ""
    return card_text(
        f"{', then '.join(names)}{backbone}",
        f"""Upsamples features to a finer resolution. Made with [unstride]({HOMEPAGE}).

```python
import unstride

model = unstride.from_pretrained("USER/NAME"{classes})  # or a folder with these files
```""",
        ["unstride", "feature-upsampling"],
        "pipeline_tag: image-feature-extraction\n",
    )


def card_text(title: str, body: str, tags: Sequence[str], metadata: str = "") -> str:
    """The text of a model card: metadata, title, body, and a note on what the owner should add.

    Args:
        title: the heading.
        body: Markdown: what the model does, and how to load it.
        tags: for the Hub's search.
        metadata: more lines of the YAML header. Default: none.
    """
    tag_lines = "\n".join(f"- {tag}" for tag in tags)
    return f"""---
library_name: unstride
{metadata}tags:
{tag_lines}
---
# {title}

{body}

Training data, evaluation results and licence: not documented yet.

The code is Apache-2.0. Where training started from weights that come with unstride (featup_jbu, the
default backbone), the terms of their data apply too: ImageNet and BSDS500 are for non-commercial
research. See {HOMEPAGE}/blob/main/unstride/weights/README.md
"""
