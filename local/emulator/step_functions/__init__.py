"""The hand-over of Step Functions to the server of `crates/step-functions`, which is started here.

`process` starts the server, again where it died, and ends it; `client` calls it; `calls` makes the calls of its tasks on
MiniStack and shapes the answers as Step Functions does; `bridge` is the address at which the server asks for that. What of
MiniStack calls its own Step Functions is replaced by `gaps/step_functions.py`.
"""
