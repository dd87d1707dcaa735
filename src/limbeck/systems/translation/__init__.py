"""What systems that translate share: corpora, pictures, arms and the training of one."""
