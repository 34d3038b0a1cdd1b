"""The commands, by what they do. Modules import their work when it is done, so that `--help` is quick."""
