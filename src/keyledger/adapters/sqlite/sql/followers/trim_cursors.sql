-- A few cursors of the generations between two that live.
DELETE FROM follower_cursor
WHERE (name, generation, run_id) IN (
    SELECT c.name, c.generation, c.run_id
    FROM follower_cursor AS c
    WHERE c.name = :name AND c.generation > :above AND c.generation < :below
    LIMIT :limit
)
