"""From videos to records: decoding, optical flow, sharded TFRecord files, and a rendered world of known truth."""
