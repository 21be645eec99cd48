"""Downloads a repository with huggingface_hub, by the settings of the environment. usage: snapshot.py REPO; prints where."""

import sys

from huggingface_hub import snapshot_download

print(snapshot_download(sys.argv[1]))
