-- The index holds the entries of run: scopes alone. Where a page begins is said first: of two lower bounds the planner
-- takes the first, and would read all pages before it from the other.
SELECT DISTINCT scope, partition_id
FROM current_value
WHERE (scope, partition_id) > (:scope, :stream) AND scope >= 'run:' AND scope < 'run;'
ORDER BY scope, partition_id
LIMIT :limit
