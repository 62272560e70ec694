"""The tool calls of an agent host: kv_get, kv_set, kv_delete, kv_increment and kv_list."""
