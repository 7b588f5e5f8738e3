"""From frames to identities: sources, detector, worker, transport, association."""
