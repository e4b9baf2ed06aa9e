"""What to do next: the playbook's action per customer, what is due, what goes together, who triggers something today."""
