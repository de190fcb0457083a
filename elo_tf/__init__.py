"""elo_tf: evolving losses for unsupervised video representation learning (Piergiovanni et al., CVPR 2020)."""

import os
import sys

__version__ = "0.3.0"

if not (3, 9) <= sys.version_info[:2] <= (3, 11):
    sys.exit(
        f"error: elo_tf needs Python 3.9, 3.10 or 3.11 (TensorFlow 2.15), this is {sys.version.split()[0]}; "
        "create the environment with one of those"
    )

# Read by TensorFlow when it is imported: a dozen lines of start-up notices would bury what a command has to say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
