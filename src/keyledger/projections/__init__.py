"""Read models as pure handlers: events in, row changes out. What writes the rows is an adapter's business."""
