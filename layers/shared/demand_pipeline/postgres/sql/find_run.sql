SELECT FROM {schema}.pipeline_runs WHERE run_id = :run;
