"""Re-identification without a network: LOMO features and the XQDA metric, on the CPU."""
