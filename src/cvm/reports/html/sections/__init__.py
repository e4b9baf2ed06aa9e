"""The sections of the report, one module each: ``read`` gathers plain values, ``section`` says them in one language."""
