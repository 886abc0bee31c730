-- A row a declared column: the type it has (null: it is missing) and the type it should have, in the server's words.
SELECT declared.name,
       format_type(attribute.atttypid, attribute.atttypmod) AS found,
       format_type(declared.type::regtype, NULL) AS expected
FROM unnest(:declared_names::text[], :declared_types::text[]) AS declared (name, type)
LEFT JOIN pg_attribute AS attribute
       ON attribute.attrelid = to_regclass(:relation)
      AND attribute.attname = declared.name
      AND attribute.attnum > 0
      AND NOT attribute.attisdropped;
