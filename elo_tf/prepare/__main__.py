"""Converts a folder of videos into records for training.

    python -m elo_tf.prepare --videos=DIR --records=DIR [--labels=folders] [--workers=local:2]
    python -m elo_tf.prepare --world=800 --records=DIR   renders a world of 800 videos first, and converts it
    python -m elo_tf.prepare --validate --records=DIR    reads records back and checks them

All videos below --videos that are not hidden are taken, in any format that ffmpeg decodes. One that cannot be used
costs one line in RECORDS/manifest.json, which says why. Descriptions, subtitles, pictures and other files beside them
are set aside and counted, unfinished downloads too. --frames_fps reads folders of numbered images as videos.

If the command is interrupted, or videos were added or changed, rerun it: it converts what is missing and what has
changed. The record of a video whose file is gone stays, and the output says so; --drop_vanished takes it away.

Where folders are called train and val or test, at any depth, they say what is held out. Else it is a quarter of the
videos (--holdout_fraction), chosen by a hash of their path. What is held out goes into shards of its own and is never
trained on. With --labels=folders the folder that holds a video is its class; --label_level names another.

A video is kept up to --max_seconds. With --segment_seconds a longer one is cut into records of that length instead;
their ids are VIDEO#START.

A rendered world lies in VIDEOS/unlabelled and VIDEOS/labelled, its records in RECORDS/unlabelled and RECORDS/labelled,
half of the labelled ones held out as a test set.
"""

from elo_tf.runtime import command_line, interruption

interruption.guard(__name__)  # Before other imports: a signal may come while they run.

from pathlib import Path

from absl import flags

from elo_tf import config
from elo_tf.config import InputError, PrepareSettings

CONFIGS = (PrepareSettings,)

_VALIDATE = flags.DEFINE_bool("validate", False, "check finished records and end; convert nothing")


def main() -> None:
    """Converts, or validates, as the flags say."""
    settings = config.from_flags(PrepareSettings)
    if not settings.records:
        raise InputError("--records is missing; name the folder of records")
    # Imported only now, so that --help and missing flags answer at once.
    from elo_tf.prepare import api

    if _VALIDATE.value:
        api.validate(Path(settings.records))
    else:
        api.run(settings)


if __name__ == "__main__":
    command_line.run(main, __doc__, CONFIGS)
