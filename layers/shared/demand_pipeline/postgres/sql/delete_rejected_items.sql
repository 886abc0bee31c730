DELETE FROM {schema}.rejected_items WHERE table_name = :table;
