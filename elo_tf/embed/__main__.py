"""Embeds videos with an exported module, and finds the nearest neighbours of a video.

    python -m elo_tf.embed --model=BASE/elo_rgb --videos=DIR --output=FILE.npz        or FILE.tfrecord
    python -m elo_tf.embed --model=BASE/elo_rgb --output=FILE.npz --query=VIDEO [--by=window] [--picture=FILE.png]

--model is all that is needed of a training: a version that python -m export.saved_model wrote, or the directory of its
versions, whose newest is meant. --videos is a folder, with all videos below it that are not hidden, or one file. Each
video is cut into windows of --frames frames, --stride apart; if frames are left over, one more window ends with the
last frame. The output has the embedding of each window and of each video, the mean of its windows
(elo_tf/embed/table.py names the fields). A video shorter than a window is repeated to fill one, with a warning in the
output (--short_videos). An unusable one costs a line in OUTPUT.report.jsonl.

Frames take the same memory however long a video is. Embeddings of windows are kept, 4 D bytes each (8 KB for D = 2048),
those of a video until it is finished and all of them when the output is written; a video with nearly 2 GiB of them is
refused. --nostore_windows keeps means only. If the command is interrupted, or videos were added, rerun it: it embeds
the videos that are missing, and the result is that of an uninterrupted run.
"""

from elo_tf.runtime import command_line, interruption

interruption.guard(__name__)  # Before other imports: a signal may come while they run.

from elo_tf import config
from elo_tf.config import EmbedSettings, require

CONFIGS = (EmbedSettings,)


def main() -> None:
    settings = config.from_flags(EmbedSettings)
    require(settings, "model", "output")
    # TensorFlow is imported only now, so that --help and missing flags answer at once.
    from elo_tf.embed import api

    api.run(settings)


if __name__ == "__main__":
    command_line.run(main, __doc__, CONFIGS)
