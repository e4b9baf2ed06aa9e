"""Customer Value Management: from raw purchases to churn probability, CLV and segments."""

__version__ = "0.1.0"
