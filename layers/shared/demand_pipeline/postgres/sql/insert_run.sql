INSERT INTO {schema}.pipeline_runs (run_id, execution_arn, started_at, committed_at, input, status)
VALUES (:run, :arn, :started_at, clock_timestamp(), :input, 'committed');
