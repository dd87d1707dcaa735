"""How a student is made: by a configuration of its own, or out of its teacher's layers."""
