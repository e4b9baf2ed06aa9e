"""What people see: tables of the terminal, figures, the HTML page and the model card."""
