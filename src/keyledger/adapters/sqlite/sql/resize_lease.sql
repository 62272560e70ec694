-- What is no longer leased is credited in the same transaction.
UPDATE global_lease SET bytes = :bytes WHERE lease_id = :lease_id
