"""The truth about compositions of `peft` adapters, by plain execution; shares no code with the auditor."""
