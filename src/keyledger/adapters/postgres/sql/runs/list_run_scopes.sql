-- The index holds the entries of run: scopes alone.
SELECT DISTINCT scope, partition_id
FROM current_value
WHERE scope >= 'run:' AND scope < 'run;' AND (scope, partition_id) > (%(scope)s, %(stream)s)
ORDER BY scope, partition_id
LIMIT %(limit)s
