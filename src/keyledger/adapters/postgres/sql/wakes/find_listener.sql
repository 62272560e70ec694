-- Asked once a second at most, so that without a watcher nothing is ever sent; 2 is a lock by two numbers.
SELECT EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.classid = %(space)s::int::oid AND l.objid = %(ledger)s::int::oid
        AND l.objsubid = 2 AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
)
