"""The local AWS: MiniStack 1.5.33, with the gaps filled that this project's template and state machines need.

    cd local && GATEWAY_PORT=4566 S3_DATA_DIR=… INBOX_DIR=… LOG_DIR=… EXECUTIONS_DIR=… \
        STEP_FUNCTIONS=../target/debug/step-functions SPARK_RUNNER_URL=http://127.0.0.1:… python -m emulator

listens on 127.0.0.1 only, answers at `/_ministack/health`, and ends within two seconds of SIGTERM, SIGINT or the end of
the process that started it. Its log is standard output, and quiet: LOG_LEVEL=INFO says more. A function's own log is
`<LOG_DIR>/functions/<name>.log`; a bucket is the folder `<S3_DATA_DIR>/000000000000/<bucket>`.

| gap | what it is about | tests |
|---|---|---|
| `api_endpoint` | an HTTP API's address | `test_services.py` |
| `api_throttling` | how many requests a route takes | `test_services.py` |
| `athena_results` | where a query's result lies | `test_athena.py` |
| `athena_tables` | which partitions a query reads | `test_athena.py` |
| `condition_joins` | conditions on lists | `test_conditions.py` |
| `data_quality` | rulesets, runs, results | `test_data_quality.py` |
| `function_logs` | a log file per function | `test_services.py` |
| `glue_jobs` | job runs by Spark, one at a time | `test_glue_jobs.py` |
| `nested_stacks` | stacks in a stack, when they are updated | `test_nested_stacks.py` |
| `s3_on_disk` | buckets are folders that others may write | `test_s3_on_disk.py` |
| `schedules` | EventBridge Scheduler | `test_schedules.py` |
| `sns_confirmations` | addresses that never confirmed | `test_sns_mail.py` |
| `sns_mail` | mail in a folder | `test_sns_mail.py` |
| `step_functions` | state machines and executions | `test_step_functions.py`, `test_executions.py`, `test_task_tokens.py`, … |
| `table_expiry` | items that expire, in a table from a template | `test_tables.py` |
| `update_partition` | changing one partition | `test_athena.py` |

Each gap is a module of `gaps` that says what AWS documents and what MiniStack does, names the functions of MiniStack
that it replaces, and holds a digest of their source. `test_replacements.py` goes red when a digest no longer fits, and
a gap's own tests do when it is left out: `python -m pytest emulator --without "athena_tables sns_mail"`. After an
update of MiniStack, a gap whose tests stay green without it can go.

State machines are run by a server of their own, `crates/step-functions`: the package `step_functions` starts it, hands it
what is meant for it, and makes the calls of its tasks.
"""
