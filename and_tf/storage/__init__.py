"""Object stores, of URLs such as s3://bucket/photos, and what is kept here.

Nothing above this room opens a file in a store. Images are fetched before they
are read (`snapshots`); a run is trained in a working copy on this machine,
whose changes are sent (`working_copy`). So all else reads and writes local
files.
"""

from and_tf.storage.places import place, url_of
from and_tf.storage.snapshots import fetched, fetched_files
from and_tf.storage.working_copy import WorkingCopy, sent

__all__ = [
    "WorkingCopy",
    "fetched",
    "fetched_files",
    "place",
    "sent",
    "url_of",
]
