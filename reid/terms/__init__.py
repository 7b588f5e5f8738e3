"""Loss terms as a YAML names them: what is measured, on which of a network's outputs."""
