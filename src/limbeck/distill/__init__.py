"""`limbeck distill`: anyone's teacher, student and data, from one YAML file to a model that `transformers` loads."""
