"""From closed tracklets to identities: evidence, constraints, clustering, stored reasons."""
