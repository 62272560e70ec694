-- How much a lease is for, before it shrinks; locked, so that its bytes are credited once.
SELECT l.bytes FROM global_lease AS l WHERE l.lease_id = %(lease_id)s
FOR UPDATE
