SELECT execution_arn, started_at FROM {schema}.pipeline_runs WHERE run_id = :run;
