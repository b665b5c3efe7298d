"""The `vsr` command, one file per command or group; the composition of a running router is here too.

Commands import what they need when they run, so that `vsr version` does not load an inference engine.
"""
