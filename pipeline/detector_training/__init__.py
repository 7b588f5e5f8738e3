"""Makes the person detector that ships: its data set, fine-tuning, INT8 export and its score."""
