"""The history of the tables; `storage.schema` applies it when an archive is opened."""
