"""An interpreter for JSONata state machines, in place of MiniStack's own.

MiniStack keeps the state machines, the executions and their API; `gaps/step_functions.py` hands it the executions whose
definition says `"QueryLanguage": "JSONata"`. Nothing else of the emulator knows this package, so another interpreter
can take its place.

`execution` runs one execution and knows how it ends, `states` what each kind of state does, `tasks` how a Task waits,
`integrations` what a Task calls, `retries` which errors are tried again or caught, `expressions` evaluates JSONata,
`tokens` holds the open task tokens, `history` writes the events.
"""
