SELECT run_id, started_at FROM {schema}.pipeline_runs WHERE started_at > :started_at ORDER BY started_at DESC LIMIT 1;
