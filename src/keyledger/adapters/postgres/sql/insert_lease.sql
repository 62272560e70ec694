-- A lease exists from here on, listed in a head or not.
INSERT INTO global_lease (lease_id, partition_id, bytes)
VALUES (%(lease_id)s, %(stream)s, %(bytes)s)
